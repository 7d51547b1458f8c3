"""Exercises of chapter 13 on whole runs: resuming, how often to save, the bill."""

import copy
from functools import partial

import numpy as np

from ae_lib.exercises._core import Exercise
from ae_lib.exercises._readers import Wrong


# runs.resume
class Run:
    """Adam on shuffled rows; the chapter prints this class."""

    def __init__(self, x, y, seed=0):
        self.x, self.y = x, y
        self.rng = np.random.default_rng(seed)
        self.weights, self.m, self.v = np.zeros((3, x.shape[1]))
        self.steps, self.place, self.order = 0, 0, self.rng.permutation(len(x))

    def step(self, rate=0.05, rows=4):
        """One batch."""
        if self.place == len(self.x):  # the epoch is over: shuffle again
            self.place, self.order = 0, self.rng.permutation(len(self.x))
        batch = self.order[self.place : self.place + rows]
        error = self.x[batch] @ self.weights - self.y[batch]
        self.gradient = error @ self.x[batch] / rows
        self.steps, self.place = self.steps + 1, self.place + rows
        self.m += 0.1 * (self.gradient - self.m)
        self.v += 0.01 * (self.gradient**2 - self.v)
        m, v = self.m / (1 - 0.9**self.steps), self.v / (1 - 0.99**self.steps)
        self.weights -= rate * m / (np.sqrt(v) + 1e-8)


STATE = ("weights", "m", "v", "steps", "place", "order", "rng")


def _checkpoint(run, *, leave=None, copies=True):
    held = {name: getattr(run, name) for name in STATE if name != leave}
    return copy.deepcopy(held) if copies else held


_FORGOTTEN = {
    "weights": "The weights themselves are at zero again.",
    "m": "Adam's running mean of the gradients, m, is at zero again: the step has lost its "
    "momentum.",
    "v": "Adam's running mean of the squared gradients, v, is at zero again: the steps are far "
    "too large.",
    "steps": "The number of steps is at 0 again, and with it Adam's correction of m and v, which "
    "were corrected before.",
    "place": "The place within the epoch is at 0 again: rows that were seen are seen twice.",
    "order": "The order of this epoch is gone: the run goes on in another one, in which some rows "
    "come twice and others never.",
    "rng": "The random generator is as it was at the start: all is well to the end of the "
    "epoch; then the rows come in an order that was used before.",
}


