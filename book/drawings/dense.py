"""Chapters 01 and 02: what an autoencoder is, why it bends, the listing's flaw."""

import math

import numpy as np

from book.drawings.kit import CODE, DECODER, ENCODER, INK, QUIET, WRONG, Drawing


def _layers(d, y, widths, colours, names, *, left=60, step=110, scale=0.17, least=14):
    """Upright bars whose heights follow their widths; returns their middles."""
    middles = []
    for i, (width, colour) in enumerate(zip(widths, colours, strict=True)):
        x, height = left + i * step, max(least, scale * width)
        middles.append(x + 12)
        d.box(x, y - height / 2, 24, height, colour=colour, fill=0.25)
        d.text(x + 12, y - height / 2 - 14, str(width), 13, bold=True)
        if names[i]:
            d.text(x + 12, y + height / 2 + 18, names[i], 12)
    return middles


def hourglass():
    d = Drawing("The shape of an autoencoder: wide, narrow, wide", 270)
    widths = (784, 512, 256, 32, 256, 512, 784)
    colours = (INK, ENCODER, ENCODER, CODE, DECODER, DECODER, INK)
    names = ("image x", "", "", "code z", "", "", "reconstruction x̂")
    middles = _layers(d, 125, widths, colours, names, left=48, step=100)
    for a, b in zip(middles, middles[1:], strict=False):
        d.arrow((a + 16, 125), (b - 16, 125))
    d.text((middles[0] + middles[3]) / 2, 246, "encoder  z = f(x)", 14, bold=True)
    d.text((middles[3] + middles[6]) / 2, 246, "decoder  x̂ = g(z)", 14, bold=True)
    return d


def chain():
    """One number through the network and the slope of the loss on its way back."""
    d = Drawing("Forwards the values, backwards the slopes", 262)
    places, names = (60, 210, 360, 510, 660), ("x", "a", "z", "x̂", "L")
    slopes = ("", "h = ∂L/∂a", "∂L/∂z", "g = ∂L/∂x̂", "1")
    colours = (INK, ENCODER, CODE, DECODER, WRONG)
    d.text(14, 16, "forwards: values", 13, anchor="start", bold=True)
    d.text(14, 124, "backwards: slopes", 13, anchor="start", bold=True)
    for x, name, slope, colour in zip(places, names, slopes, colours, strict=True):
        d.box(x - 26, 44, 52, 38, name, colour=colour, size=16)
        if slope:
            d.box(x - 44, 144, 88, 34, slope, colour=colour, dashed=True)
    for x, step in zip(places, ("· w₁", "tanh", "· w₂", "(x̂ − x)²"), strict=False):
        d.arrow((x + 30, 63), (x + 120, 63))
        d.text(x + 75, 48, step)
    for x, step in zip(places[1:], ("· (1 − z²)", "· w₂", "· 2(x̂ − x)"), strict=False):
        d.arrow((x + 102, 161), (x + 48, 161), colour=WRONG)
        d.text(x + 75, 134, step)
    for x, weight, gradient in ((210, "w₁", "h · x"), (510, "w₂", "g · z")):
        d.arrow((x, 180), (x, 212), colour=WRONG)
        d.box(x - 82, 214, 164, 32, f"gradient of {weight}:  {gradient}", colour=INK, fill=0.06)
    return d


def reach():
    """Four inputs, four outputs: what may reach what."""
    d = Drawing("Three models: which input may reach which output", 262)
    rows = (62, 112, 162, 212)
    marks = "₁₂₃₄"
    for left, name in ((20, "copier"), (260, "autoencoder"), (500, "autoregressive")):
        d.text(left + 100, 16, name, 14, bold=True)
        a, b = left + 30, left + 170
        if name == "autoencoder":
            for y in rows:
                for code in (110, 164):
                    d.line((a, y), (left + 100, code), colour=ENCODER, width=1.2)
                    d.line((left + 100, code), (b, y), colour=DECODER, width=1.2)
            for code in (110, 164):
                d.dot(left + 100, code, 7, CODE)
        else:
            for s, start in enumerate(rows):
                for t, end in enumerate(rows):
                    if name == "copier" or s < t:
                        d.line((a, start), (b, end), colour=ENCODER, width=1.2)
        for i, y in enumerate(rows):
            d.dot(a, y, 6)
            d.dot(b, y, 6)
            d.text(a - 20, y, f"x{marks[i]}", 14)
            d.text(b + 20, y, f"x̂{marks[i]}", 14)
    d.text(120, 246, "every line is allowed")
    d.text(360, 246, "only through the code")
    d.text(600, 246, "only from earlier to later")
    return d


def bend():
    """Data near a curve: a straight line of codes against a bent one."""
    d = Drawing("Data on a curve, with PCA's line and the network's", 250)
    curve = [(t, math.sin(t)) for t in [i * 0.2 - 3 for i in range(31)]]
    for left, name in ((20, "PCA: a straight line"), (380, "A network: a line that bends")):
        d.text(left + 160, 16, name, 14, bold=True)

        def at(x, y, left=left):
            return left + 160 + 48 * x, 132 - 62 * y

        points = [(x, y + 0.16 * math.sin(17 * i)) for i, (x, y) in enumerate(curve)]
        if left < 100:
            cloud = np.array(points) - np.mean(points, axis=0)
            across, up = np.linalg.svd(cloud, full_matrices=False)[2][0]
            slope = up / across
            d.line(at(-3.2, -3.2 * slope), at(3.2, 3.2 * slope), colour=ENCODER, width=2.5)
            nearest = [(x + slope * y) / (1 + slope**2) for x, y in points]
            feet = [(t, slope * t) for t in nearest]
        else:
            d.line(*(at(*p) for p in curve), colour=DECODER, width=2.5)
            feet = curve
        for point, foot in zip(points, feet, strict=True):
            d.line(at(*point), at(*foot), colour=WRONG, width=1.2)
            d.dot(*at(*point), 3.2)
    d.text(180, 236, "long red lines: a large error")
    d.text(540, 236, "short red lines: a small error")
    return d


def decoder_width():
    d = Drawing("The article's autoencoder and the repaired one", 352)
    for y, name, hidden, colour in (
        (100, "The article's listing", 32, WRONG),
        (276, "Repaired", 784, DECODER),
    ):
        d.text(14, y - 86, name, 14, anchor="start", bold=True)
        widths = (784, 784, 32, hidden, 784)
        colours = (INK, ENCODER, CODE, colour, INK)
        names = ("input", "(a)", "code (b)", "(c)", "output (d)")
        middles = _layers(d, y, widths, colours, names, left=90, step=130, scale=0.12)
        for a, b in zip(middles, middles[1:], strict=False):
            d.arrow((a + 16, y), (b - 16, y), colour=QUIET)
    return d


DRAWINGS = {
    "hourglass": hourglass,
    "chain": chain,
    "reach": reach,
    "bend": bend,
    "decoder_width": decoder_width,
}
