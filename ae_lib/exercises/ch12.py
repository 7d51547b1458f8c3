"""Exercises of chapter 12 on one GPU: floors, batch size, the kernel, float16, accumulation."""

from functools import cache, partial

import numpy as np

from ae_lib.exercises._core import Exercise, Wrong, array, changed, close, number, word

# -- gpu.bound ---------------------------------------------------------------------------


def _floor(m, k, n, width, operations, bandwidth, *, each=2, sides="abc", join=max, swap=False):
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
    return lambda *case: _floor(*case, **mistake)[0]


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
    (lambda m, k, n, w, o, b: _floor(m, k, n, 1, o, b)[0], "You count numbers where bytes were "
     "asked for: multiply by width."),
    (lambda m, k, n, w, o, b: _floor(m, k, n, 8 * w, o, b)[0], "width and bandwidth are both in "
     "bytes: no factor of 8."),
    (lambda *case: 1e3 * _floor(*case)[0], "That is in milliseconds; return seconds."),
    (lambda *case: 1e6 * _floor(*case)[0], "That is in microseconds; return seconds."),
    (lambda *case: 1 / _floor(*case)[0], "That is products a second; return the seconds of one."),
)  # fmt: skip


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


# -- gpu.batch ---------------------------------------------------------------------------


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
    (
        {"by": "test"},
        "You chose by the test losses. Then they are no longer an honest estimate of the chosen "
        "run: choose by validation.",
    ),
    (
        {"by": "both"},
        "Your rule compares test losses with validation losses. The test list is not there for "
        "choosing: leave it alone.",
    ),
    (
        {"spread": "none"},
        "That is the lowest mean validation loss. Its lead over a faster size is smaller than its "
        "own spread between seeds: chance.",
    ),
    (
        {"by": "luckiest", "spread": "none"},
        "You chose the size with the luckiest single seed. Compare means over seeds.",
    ),
    (
        {"by": "luckiest"},
        "You compare the luckiest seed of each size. Compare means over seeds.",
    ),
    (
        {"by": "seed"},
        "You compare the luckiest seed of each size. Compare means over seeds.",
    ),
    (
        {"by": "lucky"},
        "You let a size through if its luckiest seed is good enough. Its mean has to be.",
    ),
    (
        {"spread": "own"},
        "You allow each size its own spread, so an unreliable one is let through because it is "
        "unreliable. The spread is that of the best size.",
    ),
    (
        {"spread": "largest"},
        "You allow the largest of all spreads; the spread is that of the best size.",
    ),
    (
        {"spread": "error"},
        "You divided the spread by the root of the number of seeds. That is the error of the "
        "mean; the spread asked for is the standard deviation.",
    ),
    ({"spread": "two"}, "You allow twice the spread; allowed is one."),
    (
        {"spread": "all"},
        "You take the standard deviation over all runs together. It measures what batch size does "
        "to the loss; chance is the spread between the seeds of one size.",
    ),
    (
        {"spread": "sizes"},
        "You take the standard deviation between sizes. Chance is the spread between the seeds of "
        "one size, the best.",
    ),
    (
        {"pick": "largest"},
        "Among the sizes that are good enough you take the largest batch. It need not be the "
        "fastest: look at throughput.",
    ),
    (
        {"pick": "last"},
        "Among the sizes that are good enough you take the last in the list. Look at throughput.",
    ),
    (
        {"pick": "smallest"},
        "Among the sizes that are good enough you take the smallest batch. You want the fastest "
        "of them.",
    ),
    ({"spread": "none", "by": "test"}, "That is the lowest test loss: choose by validation."),
)


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


