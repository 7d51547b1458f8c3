"""Exercises of chapter 13 on several machines: efficiency, and memory by ZeRO's stages."""

import numpy as np

from ae_lib.exercises._core import Exercise
from ae_lib.exercises._readers import array, letters, number


# runs.efficiency
def _efficiency(compute, parameters, bits, latency, workers, *, share=lambda w: 2 * (w - 1) / w,
                hops=lambda w: 2 * (w - 1), width=4, octet=8):  # fmt: skip
    """Share of a step that computes when a ring averages the gradients; or with a mistake."""
    sent = share(workers) * parameters * width / (bits / octet)
    return compute / (compute + sent + hops(workers) * latency)


def _remedies(compute, parameters, bits, latency, workers):
    """What each measure would make of the efficiency: ``{letter: efficiency}``."""
    return {
        "a": _efficiency(4 * compute, parameters, bits, latency, workers),
        "b": _efficiency(compute, parameters, bits, latency, workers, width=2),
        "c": _efficiency(compute, parameters, bits, latency / 10, workers),
        "d": _efficiency(compute, parameters, bits, latency, 2 * workers),
    }


def _explain(*case, then=None, **mistake):
    """The efficiency, perhaps with a mistake, and the measures that lift it to a half."""
    found = _efficiency(*case, **mistake)
    lifted = _remedies(*case).items()
    letters = "".join(letter for letter, value in lifted if value >= 0.5)
    return then(found, *case) if then else found, letters


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

_LATENCIES = {
    "missing": lambda w: 0,
    "counted once": lambda w: 1,
    "counted twice": lambda w: 2,
    "counted for w − 1 messages": lambda w: w - 1,
    "counted for 2 w messages": lambda w: 2 * w,
    "divided by the number of workers": lambda w: 2 * (w - 1) / w,
}
_RING_SLIPS = (
    ({"share": lambda w: (w - 1) / w, "hops": lambda w: w - 1}, "You count one way round the "
     "ring. First the sums travel, then the finished means: 2 (w − 1) messages."),
    ([{"octet": 1}, {"octet": 1 / 8}], "Networks are sold in bits a second, and a byte is eight "
     "of them: divide bits by 8."),
    ({"share": lambda w: 2 * (w - 1)}, "You send all gradients in every message. In a ring each "
     "message holds 1/w of them."),
    ({"share": lambda w: 2, "hops": lambda w: 2 * w}, "You count 2 w messages; in a ring 2 (w − "
     "1) are enough, for each worker has one part to begin with."),
    ([{"share": lambda w: 1, "hops": lambda w: w - 1}, {"share": lambda w: 1}], "You send all "
     "gradients once. A ring sends 2 (w − 1) messages of 1/w each."),
    ({"share": lambda w: 2}, "You send all gradients twice; in a ring each worker sends 2 (w − 1) "
     "messages of 1/w each, a little less."),
    ({"share": lambda w: 2 / w}, "The latency is counted for every message, the bytes for two of "
     "them only: each of the 2 (w − 1) holds 1/w."),
    *(({"hops": hops}, f"The latency is {how}; each of the 2 (w − 1) messages costs it "
       "whole.") for how, hops in _LATENCIES.items()),
    *(({"width": width}, f"You count {how} the bytes: each number has four (two are measure b), "
       "and the 2 (w − 1) messages are both ways already.")
      for how, width in {"a quarter of": 1, "half of": 2, "twice": 8}.items()),
    ({"then": lambda e, compute, *_: compute / max(compute, compute / e - compute)}, "You divide "
     "computing by communication alone, or by the longer of the two. Nothing overlaps, so the "
     "whole is the sum of both."),
    ({"then": lambda e, *_: 1 - e}, "That is the share that goes into communication; the "
     "efficiency is the rest."),
    ({"then": lambda e, *case: case[-1] * e}, "That is the speed-up over one worker; divide it by "
     "the number of workers."),
    ([{"then": lambda e, *case: e / case[-1]},
      {"then": lambda e, *case: _efficiency(case[0] / case[-1], *case[1:])}], "Each worker has a "
     "batch of its own, and computes on it for the time `compute`: do not divide by the number of "
     "workers."),
    ({"then": lambda e, *_: 100 * e}, "That is in per cent; return a share between 0 and 1."),
    ({"then": lambda e, *_: 1 / e}, "Turned round: computing divided by the whole, not the whole "
     "by computing."),
)  # fmt: skip


def _why_ring(found, right, *case):
    compute, parameters, bits, latency, workers = case
    shown = (
        f"For compute={compute:g}, parameters={parameters:g}, bits={bits:g}, "
        f"latency={latency:g}, workers={workers}"
    )
    if abs(found[0] - right[0]) > 1e-3 * right[0]:
        return (
            f"{shown} the efficiency is {right[0]:.3f}, yours is {found[0]:.3f}. A worker sends "
            "2 (w − 1) messages, each with the latency and the bytes of 1/w of the gradients."
        )
    values = _remedies(*case)
    letter = next(k for k in values if (k in found[1]) != (k in right[1]))
    return (
        f"{shown} the efficiency, {right[0]:.2f}, is right. But {_WHY[letter]}: it becomes "
        f"{values[letter]:.2f}, {'enough' if letter in right[1] else 'not enough'}."
    )


