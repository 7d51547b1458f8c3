"""Chapter 07: the LSTM cell, sequence to sequence, one table, beams, the nucleus."""

from book.drawings.kit import CODE, DECODER, ENCODER, INK, QUIET, WRONG, Drawing


def lstm_cell():
    d = Drawing("The LSTM cell: a line of memory with three gates", 400)
    d.box(90, 40, 540, 310, fill=0.03, colour=QUIET)
    d.arrow((20, 90), (218, 90), width=3, colour=CODE)
    d.arrow((242, 90), (388, 90), width=3, colour=CODE)
    d.arrow((412, 90), (700, 90), width=3, colour=CODE)
    d.text(46, 72, "c (t−1)", 14, bold=True)
    d.text(668, 72, "c (t)", 14, bold=True)
    for x, sign in ((230, "×"), (400, "+"), (400, "×"), (560, "×")):
        y = {"+": 90}.get(sign, 90 if x == 230 else 168 if x == 400 else 218)
        d.dot(x, y, 12, colour=QUIET, opacity=0.25)
        d.text(x, y, sign, 18, bold=True)
    gates = (
        (230, "forget gate f", "sigmoid", ENCODER),
        (340, "input gate i", "sigmoid", ENCODER),
        (460, "candidate g", "tanh", DECODER),
        (560, "output gate o", "sigmoid", ENCODER),
    )
    for x, name, kind, colour in gates:
        d.box(x - 46, 250, 92, 30, kind, colour=colour, size=14)
        d.text(x, 294, name, 12, bold=True)
        d.arrow((x, 330), (x, 304))
    d.arrow((230, 248), (230, 104))
    d.arrow((340, 248), (340, 168), (386, 168))
    d.arrow((460, 248), (460, 168), (414, 168))
    d.arrow((400, 154), (400, 104))
    d.arrow((560, 248), (560, 232))
    d.line((560, 92), (560, 132))
    d.box(536, 132, 48, 26, "tanh", colour=QUIET, fill=0.35, size=13)
    d.arrow((560, 158), (560, 204))
    d.arrow((574, 218), (700, 218), width=3, colour=DECODER)
    d.text(668, 200, "h (t)", 14, bold=True)
    d.line((20, 330), (560, 330), width=2)
    d.text(46, 312, "h (t−1)", 14, bold=True)
    d.arrow((150, 390), (150, 332))
    d.text(138, 376, "x (t)", 14, bold=True, anchor="end")
    return d


def _unrolled(d, top, name, inputs, outputs, free):
    d.text(14, top + 14, name, 15, anchor="start", bold=True)
    y = top + 84
    for i, word in enumerate((".", "here", "am", "I")):
        x = 16 + 66 * i
        d.box(x, y, 52, 40, "LSTM", colour=ENCODER, size=12)
        d.text(x + 26, y + 78, word, 13, mono=True)
        d.arrow((x + 26, y + 64), (x + 26, y + 44))
        if i:
            d.arrow((x - 14, y + 20), (x - 2, y + 20), colour=ENCODER)
    d.arrow((266, y + 20), (290, y + 20), colour=CODE)
    d.box(293, y - 4, 40, 48, "z", colour=CODE, fill=0.3, size=16, bold=True)
    for i, (given, written) in enumerate(zip(inputs, outputs, strict=True)):
        x = 360 + 70 * i
        d.box(x, y, 52, 40, "LSTM", colour=DECODER, size=12)
        d.arrow((x - (24 if i == 0 else 16), y + 20), (x - 2, y + 20), colour=DECODER)
        d.arrow((x + 26, y - 2), (x + 26, y - 26))
        d.text(x + 26, y - 38, written, 13, mono=True, bold=True)
        if written == "there":
            d.box(x + 1, y - 49, 50, 22, colour=WRONG)
        d.text(x + 26, y + 78, given, 13, mono=True)
        if given == "there":
            d.box(x + 1, y + 67, 50, 22, colour=WRONG)
        d.arrow((x + 26, y + 64), (x + 26, y + 44))
        if free and i:
            d.curve(
                f"M{x - 18},{y - 38} C{x},{y - 38} {x - 14},{y + 84} {x - 3},{y + 78}", dashed=True
            )
            d.arrow((x - 6, y + 79), (x + 1, y + 78), width=1)


def seq2seq():
    d = Drawing("Sequence to sequence, unrolled: teacher forcing and free running", 420)
    true = ("<bos>", "I", "am", "here", ".")
    _unrolled(
        d, 0, "Training: teacher forcing. The decoder reads the true word.",
        true, ("I", "am", "there", ".", "<eos>"), False,
    )  # fmt: skip
    _unrolled(
        d, 212, "Use: free running. The decoder reads what it wrote itself.",
        ("<bos>", "I", "am", "there", "too"), ("I", "am", "there", "too", "."), True,
    )  # fmt: skip
    return d


