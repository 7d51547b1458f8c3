"""What judges the exercises of chapter 12 that are about time: floors, bills, efficiencies."""

from functools import partial

import numpy as np

from ae_lib.exercises._old import Untouched, Wrong, choice, number

# -- what these judges share -------------------------------------------------------------


def results(given, n, what):
    """A function's results as a sequence of ``n``; ``what`` says of what.

    Raises:
        Untouched: one of them is still ``...``.
        Wrong: it is no tuple or list of that length.
    """
    if isinstance(given, np.ndarray) and given.ndim == 1:
        given = given.tolist()
    if not isinstance(given, (tuple, list)) or len(given) != n:
        came = f"{len(given)} values" if isinstance(given, (tuple, list)) else type(given).__name__
        raise Wrong(f"Return {what}, in this order; got {came}.")
    if any(value is ... or value is None for value in given):
        raise Untouched
    return given


def near(found, right, tolerance=1e-3):
    """Whether a number agrees with another one relatively, however small both are."""
    return abs(found - right) <= tolerance * abs(right)


def same_slip(found, cases, slips):
    """Name the mistake that explains what was found in every case.

    Args:
        found: a number for each case.
        cases: tuples of arguments.
        slips: pairs (function of a case's arguments with the mistake in it, message).

    Raises:
        Wrong: with the message of the slip that fits, to the last digits if one does, or else
            to a thousandth. If none does, nothing happens.
    """
    for tolerance in (1e-9, 1e-3):
        for function, message in slips:
            with np.errstate(all="ignore"):
                pairs = zip(found, cases, strict=True)
                if all(near(f, function(*case), tolerance) for f, case in pairs):
                    raise Wrong(message)


# -- bound by bytes or by arithmetic -----------------------------------------------------


def floor(m, k, n, width, operations, bandwidth, *, each=2, sides="abc", join=max, swap=False):
    """Seconds of a matrix product at least, and what sets them; or with a planted mistake."""
    cells = {"a": m * k, "b": k * n, "c": m * n}
    arithmetic = each * m * k * n / operations
    moving = width * sum(cells[side] for side in sides) / bandwidth
    words = ("bytes", "arithmetic")[:: -1 if swap else 1]
    return join((arithmetic, moving)), words[int(arithmetic > moving)]


_PRODUCTS = (
    (4096, 4096, 4096, 2, 4e14, 3e12),
    (8, 4096, 1024, 4, 4e13, 3e12),
    (1, 700, 500, 4, 6e10, 2e10),
    (96, 400, 300, 4, 6e10, 2e10),
    (900, 30, 800, 8, 5e11, 9e10),
    (900, 3, 800, 2, 5e11, 4e10),
)


def _seconds(**mistake):
    return lambda *case: floor(*case, **mistake)[0]


_BOUND_SLIPS = (
    (_seconds(join=sum), "You add the two times. The machine computes and moves bytes at the same "
     "time, so the longer one is the floor."),
    (_seconds(join=min), "You take the shorter of the two times; both have to be over before the "
     "product is."),
    (lambda m, k, n, w, o, b: 2 * m * k * n / o, "You count the arithmetic alone; for some "
     "shapes moving the bytes takes longer."),
    (lambda m, k, n, w, o, b: w * (m * k + k * n + m * n) / b, "You count the bytes alone; for "
     "some shapes the arithmetic takes longer."),
    (_seconds(each=1), "A multiply-add is two operations, as the makers of the machines count, "
     "too: 2 m k n."),
    (lambda m, k, n, w, o, b: max(m * n * (2 * k - 1) / o, _seconds()(m, k, n, w, 1e99, b)),
     "k products and k − 1 sums is exact, but a multiply-add was to count as two "
     "operations: 2 m k n."),
    (_seconds(sides="ab"), "The result has to be written, too: m n numbers more."),
    (_seconds(sides="ac"), "The second matrix, (k, n), is not read."),
    (_seconds(sides="bc"), "The first matrix, (m, k), is not read."),
    (lambda m, k, n, w, o, b: floor(m, k, n, 1, o, b)[0], "You count numbers where bytes were "
     "asked for: multiply by width."),
    (lambda m, k, n, w, o, b: floor(m, k, n, 8 * w, o, b)[0], "width and bandwidth are both in "
     "bytes: no factor of 8."),
    (lambda *case: 1e3 * floor(*case)[0], "That is in milliseconds; return seconds."),
    (lambda *case: 1e6 * floor(*case)[0], "That is in microseconds; return seconds."),
    (lambda *case: 1 / floor(*case)[0], "That is products a second; return the seconds of one."),
)  # fmt: skip


