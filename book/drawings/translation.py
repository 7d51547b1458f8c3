"""Chapter 09: the shapes of attention, one vector against many, sentences made shorter."""

from book.drawings.kit import CODE, DECODER, ENCODER, OTHER, QUIET, Drawing


def attention_shapes():
    d = Drawing("Translation with attention: shapes from two sentences to logits", 458)
    for y, name, count in (
        (50, "source\npieces", "T"),
        (196, "<bos>, target\npieces so far", "S"),
    ):
        d.box(10, y - 22, 112, 44, name, size=14)
        d.text(66, y + 34, f"(n, {count})", 12)
        d.arrow((124, y), (146, y))
        d.box(148, y - 22, 74, 44, "table", colour=QUIET, size=14)
        d.text(185, y + 34, f"(n, {count}, 256)", 12)
        d.arrow((224, y), (252, y))
        d.arrow((362, y), (390, y))
    d.line((185, 96), (185, 172), colour=QUIET, dashed=True)
    d.text(177, 134, "one table for both", 12, anchor="end")
    for y, name in ((27, "forwards →"), (73, "← backwards")):
        d.box(254, y - 19, 106, 38, f"LSTM\n{name}", colour=ENCODER, size=13)
    d.box(392, 28, 118, 44, "a vector for\neach piece", colour=CODE, fill=0.3, size=14)
    d.text(451, 84, "(n, T, 384)", 12)
    d.arrow((307, 94), (307, 172), colour=ENCODER, width=2)
    d.text(317, 134, "both last states\nmake its first state", 12, anchor="start")
    d.box(254, 174, 106, 44, "first LSTM", colour=DECODER, size=14)
    d.box(392, 174, 118, 44, "questions", colour=DECODER, fill=0.3, size=14)
    d.text(459, 230, "(n, S, 384)", 12)
    for y, name, shape, colour in (
        (196, "scores", "(n, S, T)", OTHER),
        (284, "weights", "(n, S, T)", OTHER),
        (372, "answers", "(n, S, 384)", CODE),
    ):
        d.box(574, y - 22, 108, 44, name, colour=colour, fill=0.3, size=14)
        d.text(620, y + 34, shape, 12, anchor="end")
    d.line((512, 50), (704, 50), (704, 372), colour=CODE, width=2)
    d.arrow((628, 50), (628, 172), colour=CODE, width=2)
    d.arrow((704, 372), (684, 372), colour=CODE, width=2)
    d.arrow((512, 196), (572, 196))
    d.arrow((628, 220), (628, 260))
    d.text(636, 240, "softmax", 13, anchor="start")
    d.arrow((628, 308), (628, 348))
    about = "the answer:\nthe mean of the vectors\nwith these weights"
    d.text(564, 284, about, 12, anchor="end")
    d.arrow((408, 220), (408, 348), colour=DECODER, width=2)
    d.arrow((572, 372), (512, 372), colour=CODE, width=2)
    d.box(392, 350, 59, 44, colour=DECODER, fill=0.3)
    d.box(451, 350, 59, 44, colour=CODE, fill=0.3)
    d.text(451, 414, "side by side\n(n, S, 768)", 12)
    d.arrow((390, 372), (362, 372))
    d.box(254, 350, 106, 44, "second LSTM", colour=DECODER, size=14)
    d.text(307, 406, "(n, S, 384)", 12)
    d.arrow((252, 372), (224, 372))
    d.box(148, 350, 74, 44, "logits", colour=DECODER, size=14)
    d.text(185, 406, "(n, S, V)", 12)
    d.line((146, 372), (66, 372), dashed=True)
    d.arrow((66, 372), (66, 244), dashed=True)
    d.text(76, 300, "in use: the piece just\nwritten is read next", 12, anchor="start")
    sizes = "T: pieces of the source. S: pieces of the target, and <bos>. V: pieces in the table."
    d.text(360, 444, sizes, 12)
    return d


SOURCE = ("I", "am", "not", "tired", ".")
TARGET = ("Je", "ne", "suis", "pas", "fatigué", ".")
WEIGHTS = (  # made up: what a good attention could look like
    (0.90, 0.10, 0.00, 0.00, 0.00),
    (0.00, 0.20, 0.80, 0.00, 0.00),
    (0.15, 0.80, 0.00, 0.05, 0.00),
    (0.00, 0.05, 0.90, 0.05, 0.00),
    (0.00, 0.05, 0.00, 0.95, 0.00),
    (0.00, 0.00, 0.00, 0.00, 1.00),
)
ONE = "Each step sees the same vector. It has\n384 numbers for 3 words and for 10."
MANY = "Each step has weights of its own.\nA thick line is a large weight (made up)."


