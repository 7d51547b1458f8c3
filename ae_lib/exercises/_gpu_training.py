"""What judges the exercises of chapter 12 that are about one step: accumulation, float16."""

import numpy as np

from ae_lib.exercises._gpu import results
from ae_lib.exercises._old import Wrong, array, close, number

# -- gradient accumulation ---------------------------------------------------------------


def accumulate(
    gradient, weights, micro_batches, every, rate, *, by="rows", reset="both", rest=True, sign=-1
):
    """SGD over groups of micro-batches; or with a planted mistake."""
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
    """Of half the squared error of a linear model, averaged over rows."""
    return x.T @ (x @ weights - y) / len(x)


def judge_accumulate(answer):
    """Weighed by rows, reset after each step, the rest not dropped, memory kept small."""
    rng = np.random.default_rng(12)
    for sizes, every, rate, shape in _GROUPS:
        data = [(rng.normal(size=(n, shape[0])), rng.normal(size=(n, *shape[1:]))) for n in sizes]
        start = rng.normal(size=shape)
        seen = []

        def gradient(weights, x, y, seen=seen):
            seen.append(len(x))
            return _mean_gradient(weights, x, y)

        copies = [(x.copy(), y.copy()) for x, y in data]
        given = answer(gradient, start.copy(), copies, every, rate)
        found = array(given, shape, "the final weights")
        case = _mean_gradient, start, data, every, rate
        if not seen:
            raise Wrong("Your function never calls gradient(weights, x, y).")
        if close(found, accumulate(*case), 1e-8):
            if max(seen) > max(sizes):
                raise Wrong(
                    f"The weights are right, but gradient was given {max(seen)} rows at once; "
                    f"no micro-batch has more than {max(sizes)}. Joining them costs the memory "
                    "that is to be saved."
                )
            continue
        if close(found, start):
            raise Wrong("The weights have not moved; take a step after each group.")
        if close(found, accumulate(*case[:3], 1, rate)):
            raise Wrong(
                "You take a step after every micro-batch. Collect `every` of them, at the same "
                "weights, and then take one."
            )
        if close(found, accumulate(*case[:3], len(sizes), rate)):
            raise Wrong(
                "You take one step for the whole list; take one for each group of `every`."
            )
        if close(found, accumulate(*case[:4], 1)):
            raise Wrong("The gradient is right, but `rate` is missing in the step.")
        for mistake, message in _GROUP_SLIPS:
            if close(found, accumulate(*case, **mistake), 1e-8):
                raise Wrong(message)
        raise Wrong(
            f"Micro-batches of {', '.join(map(str, sizes))} rows with every={every}: other "
            "weights than those of the whole groups. For each group: the sum of len(x) × "
            "gradient, divided by the sum of len(x), all at the same weights."
        )


# -- a float16 run that overflows --------------------------------------------------------


def scaled_step(
    gradient, weights, scale, good, rate=0.1, clip=1.0, patience=3, *,
    unscale="float32", clipping="after", squares="float32", skip="both", shrink=0.5,
    forget=True, grow=2, again=True, late=0
):  # fmt: skip
    """A step with dynamic loss scaling; or with a planted mistake."""
    g = np.asarray(gradient(weights, scale))
    if unscale == "float16":
        g = (g / np.float16(scale)).astype("float32")
    elif unscale == "float32" and clipping != "before":
        g = g.astype("float32") / np.float32(scale)
    g = g.astype("float32")
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

_PARTS = "weights", "scale", "good"
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


def judge_overflow(answer):
    """Each rule by itself, then a run of a hundred steps with other constants."""
    with np.errstate(all="ignore"):
        for true, broken, scale, good in _STEPS:

            def gradient(weights, scale, true=true, broken=broken):
                g = (np.array(true) * number(scale, "scale")).astype("float16")
                g[1] = g[1] if broken is None else broken
                return g

            start = np.zeros(3, "float32")
            options = {"rate": 0.5, "clip": 2.0, "patience": 3}
            _judge_step(answer, gradient, start, scale, good, options)
        _judge_run(answer)


