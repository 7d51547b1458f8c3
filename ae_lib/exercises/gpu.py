"""Exercises of chapter 12, training on GPUs and beyond one machine."""

import numpy as np

from ae_lib.exercises._gpu import (
    bill,
    bill_hours,
    efficiency,
    explain,
    floor,
    judge_bill,
    judge_bound,
    judge_efficiency,
    remedies,
)
from ae_lib.exercises._gpu_kernel import encoder, judge_cudnn
from ae_lib.exercises._gpu_runs import checkpoint, choose, judge_batch, judge_resume
from ae_lib.exercises._gpu_training import (
    accumulate,
    judge_accumulate,
    judge_overflow,
    scaled_step,
)
from ae_lib.exercises._old import Exercise

# -- planted mistakes --------------------------------------------------------------------


def _planted(function, **mistake):
    """Makes an answer: the solution with one thing changed."""
    return lambda: lambda *a, **k: function(*a, **k, **mistake)


def _bill_by(how):
    def answer(sizes, seconds, target, price):
        hours = bill_hours(how, sizes, seconds, target)
        return hours, hours * price

    return lambda: answer


def _explain_by(**mistake):
    return lambda: lambda *case: (efficiency(*case, **mistake), explain(*case)[1])


def _joined(gradient, weights, micro_batches, every, rate):
    for i in range(0, len(micro_batches), every):
        x, y = (np.concatenate(part) for part in zip(*micro_batches[i : i + every], strict=True))
        weights = weights - rate * gradient(weights, x, y)
    return weights


def _fastest(sizes, throughput, validation, test):
    return sizes[int(np.argmax(throughput))]