def listing_repaired():
    d = Drawing("The listing beside the repaired model", 424)
    for top, name, repaired in (
        (0, "The listing: three wide tables; the encoder's two states are the code", False),
        (212, "Repaired: one narrow table; read backwards; the code is seen at every step", True),
    ):
        d.text(14, top + 14, name, 15, anchor="start", bold=True)
        y, wide = top + 52, 24 if repaired else 60
        words = ". here am I" if repaired else "I am here ."
        colours = (CODE, CODE, CODE) if repaired else (ENCODER, DECODER, WRONG)
        for (x, at, label), colour in zip(
            ((140, y, "table"), (380, y + 84, "table"), (570, y, "table")), colours, strict=True
        ):
            d.box(x - wide / 2, at, wide, 50, colour=colour, fill=0.3)
            for k in range(1, 5):
                d.line((x - wide / 2, at + 10 * k), (x + wide / 2, at + 10 * k), colour=colour)
            d.text(x, at + 62, "the one table" if repaired else label, 12)
        d.text(14, y + 25, words, 13, anchor="start", mono=True)
        d.arrow((140 + wide / 2, y + 25), (188, y + 25))
        d.box(190, y, 92, 50, "encoder", colour=ENCODER, size=14)
        d.arrow((282, y + 25), (304, y + 25), colour=CODE)
        d.box(306, y, 42, 50, "z" if repaired else "h, c", colour=CODE, fill=0.3, bold=True)
        d.arrow((348, y + 25), (418, y + 25), colour=CODE)
        d.box(420, y, 92, 50, "decoder", colour=DECODER, size=14)
        d.text(342, y + 109, "<bos> I am here", 13, anchor="end", mono=True)
        d.arrow((380 + wide / 2, y + 109), (466, y + 109), (466, y + 52))
        if repaired:
            d.arrow((336, y + 50), (336, y + 68), (440, y + 68), (440, y + 52), colour=CODE)
        d.arrow((512, y + 25), (568 - wide / 2, y + 25), colour=DECODER)
        d.arrow((572 + wide / 2, y + 25), (634, y + 25))
        d.text(676, y + 25, "scores of\nV words", 13)
    return d


def one_table():
    d = Drawing("One table of words, used at three places", 300)
    d.box(310, 90, 100, 120, colour=CODE, fill=0.12)
    for k in range(1, 6):
        d.line((310, 90 + 20 * k), (410, 90 + 20 * k), colour=CODE, width=1)
    d.text(360, 60, "one table of words\n(V rows, one vector a word)", 13, bold=True)
    d.box(30, 90, 150, 44, "encoder", colour=ENCODER, size=14)
    d.box(30, 196, 150, 44, "decoder", colour=DECODER, size=14)
    d.arrow((308, 112), (186, 112))
    d.text(246, 98, "1  words it reads", 12)
    d.arrow((308, 196), (248, 196), (248, 218), (186, 218))
    d.text(260, 238, "2  words it has written", 12)
    d.box(562, 128, 150, 44, "scores of V words", colour=QUIET, size=13)
    d.arrow((412, 150), (558, 150))
    d.text(486, 128, "3  compared with\nthe decoder's output", 12)
    d.arrow((105, 244), (105, 280), (637, 280), (637, 176), colour=DECODER)
    return d


def _node(d, x, y, word, p, colour=INK, fill=0.08):
    d.box(x, y - 17, 78, 34, word, colour=colour, fill=fill, size=14, mono=True)
    if p:
        d.text(x + 39, y - 28, p, 12)


def beam():
    d = Drawing("Greedy decoding takes the best next word and misses the best sentence", 300)
    _node(d, 20, 150, "<bos>", "")
    best, other, rest = (ENCODER, 0.2), (CODE, 0.25), (INK, 0.05)
    tree = (
        (190, 70, "the", "0.5", best, (98, 150)), (190, 230, "a", "0.4", other, (98, 150)),
        (360, 40, "old", "0.4", best, (268, 70)), (360, 104, "new", "0.3", rest, (268, 70)),
        (360, 196, "dog", "0.9", other, (268, 230)), (360, 262, "cat", "0.1", rest, (268, 230)),
    )  # fmt: skip
    for x, y, word, p, (colour, fill), start in tree:
        d.arrow(start, (x - 3, y), colour=colour, width=2 if colour != INK else 1.2)
        _node(d, x, y, word, p, colour, fill)
    d.text(456, 40, "0.5 × 0.4 = 0.20   greedy stops here", 14, anchor="start")
    d.text(456, 104, "0.5 × 0.3 = 0.15", 14, anchor="start")
    d.text(456, 196, "0.4 × 0.9 = 0.36   a beam of 2 finds it", 14, anchor="start")
    d.text(456, 262, "0.4 × 0.1 = 0.04", 14, anchor="start")
    return d


def nucleus():
    d = Drawing("The nucleus: the fewest words whose probabilities reach 0.8", 310)
    words = ("dog", "cat", "bird", "horse", "tree", "sky", "if", "blue")
    shares = (0.42, 0.24, 0.16, 0.07, 0.05, 0.03, 0.02, 0.01)
    total = 0.0
    for i, (word, share) in enumerate(zip(words, shares, strict=True)):
        x, inside = 40 + 82 * i, total < 0.8
        total += share
        d.box(x, 230 - 400 * share, 58, 400 * share, colour=DECODER if inside else QUIET, fill=0.4)
        d.text(x + 29, 230 - 400 * share - 13, f"{share:.2f}", 12)
        d.text(x + 29, 247, word, 13, mono=True)
    d.line((278, 40), (278, 256), colour=WRONG, dashed=True)
    d.text(159, 284, "kept, and scaled to sum to one:\n0.42 + 0.24 + 0.16 = 0.82")
    d.text(500, 276, "never drawn")
    d.line((30, 230), (700, 230))
    return d


DRAWINGS = {
    "lstm_cell": lstm_cell,
    "seq2seq": seq2seq,
    "listing_repaired": listing_repaired,
    "one_table": one_table,
    "beam": beam,
    "nucleus": nucleus,
}
