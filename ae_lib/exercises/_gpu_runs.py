"""What judges the exercises of chapter 12 that are about whole runs: resuming, batch size."""

import copy
from functools import cache

import numpy as np

from ae_lib.exercises._old import Wrong, number

# -- what the checkpoint forgot ----------------------------------------------------------


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


def checkpoint(run, *, leave=(), copies=True):
    """What a run cannot make again; or with planted mistakes."""
    held = {name: getattr(run, name) for name in STATE if name not in leave}
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


def judge_resume(answer):
    """Kill it, start it again, and compare every step."""
    with np.errstate(all="ignore"):
        _judge_resume(answer)


def _judge_resume(answer):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    for killed in (8, 10, 17):
        run, whole = _after(Run(x, y), killed), _after(Run(x, y), killed)
        saved = answer(run)
        _judge_names(saved, run, whole)
        early = copy.deepcopy(saved)
        _after(run, 3)
        late = copy.deepcopy(saved)
        _after(whole, 3)
        if _differs(run, whole):
            raise Wrong(f"checkpoint(run) changed the run itself: its {_differs(run, whole)}.")
        for snapshot, at_once in ((early, True), (late, False)):
            found = _resume(snapshot, x, y, killed)
            if found is None:
                continue
            name, step = found
            shown = f"Killed after step {killed}, the resumed weights differ from step {step} on."
            if not at_once:
                raise Wrong(
                    f"{shown} `{name}` is not a copy: training went on while the dict was being "
                    "written, and the dict changed with it."
                )
            if name in saved:
                raise Wrong(
                    f"{shown} `{name}` is in the dict, but not as it was; save it to the last bit."
                )
            raise Wrong(f"{shown} {_FORGOTTEN[name]}")


def _judge_names(saved, run, whole):
    """A dict of attributes, without the data."""
    if not isinstance(saved, dict):
        raise Wrong(
            f'Return a dict such as {{"weights": …}}, from names to values; got '
            f"{type(saved).__name__}."
        )
    for name in saved:
        if name in ("x", "y"):
            raise Wrong(
                f"`{str(name)}` is the data set. It is on disk already; in every checkpoint it "
                "would be written again."
            )
        if name not in vars(run):
            raise Wrong(
                f"A run has no attribute {str(name)[:40]!r}. It has {', '.join(vars(run))}."
            )
    if _differs(run, whole):
        raise Wrong(f"checkpoint(run) changed the run itself: its {_differs(run, whole)}.")


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


def _resume(saved, x, y, killed, more=15):
    """None if the run goes on to the bit; else what is wrong first, and the first wrong step."""
    resumed, whole = _load(saved, x, y), _after(Run(x, y), killed)
    first = _differs(resumed, whole)
    for step in range(killed + 1, killed + more + 1):
        resumed.step()
        whole.step()
        if not np.array_equal(resumed.weights, whole.weights):
            return first, step
    return None


def _differs(run, other):
    """The first part of the state in which two runs differ, or None."""
    for name in STATE:
        mine, theirs = getattr(run, name), getattr(other, name)
        if name == "rng":
            mine, theirs = mine.bit_generator.state, theirs.bit_generator.state
            if mine != theirs:
                return name
        elif not np.array_equal(mine, theirs):
            return name
    return None


# -- choosing a batch size ---------------------------------------------------------------


def choose(
    sizes, throughput, validation, test, *, by="mean", spread="best", pick="fastest", ddof=1
):
    """The fastest size whose loss is within the best one's spread; or with a planted mistake."""
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
def curves(n=40):
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
        if choose(*case) == choose(*case, ddof=0):
            found.append(case)
    return found


def judge_batch(answer):
    """The fastest of those that only chance sets apart from the best."""
    cases, found = curves(), []
    for sizes, throughput, validation, test in copy.deepcopy(cases):
        found.append(number(answer(sizes, throughput, validation, test), "the chosen size"))
    wanted = [choose(*case) for case in cases]
    if found == wanted:
        return
    for (sizes, throughput, *_), size in zip(cases, found, strict=True):
        if size in throughput:
            raise Wrong("That is a throughput; return the batch size that has it.")
        if size not in sizes and size in range(len(sizes)):
            raise Wrong("That is a place in the list; return the batch size that stands there.")
        if size not in sizes:
            raise Wrong(f"Return one of the sizes {sizes}; got {size:g}.")
    if found == [case[0][int(np.argmax(case[1]))] for case in cases]:
        raise Wrong(
            "You take the fastest of all, whatever its loss. Only sizes that are as good as the "
            "best, up to chance, may be compared by throughput."
        )
    if found == [max(case[0]) for case in cases]:
        raise Wrong("You always take the largest batch. Look at the losses, and at throughput.")
    for ddof in (1, 0):
        for mistake, message in _CHOICE_SLIPS:
            if found == [choose(*case, **mistake, ddof=ddof) for case in cases]:
                raise Wrong(message)
    case, size, right = next(c for c in zip(cases, found, wanted, strict=True) if c[1] != c[2])
    mean, std = np.mean(case[2], 1), np.std(case[2], 1, ddof=1)
    best = int(np.argmin(mean))
    raise Wrong(
        f"For sizes {case[0]} the mean validation losses are {mean.round(3).tolist()}, and the "
        f"spread of the best, {case[0][best]}, is {std[best]:.3f}. The fastest of those within is "
        f"{right}; you chose {size:g}."
    )