def _resumed(answer, killed):
    """What happens when a run is killed and started again: (outcome, name, first wrong step)."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    run, whole = _after(Run(x, y), killed), _after(Run(x, y), killed)
    saved = answer(run)
    if not isinstance(saved, dict):
        raise Wrong('Return a dict such as {"weights": …}, from names to values; got '
                    f"{type(saved).__name__}.")  # fmt: skip
    for name in saved:
        if name in ("x", "y"):
            return "data", name, 0
        if name not in vars(run):
            has = ", ".join(vars(run))
            raise Wrong(f"A run has no attribute {str(name)[:40]!r}. It has {has}.")
    early = copy.deepcopy(saved)
    changed = _differs(run, whole)
    _after(run, 3)
    late = copy.deepcopy(saved)
    _after(whole, 3)
    changed = changed or _differs(run, whole)
    if changed:
        raise Wrong(f"checkpoint(run) changed the run itself: its {changed}.")
    for snapshot, outcome in ((early, ""), (late, "not a copy")):
        resumed, whole = _load(snapshot, x, y), _after(Run(x, y), killed)
        name = _differs(resumed, whole)
        for step in range(killed + 1, killed + 16):
            resumed.step()
            whole.step()
            if not np.array_equal(resumed.weights, whole.weights):
                return outcome or ("inexact" if name in saved else "forgotten"), name, step
    return "right", "", 0


def _after(run, steps):
    for _ in range(steps):
        run.step()
    return run


def _load(saved, x, y):
    """A new process: the same script, then what the checkpoint holds."""
    run = Run(x, y)
    for name, value in saved.items():
        old = getattr(run, name, None)
        try:
            if name == "gradient":
                run.gradient = value
            elif name != "rng":
                value, given = np.array(value, np.asarray(old).dtype), value
                if value.shape != np.shape(old) or not np.array_equal(value, given):
                    raise ValueError
                setattr(run, name, value if value.ndim else value.item())
            elif isinstance(value, dict):
                run.rng.bit_generator.state = value
            elif isinstance(value, np.random.BitGenerator):
                run.rng = np.random.Generator(value)
            elif isinstance(value, np.random.Generator):
                run.rng = value
            else:
                raise ValueError
        except (TypeError, ValueError, KeyError):
            what = {int: "a whole number", np.ndarray: f"an array of shape {np.shape(old)}"}.get(
                type(old), "run.rng.bit_generator.state, or a copy of run.rng"
            )
            raise Wrong(f"`{name}` cannot be put back; expected {what}.") from None
    return run


def _differs(run, other):
    """The first part of the state in which two runs differ, or None."""

    def part(run, name):
        value = getattr(run, name)
        return value.bit_generator.state if name == "rng" else np.asarray(value).tolist()

    return next((name for name in STATE if part(run, name) != part(other, name)), None)


def _shown(found, killed):
    return f"Killed after step {killed}, the resumed weights differ from step {found[2]} on."


def _why_forgot(name, found, right, killed):
    return f"{_shown(found, killed)} {_FORGOTTEN[name]}"


def _is(outcome, name=None):
    return lambda found, killed: found[0] == outcome and name in (None, found[1])


# runs.interval
def _interval(save, between, restart, every, *, best=lambda s, m: np.sqrt(2 * s * m), lost=None,
              then=None):  # fmt: skip
    """The best interval and the share that one loses; or with a mistake in either."""
    shares = save / every, every / (2 * between), restart / between
    found = best(save, between), lost(*shares) if lost else sum(shares)
    return then(*found) if then else found


_INTERVALS = ((30.0, 10_800.0, 120.0, 300.0), (2.0, 3600.0, 90.0, 900.0),
              (300.0, 86_400.0, 600.0, 7200.0))  # fmt: skip
_INTERVAL_SLIPS = [
    ({"best": lambda s, m: np.sqrt(s * m)}, "The 2 is missing under the root. A failure costs "
     "half an interval, so the second term is τ/(2M), and its derivative is 1/(2M)."),
    ({"best": lambda s, m: np.sqrt(s * m / 2)}, "The 2 is on the wrong side: from s/τ² = 1/(2M) "
     "follows τ² = 2sM."),
    ({"best": lambda s, m: 2 * s * m}, "That is τ²; take the root."),
    ({"best": lambda s, m: 2 * np.sqrt(s * m)}, "The 2 belongs under the root: τ² = 2sM."),
    ({"best": lambda s, m: np.sqrt(2 * s / m)}, "That is the least share of time lost, √(2s/M), "
     "not the interval. An interval is in seconds."),
    (lambda s, m, r, e: _interval(s, m, r, e, best=lambda s, m: np.sqrt(2 * (s + r) * m)),
     "A restart costs the same at each interval. It adds a constant, whose derivative is zero: "
     "the best interval does not depend on it."),
    (lambda s, m, r, e: _interval(s, m, r, np.sqrt(2 * s * m)), "The interval is right. The share "
     "is that of the best interval; asked for is the one of `every`."),
    ({"lost": lambda save, half, restart: save + half}, "The interval is right, but the restart "
     "is missing from the share: `restart` seconds for each failure, so restart / between."),
    ({"lost": lambda save, half, restart: save + 2 * half + restart}, "The interval is right. But "
     "you count a whole interval for each failure; on average half of one is lost."),
    ({"lost": lambda save, half, restart: half + restart}, "The interval is right, but the saving "
     "itself is missing from the share: save / every."),
    ({"lost": lambda save, half, restart: save + restart}, "The interval is right, but the work "
     "that is repeated is missing from the share: every / (2 · between)."),
    (lambda s, m, r, e: _interval(s, m, 0, e)[:1] + (_interval(s, m, 0, e)[1] + r / e,),
     "The interval is right. But a restart is paid once for each failure, not for each "
     "checkpoint: divide it by `between`."),
    ({"then": lambda best, lost: (best, 100 * lost)}, "The share is in per cent; return a number "
     "such as 0.05."),
    ({"then": lambda best, lost: (best, 1 - lost)}, "That is the share of useful time; return the "
     "share that is lost."),
    ({"then": lambda best, lost: (best / 60, lost)}, "The interval is in minutes; return "
     "seconds."),
    ({"then": lambda best, lost: (lost, best)}, "Interval and share are exchanged: the interval "
     "comes first."),
]  # fmt: skip


def _why_interval(found, right, save, between, restart, every):
    if abs(found[0] - right[0]) > 1e-3 * right[0]:
        return (
            f"With {save:g} s to save and a failure every {between:g} s the best interval is "
            f"{right[0]:.4g} s, yours is {found[0]:.4g} s."
        )
    return (
        f"The interval is right. Every {every:g} s, {right[1]:.4f} of the time is lost, not "
        f"{found[1]:.4f}: add up saving, repeating and restarting."
    )


# runs.bill
def _bill(sizes, seconds, target, price, *, by=None, divide=3600):
    """Hours and money; ``by(sizes, seconds, target, b, log_a)`` gives other seconds."""
    b, log_a = np.polyfit(np.log(sizes), np.log(seconds), 1)
    found = by(sizes, seconds, target, b, log_a) if by else np.exp(log_a + b * np.log(target))
    return found / divide, found / divide * price


def _line(i, j, in_size):
    """The seconds on a line through two points."""

    def seconds(x, y, t, *_):
        pair = (np.argsort(x) if in_size else np.arange(len(x)))[[i, j]]
        (x0, x1), (y0, y1) = x[pair], y[pair]
        return y1 * (t / x1) ** (np.log(y1 / y0) / np.log(x1 / x0))

    return seconds


_BILL_SLIPS = (
    ([lambda x, y, t, *_: np.polyval(np.polyfit(x, y, 1), t)], "You fitted a straight line to the "
     "numbers themselves. The time grows by a power: fit log seconds against log size."),
    ([lambda x, y, t, *_: np.polyval(np.polyfit(x, y, 2), t)], "You fitted a parabola. A power "
     "law has one exponent: the slope between the logarithms."),
    ([lambda x, y, t, *_: np.polyval(np.polyfit(np.log(x), y, 1), np.log(t))], "You took the "
     "logarithm of the sizes alone; take that of the seconds, too."),
    ([lambda x, y, t, *_: y[-1] * t / x[-1], lambda x, y, t, *_: y[x.argmax()] * t / x.max()],
     "You extrapolate in proportion, as if the exponent were 1. Measure it: the slope of log "
     "seconds against log size."),
    ([lambda x, y, t, *_: np.mean(y / x) * t], "You take the seconds a parameter for the same at "
     "every size. How they change is what the fit has to find."),
    ([_line(i, j, in_size) for in_size in (True, False) for i, j in ((0, -1), (-2, -1), (0, 1))],
     "You drew the line through two points. The fit uses all of them, so that one bad timing does "
     "not tilt everything."),
    ([lambda x, y, t, b, log_a: y[x.argmax()] * (t / x.max()) ** b], "The exponent is right, but "
     "you start from one measurement, with its error; start from the fitted a."),
    ([lambda x, y, t, b, log_a: np.exp(log_a / np.log(10) + b * np.log10(t))], "You fitted "
     "logarithms to base 10 and went back with exp; use 10 ** … there."),
    ([lambda x, y, t, b, log_a: np.exp(log_a / np.log(2) + b * np.log2(t))], "You fitted "
     "logarithms to base 2 and went back with exp; use 2 ** … there."),
    ([lambda x, y, t, b, log_a: 10 ** (log_a + b * np.log(t))], "You fitted natural logarithms "
     "and went back with 10 ** …; use np.exp there."),
    ([lambda x, y, t, b, log_a: log_a + b * np.log(t)], "That is the logarithm of the seconds; "
     "undo it with np.exp."),
    ([lambda x, y, t, b, log_a: np.exp(b + log_a * np.log(t))], "Slope and constant are "
     "exchanged: np.polyfit gives the highest power first."),
    ([lambda x, y, t, b, log_a: t**b], "The constant a is missing: seconds = a · size ** b."),
    ([lambda x, y, t, b, log_a: log_a * t**b], "The fitted constant is log a; the formula wants a "
     "= exp(log a)."),
)  # fmt: skip
_BILLS = (
    ([1e6, 2e6, 4e6, 8e6, 16e6], [61.0, 118.0, 301.0, 690.0, 1420.0], 1e9, 2.5),
    ([3e7, 5e5, 8e6, 2e6], [5200.0, 60.0, 980.0, 310.0], 7e7, 4.0),
    ([1e5, 4e5, 1e6], [100.0, 170.0, 290.0], 3e8, 40.0),
)


def _short(values):
    return "[" + ", ".join(f"{v:g}" for v in values) + "]"


def _why_bill(found, right, sizes, seconds, target, price):
    if abs(found[0] - right[0]) > 1e-3 * right[0]:
        return (
            f"Sizes {_short(sizes)} took {_short(seconds)} s; for {target:.0e} parameters "
            f"expected {right[0]:.4g} hours, got {found[0]:.4g}. "
            "np.polyfit(np.log(sizes), np.log(seconds), 1) gives the exponent, then log a."
        )
    return (
        f"The hours are right. {right[0]:.4g} of them at {price:g} each cost {right[1]:.4g}, "
        f"not {found[1]:.4g}."
    )


EXERCISES = [
    Exercise(
        name="runs.resume", expects="a function that returns a dict of a run's attributes",
        right="Everything that a step reads and the script cannot make again. Forget one, and the "
        "run goes on as if nothing had happened, only elsewhere.",
        hint="Read `step` line by line: which attributes does it read that an earlier step has "
        "changed? And which of them are changed in place?",
        what="the dict", read=lambda found, what: list(found), unique=False, ask=_resumed,
        cases=((8,), (10,), (17,)), reference=_checkpoint,
        slips=[
            (lambda run: _checkpoint(run) | {"x": run.x}, "`{found[1]}` is the data set. It is on "
             "disk already; in every checkpoint it would be written again.", _is("data")),
            ({"copies": False}, lambda found, right, killed: f"{_shown(found, killed)} "
             f"`{found[1]}` is not a copy: training went on while the dict was being written, and "
             "the dict changed with it.", _is("not a copy")),
            (lambda run: _checkpoint(run) | {"weights": run.weights.round(3)},
             lambda found, right, killed: f"{_shown(found, killed)} `{found[1]}` is in the dict, "
             "but not as it was; save it to the last bit.", _is("inexact")),
            *(({"leave": name}, partial(_why_forgot, name), _is("forgotten", name))
              for name in _FORGOTTEN),
        ],
    ),
    Exercise(
        name="runs.interval", expects="a function that returns the best interval and a share",
        right="The best interval grows with the root: a disk four times as slow asks for half as "
        "many checkpoints. The restart adds to what is lost, but does not move the best interval.",
        hint="L(τ) = s/τ + τ/(2M) + R/M. Set the derivative to zero for the first; put `every` in "
        "for the second.",
        what=("the best interval", "the share of time lost"), cases=_INTERVALS, tolerance=5e-4,
        reference=_interval, slips=_INTERVAL_SLIPS, otherwise=_why_interval,
    ),
    Exercise(
        name="runs.bill", expects="a function that returns hours and money",
        right="A power law is a straight line between logarithms, and its slope is the exponent. "
        "The line is an extrapolation: time one step of the large model before you "
        "pay for all of them.",
        hint="log seconds = log a + b log size: np.polyfit(x, y, 1) returns b, then log a. An "
        "hour has 3,600 seconds.",
        what=("the hours", "what they cost"),
        cases=[(*map(np.array, bill[:2]), *bill[2:]) for bill in _BILLS], tolerance=5e-4,
        reference=_bill,
        slips=[
            (lambda *c: _bill(*c)[::-1], "Hours and money are exchanged: the hours come first."),
            *(({"divide": divide}, f"Those are {unit}; return hours, of 3,600 seconds.")
              for unit, divide in {"minutes": 60, "seconds": 1, "days": 86400}.items()),
            ({"divide": 1 / 3600}, "Divide by 3,600; you multiplied."),
            *(([{"by": by, "divide": divide} for by in ways], message + more)
              for divide, more in {3600: "", 1: " (And return hours, not seconds.)"}.items()
              for ways, message in _BILL_SLIPS),
            (lambda *c: (_bill(*c)[0], 3600 * _bill(*c)[1]), "The hours are right, but the price "
             "is for an hour, not for a second."),
            (lambda *c: (_bill(*c)[0], _bill(*c)[0] / c[-1]), "The hours are right; multiply them "
             "by the price of one, do not divide."),
        ],
        otherwise=_why_bill,
    ),
]  # fmt: skip
