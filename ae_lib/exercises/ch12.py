"""Exercises of chapter 12 on one GPU: floors, batch size, the kernel of the LSTM."""

from functools import cache, partial

import numpy as np

from ae_lib.exercises._core import Exercise
from ae_lib.exercises._readers import Wrong, number, word


# gpu.bound
def _floor(
    m, k, n, width, operations, bandwidth, *, each=2, count=1, sides="abc", join=max, swap=False
):
    """Seconds and what bounds them; a mistake in the seconds leaves the word right."""
    cells = {"a": m * k, "b": k * n, "c": m * n}

    def times(each, sides, count=1):
        moved = width * count * sum(cells[side] for side in sides)
        return each * m * k * n / operations, moved / bandwidth

    arithmetic, moving = times(2, "abc")
    bound = "arithmetic" if (arithmetic > moving) != swap else "bytes"
    return join(times(each, sides, count)), bound


_PRODUCTS = (
    (4096, 4096, 4096, 2, 4e14, 3e12),
    (8, 4096, 1024, 4, 4e13, 3e12),
    (1, 700, 500, 4, 6e10, 2e10),
    (96, 400, 300, 4, 6e10, 2e10),
    (900, 30, 800, 8, 5e11, 9e10),
    (900, 3, 800, 2, 5e11, 4e10),
)


def _why_floor(found, right, m, k, n, width, operations, bandwidth):
    shown = (
        f"For ({m}, {k}) × ({k}, {n}), {width} bytes a number, {operations:.0e} operations "
        f"and {bandwidth:.0e} bytes a second"
    )
    if abs(found[0] - right[0]) > 1e-3 * right[0]:
        return (
            f"{shown}, expected {right[0]:.3g} s, got {found[0]:.3g} s. Two times: operations by "
            "operations a second, bytes by bytes a second; the longer one counts."
        )
    return (
        f"{shown}, the seconds are right, but they are those of the {right[1]}: what takes "
        "longer is what the product has to wait for."
    )


_BOUND_SLIPS = (
    ({"join": sum}, "You add the two times. The machine computes and moves bytes at the same "
     "time, so the longer one is the least time."),
    ({"join": min}, "You take the shorter of the two times; both have to be over before the "
     "product is."),
    ({"join": lambda times: times[0]}, "You count the arithmetic alone; for some shapes moving "
     "the bytes takes longer."),
    ({"join": lambda times: times[1]}, "You count the bytes alone; for some shapes the arithmetic "
     "takes longer."),
    ([{"each": 1}, lambda m, k, *rest: _floor(m, k, *rest, each=2 - 1 / k)], "Count two "
     "operations a multiply-add, and k of these for each of m n numbers: 2 m k n."),
    ({"sides": "ab"}, "The result has to be written, too: m n numbers more."),
    ({"sides": "ac"}, "You left out the second matrix, (k, n): it has to be read too."),
    ({"sides": "bc"}, "You left out the first matrix, (m, k): it has to be read too."),
    (lambda *case: _floor(*case, count=1 / case[3]), "You count numbers where bytes were asked "
     "for: multiply by width."),
    ({"count": 8}, "width and bandwidth are both in bytes: no factor of 8."),
    ({"join": lambda times: 1e3 * max(times)}, "That is in milliseconds; return seconds."),
    ({"join": lambda times: 1e6 * max(times)}, "That is in microseconds; return seconds."),
    ({"join": lambda times: 1 / max(times)}, "That is products a second; return the seconds of "
     "one."),
    ({"swap": True}, _why_floor),
)  # fmt: skip


# gpu.batch
def _choose(
    sizes, throughput, validation, test, *, by="mean", spread="best", pick="fastest", ddof=1
):
    losses = np.asarray(test if by == "test" else validation)
    mean, std = losses.mean(1), losses.std(1, ddof=ddof)
    best = int(np.argmin(losses.min(1) if by == "seed" else mean))
    allowance = {
        "best": std[best],
        "own": std,
        "error": std[best] / np.sqrt(losses.shape[1]),
        "two": 2 * std[best],
        "all": losses.std(ddof=ddof),
        "sizes": mean.std(ddof=ddof),
        "largest": std.max(),
        "none": 0,
    }[spread]
    lowest = losses.min(1)
    compared = {"lucky": lowest, "luckiest": lowest, "seed": lowest, "both": np.mean(test, axis=1)}
    start = losses.min() if by in ("luckiest", "seed") else mean[best]
    allowed = np.flatnonzero(compared.get(by, mean) <= start + allowance)
    order = {"fastest": throughput, "largest": sizes, "last": range(len(sizes))}
    if pick == "smallest":
        return min(sizes[i] for i in allowed)
    return sizes[max(allowed, key=lambda i: order[pick][i], default=0)]


