"""Chapter 10: three masks, the shapes of attention, a block, a cache."""

from book.drawings.kit import CODE, DECODER, ENCODER, INK, OTHER, QUIET, WRONG, Drawing

CELL = 26


def _grid(d, x, y, rows, columns, seen, colour, size=CELL):
    for i in range(rows):
        for j in range(columns):
            d.box(x + j * size, y + i * size, size, size, colour=QUIET, fill=0.03)
            if seen(i, j):
                d.dot(x + (j + 0.5) * size, y + (i + 0.5) * size, size / 4, colour)


def three_masks():
    d = Drawing("Three masks: decoder, encoder, encoder and decoder", 350)
    y = 64
    for x, name, about, colour, seen in (
        (46, "decoder (GPT)", "each place sees itself\nand what is before it", DECODER,
         lambda i, j: j <= i),
        (250, "encoder (BERT)", "each place sees all;\nsome words are hidden", ENCODER,
         lambda i, j: True),
    ):  # fmt: skip
        d.text(x + 2.5 * CELL, 24, name, 15, bold=True)
        _grid(d, x, y, 5, 5, seen, colour)
        d.text(x + 2.5 * CELL, y + 5 * CELL + 28, about, 12)
    x, small = 462, 20
    d.text(x + 5 * small, 24, "encoder–decoder (BART)", 15, bold=True)
    _grid(d, x, y - 14, 5, 5, lambda i, j: True, ENCODER, small)
    _grid(d, x, y + 86 + 8, 5, 5, lambda i, j: True, OTHER, small)
    _grid(d, x + 5 * small + 8, y + 86 + 8, 5, 5, lambda i, j: j <= i, DECODER, small)
    d.text(x + 5 * small + 10, y + 36, "what is read\nsees what is read", 12, anchor="start")
    d.text(
        x + 5 * small,
        y + 204 + 10,
        "what is written sees all that was read,\nand what it has written",
        12,
    )
    y = 262
    for x, given, wanted in (
        (46 + 65, "<bos> Tom is here .", "Tom is here . <eos>"),
        (250 + 65, "Tom ? here now .", "is"),
    ):
        d.text(x, y, f"in: {given}", 12, mono=True)
        d.text(x, y + 20, f"out: {wanted}", 12, mono=True)
    d.text(562, 314, "in: Tom ? here now .", 12, mono=True)
    d.text(562, 334, "out: Tom is here now .", 12, mono=True)
    return d


def _matrix(d, x, y, rows, columns, name, colour, size=24, about="", struck=()):
    for i in range(rows):
        for j in range(columns):
            off = (i, j) in struck
            d.box(x + j * size, y + i * size, size, size, colour=QUIET if off else colour,
                  fill=0.03 if off else 0.25)  # fmt: skip
            if off:
                d.line((x + j * size + 6, y + i * size + 6),
                       (x + (j + 1) * size - 6, y + (i + 1) * size - 6), colour=WRONG)  # fmt: skip
    d.text(x + columns * size / 2, y - 16, name, 14, bold=True)
    d.text(x + columns * size / 2, y + rows * size + 18, about, 12)


def attention():
    d = Drawing("The shapes of attention: queries, keys, shares, values, output", 380)
    hidden = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    _matrix(d, 30, 50, 4, 3, "Q", ENCODER, about="T × d")
    d.text(124, 98, "×", 18)
    _matrix(d, 146, 62, 3, 4, "K transposed", OTHER, about="d × T")
    d.text(266, 98, "=", 18)
    _matrix(d, 290, 50, 4, 4, "scores", QUIET, about="T × T")
    d.arrow((400, 98), (548, 98))
    d.text(474, 80, "divide by √d,", 12)
    d.text(474, 118, "strike out what is hidden,\nsoftmax along each row", 12)
    _matrix(d, 566, 50, 4, 4, "shares A", CODE, about="T × T, rows sum to 1", struck=hidden)
    _matrix(d, 146, 230, 4, 4, "shares A", CODE, about="T × T", struck=hidden)
    d.text(266, 278, "×", 18)
    _matrix(d, 290, 230, 4, 3, "V", DECODER, about="T × d")
    d.text(388, 278, "=", 18)
    _matrix(d, 412, 230, 4, 3, "output", DECODER, about="T × d")
    d.line((614, 190), (614, 200), (110, 200), (110, 278), colour=CODE)
    d.arrow((110, 278), (142, 278), colour=CODE)
    d.text(600, 278, "row t: a mean of the\nvalues that place t may\nsee, with its shares", 12)
    return d


def block():
    d = Drawing("A Transformer block: the residual stream and two branches", 404)
    for x, faint in ((110, True), (360, False), (610, True)):
        colour = QUIET if faint else INK
        d.arrow((x, 376), (x, 14), colour=colour, width=5 if not faint else 3, head=12)
    x = 360
    for bottom, name, colour in (
        (352, "attention", CODE),
        (176, "two layers, W → 4 W → W", DECODER),
    ):
        d.line((x, bottom), (x + 90, bottom), width=1.5)
        d.arrow((x + 90, bottom), (x + 90, bottom - 16))
        d.box(x + 20, bottom - 46, 140, 30, "normalise", colour=OTHER, size=13)
        d.arrow((x + 90, bottom - 48), (x + 90, bottom - 64))
        d.box(x + 10, bottom - 98, 180, 34, name, colour=colour, size=13)
        d.line((x + 90, bottom - 100), (x + 90, bottom - 118))
        d.arrow((x + 90, bottom - 118), (x + 14, bottom - 118))
        d.svg.append(_plus(x, bottom - 118))
        d.text(x, bottom - 118, "+", 16, bold=True)
    d.arrow((114, 320), (366, 276), colour=CODE)
    d.arrow((606, 340), (556, 290), colour=CODE, dashed=True)
    d.text(222, 334, "keys and values\nof places before", 12)
    d.text(556, 366, "in an encoder, of\nplaces after, too", 12, anchor="end")
    d.text(110, 391, "word before", 12)
    d.text(360, 391, "this word", 12, bold=True)
    d.text(610, 391, "word after", 12)
    return d


def _plus(x, y):
    import drawsvg

    return drawsvg.Circle(x, y, 11, fill="var(--pst-color-background, white)", stroke=INK)


def cache():
    d = Drawing("Writing four words, without a cache and with one", 260)
    words = ("<bos>", "Tom", "is", "here")
    for x, name, kept in ((60, "without a cache", False), (420, "with a cache", True)):
        d.text(x + 135, 22, name, 15, bold=True)
        for j, word in enumerate(words):
            d.text(x + 33 + 68 * j, 50, word, 12, mono=True)
        for i in range(4):
            d.text(x - 12, 83 + 36 * i, f"step {i + 1}", 12, anchor="end")
            for j in range(i + 1):
                old = kept and j < i
                shade = {"colour": CODE if old else DECODER, "fill": 0.06 if old else 0.3}
                words_ = "kept" if old else "computed"
                d.box(x + 68 * j, 68 + 36 * i, 66, 30, words_, size=12, **shade)
        total = "4 computed" if kept else "1 + 2 + 3 + 4 = 10 computed"
        d.text(x + 135, 234, total, 13)
    return d


DRAWINGS = {"three_masks": three_masks, "attention": attention, "block": block, "cache": cache}