# -- gpu.cudnn: Keras 3, keras/src/layers/rnn/lstm.py, keras/src/backend/tensorflow/rnn.py ---


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
    "units": None,
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "use_cudnn": "auto",
}
# Harmless settings, each with another value, and what is said if it was changed.
_KEPT = {
    "units": (256, "The number of units does not matter to the kernel"),
    "dropout": (
        0,
        "Dropout of the *inputs* is harmless, for it is applied before the kernel begins",
    ),
    "return_sequences": (False, "Whether all steps are returned does not matter to the kernel"),
    "return_state": (True, "Whether the state is returned does not matter to the kernel"),
    "go_backwards": (True, "The direction was not the trouble"),
    "stateful": (True, "Whether the state is kept between batches was not the trouble"),
}
_FORBIDDEN = {
    "activation": (
        "relu",
        "The kernel has tanh built in; for any other, Keras runs its own loop.",
    ),
    "recurrent_activation": (
        "hard_sigmoid",
        "The kernel has the sigmoid built in. hard_sigmoid was Keras's "
        "default once and still stands in old listings; recurrent_activation must be the sigmoid.",
    ),
    "recurrent_dropout": (
        0.2,
        "recurrent_dropout acts inside the time loop, and the kernel is that "
        "loop: nothing can be done between its steps. Make it 0; dropout of the inputs may stay.",
    ),
    "unroll": (
        True,
        "An unrolled LSTM is a long row of small operations, one after the other; the "
        "kernel needs unroll=False.",
    ),
    "use_bias": (False, "The kernel always adds a bias: use_bias=True."),
    "use_cudnn": (False, 'use_cudnn=False forbids what you are looking for; leave it at "auto".'),
}
_SENTENCES = (
    [[7, 8, 9], [4, 5, 6, 7, 8], [3], [9, 2]],
    [[5, 3], [6, 1], [2, 4]],
    [[1], [2, 3, 4, 5, 6, 7], [8, 9, 1]],
)


def _settings(answer, what):
    if not isinstance(answer, dict):
        raise Wrong(
            f"Expected the settings as a dict, before the ids; got {type(answer).__name__}."
        )
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


# -- gpu.overflow ------------------------------------------------------------------------


def _scaled_step(
    gradient, weights, scale, good, rate=0.1, clip=1.0, patience=3, *,
    unscale="float32", clipping="after", squares="float32", skip="both", shrink=0.5,
    forget=True, grow=2, again=True, late=0, repair=False
):  # fmt: skip
    g = np.asarray(gradient(weights, scale))
    if unscale == "float16":
        g = (g / np.float16(scale)).astype("float32")
    elif unscale == "float32" and clipping != "before":
        g = g.astype("float32") / np.float32(scale)
    g = np.nan_to_num(g.astype("float32")) if repair else g.astype("float32")
    lost = {"both": ~np.isfinite(g), "inf": np.isinf(g), "nan": np.isnan(g), "none": g != g + 0}
    if skip != "none" and lost[skip].any():
        return weights, scale * shrink, 0 if forget else good
    if skip == "none" and lost["both"].any():
        scale, good = scale * shrink, -1
    norm = np.sqrt((g.astype(squares) ** 2).sum(dtype=squares)).astype("float32")
    if clipping == "always" or (clipping != "never" and norm > clip):
        g = g * np.float32((1 if clipping == "unit" else clip) / norm)
    if clipping == "before":
        g = g / np.float32(scale)
    weights, good = (weights - rate * g).astype("float32"), good + 1
    if good == patience + late:
        return weights, grow * scale, 0 if again else good
    return weights, scale, good