def judge_bound(answer):
    """The larger of two times, and its name."""
    what = 'two things: the seconds, and "bytes" or "arithmetic"'
    seconds, sides = [], []
    for case in _PRODUCTS:
        given = results(answer(*case), 2, what)
        if isinstance(given[0], str) and not isinstance(given[1], str):
            raise Wrong(f"Return {what}, in this order; the word came first.")
        seconds.append(number(given[0], "the seconds"))
        sides.append(choice(given[1], ("bytes", "arithmetic")))
    same_slip(seconds, _PRODUCTS, _BOUND_SLIPS)
    for case, found, side in zip(_PRODUCTS, seconds, sides, strict=True):
        m, k, n, width, operations, bandwidth = case
        right, word = floor(*case)
        shown = (
            f"For ({m}, {k}) × ({k}, {n}), {width} bytes a number, {operations:.0e} operations "
            f"and {bandwidth:.0e} bytes a second"
        )
        if not near(found, right):
            raise Wrong(
                f"{shown}, expected {right:.3g} s, got {found:.3g} s. Two times: operations by "
                "operations a second, bytes by bytes a second; the longer one counts."
            )
        if side != word:
            raise Wrong(
                f"{shown}, the seconds are right, but they are those of the {word}: what takes "
                "longer is what the product has to wait for."
            )


# -- what the large run will cost --------------------------------------------------------


def bill(sizes, seconds, target, price):
    """Hours and money by a power law, fitted to the logarithms."""
    b, log_a = np.polyfit(np.log(sizes), np.log(seconds), 1)
    hours = np.exp(log_a + b * np.log(target)) / 3600
    return hours, hours * price


def bill_hours(how, sizes, seconds, target, price=1, *, divide=3600):
    """The hours that a planted mistake gives."""
    order = np.argsort(sizes)
    x, y = np.asarray(sizes)[order], np.asarray(seconds)[order]
    b, log_a = np.polyfit(np.log(x), np.log(y), 1)
    ends = np.log(y[-1] / y[0]) / np.log(x[-1] / x[0])
    found = {
        "power": lambda: np.exp(log_a + b * np.log(target)),
        "linear": lambda: np.polyval(np.polyfit(x, y, 1), target),
        "parabola": lambda: np.polyval(np.polyfit(x, y, 2), target),
        "half log": lambda: np.polyval(np.polyfit(np.log(x), y, 1), np.log(target)),
        "last": lambda: seconds[-1] * target / sizes[-1],
        "largest": lambda: y[-1] * target / x[-1],
        "mean": lambda: np.mean(y / x) * target,
        "ends": lambda: y[-1] * (target / x[-1]) ** ends,
        "anchored": lambda: y[-1] * (target / x[-1]) ** b,
        "log10, exp": lambda: np.exp(log_a / np.log(10) + b * np.log10(target)),
        "log2, exp": lambda: np.exp(log_a / np.log(2) + b * np.log2(target)),
        "ln, 10 to the": lambda: 10 ** (log_a + b * np.log(target)),
        "not undone": lambda: log_a + b * np.log(target),
        "exchanged": lambda: np.exp(b + log_a * np.log(target)),
        "no constant": lambda: np.exp(b * np.log(target)),
        "constant as it is": lambda: log_a * target**b,
    }
    return found[how]() / divide


