"""Chapters 06 and 12: tokens, ids, vectors; padding and its mask; a Transformer."""

from book.drawings.kit import CODE, DECODER, ENCODER, OTHER, QUIET, WRONG, Drawing


def tokens():
    d = Drawing("From a sentence to vectors: tokens, ids, rows of a table", 380)
    words, ids = ("she", "is", "reading", "."), (17, 9, 412, 4)
    d.text(20, 24, "sentence", anchor="start", bold=True)
    d.text(330, 24, '"She is reading."', 15, mono=True)
    d.text(20, 92, "tokens", anchor="start", bold=True)
    d.text(20, 160, "ids", anchor="start", bold=True)
    d.text(20, 290, "vectors", anchor="start", bold=True)
    d.text(20, 308, "(embedding)", 12, anchor="start")
    for i, (word, number) in enumerate(zip(words, ids, strict=True)):
        x = 150 + 104 * i
        d.arrow((330 + 0.35 * (x - 288), 40), (x + 44, 72))
        d.box(x, 76, 88, 32, word, size=14, mono=True)
        d.arrow((x + 44, 112), (x + 44, 140))
        d.box(x, 144, 88, 32, str(number), colour=ENCODER, size=14, mono=True)
        d.arrow((x + 44, 180), (x + 44, 228))
        for k in range(4):
            shade = (0.15, 0.7, 0.4, 0.9, 0.25)[(3 * i + 2 * k + i * k) % 5]
            d.box(x + 30, 232 + 29 * k, 28, 29, colour=CODE, fill=shade)
    d.text(640, 92, "the vocabulary gives\neach token a number", 12)
    d.arrow((640, 116), (640, 150), colour=QUIET)
    d.text(640, 178, "the number says which\nrow of the table", 12)
    d.arrow((640, 202), (640, 256), colour=QUIET)
    d.text(640, 290, "a row is learnt like\nany other weight", 12)
    return d


def padding():
    d = Drawing("Three sentences of different lengths, padded to one array, and the mask", 260)
    rows = (
        ("I", "run", ".", "<eos>", "<pad>", "<pad>"),
        ("she", "is", "reading", ".", "<eos>", "<pad>"),
        ("stop", "!", "<eos>", "<pad>", "<pad>", "<pad>"),
    )
    d.text(230, 20, "padded batch, shape (3, 6)", 14, bold=True)
    d.text(610, 20, "mask", 14, bold=True)
    for i, row in enumerate(rows):
        y = 42 + 44 * i
        real = [word != "<pad>" for word in row]
        colours = [ENCODER if r else QUIET for r in real]
        d.cells(14, y, row, width=74, height=34, colours=colours, size=13, mono=True)
        colours = [CODE if r else WRONG for r in real]
        marks = ["1" if r else "0" for r in real]
        d.cells(508, y, marks, width=34, height=34, colours=colours, size=13, mono=True)
    d.text(360, 198, "Loss: each token's loss is multiplied by its mask.", 14)
    d.text(360, 222, "The sum is divided by the number of ones: 4 + 5 + 3 = 12, not by 18.", 14)
    return d


def transformer():
    d = Drawing("A Transformer that predicts each next word, and where its weights are", 400)
    columns = (90, 260, 430)
    d.box(4, 132, 512, 138, colour=QUIET, fill=0.05, dashed=True)
    words = (("Tom", "is"), ("is", "here"), ("here", "."))
    for x, (word, following) in zip(columns, words, strict=True):
        d.text(x, 384, word, 14, mono=True)
        d.arrow((x, 374), (x, 356))
        d.box(x - 72, 318, 144, 36, "word + place", colour=ENCODER)
        d.box(x - 72, 224, 144, 36, "attention", colour=CODE)
        d.arrow((x, 222), (x, 182))
        d.box(x - 72, 142, 144, 36, "two layers", colour=DECODER)
        d.arrow((x, 140), (x, 102))
        d.box(x - 72, 64, 144, 36, "a score for each word", colour=OTHER, size=12)
        d.arrow((x, 62), (x, 44))
        d.text(x, 32, f"next: {following}", 13, mono=True)
    for i, start in enumerate(columns):
        for end in columns[i:]:
            d.arrow((start, 316), (end + (start - end) / 8, 264), colour=CODE, width=1.5)
    for y, about in (
        (336, "a row of the table: V W weights,\nand one for the place"),
        (242, "queries, keys, values, output:\n4 W² weights"),
        (160, "W to 4 W and back:\n8 W² weights"),
        (82, "compared with the table:\nno new weights"),
    ):
        d.text(528, y, about, 12, anchor="start")
    d.text(528, 201, "one block, repeated", 12, anchor="start", bold=True)
    return d


DRAWINGS = {"tokens": tokens, "padding": padding, "transformer": transformer}
