"""Chapter 04: codes as features, three ways to train, a leak, successive halving."""

from book.drawings.kit import CODE, DECODER, ENCODER, OTHER, QUIET, WRONG, Drawing


def features_path():
    d = Drawing("From an image to a label: the encoder, then a classifier", 344)
    d.text(236, 26, "learnt from 10,000 images\nwithout labels", 14, bold=True)
    d.box(134, 52, 206, 280, colour=ENCODER, fill=0, dashed=True)
    d.text(512, 26, "learnt from\n100 labels", 14, bold=True)
    d.box(432, 52, 160, 152, colour=OTHER, fill=0, dashed=True)
    d.box(12, 90, 92, 80, "image\n28 × 28", size=14)
    d.arrow((106, 130), (148, 130))
    d.polygon((150, 80), (256, 102), (256, 158), (150, 180), colour=ENCODER, fill=0.3,
              words="encoder", size=14, bold=True)  # fmt: skip
    d.arrow((258, 130), (290, 130))
    for i in range(8):
        d.box(292, 82 + 12 * i, 26, 12, colour=CODE, fill=0.4)
    d.text(304, 68, "code", 14)
    d.arrow((320, 130), (448, 130), width=2)
    d.text(388, 102, "features:\n64 numbers", 13)
    d.box(450, 100, 124, 60, "classifier", colour=OTHER, fill=0.3, size=14, bold=True)
    d.text(512, 182, "10 for each class", 13)
    d.arrow((576, 130), (616, 130))
    d.box(618, 104, 90, 52, "label:\n“shirt”", size=14)
    d.line((305, 180), (305, 256), colour=QUIET, dashed=True)
    d.arrow((305, 256), (258, 256), colour=QUIET, dashed=True)
    d.polygon((150, 206), (256, 228), (256, 284), (150, 306), colour=QUIET, fill=0.08,
              words="decoder", size=14)  # fmt: skip
    d.arrow((148, 256), (110, 256), colour=QUIET, dashed=True)
    d.box(8, 224, 100, 64, "reconstruc-\ntion", colour=QUIET, fill=0.08, dashed=True, size=14)
    d.text(236, 318, "decoder: in training only", 12)
    said = "The autoencoder never sees a label.\nAfter its training the decoder is thrown\n"
    d.text(360, 268, f"{said}away, and the encoder stays as it is.", 14, anchor="start")
    return d


def _lock(d, x, y):
    """A closed padlock, its body's middle at (x, y)."""
    d.curve(f"M {x - 8} {y - 8} v -8 a 8 8 0 0 1 16 0 v 8", width=2.5)
    d.box(x - 13, y - 9, 26, 20, fill=0.5)


def fine_tuning():
    d = Drawing("One network, trained in three ways: frozen, fine-tuned, from scratch", 466)
    for left, name, start, both, said in (
        (0, "frozen", "the autoencoder's\nweights", False, "only the classifier\nlearns"),
        (240, "fine-tuned", "the autoencoder's\nweights", True, "the encoder\nlearns on, too"),
        (480, "from scratch", "random\nweights", True, "the encoder\nlearns, too"),
    ):
        if left:
            d.line((left, 8), (left, 420), colour=QUIET, opacity=0.5)
        trained = "random" not in start
        d.text(left + 120, 16, name, 15, bold=True)
        d.text(left + 14, 60, "start:", 13, anchor="start")
        d.box(left + 64, 38, 162, 46, start, colour=ENCODER if trained else QUIET,
              fill=0.3 if trained else 0.03, dashed=not trained, size=14)  # fmt: skip
        d.line((left + 160, 86), (left + 160, 172), colour=QUIET, dashed=True)
        d.arrow((left + 160, 172), (left + 116, 172), colour=QUIET, dashed=True)
        d.box(left + 24, 102, 84, 30, "image", size=14)
        d.arrow((left + 66, 134), (left + 66, 152))
        d.polygon((left + 12, 154), (left + 120, 154), (left + 94, 234), (left + 38, 234),
                  colour=ENCODER, fill=0.3 if trained else 0.03, words="encoder", size=14,
                  bold=True)  # fmt: skip
        d.arrow((left + 66, 236), (left + 66, 254))
        d.box(left + 14, 256, 104, 30, "64 numbers", colour=CODE, fill=0.3, size=14)
        d.arrow((left + 66, 288), (left + 66, 306))
        d.box(left + 18, 308, 96, 38, "classifier", colour=OTHER, fill=0.03, size=14, bold=True)
        d.arrow((left + 66, 348), (left + 66, 366))
        d.box(left + 24, 368, 84, 30, "class", size=14)
        d.box(left + 150, 368, 76, 30, "labels", size=14)
        d.line((left + 110, 383), (left + 148, 383), colour=QUIET, dashed=True)
        d.line((left + 188, 366), (left + 188, 206 if both else 327), colour=DECODER, width=2.5)
        d.arrow((left + 188, 327), (left + 118, 327), colour=DECODER, width=2.5)
        if both:
            d.arrow((left + 188, 206), (left + 110, 206), colour=DECODER, width=2.5)
        else:
            _lock(d, left + 144, 212)
            d.text(left + 144, 238, "locked", 14)
        d.text(left + 120, 422, said, 14)
    d.text(360, 454, "thick orange arrows: what the labels change; the network is the same", 13)
    return d