_CHOICE_SLIPS = (
    ([{"by": "test"}, {"by": "test", "spread": "none"}], "You chose by the test losses. Then they "
     "are no longer an honest estimate of the chosen run: choose by validation."),
    ([{"by": "both"}], "Your rule compares test losses with validation losses. The test list is "
     "not there for choosing: leave it alone."),
    ([{"spread": "none"}], "That is the lowest mean validation loss. Its lead over a faster size "
     "is smaller than its own spread between seeds: chance."),
    ([{"by": "luckiest", "spread": "none"}, {"by": "luckiest"}, {"by": "seed"}], "You compare the "
     "luckiest seed of each size. Compare means over seeds."),
    ([{"by": "lucky"}], "You let a size through if its luckiest seed is good enough. Its mean has "
     "to be."),
    ([{"spread": "own"}], "You allow each size its own spread, so an unreliable one is let "
     "through because it is unreliable. The spread is that of the best size."),
    ([{"spread": "largest"}], "You allow the largest of all spreads; the spread is that of the "
     "best size."),
    ([{"spread": "error"}], "You divided the spread by the root of the number of seeds. That is "
     "the error of the mean; the spread asked for is the standard deviation."),
    ([{"spread": "two"}], "You allow twice the spread; allowed is one."),
    ([{"spread": "all"}], "You take the standard deviation over all runs together. Chance is the "
     "spread between the seeds of one size, the best."),
    ([{"spread": "sizes"}], "You take the standard deviation between sizes. Chance is the spread "
     "between the seeds of one size, the best."),
    *(([{"pick": pick}], f"Among the sizes that are good enough you take the {pick}. You want the "
       "fastest: look at throughput.") for pick in ("largest", "last", "smallest")),
)  # fmt: skip


@cache
def _curves(n=40):
    """Measured curves: sizes, throughput, validation and test losses of each seed.

    Only such as give one answer whether the standard deviation is taken with ``ddof`` 0 or 1.
    """
    rng, found = np.random.default_rng(7), []
    while len(found) < n:
        sizes = rng.permutation(2 ** np.arange(4, 11))
        speed = 9e4 * sizes / (sizes + 40) * rng.uniform(0.5, 1, 7)
        level = 2 + 0.005 * (np.log2(sizes) - 6) ** 2
        noise = rng.normal(size=(2, 7, 4)) * rng.uniform(0.01, 0.06, (1, 7, 1))
        losses = (level[:, None] + noise).round(3).tolist()
        case = sizes.tolist(), speed.round(-2).tolist(), *losses
        if _choose(*case) == _choose(*case, ddof=0):
            found.append(case)
    return found


def _why_batch(found, right, sizes, throughput, validation, test):
    mean, std = np.mean(validation, 1), np.std(validation, 1, ddof=1)
    best = int(np.argmin(mean))
    return (
        f"For sizes {sizes} the mean validation losses are {mean.round(3).tolist()}, and the "
        f"spread of the best, {sizes[best]}, is {std[best]:.3f}. The fastest of those within is "
        f"{right:g}; you chose {found:g}."
    )


# gpu.cudnn: Keras 3, keras/src/layers/rnn/lstm.py, keras/src/backend/tensorflow/rnn.py
def _encoder(sentences, *, right=True, reverse=False, cut=False, **changes):
    settings = {"units": 512, "activation": "tanh", "recurrent_activation": "sigmoid"}
    settings |= {"dropout": 0.2, "recurrent_dropout": 0, "unroll": False, "return_sequences": True}
    length = (min if cut else max)(map(len, sentences))
    rows = []
    for words in sentences:
        words = list(words)[:: -1 if reverse else 1][:length]
        space = [0] * (length - len(words))
        rows.append(words + space if right else space + words)
    return settings | changes, np.array(rows)