_STEP_SLIPS = (
    ({"unscale": "never"}, "The gradient is still `scale` times too large: divide by `scale` "
     "before anything else."),
    ({"clipping": "always"}, "A short gradient has come out longer: clipping shortens what is "
     "longer than `clip`, and leaves the rest as it is: min(1, clip / norm)."),
    ({"clipping": "unit"}, "What is longer than `clip` is cut to the length 1; it is to be cut to "
     "`clip`."),
    ({"clipping": "before"}, "You clip the scaled gradient, so how much is cut depends on "
     "`scale`. First divide by `scale`, then clip."),
    ({"clipping": "never"}, "The gradient is not clipped: its norm may be at most `clip`."),
    ({"unscale": "float16"}, "You divide by `scale` in float16, and what is small becomes 0 "
     "there: just what scaling was to prevent. astype(\"float32\") comes first."),
    ({"squares": "float16", "clipping": "before"}, "The norm is that of the scaled gradient, and "
     "its squares are added up in float16, which ends at 65,504: the norm is inf and the step 0. "
     "To float32 first, then divide by `scale`, then clip."),
    ({"squares": "float16"}, "The squares are added up in float16, which ends at 65,504: the norm "
     "is inf, and the step is 0. astype(\"float32\") comes first."),
    ({"skip": "none"}, "The gradient holds inf or NaN, and the step was taken all the same. One "
     "such step and the weights are lost: leave them as they are."),
    ({"repair": True}, "np.nan_to_num has put numbers in place of inf and NaN, and the step was "
     "taken with them. What overflowed is not known: leave the weights as they are, and halve "
     "`scale`."),
    ({"skip": "inf"}, "You look for inf alone; inf − inf inside the model is NaN. "
     "np.isfinite finds both."),
    ({"skip": "nan"}, "You look for NaN alone; an overflow is inf. np.isfinite finds both."),
    ({"shrink": 1}, "After an overflow `scale` stays as it was, so the next step overflows, "
     "too: halve it."),
    ({"shrink": 2}, "After an overflow `scale` has doubled; it was too large: halve it."),
    ({"forget": False}, "An overflow ends the series of good steps: `good` is 0 again."),
    ({"grow": 1}, "`scale` never grows. After one overflow it would stay small for ever, and "
     "small gradients would be 0: double it when `good` reaches `patience`."),
    ({"grow": 0.5}, "After `patience` good steps `scale` is halved; it may grow: double it."),
    ({"again": False}, "`scale` has doubled, but `good` still counts: begin at 0 again."),
    ({"late": 1}, "With this step `good` reaches `patience`, and `scale` has not doubled. Count "
     "the step first, then compare."),
    ({"late": -1}, "`scale` grows one step early: `good` counts this step, no more."),
)  # fmt: skip

_STEPS = (
    # what the gradient is, where it is replaced, scale, good
    ((0.12, -0.16, 0.0), None, 2.0, 0),
    ((0.3, -0.4, 0.0), None, 1024.0, 0),
    ((1e-8, 0.0, -2e-8), None, 65536.0, 1),
    ((3.0, -4.0, 12.0), None, 256.0, 0),
    ((300.0, 400.0, -100.0), None, 128.0, 1),
    ((0.3, 0.4, 0.1), np.inf, 4096.0, 2),
    ((0.3, 0.4, 0.1), -np.inf, 4096.0, 1),
    ((0.3, 0.4, 0.1), np.nan, 512.0, 2),
    ((0.2, 0.1, -0.3), None, 64.0, 2),
    ((0.2, 0.1, -0.3), None, 64.0, 1),
)


_PARTS = "weights", "scale", "good"


def _gradient(true, broken):
    def gradient(weights, scale):
        g = (np.array(true) * number(scale, "scale")).astype("float16")
        g[1] = g[1] if broken is None else broken
        return g

    return gradient


def _quadratic(weights, scale):
    g = (np.asarray(weights, float) - [2.0, -3.0, 0.5, 8.0]).astype("float16")
    return g * np.float16(number(scale, "scale"))


def _cases():
    """Each rule by itself, then a run of some steps with other constants."""
    for true, broken, scale, good in _STEPS:
        start = np.zeros(3, "float32")
        yield _gradient(true, broken), start, scale, good, 0.5, 2.0, 3, 1
    yield _quadratic, np.zeros(4, "float32"), 16384.0, 0, 0.3, 4.0, 5, 12


def _ask_step(step, gradient, weights, scale, good, rate, clip, patience, steps):
    state = weights, scale, good
    for _ in range(steps):
        state = step(gradient, *state, rate=rate, clip=clip, patience=patience)
        if not isinstance(state, (tuple, list)) or len(state) != 3:
            break
    return state


def _in_float64(*case, **options):
    weights, *rest = _scaled_step(*case, **options)
    return weights.astype("float64"), *rest


def _in_float16(*case, **options):
    weights, *rest = _scaled_step(*case, **options)
    return weights.astype("float16"), *rest


