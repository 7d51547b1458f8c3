"""Chapter 03: convolution and its transpose; what a denoiser's arrows say."""

import math

from book.drawings.kit import CODE, DECODER, ENCODER, INK, QUIET, Drawing


def _grid(d, x, y, n, size=30, colour=INK, fill=0.03):
    for i in range(n):
        for j in range(n):
            d.box(x + j * size, y + i * size, size, size, colour=colour, fill=fill)


def convolution():
    d = Drawing("A convolution with stride 2, and the transposed one", 300)
    d.text(170, 16, "convolution, stride 2: many to one", 14, bold=True)
    _grid(d, 20, 40, 5, colour=QUIET)
    for k, (i, j) in enumerate(((0, 0), (0, 2))):
        d.box(20 + 30 * j, 40 + 30 * i, 90, 90, colour=(ENCODER, CODE)[k], fill=0.25)
    _grid(d, 250, 85, 2, colour=QUIET)
    d.box(250, 85, 30, 30, colour=ENCODER, fill=0.5)
    d.box(280, 85, 30, 30, colour=CODE, fill=0.5)
    d.arrow((112, 118), (246, 104), colour=ENCODER)
    d.text(95, 214, "5 × 5 pixels", 12)
    d.text(280, 214, "2 × 2 values", 12)
    d.text(170, 246, "Nine pixels times nine weights,\nadded up, give one value. The same\nnine "
           "weights then move two pixels on.", 12)  # fmt: skip
    d.text(550, 16, "transposed: one to many", 14, bold=True)
    _grid(d, 410, 85, 2, colour=QUIET)
    d.box(410, 85, 30, 30, colour=ENCODER, fill=0.5)
    d.box(440, 85, 30, 30, colour=CODE, fill=0.5)
    _grid(d, 540, 40, 5, colour=QUIET)
    d.box(540, 40, 90, 90, colour=ENCODER, fill=0.25)
    d.box(600, 40, 90, 90, colour=CODE, fill=0.25)
    d.arrow((472, 104), (536, 90), colour=ENCODER)
    d.text(440, 214, "2 × 2 values", 12)
    d.text(615, 214, "5 × 5 pixels", 12)
    d.text(550, 246, "One value times nine weights gives\na patch of nine pixels. Where two\n"
           "patches overlap, they are added.", 12)  # fmt: skip
    return d


def field():
    d = Drawing("A denoising autoencoder moves each point towards the data", 300)

    def at(x):
        return 60 + 600 * x, 150 + 70 * math.sin(2 * math.pi * x)

    curve = [at(i / 60) for i in range(61)]
    d.line(*curve, colour=CODE, width=3)
    for row in range(7):
        for column in range(16):
            x, y = 60 + 40 * column, 24 + 42 * row
            foot = min(curve, key=lambda p: math.hypot(p[0] - x, p[1] - y))
            dx, dy = foot[0] - x, foot[1] - y
            if math.hypot(dx, dy) > 14:
                d.arrow((x, y), (round(x + 0.4 * dx), round(y + 0.4 * dy)), colour=ENCODER, head=5)
    d.text(
        360, 286, "green: where the data lie; arrows: the way on which a noisy point is moved", 13
    )
    return d


def kinds():
    d = Drawing("Four ways to keep an autoencoder from copying", 330)
    for k, (name, what, more) in enumerate((
        ("undercomplete", "few numbers in the code", "narrow"),
        ("denoising", "the input is spoiled, the target is not", "noise"),
        ("sparse", "only some units may be on", "sparse"),
        ("contractive", "a small change of x must change z little", "flat"),
    )):  # fmt: skip
        y = 44 + 80 * k
        d.text(14, y, name, 14, anchor="start", bold=True)
        d.box(170, y - 30, 22, 60, colour=INK, fill=0.2)
        if more == "noise":
            for i in range(6):
                d.dot(174 + 7 * (i % 3), y - 22 + 9 * i, 3)
        d.arrow((196, y), (246, y), colour=ENCODER)
        units = {"narrow": 2, "sparse": 8}.get(more, 6)
        for i in range(units):
            on = more != "sparse" or i in (1, 6)
            size = 60 / 8 if units > 2 else 10
            top = y - units * size / 2
            d.box(252, round(top + i * size, 1), 18, size, colour=CODE, fill=0.7 if on else 0.05)
        d.arrow((276, y), (326, y), colour=DECODER)
        d.box(332, y - 30, 22, 60, colour=INK, fill=0.2)
        d.text(380, y, what, 14, anchor="start")
    return d


DRAWINGS = {"convolution": convolution, "field": field, "kinds": kinds}
