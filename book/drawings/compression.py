"""Chapter 11: the way to an archive and back, two coders, bits-back coding."""

from fractions import Fraction
from math import log2

from book.drawings.kit import CODE, DECODER, ENCODER, INK, OTHER, QUIET, Drawing

COLOURS = {"a": ENCODER, "b": DECODER, "c": OTHER}
SIZES = {"a": 2, "b": 1, "c": 1}  # of 4: a half, a quarter, a quarter
ALL = sum(SIZES.values())
STARTS = {"a": 0, "b": 2, "c": 3}


def _share(symbol):
    """Its probability."""
    return Fraction(SIZES[symbol], ALL)


def compression_path():
    d = Drawing("From a text to an archive and back, with the same model on both sides", 420)
    pieces = ("Tom", " is", " sleep", "ing", " now", ".")
    widths = (42, 38, 64, 46, 50, 24)
    for y, back, name in ((64, False, "Compress"), (316, True, "Decompress")):
        d.text(20, y - 46 if not back else y + 84, name, 15, anchor="start", bold=True)
        d.box(20, y, 92, 44, "text\n(bytes)", size=13)
        left, edge = 150, {}
        for i, (piece, width) in enumerate(zip(pieces, widths, strict=True)):
            known, this = i < 3, i == 3
            colour = CODE if known else DECODER if this else QUIET
            words = "" if back and i > 3 else piece.strip()
            d.box(left, y, width, 44, words, colour=colour, fill=0.3 if this else 0.1, size=13,
                  dashed=back and i > 3)  # fmt: skip
            edge[i] = left + width / 2
            left += width
        d.text(150, y - 14 if not back else y + 58, "pieces of words", 12, anchor="start")
        d.box(500, y, 80, 44, "coder", colour=DECODER, size=15)
        for start, end in ((114, 146), (left + 4, 496)):
            points = ((start, y + 22), (end, y + 22))
            d.arrow(*(points[::-1] if back else points))
        model = 140 if not back else 240
        d.box(330, model, 110, 44, "model", colour=ENCODER, fill=0.3, size=15, bold=True)
        side = y + 46 if not back else y - 2
        d.line((152, side), (292, side), colour=CODE, width=4)
        d.line((222, side), (222, model + 22), colour=CODE)
        d.arrow((222, model + 22), (326, model + 22), colour=CODE)
        words = "the pieces\nfound so far" if back else "the pieces\nbefore"
        d.text(212, model + 22, words, 12, anchor="end")
        d.line((442, model + 22), (540, model + 22), colour=ENCODER)
        d.arrow((540, model + 22), (540, y + 48 if not back else y - 4), colour=ENCODER)
        d.text(552, model + 22, "probabilities of\nthe next piece", 12, anchor="start")
    d.line((385, 186), (385, 238), colour=ENCODER, dashed=True)
    d.text(396, 212, "the same model, to the last bit", 13, anchor="start", bold=True)
    d.box(634, 64, 66, 44, "archive\n(bytes)", colour=CODE, fill=0.3, size=13)
    d.box(634, 316, 66, 44, "archive\n(bytes)", colour=CODE, fill=0.3, size=13)
    d.arrow((582, 86), (630, 86))
    d.arrow((632, 338), (584, 338))
    d.line((688, 112), (688, 312), colour=CODE, dashed=True)
    d.text(322, 30, "this piece is written", 12)
    d.text(322, 400, "this piece is found", 12)
    d.arrow((edge[3], 38), (edge[3], 60), colour=DECODER)
    d.arrow((edge[3], 390), (edge[3], 364), colour=DECODER)
    return d


def range_coder():
    d = Drawing("A range coder: each symbol narrows the interval to its share", 384)
    left, width = 70, 430
    low, size = Fraction(0), Fraction(1)
    for i, symbol in enumerate("abb"):
        y = 54 + 96 * i
        d.text(34, y + 17, f"{i + 1}: {symbol}", 15, bold=True)
        for name, start in STARTS.items():
            x, part = left + width * start / ALL, width * SIZES[name] / ALL
            mine = name == symbol
            d.box(x, y, part, 34, name, colour=COLOURS[name], fill=0.35 if mine else 0.06,
                  size=15, bold=mine)  # fmt: skip
        for share in (0, 2, 3, 4):
            edge = low + size * share / ALL
            anchor = {0: "start", 4: "end"}.get(share, "middle")
            d.text(left + width * share / ALL, y - 12, str(edge), 12, anchor=anchor)
        low, size = low + size * STARTS[symbol] / ALL, size * _share(symbol)
        x, part = left + width * STARTS[symbol] / ALL, width * SIZES[symbol] / ALL
        for start, end in ((x, left), (x + part, left + width)):
            d.line((start, y + 36), (end, y + 96 - 22), colour=QUIET, dashed=True)
        product = f"{size / _share(symbol)} · {_share(symbol)} = " if i else ""
        bits = f"{-log2(size):.0f} bit{'s' * (i > 0)}"
        d.text(520, y + 17, f"width {product}{size}\n−log₂({size}) = {bits}", 13, anchor="start")
    y = 54 + 96 * 3
    d.box(left, y, width, 34, "", colour=CODE, fill=0.3)
    d.text(left + width / 2, y + 17, f"all numbers from {low} to {low + size}", 13)
    d.text(left, y - 12, str(low), 12, anchor="start")
    d.text(left + width, y - 12, str(low + size), 12, anchor="end")
    count = -int(log2(size))
    digits = f"{int(low * 2**count):0{count}b}"
    d.text(520, y + 17, f"written: {digits}\n0.{digits} in binary is {low}", 13, anchor="start")
    d.text(520, 20, "a: 1/2, b: 1/4, c: 1/4", 13, anchor="start")
    return d