_BILL_SLIPS = {
    "linear": "You fitted a straight line to the numbers themselves. The time grows by a power: "
    "fit log seconds against log size.",
    "parabola": "You fitted a parabola. A power law has one exponent: the slope between the "
    "logarithms.",
    "half log": "You took the logarithm of the sizes alone; take that of the seconds, too.",
    "last": "You extrapolate in proportion, as if the exponent were 1. Measure it: the slope of "
    "log seconds against log size.",
    "largest": "You extrapolate in proportion from the largest model, as if the exponent were 1. "
    "Measure it: the slope of log seconds against log size.",
    "mean": "You take the seconds a parameter for the same at every size. How they change is what "
    "the fit has to find.",
    "ends": "You drew the line through two points. The fit uses all of them, so that one bad "
    "timing does not tilt everything.",
    "anchored": "The exponent is right, but you start from one measurement, with its error; start "
    "from the fitted a.",
    "log10, exp": "You fitted logarithms to base 10 and went back with exp; use 10 ** … there.",
    "log2, exp": "You fitted logarithms to base 2 and went back with exp; use 2 ** … there.",
    "ln, 10 to the": "You fitted natural logarithms and went back with 10 ** …; use np.exp there.",
    "not undone": "That is the logarithm of the seconds; undo it with np.exp.",
    "exchanged": "Slope and constant are exchanged: np.polyfit gives the highest power first.",
    "no constant": "The constant a is missing: seconds = a · size ** b.",
    "constant as it is": "The fitted constant is log a; the formula wants a = exp(log a).",
}

_BILLS = (
    ([1e6, 2e6, 4e6, 8e6, 16e6], [61.0, 118.0, 301.0, 690.0, 1420.0], 1e9, 2.5),
    ([3e7, 5e5, 8e6, 2e6], [5200.0, 60.0, 980.0, 310.0], 7e7, 4.0),
    ([1e5, 4e5, 1e6], [100.0, 170.0, 290.0], 3e8, 40.0),
)


def _short(values):
    return "[" + ", ".join(f"{v:g}" for v in values) + "]"


def judge_bill(answer):
    """Hours first, then money."""
    hours, money = [], []
    for sizes, seconds, target, price in _BILLS:
        with np.errstate(all="ignore"):
            given = answer(np.array(sizes), np.array(seconds), target, price)
        given = results(given, 2, "two numbers: the hours, and what they cost")
        hours.append(number(given[0], "the hours"))
        money.append(number(given[1], "the money"))
    slips = [
        (lambda *case: bill(*case)[1], "Hours and money are exchanged: the hours come first."),
        (partial(bill_hours, "power", divide=60), "Those are minutes; an hour has 3,600 seconds."),
        (partial(bill_hours, "power", divide=1), "Those are seconds; an hour has 3,600."),
        (partial(bill_hours, "power", divide=1 / 3600), "Divide by 3,600; you multiplied."),
        (partial(bill_hours, "power", divide=86400), "Those are days; the price is for an hour."),
    ]
    for how, message in _BILL_SLIPS.items():
        slips += [
            (partial(bill_hours, how), message),
            (partial(bill_hours, how, divide=1), f"{message} (And return hours, not seconds.)"),
        ]
    same_slip(hours, _BILLS, slips)
    for case, found in zip(_BILLS, hours, strict=True):
        sizes, seconds, target, _ = case
        if not near(found, bill(*case)[0]):
            raise Wrong(
                f"Sizes {_short(sizes)} took {_short(seconds)} s; for {target:.0e} parameters "
                f"expected {bill(*case)[0]:.4g} hours, got {found:.4g}. "
                "np.polyfit(np.log(sizes), np.log(seconds), 1) gives the exponent, then log a."
            )
    slips = [
        (lambda *case: 3600 * bill(*case)[1], "The hours are right, but the price is for an hour, "
         "not for a second."),
        (lambda *case: bill(*case)[0] / case[-1], "The hours are right; multiply them by the "
         "price of one, do not divide."),
    ]  # fmt: skip
    same_slip(money, _BILLS, slips)
    for case, found in zip(_BILLS, money, strict=True):
        right, cost = bill(*case)
        if not near(found, cost):
            raise Wrong(
                f"The hours are right. {right:.4g} of them at {case[-1]:g} each cost {cost:.4g}, "
                f"not {found:.4g}."
            )