# runs.memory
def _memory(weights, workers, room, *, optimizer=12, gradients=2, kept=2, giga=1e9, order=1,
            split=None, choose=min, none=-1):  # fmt: skip
    """Gigabytes on each GPU in stages 0 to 3 and the first that fits; or with a mistake."""
    each = (optimizer, gradients, kept)[::order]
    shared = split or (lambda k: sum(n / workers if i < k else n for i, n in enumerate(each)))
    need = np.array([weights * shared(k) / giga for k in range(4)])
    fitting = [k for k in range(4) if need[k] <= room]
    return need, float(choose(fitting) if fitting else none)


_MEMORIES = ((7e9, 8, 80.0), (7e9, 1, 80.0), (1e9, 4, 24.0), (3e9, 16, 16.0), (7e9, 64, 16.0),
             (7e9, 4, 24.0))  # fmt: skip
_MEMORY_SLIPS = [
    ({"optimizer": 8}, "You count 12 bytes for a weight. In mixed precision the optimizer keeps a "
     "float32 weight beside Adam's two moments: 4 + 8."),
    ({"optimizer": 8, "gradients": 4, "kept": 4}, "The sum is right, but the parts are those of "
     "float32. In mixed precision: 2 for the weight, 2 for the gradient, 12 for the optimizer."),
    ({"optimizer": 4}, "Adam's moments stay in float32 in mixed precision: 8 bytes, and 4 for the "
     "float32 weight."),
    ({"gradients": 4}, "A gradient has 2 bytes here, as the text counts it."),
    ({"giga": 2**30}, "A gigabyte is 10⁹ bytes here, not 2³⁰."),
    ({"giga": 1.0}, "Those are bytes; divide by 10⁹."),
    ({"order": -1}, "The order is turned round: stage 1 shares the optimizer's part, stage 2 the "
     "gradients too, stage 3 the weights too."),
    (lambda w, n, room: _memory(w, n, room, split=lambda k: 16 / n if k else 16), "You share "
     "everything from stage 1 on. Stage 1 shares the 12 bytes of the optimizer only."),
    (lambda w, n, room: _memory(w, n, room, split=lambda k: 16 / n), "Stage 0 shares nothing: "
     "16 bytes for each weight on every GPU."),
    (lambda w, n, room: _memory(w, n, room, split=lambda k: (16, 12 / n, 2 / n, 2 / n)[k]),
     "You give the shared part alone. What is not shared yet stays on each GPU whole: add it."),
    ({"choose": max}, "The gigabytes are right. But you return the highest stage that fits; asked "
     "for is the lowest."),
    ({"none": 3}, "The gigabytes are right. Where no stage fits, return -1."),
    (lambda w, n, room: (_memory(w, n, room)[0], _memory(w, n, room)[1] + 1), "The gigabytes are "
     "right, but stages count from 0, in which nothing is shared."),
]  # fmt: skip


def _why_memory(found, right, weights, workers, room):
    shown = f"For {weights:.0e} weights on {workers} GPUs of {room:g} GB"
    if not np.allclose(found[0], right[0], rtol=1e-3):
        expected, got = (", ".join(f"{gb:.4g}" for gb in need) for need in (right[0], found[0]))
        return f"{shown} expected {expected} GB, got {got}."
    return f"{shown} the gigabytes are right, but the first stage that fits is {right[1]:.0f}."


EXERCISES = [
    Exercise(
        name="runs.memory", expects="a function that returns four sizes and a stage",
        right="Stages 1 and 2 stop helping when what is not shared fills the GPU. Only stage 3 "
        "divides everything, and it sends most.",
        hint="In mixed precision: weight 2, gradient 2, optimizer 4 + 8. Which of the three are "
        "divided by the number of workers in which stage?",
        what=("the gigabytes of the four stages", "the stage"), read=(array, number),
        cases=_MEMORIES, tolerance=5e-4, reference=_memory, slips=_MEMORY_SLIPS,
        otherwise=_why_memory,
    ),
    Exercise(
        name="runs.efficiency", expects="a function that returns the efficiency and letters",
        right="What is sent depends on the parameters, not on the batch. So more work between two "
        "messages always helps. Fewer bytes or a shorter latency help enough only if most of the "
        "waiting is for them. More workers never help here.",
        hint="Bytes of a worker: 2 (w − 1) messages of 1/w of the gradients; a byte has eight "
        "bits. Then put each change into the same formula.",
        what=("the efficiency", 'the letters, such as "ad"'),
        read=(number, letters("abcd", least=0)), cases=_RINGS, tolerance=5e-4, reference=_explain,
        slips=[
            *_RING_SLIPS,
            ([lambda *c: (_explain(*c)[0], _explain(*c)[1] + "d"),
              lambda *c: (_explain(*c)[0], _explain(*c)[1] + "b")], _why_ring),
        ],
        otherwise=_why_ring,
    ),
]  # fmt: skip
