"""Exercises of chapter 12 on one step of training: float16, gradient accumulation."""

import numpy as np

from ae_lib.exercises._core import Exercise, changed, close
from ae_lib.exercises._readers import Wrong, array, number


# gpu.overflow
def _scaled_step(
    gradient, weights, scale, good, rate=0.1, clip=1.0, patience=3, *,
    unscale="float32", clipping="after", squares="float32", skip="both", shrink=0.5,
    forget=True, grow=2, again=True, late=0, repair="", dtype="float32"
):  # fmt: skip
    g = np.asarray(gradient(weights, scale))
    g = np.nan_to_num(g) if repair == "float16" else g
    g = g.astype("float16" if unscale == "float16" else "float32")
    if unscale != "never" and clipping != "before":
        g = (g / g.dtype.type(scale)).astype("float32")
    g = np.nan_to_num(g) if repair == "late" else g
    lost = {"both": ~np.isfinite(g), "inf": np.isinf(g), "nan": np.isnan(g), "none": g != g + 0}
    if skip != "none" and lost[skip].any():
        return weights.astype(dtype), scale * shrink, 0 if forget else good
    if skip == "none" and lost["both"].any():
        scale, good = scale * shrink, -1
    norm = np.sqrt((g.astype(squares) ** 2).sum(dtype=squares)).astype("float32")
    if clipping == "always" or (clipping != "never" and norm > clip):
        g = g * np.float32((1 if clipping == "unit" else clip) / norm)
    if clipping == "before":
        g = g / np.float32(scale)
    weights, good = (weights - rate * g).astype(dtype), good + 1
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
    ([{"repair": "late"}, {"repair": "float16"}], "np.nan_to_num has put numbers in place of inf "
     "and NaN, and the step was taken with them. What overflowed is not known: leave the weights "
     "as they are, and halve `scale`."),
    ({"skip": "inf"}, "You look for inf alone; inf − inf inside the model is NaN. np.isfinite "
     "finds both."),
    ({"skip": "nan"}, "You look for NaN alone; an overflow is inf. np.isfinite finds both."),
    ({"shrink": 1}, "After an overflow `scale` stays as it was, so the next step overflows, too: "
     "halve it."),
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


_TYPE_SLIPS = (
    ({"dtype": "float16"}, "The new weights are float16. A step smaller than a thousandth of a "
     "weight would be rounded away: keep them in float32."),
    ({"dtype": "float64"}, "The new weights are float64. Somewhere a float64 number has made all "
     "that it touched twice as long: end with .astype(\"float32\")."),
)  # fmt: skip


def _weights(answer, what):
    for slip in _TYPE_SLIPS:
        if str(getattr(answer, "dtype", "")) == slip[0]["dtype"]:
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
    if np.isfinite(raw).all():
        what = f"a good step, with good = {good} before it"
    else:
        what = "an overflow, which leaves the weights as they are"
    return (
        f"After {what} (scaled gradient {raw.tolist()}, scale {scale:g}, rate {rate:g}, clip "
        f"{clip:g}, patience {patience}), `{_PARTS[part]}` should be {shown[1]}; yours is "
        f"{shown[0]}."
    )


# gpu.accumulate
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
    ({"by": "last"}, "You divide by the last micro-batch's rows times `every`; the micro-batches "
     "differ in size. Count the rows."),
    ({"by": "gradients"}, "You add the gradients up: the step grows with the number of "
     "micro-batches. The mean over the rows of the group was wanted."),
    ({"by": "sum"}, "That is the gradient of the summed loss. Divide it by the group's rows."),
    ({"reset": "none"}, "Nothing is reset after a step, so the next group's gradient still holds "
     "the one before it."),
    ({"reset": "rows"}, "The sum of gradients is not reset after a step: the next group still "
     "holds the one before it."),
    ({"reset": "total"}, "The count of rows is not reset after a step, so each step is smaller "
     "than the one before it."),
    ({"rest": False}, "The last group has fewer micro-batches and is dropped. It takes its step, "
     "too."),
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
        name="gpu.overflow", expects="a function that returns weights, scale and good",
        right="The scale climbs until something overflows, gives up that one step, and climbs "
        "again: it keeps itself as large as float16 allows. bfloat16 has the range of float32 and "
        "needs none of it.",
        hint="Order: to float32, divide by scale, look for what is not finite, clip, step. Only "
        "then the bookkeeping of scale and good.",
        what=("the new weights", "the new scale", "the new good"), read=(_weights, number, number),
        cases=lambda: list(_cases()), tolerance=1.5e-3, ask=_ask_step, reference=_scaled_step,
        slips=[
            *_TYPE_SLIPS,
            *_STEP_SLIPS,
            (lambda *c, **o: (lambda w, s, g: (w, g, s))(*_scaled_step(*c, **o)), "`scale` and "
             "`good` are exchanged: the weights, then `scale`, then `good`."),
        ],
        otherwise=_why_step,
    ),
    Exercise(
        name="gpu.accumulate", expects="a function that returns the final weights",
        right="The same steps as with the large batch, to the last digits, in the memory of the "
        "small ones. With padded text, count tokens instead of rows.",
        hint="A mean times its number of rows is a sum, and sums may be added. What do you divide "
        "by at the end, and what begins at 0 again?",
        what=("the final weights", "the rows at once"), read=(array, number),
        cases=lambda: list(_groups()), tolerance=1e-5, ask=_ask_train, reference=_accumulate,
        slips=[
            (_in_place, "Your function changed the caller's weights in place, as `weights -= …` "
             "does: the start is lost to whoever goes on from it. Write `weights = weights - …`.",
             changed),
            (_joined, "The weights are right, but gradient was given {found[1]:.0f} rows at once; "
             "no micro-batch has more than {right[1]:.0f}. Joining them costs the memory that is "
             "to be saved."),
            (lambda g, w, batches, *_: (g(w, *batches[0]), w)[1], "The weights have not moved; "
             "take a step after each group."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, 1, rate), "You take a "
             "step after every micro-batch. Collect `every` of them, at the same weights, and "
             "then take one."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, len(batches), rate),
             "You take one step for the whole list; take one for each group of `every`."),
            (lambda g, w, batches, every, rate: _accumulate(g, w, batches, every, 1), "The "
             "gradient is right, but `rate` is missing in the step."),
            *_GROUP_SLIPS,
            (lambda g, w, *_: 2 * w, "Your function never calls gradient(weights, x, y).",
             lambda found, *_: not found[1]),
        ],
        otherwise=lambda found, right, gradient, weights, batches, every, rate: "Micro-batches of "
        f"{', '.join(str(len(x)) for x, _ in batches)} rows with every={every}: other weights "
        "than those of the whole groups. For each group: the sum of len(x) × gradient, divided by "
        "the sum of len(x), all at the same weights.",
    ),
]  # fmt: skip