def ans_stack():
    d = Drawing("ANS: a whole number as a stack of symbols", 400)
    x, bottom, unit, blocks = 5, 262, 20, [("at first", 3, QUIET)]
    columns = (20, 170, 320, 470)
    for i, left in enumerate(columns):
        top = bottom
        for name, bits, colour in blocks:
            top -= bits * unit
            words = f"{name}: {bits} bit{'s' * (bits > 1)}"
            d.box(left, top, 92, bits * unit, words, colour=colour, fill=0.25, size=12)
        d.text(left + 46, bottom + 20, f"x = {x}", 15, bold=True)
        d.text(left + 46, bottom + 42, f"{x:b}", 13, mono=True)
        if i == 3:
            break
        symbol = "abc"[i]
        size = SIZES[symbol]
        x = x // size * ALL + STARTS[symbol] + x % size
        blocks.append((symbol, int(log2(ALL // size)), COLOURS[symbol]))
        d.arrow((left + 98, 180), (left + 144, 180), colour=COLOURS[symbol], width=2)
        d.text(left + 121, 162, f"push {symbol}", 13)
        d.arrow((left + 144, 216), (left + 98, 216), colour=COLOURS[symbol], width=2)
        d.text(left + 121, 234, f"pop {symbol}", 13)
    for left, y, words in (
        (20, 20, "a: size 2, start 0,  b: size 1, start 2,  c: size 1, start 3"),
        (20, 46, "push: x → (x // size) · 4 + start + x % size"),
        (20, 72, "pop: x % 4 tells the symbol (0 or 1: a, 2: b, 3: c), then"),
        (50, 98, "x → size · (x // 4) + x % 4 − start"),
    ):
        d.text(left, y, words, 13, anchor="start")
    d.line((566, 252), (600, 252))
    d.arrow((600, 252), (600, 286))
    d.text(640, 216, "before a push, if\nx is too large, its\nlow byte moves out", 13)
    for i in range(3):
        d.box(586 + 38 * i, 290, 38, 30, "byte", colour=CODE, fill=0.3, size=12)
    d.text(643, 344, "the archive: bytes,\nand x at the end", 13)
    order = "Pushed: a, b, c. Popped: c, b, a. The byte that moved out last comes back first."
    d.text(360, 382, order, 13)
    return d


def bits_back():
    d = Drawing("Bits-back coding of an image on a stack of bits", 400)
    bottom, wide, old, q, px, pz = 300, 84, 90, 50, 150, 60
    stacks = (
        (20, [("bits of\nimages\nbefore", old, QUIET)]),
        (202, [("", old - q, QUIET)]),
        (384, [("", old - q, QUIET), ("x", px, DECODER)]),
        (566, [("", old - q, QUIET), ("x", px, DECODER), ("z", pz, CODE)]),
    )
    for left, blocks in stacks:
        top = bottom
        for words, height, colour in blocks:
            top -= height
            d.box(left, top, wide, height, words, colour=colour, fill=0.25,
                  size=15 if len(words) == 1 else 12)  # fmt: skip
        d.line((left - 8, bottom), (left + wide + 8, bottom), width=2)
    d.box(202, bottom - old, wide, q, "z", colour=CODE, fill=0.04, size=15, dashed=True)
    steps = (
        (153, "1  pop z", "by q(z | x)"),
        (335, "2  push x", "by p(x | z)"),
        (517, "3  push z", "by p(z)"),
    )
    for x, name, by in steps:
        d.arrow((x - 32, 262), (x + 32, 262), width=2)
        d.text(x, 224, name, 14, bold=True)
        d.text(x, 244, by, 13)
    for left, words in (
        (20, "before"),
        (202, "− log₂ 1/q(z | x)"),
        (384, "+ log₂ 1/p(x | z)"),
        (566, "+ log₂ 1/p(z)"),
    ):
        d.text(left + wide / 2, bottom + 18, words, 13)
    low, high = bottom - old, bottom - old + q - px - pz
    d.line((20 + wide, low), (700, low), colour=INK, dashed=True, opacity=0.6)
    d.line((650, high), (700, high), colour=INK, dashed=True, opacity=0.6)
    d.arrow((690, low - 2), (690, high + 3), width=2)
    d.text(640, high - 22, "net growth: −ELBO,\nin bits, on average", 13, bold=True)
    d.line((608, bottom + 32), (608, bottom + 58), colour=QUIET)
    d.line((608, bottom + 58), (62, bottom + 58), colour=QUIET)
    d.arrow((62, bottom + 58), (62, bottom + 32), colour=QUIET)
    chain = "The next image is coded on this stack. A reader takes the steps back: 3, 2, 1."
    d.text(335, bottom + 76, chain, 13)
    return d


DRAWINGS = {
    "compression_path": compression_path,
    "range_coder": range_coder,
    "ans_stack": ans_stack,
    "bits_back": bits_back,
}