_TYPES = {
    "float16": (_in_float16, "The new weights are float16. A step smaller than a thousandth of a "
                "weight would be rounded away: keep them in float32."),
    "float64": (_in_float64, "The new weights are float64. Somewhere a float64 number has come "
                "in and made all that it touched twice as long: end with "
                '.astype("float32").'),
}  # fmt: skip


def _weights(answer, what):
    slip = _TYPES.get(str(getattr(answer, "dtype", "")))
    if slip:
        raise Wrong(slip[1], slip)
    return array(answer, what)


def _why_step(found, right, gradient, weights, scale, good, rate, clip, patience, steps):
    part = [close(f, r, 3e-3) for f, r in zip(found, right, strict=True)].index(False)
    shown = [[float(f"{v:.4g}") for v in np.ravel(s[part])] for s in (found, right)]
    if steps > 1:
        return (
            f"Each rule is right by itself, but after {steps} steps with rate {rate:g}, clip "
            f"{clip:g} and patience {patience} `{_PARTS[part]}` is {shown[0]} where {shown[1]} "
            "was expected. Take the constants from the arguments."
        )
    raw = gradient(weights, scale)
    overflow = not np.isfinite(raw).all()
    if part == 0 and overflow:
        return (
            f"The scaled gradient is {raw.tolist()}: not all of it is finite. The weights "
            "have to stay as they are."
        )
    if part == 0:
        return (
            f"For the scaled gradient {raw.tolist()} with scale {scale:g}, clip {clip:g} and "
            f"rate {rate:g} the weights should move from 0 to {shown[1]}, yours to {shown[0]}."
        )
    what = "an overflow" if overflow else f"a good step, with good = {good} before it"
    return (
        f"After {what} and patience {patience}, `{_PARTS[part]}` was "
        f"{(scale, good)[part - 1]:g} and should be {right[part]:g} now; yours is {found[part]:g}."
    )


# -- gpu.accumulate ----------------------------------------------------------------------


def _accumulate(
    gradient, weights, micro_batches, every, rate, *, by="rows", reset="both", rest=True, sign=-1
):
    total, rows, count, last = 0, 0, 0, len(micro_batches)
    for i, (x, y) in enumerate(micro_batches, start=1):
        n = len(x)
        total = total + (n if by in ("rows", "sum", "last") else 1) * gradient(weights, x, y)
        rows, count = rows + n, count + 1
        if i % every == 0 or (rest and i == last):
            size = {"rows": rows, "means": count, "every": every, "last": n * every}.get(by, 1)
            weights = weights + sign * rate * total / size
            if reset in ("both", "total"):
                total = 0
            if reset in ("both", "rows"):
                rows, count = 0, 0
    return weights


_GROUP_SLIPS = (
    ({"by": "means"}, "That is the mean of the micro-batches' means: a row in a small one counts "
     "more than a row in a large one. Weigh each gradient by its number of rows."),
    ({"by": "every"}, "You divide the sum of the gradients by `every`. The micro-batches differ "
     "in size, and the last group may have fewer: weigh by rows, divide by rows."),
    ({"by": "last"}, "You divide by the last micro-batch's rows times `every`; the "
     "micro-batches differ in size. Count the rows."),
    ({"by": "gradients"}, "You add the gradients up: the step grows with the number of "
     "micro-batches. The mean over the rows of the group was wanted."),
    ({"by": "sum"}, "That is the gradient of the summed loss. Divide it by the rows of the "
     "group."),
    ({"reset": "none"}, "Nothing is reset after a step, so the next group's gradient still "
     "holds the one before it."),
    ({"reset": "rows"}, "The sum of gradients is not reset after a step: the next group still "
     "holds the one before it."),
    ({"reset": "total"}, "The count of rows is not reset after a step, so each step is smaller "
     "than the one before it."),
    ({"rest": False}, "The last group has fewer micro-batches and is dropped. It takes its "
     "step, too."),
    ({"sign": 1}, "The sign: against the gradient the loss falls."),
)  # fmt: skip

