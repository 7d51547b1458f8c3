"""The exercises of chapter 03 that are about convolutions."""

import numpy as np

from ae_lib.exercises._old import Exercise, Wrong, array, close, number

# -- receptive field ---------------------------------------------------------------------

_RECEPTIVE = {
    7: "7 is the window of two layers. The third adds 2 steps, each as long as the two strides "
    "before it together.",
    9: "9 would be three layers side by side. Windows overlap, and each stride makes the next "
    "layer's steps longer.",
    27: "27 = 3³ would be windows that do not overlap; with stride 2 and kernel 3 they do.",
    11: "The steps of the third layer are 2 · 2 = 4 pixels long, not 2: strides multiply.",
}


def _judge_receptive(answer):
    value = number(answer, "the width in pixels")
    if value == 15:
        return
    raise Wrong(
        _RECEPTIVE.get(
            value, "Start at 1 and add (3 − 1) steps for each layer; how long is a step there?"
        )
    )


# -- overlap -----------------------------------------------------------------------------


def _overlap(kernel, stride):
    return [len(range(phase, kernel, stride)) for phase in range(stride)]


def _judge_overlap(copies):
    for kernel, stride in ((3, 2), (4, 2), (5, 3), (2, 3), (1, 1), (6, 3), (7, 4)):
        found = array(copies(kernel, stride), what=f"copies({kernel}, {stride})")
        wanted = _overlap(kernel, stride)
        if found.shape != (stride,):
            raise Wrong(
                f"copies({kernel}, {stride}) has shape {found.shape}: one number for each of the "
                f"{stride} values of j mod {stride} is wanted."
            )
        if close(found, wanted):
            continue
        said = f"copies({kernel}, {stride}) gives [{', '.join(f'{v:g}' for v in found)}]"
        if close(found, [kernel / stride] * stride):
            raise Wrong(f"{said}: that is the average. Which positions get one more than others?")
        if close(found, [-(-kernel // stride)] * stride):
            raise Wrong(f"{said}: rounding up everywhere. Not every phase gets the extra copy.")
        if close(found, [kernel // stride] * stride):
            raise Wrong(
                f"{said}: rounding down everywhere. Of the kernel's {kernel} values, "
                f"{kernel % stride} would write nowhere: which phases do they reach?"
            )
        if close(np.sort(found), np.sort(wanted)):
            raise Wrong(
                f"{said}: the right numbers at other phases. Value t of the kernel writes to "
                "i·s + t: which t have t mod s = 0?"
            )
        raise Wrong(f"{said}. Count the t from 0 to {kernel - 1} with t mod {stride} = the phase.")


EXERCISES = [
    Exercise(
        name="beyond.receptive",
        judge=_judge_receptive,
        right="1 + 2·1 + 2·2 + 2·4 = 15: strides make the window grow exponentially with depth, "
        "so a few small kernels see the whole image.",
        hint="A unit of layer three sees 3 units of layer two, which stand 4 pixels apart and see "
        "7 pixels each.",
        solution=lambda: 15,
        wrong={
            "two layers": (lambda: 7, "two layers"),
            "side by side": (lambda: 9, "overlap"),
            "no overlap": (lambda: 27, "do not overlap"),
            "strides added": (lambda: 11, "strides multiply"),
        },
        expects="a number of pixels",
    ),
    Exercise(
        name="beyond.overlap",
        judge=_judge_overlap,
        right="All phases agree exactly when the stride divides the kernel. Then an even result "
        "is possible; whether it comes about depends on the weights.",
        hint="Write the positions that inputs 0, 1, 2, 3 reach for kernel 3 and stride 2 under "
        "each other, and count the columns.",
        solution=lambda: _overlap,
        wrong={
            "the average": (lambda: lambda m, s: [m / s] * s, "average"),
            "rounded up": (lambda: lambda m, s: [-(-m // s)] * s, "rounding up"),
            "rounded down": (lambda: lambda m, s: [m // s] * s, "rounding down"),
            "phases reversed": (lambda: lambda m, s: _overlap(m, s)[::-1], "other phases"),
        },
        expects="a function copies(kernel, stride)",
    ),
]