# -- an efficiency below one half --------------------------------------------------------


def efficiency(
    compute,
    parameters,
    bits,
    latency,
    workers,
    *,
    width=4,
    ways=2,
    octet=8,
    pieces=None,
    hops=None,
):
    """Share of a step that computes when a ring averages the gradients; or with a mistake."""
    share = (workers - 1) / workers if pieces is None else pieces
    hops = ways * (workers - 1) if hops is None else hops
    return compute / (
        compute + ways * share * parameters * width / (bits / octet) + hops * latency
    )


def remedies(compute, parameters, bits, latency, workers):
    """What each measure would make of the efficiency: ``{letter: efficiency}``."""
    return {
        "a": efficiency(4 * compute, parameters, bits, latency, workers),
        "b": efficiency(compute, parameters, bits, latency, workers, width=2),
        "c": efficiency(compute, parameters, bits, latency / 10, workers),
        "d": efficiency(compute, parameters, bits, latency, 2 * workers),
    }


def explain(*case):
    """The efficiency, and the letters of what lifts it to one half."""
    lifted = remedies(*case).items()
    return efficiency(*case), "".join(letter for letter, value in lifted if value >= 0.5)


_RINGS = (
    (0.30, 25e6, 1e9, 1e-3, 2),
    (0.50, 25e6, 1e9, 1e-3, 2),
    (4e-3, 1e6, 1e11, 5e-5, 64),
    (1.5e-3, 1e6, 1e11, 5e-5, 64),
    (0.05, 40e6, 2e9, 2e-3, 4),
)

_WHY = {
    "a": "(a) leaves the communication as it is, and puts four times the work before it",
    "b": "(b) halves the time of the bytes, and leaves the latency",
    "c": "(c) cuts the latency, and leaves the time of the bytes",
    "d": "(d) sends more messages and more bytes for the same work on each worker",
}


def _ring(**mistake):
    return lambda *case: efficiency(*case, **mistake)


def _talk(*case):
    return case[0] / efficiency(*case) - case[0]