FOLDS = 5


def leak():
    d = Drawing("A step fitted before the folds leaks; inside each round it does not", 440)
    for left, title, inside in (
        (0, "Wrong: fitted once, on all rows", False),
        (370, "Right: fitted anew in each round", True),
    ):
        d.text(left + 189, 16, title, 15, bold=True)
        x0, wide = left + 44, 58
        if inside:
            d.text(x0 + FOLDS * wide / 2, 62, "In each round the step sees\nthe training folds "
                   "alone.", 13)  # fmt: skip
        else:
            d.box(x0, 42, FOLDS * wide, 30, "the step is fitted here", colour=OTHER, fill=0.3,
                  size=13)  # fmt: skip
            d.arrow((x0 + FOLDS * wide / 2, 74), (x0 + FOLDS * wide / 2, 100), colour=OTHER)
        d.text(left + 20, 90, "round", 13)
        for row in range(FOLDS):
            y = 104 + 50 * row
            d.text(left + 22, y + 14, f"{row + 1}", 14)
            for fold in range(FOLDS):
                x, out = x0 + fold * wide, fold == row
                words = ("new" if inside else "seen") if out else ""
                d.box(x + 1, y, wide - 2, 28, words, colour=DECODER if out else ENCODER,
                      fill=0.45 if out else 0.14, size=13, bold=True)  # fmt: skip
                if not (out and inside):
                    d.line((x + 1, y + 35), (x + wide - 1, y + 35), width=5,
                           colour=WRONG if out else OTHER)  # fmt: skip
    d.text(190, 372, "A leak: the step has seen the rows\non which the round is scored.", 14)
    d.text(560, 372, "No leak: the rows on which the round\nis scored are new to every step.", 14)
    for x, colour, fill, words in (
        (12, ENCODER, 0.14, "training fold"),
        (148, DECODER, 0.45, "held-out fold"),
    ):
        d.box(x, 409, 26, 18, colour=colour, fill=fill)
        d.text(x + 34, 418, words, 13, anchor="start")
    for x, colour, words in (
        (290, OTHER, "fitted on these rows"),
        (488, WRONG, "fitted on held-out rows"),
    ):
        d.line((x, 418), (x + 30, 418), colour=colour, width=5)
        d.text(x + 38, 418, words, 13, anchor="start")
    return d


# Right answers in percent, made up, by candidate: with 100, 200, 400, 800 images.
SCORES = {
    "A": (62,), "B": (70, 74, 78, 80), "C": (58,), "D": (66, 72), "E": (71, 75, 77),
    "F": (60,), "G": (68, 73), "H": (61, 71, 79, 84),
}  # fmt: skip
SLOW = "H"


def halving():
    d = Drawing("Successive halving, and a slow starter that it drops", 462)
    left, wide, tall, pitch, alive, middles = 104, 588, 48, 84, list(SCORES), {}
    d.text(left + wide / 2, 16, "A bar is one training; its width is the number of images. "
           "Each round trains on 800 in all.", 13)  # fmt: skip
    for turn in range(4):
        y, images = 40 + pitch * turn, 100 * 2**turn
        width = wide * images / 800
        d.text(8, y + tall / 2, f"round {turn + 1}\n{len(alive)} × {images}\nimages", 13,
               anchor="start")  # fmt: skip
        best = sorted(alive, key=lambda name: -SCORES[name][turn])[: max(1, len(alive) // 2)]
        for i, name in enumerate(alive):
            x, stays = left + i * width, name in best
            colour = OTHER if name == SLOW else CODE if stays else QUIET
            if name in middles:
                d.arrow((middles[name], y - pitch + tall + 2), (x + width / 2, y - 3), colour=CODE)
            middles[name] = x + width / 2
            score = SCORES[name][turn]
            d.box(x + 2, y, width - 4, tall, f"{name}\n{score} %", colour=colour,
                  fill=0.35 if stays or name == SLOW else 0.08, size=14, bold=stays)  # fmt: skip
            if not stays:
                for one, two in ((y + 5, y + 15), (y + 15, y + 5)):
                    d.line((x + width - 20, one), (x + width - 10, two), colour=WRONG, width=2.5)
        alive = [name for name in alive if name in best]
    y = 40 + 4 * pitch + 6
    d.line((left + wide, 64), (708, 64), (708, y + tall / 2), colour=OTHER, width=2, dashed=True)
    d.arrow((708, y + tall / 2), (left + wide + 1, y + tall / 2), colour=OTHER, width=2)
    d.text(8, y + tall / 2, "never\ntried", 13, anchor="start")
    said = f"{SLOW} with 800 images: {SCORES[SLOW][3]} %. It would have won, but it starts slowly."
    d.box(left + 2, y, wide - 4, tall, said, colour=OTHER, fill=0.08, dashed=True, size=14)
    d.text(left + wide / 2, 448, "cross: dropped; the shares of right answers are made up", 13)
    return d


DRAWINGS = {
    "features_path": features_path,
    "fine_tuning": fine_tuning,
    "leak": leak,
    "halving": halving,
}