EXERCISES = [
    Exercise(
        name="gpu.bound",
        judge=judge_bound,
        right="One row of a batch has to fetch the whole matrix for two operations a number; a "
        "hundred rows share the fetch. That is why large batches are fast.",
        hint="Work out two times: operations by operations a second, bytes by bytes a second. "
        "Three matrices cross the memory, and the machine does both things at once.",
        solution=lambda: floor,
        wrong={
            "the sum": (_planted(floor, join=sum), "You add the two times"),
            "the shorter": (_planted(floor, join=min), "shorter of the two times"),
            "multiply-adds counted once": (_planted(floor, each=1), "is two operations"),
            "result not written": (_planted(floor, sides="ab"), "has to be written"),
            "ridge upside down": (_planted(floor, swap=True), "are those of the"),
            "numbers for bytes": (
                lambda: lambda m, k, n, width, *rest: floor(m, k, n, 1, *rest),
                "multiply by width",
            ),
        },
        expects='a function that returns seconds, and "bytes" or "arithmetic"',
    ),
    Exercise(
        name="gpu.bill",
        judge=judge_bill,
        right="A power law is a straight line between logarithms, and its slope is what "
        "a larger model costs. The line is an extrapolation: time one step of the large model "
        "before you pay for all of them.",
        hint="log seconds = log a + b log size: np.polyfit(x, y, 1) returns b, then log a. An "
        "hour has 3,600 seconds.",
        solution=lambda: bill,
        wrong={
            "a straight line": (_bill_by("linear"), "to the numbers themselves"),
            "in proportion": (_bill_by("last"), "as if the exponent were 1"),
            "two points": (_bill_by("ends"), "through two points"),
            "base 10, then exp": (_bill_by("log10, exp"), "base 10"),
            "slope and constant exchanged": (_bill_by("exchanged"), "highest power first"),
            "seconds": (
                lambda: lambda *a: tuple(3600 * v for v in bill(*a)),
                "an hour has 3,600",
            ),
            "price a second": (
                lambda: lambda *a: (bill(*a)[0], 3600 * bill(*a)[1]),
                "not for a second",
            ),
        },
        expects="a function that returns hours and money",
    ),
    Exercise(
        name="gpu.accumulate",
        judge=judge_accumulate,
        right="The same steps as with the large batch, to the last digits, in the memory of the "
        "small ones. With padded text, count tokens instead of rows.",
        hint="A mean times its number of rows is a sum, and sums may be added. What do you "
        "divide by at the end, and what begins at 0 again?",
        solution=lambda: accumulate,
        wrong={
            "mean of means": (_planted(accumulate, by="means"), "mean of the micro-batches"),
            "gradients added up": (_planted(accumulate, by="gradients"), "add the gradients up"),
            "never reset": (_planted(accumulate, reset="none"), "Nothing is reset"),
            "rows not reset": (_planted(accumulate, reset="total"), "count of rows"),
            "the rest dropped": (_planted(accumulate, rest=False), "is dropped"),
            "a step for each": (
                lambda: lambda g, w, batches, every, rate: accumulate(g, w, batches, 1, rate),
                "after every micro-batch",
            ),
            "joined first": (lambda: _joined, "memory"),
        },
        expects="a function that returns the final weights",
    ),
    Exercise(
        name="gpu.cudnn",
        judge=judge_cudnn,
        right="Three settings kept it away, and none of them said so. The padding would have been "
        "next: the kernel takes no mask that begins with False, nor a row that is all padding.",
        hint="The kernel is the whole time loop, with its activations, in one call; it is told "
        "one length for each row. Which settings ask for something inside that loop?",
        solution=lambda: encoder,
        wrong={
            "hard sigmoid": (
                _planted(encoder, recurrent_activation="hard_sigmoid"),
                "sigmoid built in",
            ),
            "recurrent dropout": (
                _planted(encoder, recurrent_dropout=0.2),
                "inside the time loop",
            ),
            "unrolled": (_planted(encoder, unroll=True), "small operations"),
            "padded on the left": (_planted(encoder, right=False), "stand on the right"),
            "no dropout at all": (_planted(encoder, dropout=0), "harmless"),
            "turned round": (_planted(encoder, reverse=True), "turned round"),
        },
        expects="a function that returns settings and ids",
    ),
    Exercise(
        name="gpu.overflow",
        judge=judge_overflow,
        right="The scale climbs until something overflows, gives up that one step, and climbs "
        "again: it keeps itself as large as float16 allows. bfloat16 has the range of float32 and "
        "needs none of it.",
        hint="Order: to float32, divide by scale, look for what is not finite, clip, step. Only "
        "then the bookkeeping of scale and good.",
        solution=lambda: scaled_step,
        wrong={
            "not unscaled": (_planted(scaled_step, unscale="never"), "times too large"),
            "clipped before unscaling": (_planted(scaled_step, clipping="before"), "then clip"),
            "unscaled in float16": (_planted(scaled_step, unscale="float16"), "becomes 0 there"),
            "squares in float16": (_planted(scaled_step, squares="float16"), "65,504"),
            "every gradient clipped": (
                _planted(scaled_step, clipping="always"),
                "leaves the rest",
            ),
            "clipped to one": (_planted(scaled_step, clipping="unit"), "to the length 1"),
            "growth one late": (_planted(scaled_step, late=1), "has not doubled"),
            "float64 at the end": (
                lambda: (
                    lambda *a, **k: (
                        scaled_step(*a, **k)[0].astype("float64"),
                        *scaled_step(*a, **k)[1:],
                    )
                ),
                "float64",
            ),
            "step taken with inf": (_planted(scaled_step, skip="none"), "all the same"),
            "NaN not noticed": (_planted(scaled_step, skip="inf"), "inf alone"),
            "never grows": (_planted(scaled_step, grow=1), "never grows"),
            "good not reset": (_planted(scaled_step, forget=False), "ends the series"),
        },
        expects="a function that returns weights, scale and good",
    ),
    Exercise(
        name="gpu.resume",
        judge=judge_resume,
        right="Everything that a step reads and the script cannot make again. Forget one, and the "
        "run goes on as if nothing had happened, only elsewhere.",
        hint="Read `step` line by line: which attributes does it read that an earlier step has "
        "changed? And which of them are changed in place?",
        solution=lambda: checkpoint,
        wrong={
            "weights and steps": (_planted(checkpoint, leave=("m", "v", "rng")), "momentum"),
            "no second moment": (_planted(checkpoint, leave=("v",)), "squared gradients"),
            "no step count": (_planted(checkpoint, leave=("steps",)), "correction"),
            "no place": (_planted(checkpoint, leave=("place",)), "seen twice"),
            "no order": (_planted(checkpoint, leave=("order",)), "in another one"),
            "no generator": (_planted(checkpoint, leave=("rng",)), "random generator"),
            "no copies": (_planted(checkpoint, copies=False), "is not a copy"),
            "the data, too": (lambda: lambda run: checkpoint(run) | {"x": run.x}, "data set"),
        },
        expects="a function that returns a dict of a run's attributes",
    ),
    Exercise(
        name="gpu.batch",
        judge=judge_batch,
        right="A lead that another seed would undo is no reason to wait longer. What is beyond "
        "the spread is: the largest batch is often not worth its speed.",
        hint="Mean over seeds for each size; the best of them; its own standard deviation. Who is "
        "within? Only then look at throughput.",
        solution=lambda: choose,
        wrong={
            "the fastest": (lambda: _fastest, "whatever its loss"),
            "the lowest loss": (_planted(choose, spread="none"), "Its lead over"),
            "by the test losses": (_planted(choose, by="test"), "by validation"),
            "the luckiest seed": (
                _planted(choose, by="luckiest", spread="none"),
                "luckiest single seed",
            ),
            "the luckiest seed and its spread": (_planted(choose, by="seed"), "luckiest seed of"),
            "each its own spread": (_planted(choose, spread="own"), "unreliable"),
            "the largest allowed": (_planted(choose, pick="largest"), "need not be the fastest"),
        },
        expects="a function that returns one of the sizes",
    ),
    Exercise(
        name="gpu.efficiency",
        judge=judge_efficiency,
        right="What is sent depends on the parameters, not on the batch. So more work between "
        "two messages always helps, fewer bytes or a quicker network only where they are what is "
        "waited for, and more workers never.",
        hint="Bytes of a worker: 2 (w − 1) messages of 1/w of the gradients; a byte has eight "
        "bits. Then put each change into the same formula.",
        solution=lambda: explain,
        wrong={
            "one way": (_explain_by(ways=1), "one way round"),
            "bits for bytes": (_explain_by(octet=1), "eight"),
            "whole gradients in each message": (
                lambda: lambda *c: (efficiency(*c, pieces=c[-1] - 1), explain(*c)[1]),
                "in every message",
            ),
            "no latency": (_explain_by(hops=0), "latency is missing"),
            "latency shared out": (
                lambda: lambda *c: (efficiency(*c, hops=2 * (c[-1] - 1) / c[-1]), explain(*c)[1]),
                "costs its latency whole",
            ),
            "as if both overlapped": (
                lambda: (
                    lambda *c: (
                        c[0] / max(c[0], c[0] / explain(*c)[0] - c[0]),
                        explain(*c)[1],
                    )
                ),
                "Nothing overlaps",
            ),
            "communication's share": (
                lambda: lambda *c: (1 - explain(*c)[0], explain(*c)[1]),
                "into communication",
            ),
            "more workers": (
                lambda: lambda *c: (explain(*c)[0], explain(*c)[1] + "d"),
                "more messages and more bytes",
            ),
            "a faster network always": (
                lambda: (
                    lambda *c: (
                        explain(*c)[0],
                        "".join(k for k, e in remedies(*c).items() if e >= 0.5 or k == "b"),
                    )
                ),
                "halves the time of the bytes",
            ),
        },
        expects="a function that returns the efficiency and letters",
    ),
]