_GROUPS = (
    ((5, 2, 4, 3, 1, 6, 2), 3, 0.1, (3,)),
    ((1, 4, 2, 6), 2, 0.05, (4, 2)),
    ((3, 1, 2), 5, 0.2, (2,)),
)


def _mean_gradient(weights, x, y):
    return x.T @ (x @ weights - y) / len(x)


def _groups():
    rng = np.random.default_rng(12)
    for sizes, every, rate, shape in _GROUPS:
        data = [(rng.normal(size=(n, shape[0])), rng.normal(size=(n, *shape[1:]))) for n in sizes]
        yield _mean_gradient, rng.normal(size=shape), data, every, rate


def _ask_train(train, gradient, weights, micro_batches, every, rate):
    """The weights, and how many rows the gradient was given at once, 0 if it was not called."""
    seen, largest = [], max(len(x) for x, _ in micro_batches)

    def counted(weights, x, y):
        seen.append(max(len(x), largest))
        return gradient(weights, x, y)

    return train(counted, weights, micro_batches, every, rate), max(seen, default=0)


def _joined(gradient, weights, micro_batches, every, rate):
    for i in range(0, len(micro_batches), every):
        x, y = (np.concatenate(part) for part in zip(*micro_batches[i : i + every], strict=True))
        weights = weights - rate * gradient(weights, x, y)
    return weights


def _in_place(gradient, weights, *rest):
    weights[:] = _accumulate(gradient, weights.copy(), *rest)
    return weights