def _judge_step(answer, gradient, start, scale, good, options):
    given = answer(gradient, start.copy(), scale, good, **options)
    found = _state(given, start.shape)
    case = gradient, start, scale, good
    right = scaled_step(*case, **options)
    if _same(found, right):
        return
    raw = gradient(start, scale)
    if _same((found[0], *found[:0:-1]), right):
        raise Wrong("`scale` and `good` are exchanged: the weights, then `scale`, then `good`.")
    slips = [(scaled_step(*case, **options, **slip), message) for slip, message in _STEP_SLIPS]
    for value, message in slips:
        if _same(found, value) and not _same(value, right):
            raise Wrong(message)
    # Several mistakes at once: name the first part of the answer that is wrong.
    part = next(i for i in range(3) if not _same(found, right, [i]))
    for value, message in slips:
        if _same(found, value, [part]) and not _same(value, right, [part]):
            raise Wrong(message)
    overflow = not np.isfinite(raw).all()
    if part == 0 and overflow:
        raise Wrong(
            f"The scaled gradient is {raw.tolist()}: not all of it is finite. The weights "
            "have to stay as they are."
        )
    if part == 0:
        raise Wrong(
            f"For the scaled gradient {raw.tolist()} with scale {scale:g}, clip "
            f"{options['clip']:g} and rate {options['rate']:g} the weights should move from 0 to "
            f"{_shown(right[0])}, yours to {_shown(found[0])}."
        )
    what = "an overflow" if overflow else f"a good step, with good = {good} before it"
    raise Wrong(
        f"After {what} and patience {options['patience']}, `{_PARTS[part]}` was "
        f"{(scale, good)[part - 1]:g} and should be {right[part]:g} now; yours is {found[part]:g}."
    )


def _judge_run(answer):
    """A quadratic whose gradient overflows when scale grows too far."""
    options = {"rate": 0.3, "clip": 4.0, "patience": 5}
    goal = np.array([2.0, -3.0, 0.5, 8.0])

    def gradient(weights, scale):
        g = (np.asarray(weights, float) - goal).astype("float16")
        return g * np.float16(number(scale, "scale"))

    state = mine = np.zeros(4, "float32"), 16384.0, 0
    for count in range(1, 101):
        mine = _state(answer(gradient, mine[0].copy(), mine[1], mine[2], **options), (4,))
        state = scaled_step(gradient, *state, **options)
        if not _same(mine, state, tolerance=1e-2):
            part = next(i for i in range(3) if not _same(mine, state, [i], tolerance=1e-2))
            yours, right = (_shown(s[0]) if part == 0 else f"{s[part]:g}" for s in (mine, state))
            raise Wrong(
                "Each rule is right by itself, but a run with rate 0.3, clip 4 and patience 5 "
                f"goes astray at step {count}: `{_PARTS[part]}` {yours} where {right} was "
                "expected. Take the constants from the arguments."
            )


def _shown(values):
    return [float(f"{v:.4g}") for v in values]


def _state(given, shape):
    """The answer's three parts; weights may hold NaN, for that is a mistake of its own."""
    what = "three things: the new weights, the new scale, the new good"
    weights, scale, good = results(given, 3, what)
    try:
        weights = np.asarray(weights)
        values = weights.astype("float64")
    except (TypeError, ValueError):
        raise Wrong("Expected the new weights as an array of numbers.") from None
    if values.shape != shape:
        raise Wrong(
            f"Expected new weights of shape {shape}, got {values.shape}. Return {what}, in this "
            "order."
        )
    if weights.dtype == np.float16:
        raise Wrong(
            "The new weights are float16. A step smaller than a thousandth of a weight would be "
            "rounded away: keep them in float32."
        )
    if isinstance(given[0], np.ndarray) and weights.dtype == np.float64:
        raise Wrong(
            "The new weights are float64. Somewhere a float64 number has come in and made all "
            'that it touched twice as long: end with .astype("float32").'
        )
    return values.astype("float32"), number(scale, "the new scale"), number(good, "the new good")


def _same(found, right, parts=(0, 1, 2), tolerance=1e-3):
    """Whether states agree, each value relatively, NaN with NaN."""
    return all(
        np.allclose(found[i], right[i], rtol=tolerance, atol=1e-12, equal_nan=True) for i in parts
    )