# What Keras does when a setting is not given, for those that somebody may spell out.
_DEFAULTS = {
    "units": None, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True,
    "dropout": 0.0, "recurrent_dropout": 0.0, "return_sequences": False, "return_state": False,
    "go_backwards": False, "stateful": False, "unroll": False, "use_cudnn": "auto",
}  # fmt: skip
# Harmless settings, each with another value, and what is said if it was changed.
_KEPT = {
    "units": (256, "The number of units does not matter to the kernel"),
    "dropout": (0, "Dropout of the *inputs* is applied before the kernel begins"),
    "return_sequences": (False, "Whether all steps are returned does not matter to the kernel"),
    "return_state": (True, "Whether the state is returned does not matter to the kernel"),
    "go_backwards": (True, "The direction was not the trouble"),
    "stateful": (True, "Whether the state is kept between batches was not the trouble"),
}
_FORBIDDEN = {
    "activation": ("relu", "The kernel has tanh built in; else Keras runs its own loop."),
    "recurrent_activation": ("hard_sigmoid", "The kernel has the sigmoid built in. hard_sigmoid "
     "was Keras's default once and still stands in old listings; recurrent_activation must be the "
     "sigmoid."),
    "recurrent_dropout": (0.2, "recurrent_dropout acts inside the time loop, and the kernel is "
     "that loop. Make it 0; dropout of the inputs may stay."),
    "unroll": (True, "An unrolled LSTM is a long row of small operations; the kernel needs "
     "unroll=False."),
    "use_bias": (False, "The kernel always adds a bias: use_bias=True."),
    "use_cudnn": (False, 'use_cudnn=False forbids what you are looking for; leave it at "auto".'),
}  # fmt: skip
_SENTENCES = (
    [[7, 8, 9], [4, 5, 6, 7, 8], [3], [9, 2]],
    [[5, 3], [6, 1], [2, 4]],
    [[1], [2, 3, 4, 5, 6, 7], [8, 9, 1]],
)


def _settings(answer, what):
    if not isinstance(answer, dict):
        kind = type(answer).__name__
        raise Wrong(f"Expected the settings as a dict, before the ids; got {kind}.")
    for name in answer:
        if name not in _DEFAULTS and name != "name":
            raise Wrong(f"{str(name)[:40]!r} was not among the settings, and need not be.")
    return _DEFAULTS | answer


def _equal(value, other):
    """Equality that asks numbers and texts alone, and confuses no text with a number."""
    if isinstance(other, str) or isinstance(value, str) or value is None:
        return isinstance(value, str) and value == other
    return number(value, "a setting") == other


def _fine(name, value):
    """Whether the kernel can do with this value; an activation may come as a function."""
    home = str(getattr(value, "__module__", "")).partition(".")[0]
    if name.endswith("activation") and home in ("keras", "tensorflow"):
        return getattr(value, "__name__", "") == _DEFAULTS[name]
    return _equal(value, _DEFAULTS[name]) or (name == "use_cudnn" and value is True)


def _setting(name, value, message, fine):
    """The slip that gives a setting this value."""
    wrong = partial(_encoder, **{name: value})
    return wrong, message, lambda found, *_: not fine(name, found[0][name])


def _ids(answer, what):
    try:
        ids = np.asarray(answer)
    except (TypeError, ValueError):
        raise Wrong("The rows of ids differ in length; pad all to the longest sentence.") from None
    if ids.dtype.kind not in "iuf":
        raise Wrong("Expected ids as an array of whole numbers, one for each word.")
    return ids


def _words(found):
    return [[word for word in row if word] for row in found[1].tolist()]


def _rows(broken):
    """Whether the words of a row and those of its sentence are ``broken``."""
    return lambda found, sentences: any(
        broken(row, words) for row, words in zip(_words(found), sentences, strict=True)
    )


def _with_ids(change):
    return lambda sentences: (_encoder(sentences)[0], change(_encoder(sentences)[1]))


