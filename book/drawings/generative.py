"""Chapter 05: the variational autoencoder, its bound, the noise as an input, the GAN."""

import math

from book.drawings.kit import CODE, DECODER, ENCODER, INK, OTHER, QUIET, WRONG, Drawing


def _bell(d, x, y, width, height, colour, *, fill="none", dashed=False):
    """A normal curve over [x, x + width] that stands on y."""
    points = [
        (x + width * i / 40, y - height * math.exp(-0.5 * (6 * i / 40 - 3) ** 2))
        for i in range(41)
    ]
    path = "M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    d.curve(path, colour=colour, width=2, dashed=dashed, fill=fill)


def vae():
    d = Drawing("A variational autoencoder: the code is drawn from a distribution", 330)
    d.box(20, 70, 34, 110, "", colour=INK)
    d.text(37, 200, "image x", 13)
    d.polygon((80, 60), (170, 90), (170, 160), (80, 190), colour=ENCODER, words="encoder", size=14)
    d.arrow((56, 125), (78, 125))
    for y, name in ((98, "mean"), (152, "deviation")):
        d.box(200, y - 17, 84, 34, name, colour=ENCODER, size=13)
        d.arrow((172, 112 if y < 120 else 138), (198, y))
    _bell(d, 306, 148, 100, 60, ENCODER)
    d.line((300, 148), (412, 148), width=1)
    d.arrow((286, 98), (312, 112))
    d.arrow((286, 152), (308, 140))
    d.text(356, 66, "q(z | x)", 14, bold=True)
    d.dot(372, 148, 5, CODE)
    d.box(440, 108, 40, 40, "z", colour=CODE, fill=0.3, size=16, bold=True)
    d.arrow((378, 144), (438, 130), colour=CODE)
    d.text(460, 168, "drawn", 12)
    d.polygon(
        (506, 90), (596, 60), (596, 190), (506, 160), colour=DECODER, words="decoder", size=14
    )
    d.arrow((482, 127), (504, 127))
    d.box(632, 70, 34, 110, "", colour=DECODER)
    d.arrow((598, 125), (630, 125))
    d.text(650, 200, "p(x | z)", 14, bold=True)
    _bell(d, 306, 268, 100, 34, QUIET, dashed=True)
    d.line((300, 268), (412, 268), width=1)
    d.text(356, 288, "prior p(z)", 13, bold=True)
    d.line((356, 160), (356, 222), colour=WRONG, dashed=True)
    d.text(346, 192, "how far apart? KL", 13, anchor="end")
    d.line((37, 214), (37, 308), (650, 308), (650, 214), colour=WRONG, dashed=True)
    d.text(528, 290, "how likely is x? −log p(x | z)", 13)
    return d


def bound():
    d = Drawing("What lies between the bound and log p(x)", 210)
    left, top, width = 40, 56, 640
    places = (("ELBO", 0.22, ENCODER), ("ELBO, best q for this x", 0.50, ENCODER),
              ("log p(x)", 0.95, INK))  # fmt: skip
    d.arrow((left, top + 40), (left + width, top + 40), width=2)
    d.text(left + width, top + 62, "nats", 12, anchor="end")
    for name, share, colour in places:
        x = left + share * width
        d.line((x, top - 10), (x, top + 48), colour=colour, width=2)
        d.text(x, top - 24, name, 14, bold=True)
    a, b, c = (left + share * width for _, share, _ in places)
    d.box(a, top + 4, b - a, 28, "amortisation gap", colour=WRONG, fill=0.12, size=13)
    d.box(b, top + 4, c - b, 28, "approximation gap", colour=OTHER, fill=0.12, size=13)
    for name, share in (("IWAE-5", 0.66), ("IWAE-500", 0.86)):
        x = left + share * width
        d.dot(x, top + 40, 5, CODE)
        d.text(x, top + 62, name, 13)
    d.text(360, 166, "One encoder serves all images; it does not give the best q for each.\n"
           "The best normal q is still not the true posterior. IWAE comes closer with more draws.",
           13)  # fmt: skip
    return d


def noise():
    d = Drawing("The noise becomes an input, and the gradient gets through", 262)
    for left, title in ((20, "draw z: no way back"), (380, "draw ε: a way back")):
        d.text(left + 150, 18, title, 14, bold=True)
        d.box(left + 10, 60, 96, 34, "mean m", colour=ENCODER)
        d.box(left + 10, 126, 96, 34, "deviation s", colour=ENCODER)
        d.box(left + 250, 92, 70, 36, "loss", colour=INK)
        if left == 20:
            d.box(left + 150, 86, 60, 48, "z ~", colour=CODE, dashed=True, size=15)
        else:
            d.box(left + 142, 86, 76, 48, "m + s · ε", colour=CODE, fill=0.3, size=14)
            d.box(left + 150, 176, 60, 34, "ε ~", colour=QUIET, dashed=True, size=15)
            d.arrow((left + 180, 174), (left + 180, 138))
        for y, end in ((77, 100), (143, 120)):
            d.arrow((left + 108, y), (left + 146 if left == 20 else left + 138, end))
        d.arrow((left + 222, 110), (left + 246, 110))
        stop = left + 214 if left == 20 else left + 60
        back = [(left + 286, 134), (left + 286, 232), (stop, 232)]
        back += [(stop, 140)] if left == 20 else [(stop, 166)]
        d.arrow(*back, colour=WRONG, dashed=True)
        d.text((left + 286 + stop) / 2, 248, "gradient", 13)
    return d


def gan():
    d = Drawing("A GAN: two networks, and no probability", 270)
    d.box(20, 60, 62, 40, "noise z", colour=CODE, fill=0.3, size=13)
    d.polygon(
        (110, 60), (220, 40), (220, 120), (110, 100), colour=DECODER, words="generator", size=14
    )
    d.arrow((84, 80), (108, 80))
    d.box(250, 48, 84, 64, "a sample", colour=DECODER, size=13)
    d.arrow((222, 80), (248, 80))
    d.box(250, 158, 84, 64, "a real\nimage", colour=INK, size=13)
    d.polygon(
        (370, 80),
        (500, 110),
        (500, 160),
        (370, 190),
        colour=ENCODER,
        words="discriminator",
        size=14,
    )
    d.arrow((336, 82), (368, 110))
    d.arrow((336, 188), (368, 160))
    d.box(530, 84, 168, 40, "rating of the sample", colour=DECODER, size=13)
    d.box(530, 146, 168, 40, "rating of the real one", colour=INK, size=13)
    d.arrow((502, 128), (528, 106))
    d.arrow((502, 142), (528, 164))
    d.text(360, 250, "The discriminator raises the real one's rating above the sample's; the "
           "generator does the opposite.", 13)  # fmt: skip
    return d


DRAWINGS = {"vae": vae, "bound": bound, "noise": noise, "gan": gan}