_RING_SLIPS = (
    (_ring(ways=1), "You count one way round the ring. First the sums travel, then the finished "
     "means: 2 (w − 1) messages."),
    (_ring(octet=1), "Networks are sold in bits a second, and a byte is eight of them: divide "
     "bits by 8."),
    (_ring(octet=1 / 8), "bits / 8 are the bytes a second; you multiplied by 8."),
    (lambda *c: efficiency(*c, pieces=c[-1] - 1), "You send all gradients in every message. In a "
     "ring each message holds 1/w of them."),
    (lambda *c: efficiency(*c, pieces=1, hops=2 * c[-1]), "You count 2 w messages; in a ring "
     "2 (w − 1) are enough, for each worker has one part to begin with."),
    (lambda *c: efficiency(*c, pieces=1, ways=1), "You send all gradients once. A ring sends "
     "2 (w − 1) messages of 1/w each."),
    (lambda *c: efficiency(*c, pieces=1, ways=1, hops=2 * (c[-1] - 1)), "The bytes of all "
     "gradients are sent once. A ring sends 2 (w − 1) messages of 1/w each."),
    (_ring(pieces=1), "You send all gradients twice; in a ring each worker sends 2 (w − 1) "
     "messages of 1/w each, a little less."),
    (lambda *c: efficiency(*c, pieces=1 / c[-1]), "The latency is counted for every message, the "
     "bytes for two of them only: each of the 2 (w − 1) holds 1/w."),
    (_ring(hops=0), "The latency is missing: each of the 2 (w − 1) messages costs it."),
    (_ring(hops=1), "The latency is counted once; each of the 2 (w − 1) messages costs it."),
    (lambda *c: efficiency(*c, hops=2 * (c[-1] - 1) / c[-1]), "The latency is divided by the "
     "number of workers. Only the bytes of a message are; each of the 2 (w − 1) costs its latency "
     "whole."),
    (_ring(hops=2), "The latency is counted twice; each of the 2 (w − 1) messages costs it."),
    (lambda *c: efficiency(*c, hops=c[-1] - 1), "The bytes go both ways, but the latency is "
     "counted for w − 1 messages; there are 2 (w − 1)."),
    (lambda *c: efficiency(*c, hops=2 * c[-1]), "The latency is counted for 2 w messages; there "
     "are 2 (w − 1)."),
    (_ring(width=1), "You count a quarter of the bytes: each number has four."),
    (_ring(width=2), "You count half of the bytes. Each number has four of them as it is (two are "
     "measure b), and there are 2 (w − 1) messages of 1/w each."),
    (_ring(width=8), "You count twice the bytes: each number has four, and the 2 (w − 1) messages "
     "are both ways already."),
    (lambda *c: c[0] / max(c[0], _talk(*c)), "You divide computing by communication alone, or by "
     "the longer of the two. Nothing overlaps, so the whole is the sum of both."),
    (lambda *c: c[0] / _talk(*c), "You divide computing by communication alone. The whole is the "
     "sum of both."),
    (lambda *c: 1 - efficiency(*c), "That is the share that goes into communication; the "
     "efficiency is the rest."),
    (lambda *c: c[-1] * efficiency(*c), "That is the speed-up over one worker; the efficiency is "
     "that, divided by the number of workers."),
    (lambda *c: efficiency(*c) / c[-1], "Each worker computes on a batch of its own all the time: "
     "do not divide by the number of workers."),
    (lambda *c: efficiency(c[0] / c[-1], *c[1:]), "Each worker has a batch of its own: `compute` "
     "is its time, not to be divided by the number of workers."),
    (lambda *c: 100 * efficiency(*c), "That is in per cent; return a share between 0 and 1."),
    (lambda *c: 1 / efficiency(*c), "Turned round: computing divided by the whole, not the whole "
     "by computing."),
)  # fmt: skip


def judge_efficiency(answer):
    """Ring traffic in bytes, latency of each message, and what is worth changing."""
    what = 'two things: the efficiency, and the letters, such as "ad"'
    shares, letters = [], []
    for case in _RINGS:
        given = results(answer(*case), 2, what)
        if isinstance(given[0], str) and not isinstance(given[1], str):
            raise Wrong(f"Return {what}, in this order; the letters came first.")
        shares.append(number(given[0], "the efficiency"))
        letters.append(_letters(given[1]))
    same_slip(shares, _RINGS, _RING_SLIPS)
    for case, found, chosen in zip(_RINGS, shares, letters, strict=True):
        compute, parameters, bits, latency, workers = case
        right = efficiency(*case)
        shown = (
            f"For compute={compute:g}, parameters={parameters:g}, bits={bits:g}, "
            f"latency={latency:g}, workers={workers}"
        )
        if not near(found, right):
            raise Wrong(
                f"{shown} the efficiency is {right:.3f}, yours is {found:.3f}. A worker sends "
                "2 (w − 1) messages, each with the latency and the bytes of 1/w of the gradients."
            )
        for letter, value in remedies(*case).items():
            if (letter in chosen) != (value >= 0.5):
                raise Wrong(
                    f"{shown} the efficiency, {right:.2f}, is right. But {_WHY[letter]}: it "
                    f"becomes {value:.2f}, {'enough' if value >= 0.5 else 'not enough'}."
                )


def _letters(given):
    """The letters in a string or in a collection of strings."""
    if not isinstance(given, (str, tuple, list, set, frozenset, np.ndarray)):
        raise Wrong(f'Give the letters as one string, such as "ad"; got {type(given).__name__}.')
    letters = {c for c in "".join(map(str, given)).lower() if c.isalpha()}
    if not letters <= set("abcd"):
        raise Wrong('Give the letters of what helps, from a to d, such as "ad"; "" for none.')
    return letters