EXERCISES = [
    Exercise(
        name="gpu.bound", expects='a function that returns seconds, and "bytes" or "arithmetic"',
        right="One row of a batch has to fetch the whole matrix for two operations a number; a "
        "hundred rows share the fetch. That is one reason why large batches are fast.",
        hint="Work out two times: operations by operations a second, bytes by bytes a second. "
        "Three matrices cross the memory, and the machine does both things at once.",
        what=("the seconds", '"bytes" or "arithmetic"'),
        read=(number, word("bytes", "arithmetic")), cases=_PRODUCTS, tolerance=5e-4,
        reference=_floor,
        slips=list(_BOUND_SLIPS),
        otherwise=_why_floor,
    ),
    Exercise(
        name="gpu.batch", expects="a function that returns one of the sizes",
        right="A lead that another seed would undo is no reason to wait longer. But a loss that "
        "is higher by more than the spread is too much to pay for speed.",
        hint="Mean over seeds for each size; the best of them; its own standard deviation. Who is "
        "within? Only then look at throughput.",
        what="the chosen size", cases=_curves, every=True, reference=_choose,
        slips=[
            (lambda sizes, speed, *_: sizes[int(np.argmax(speed))], "You take the fastest of all, "
             "whatever its loss. Only sizes that are as good as the best, up to chance, may be "
             "compared by throughput."),
            (lambda sizes, *_: max(sizes), "You always take the largest batch. Look at the "
             "losses, and at throughput."),
            *(([{**wrong, "ddof": ddof} for wrong in several for ddof in (1, 0)], message)
              for several, message in _CHOICE_SLIPS),
            (lambda sizes, speed, *rest: speed[sizes.index(_choose(sizes, speed, *rest))], "That "
             "is a throughput; return the batch size that has it.",
             lambda found, sizes, speed, *_: found in speed),
            (lambda sizes, *rest: sizes.index(_choose(sizes, *rest)), "That is a place in the "
             "list; return the batch size that stands there.",
             lambda found, sizes, *_: found not in sizes and found in range(len(sizes))),
            (lambda *case: _choose(*case) + 0.5, "Return one of the sizes {0}; got {found:g}.",
             lambda found, sizes, *_: found not in sizes),
        ],
        otherwise=_why_batch,
    ),
    Exercise(
        name="gpu.cudnn", expects="a function that returns settings and ids",
        right="Three settings kept it away, and none of them said so. The padding would have been "
        "next: the kernel takes no mask that begins with False, nor a row that is all padding.",
        hint="The kernel is the whole time loop, with its activations, in one call; it is told "
        "one length for each row. Which settings ask for something inside that loop?",
        what=("the settings", "the ids"), read=(_settings, _ids), unique=False,
        cases=[(sentences,) for sentences in _SENTENCES], reference=_encoder,
        slips=[
            *(_setting(name, value, f"{why}: leave {name} as it was.", lambda name, value:
                       _equal(value, (_DEFAULTS | _encoder([[1]])[0])[name]))
              for name, (value, why) in _KEPT.items()),
            *(_setting(name, value, why, _fine) for name, (value, why) in _FORBIDDEN.items()),
            (_with_ids(lambda ids: ids[:, 0]), lambda found, right, sentences: "Expected ids of "
             f"shape ({len(sentences)}, {max(map(len, sentences))}), got {found[1].shape}.",
             lambda found, sentences: found[1].ndim != 2 or len(found[1]) != len(sentences)),
            (_with_ids(lambda ids: ids[::-1]), "The sentences are in another order; row i is "
             "sentence i.", lambda found, sentences: sorted(_words(found)) == sorted(sentences)
             and _words(found) != sentences),
            (partial(_encoder, reverse=True), "The words are turned round; only the padding had "
             "to move.", _rows(lambda row, words: row != words and row == words[::-1])),
            (partial(_encoder, cut=True), "Words are lost: a row holds fewer than its sentence "
             "has.", _rows(lambda row, words: len(row) < len(words))),
            (_with_ids(lambda ids: ids + (ids > 0)), "The words themselves are changed; only the "
             "padding had to move.", _rows(lambda row, words: row != words)),
            (partial(_encoder, right=False), lambda found, right, sentences: "The mask of "
             f"{next(r for r in found[1].astype(int).tolist() if 0 in r)} begins with False or "
             "has a hole. The kernel is told one length a row, so all padding has to stand on the "
             "right.", lambda found, sentences: any(
                 row[: len(words)].tolist() != words
                 for row, words in zip(found[1], sentences, strict=True))),
            (_with_ids(lambda ids: np.pad(ids, ((0, 0), (0, 2)))), lambda found, right, sentences:
             f"The kernel is back, but the rows have {found[1].shape[1]} columns where the "
             f"longest sentence has {max(map(len, sentences))} words: the rest is computed for "
             "nothing.", lambda found, sentences: found[1].shape[1] != max(map(len, sentences))),
        ],
    ),
]  # fmt: skip