EXERCISES = [
    Exercise(
        name="gpu.bound",
        expects='a function that returns seconds, and "bytes" or "arithmetic"',
        right="One row of a batch has to fetch the whole matrix for two operations a number; a "
        "hundred rows share the fetch. That is why large batches are fast.",
        hint="Work out two times: operations by operations a second, bytes by bytes a second. "
        "Three matrices cross the memory, and the machine does both things at once.",
        what=("the seconds", '"bytes" or "arithmetic"'),
        read=(number, word("bytes", "arithmetic")),
        cases=_PRODUCTS,
        tolerance=5e-4,
        reference=_floor,
        slips=[
            *((lambda *c, time=time: (time(*c), _floor(*c)[1]), message)
              for time, message in _BOUND_SLIPS),
            (lambda *c: _floor(*c, swap=True), _why_floor),
        ],
        otherwise=_why_floor,
    ),
    Exercise(
        name="gpu.batch",
        expects="a function that returns one of the sizes",
        right="A lead that another seed would undo is no reason to wait longer. What is beyond "
        "the spread is: the largest batch is often not worth its speed.",
        hint="Mean over seeds for each size; the best of them; its own standard deviation. Who is "
        "within? Only then look at throughput.",
        what="the chosen size",
        cases=_curves,
        every=True,
        reference=_choose,
        slips=[
            (lambda sizes, speed, *_: sizes[int(np.argmax(speed))], "You take the fastest of "
             "all, whatever its loss. Only sizes that are as good as the best, up to chance, may "
             "be compared by throughput."),
            (lambda sizes, *_: max(sizes), "You always take the largest batch. Look at the "
             "losses, and at throughput."),
            *((partial(_choose, **mistake, ddof=ddof), message)
              for ddof in (1, 0) for mistake, message in _CHOICE_SLIPS),
            (lambda sizes, speed, *rest: speed[sizes.index(_choose(sizes, speed, *rest))],
             "That is a throughput; return the batch size that has it.",
             lambda found, sizes, speed, *_: found in speed),
            (lambda sizes, *rest: sizes.index(_choose(sizes, *rest)), "That is a place in the "
             "list; return the batch size that stands there.", lambda found, sizes, *_:
             found not in sizes and found in range(len(sizes))),
            (lambda *case: _choose(*case) + 0.5, "Return one of the sizes {0}; got {found:g}.",
             lambda found, sizes, *_: found not in sizes),
        ],
        otherwise=_why_batch,
    ),
    Exercise(
        name="gpu.cudnn",
        expects="a function that returns settings and ids",
        right="Three settings kept it away, and none of them said so. The padding would have been "
        "next: the kernel takes no mask that begins with False, nor a row that is all padding.",
        hint="The kernel is the whole time loop, with its activations, in one call; it is told "
        "one length for each row. Which settings ask for something inside that loop?",
        what=("the settings", "the ids"),
        read=(_settings, _ids),
        unique=False,
        cases=[(sentences,) for sentences in _SENTENCES],
        reference=_encoder,
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
             "has a hole. The kernel is told one length a row, so all padding has to stand on "
             "the right.", lambda found, sentences: any(
                 row[: len(words)].tolist() != words
                 for row, words in zip(found[1], sentences, strict=True))),
            (_with_ids(lambda ids: np.pad(ids, ((0, 0), (0, 2)))), lambda found, right, sentences:
             f"The kernel is back, but the rows have {found[1].shape[1]} columns where the "
             f"longest sentence has {max(map(len, sentences))} words: the rest is computed for "
             "nothing.", lambda found, sentences: found[1].shape[1] != max(map(len, sentences))),
        ],
    ),
    Exercise(
        name="gpu.overflow",
        expects="a function that returns weights, scale and good",
        right="The scale climbs until something overflows, gives up that one step, and climbs "
        "again: it keeps itself as large as float16 allows. bfloat16 has the range of float32 and "
        "needs none of it.",
        hint="Order: to float32, divide by scale, look for what is not finite, clip, step. Only "
        "then the bookkeeping of scale and good.",
        what=("the new weights", "the new scale", "the new good"),
        read=(_weights, number, number),
        cases=lambda: list(_cases()),
        tolerance=1.5e-3,
        ask=_ask_step,
        reference=_scaled_step,
        slips=[
            *_TYPES.values(),
            *((partial(_scaled_step, **slip), message) for slip, message in _STEP_SLIPS),
            (lambda *c, **o: (lambda w, s, g: (w, g, s))(*_scaled_step(*c, **o)), "`scale` and "
             "`good` are exchanged: the weights, then `scale`, then `good`."),
        ],
        otherwise=_why_step,
    ),
    Exercise(
        name="gpu.accumulate",
        expects="a function that returns the final weights",
        right="The same steps as with the large batch, to the last digits, in the memory of the "
        "small ones. With padded text, count tokens instead of rows.",
        hint="A mean times its number of rows is a sum, and sums may be added. What do you "
        "divide by at the end, and what begins at 0 again?",
        what=("the final weights", "the rows at once"),
        read=(array, number),
        cases=lambda: list(_groups()),
        tolerance=1e-5,
        ask=_ask_train,
        reference=_accumulate,
        slips=[
            (_in_place, "Your function changed the caller's weights in place, as `weights -= …` "
             "does: the start is lost to whoever goes on from it. Write "
             "`weights = weights - …`.", changed),
            (_joined, "The weights are right, but gradient was given {found[1]:.0f} rows at "
             "once; no micro-batch has more than {right[1]:.0f}. Joining them costs the memory "
             "that is to be saved."),
            (lambda g, w, batches, *_: (g(w, *batches[0]), w)[1], "The weights have not moved; "
             "take a step after each group."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, 1, rate), "You take a "
             "step after every micro-batch. Collect `every` of them, at the same weights, and "
             "then take one."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, len(batches), rate),
             "You take one step for the whole list; take one for each group of `every`."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, every, 1), "The "
             "gradient is right, but `rate` is missing in the step."),
            *((partial(_accumulate, **mistake), message) for mistake, message in _GROUP_SLIPS),
            (lambda g, w, *_: 2 * w, "Your function never calls gradient(weights, x, y).",
             lambda found, *_: not found[1]),
        ],
        otherwise=lambda found, right, gradient, weights, batches, every, rate: "Micro-batches "
        f"of {', '.join(str(len(x)) for x, _ in batches)} rows with every={every}: other weights "
        "than those of the whole groups. For each group: the sum of len(x) × gradient, divided "
        "by the sum of len(x), all at the same weights.",
    ),
]  # fmt: skip