def one_vector():
    d = Drawing("One vector for a sentence, and a vector for each word", 350)
    for left, title, below in (
        (12, "one vector", ONE),
        (376, "a vector for each word", MANY),
    ):
        many = left > 12
        middle = left + 166
        d.text(middle, 18, title, 15, bold=True)
        sources = [left + 36 + 65 * i for i in range(5)]
        targets = [left + 28 + 55.2 * i for i in range(6)]
        for x, word in zip(sources, SOURCE, strict=True):
            d.box(x - 28, 38, 56, 30, word, size=14)
            d.arrow((x, 70), (x, 84))
        ends = (left, left + 332) if many else (left + 110, left + 222)
        d.polygon((left, 86), (left + 332, 86), (ends[1], 122), (ends[0], 122), colour=ENCODER,
                  words="encoder", size=14)  # fmt: skip
        for i, x in enumerate(sources if many else [middle]):
            d.arrow((x, 124), (x, 140))
            if many:
                d.box(x - 28, 142, 56, 26, f"h{'₁₂₃₄₅'[i]}", colour=CODE, fill=0.3, size=14)
            else:
                d.box(x - 48, 142, 96, 26, "one vector", colour=CODE, fill=0.3, size=14)
        for x, word, weights in zip(targets, TARGET, WEIGHTS, strict=True):
            if not many:
                d.line((middle, 169), (x, 256), colour=CODE, width=3)
            for y, weight in zip(sources, weights if many else (), strict=False):
                if weight:
                    d.line((y, 169), (x, 256), colour=CODE, width=round(1 + 6 * weight, 1))
            d.box(x - 27, 257, 54, 30, word, colour=DECODER, size=13)
        d.text(middle, 318, below, 13)
    d.line((360, 12), (360, 338), colour=QUIET, dashed=True)
    return d


def _words(d, x, y, words, colours):
    """Boxes as wide as their words, one after another."""
    for word, colour in zip(words.split(), colours, strict=True):
        width = 17 + 7 * len(word)
        d.box(x, y - 15, width, 30, word, colour=colour, fill=0.25, size=14)
        x += width + 3


def compress():
    # What text.disturbed makes of the two sentences with seed 58.
    d = Drawing("Sentences made shorter: training without a summary, and use", 484)
    own, other = CODE, OTHER
    d.text(12, 18, "Training: a sentence is repaired. No summary is needed.", 15, anchor="start",
           bold=True)  # fmt: skip
    for y, about in (
        (54, "a sentence"),
        (92, "another sentence"),
        (144, "words of the other\nare added"),
        (196, "the order is disturbed,\nthe length is told"),
        (282, "the target:\nthe sentence"),
        (370, "a number of words,\na longer sentence"),
        (456, "hoped for: a sentence\nof that length"),
    ):
        d.text(12, y, about, 13, anchor="start")
    _words(d, 168, 54, "She bought a red car.", [own] * 5)
    _words(d, 168, 92, "We met him at the old station yesterday.", [other] * 8)
    d.arrow((280, 109), (280, 127))
    _words(d, 168, 144, "met She at bought a red car. yesterday.",
           [other, own, other, own, own, own, own, other])  # fmt: skip
    d.arrow((280, 161), (280, 179))
    _words(d, 168, 196, "5: met She bought at a car. yesterday. red",
           [QUIET, other, own, own, other, own, own, other, own])  # fmt: skip
    _model(d, 280, 212)
    _words(d, 168, 282, "She bought a red car.", [own] * 5)
    d.line((12, 316), (708, 316), colour=QUIET, dashed=True)
    d.text(
        12, 338, "Use: a small number asks it to leave words out.", 15, anchor="start", bold=True
    )
    _words(d, 168, 370, "6: My little brother still sleeps in the small room.",
           [QUIET] + [own] * 9)  # fmt: skip
    _model(d, 280, 386)
    _words(d, 168, 456, "My brother sleeps in the room.", [own] * 6)
    return d


def _model(d, x, y):
    """The model between two rows of words: an arrow into it, and one out of it."""
    d.arrow((x, y), (x, y + 10))
    d.box(x - 60, y + 11, 120, 30, "model", colour=ENCODER, size=14)
    d.arrow((x, y + 42), (x, y + 54))


DRAWINGS = {"attention_shapes": attention_shapes, "one_vector": one_vector, "compress": compress}
