"""Chapter 14: three tasks; a need, what to take, the rival to beat first."""

from book.drawings.kit import CODE, DECODER, ENCODER, INK, QUIET, WRONG, Drawing

GUIDE = {  # question: its colour; (need, what to take, chapters, rival to beat first)
    "the same\ndata again": (ENCODER, (
        ("every byte,\nin few bytes", "language model and\nentropy coder", "11",
         "PPMd: only learning while\ncoding beat it on our novel"),
        ("repaired", "denoising autoencoder", "3", "best linear repair"),
    )),
    "to know\nmore of it": (CODE, (
        ("features, if\nlabels are few",
         "pixels first; for sentences,\na language model's states", "4",
         "PCA; words as they are;\nthe same model, untrained"),
        ("a map", "t-SNE or UMAP; for images\nthat come later, a code", "4, 2", "PCA"),
        ("what does\nnot belong", "reconstruction error", "2",
         "distance from the average;\nPCA's error"),
    )),
    "something\nnew": (DECODER, (
        ("images", "mixture fitted to a plain\nautoencoder's codes; GAN", "5",
         "one normal distribution,\nfitted to the codes"),
        ("sentences", "language model; sentence\nVAE, to move in a code", "10, 8",
         "copied or repeated ones;\nfor the VAE, autoencoder"),
        ("translations,\nsummaries", "attention; for summaries\nnone of our codes", "9",
         "translation memory;\nrandom sentences, TF–IDF"),
    )),
}  # fmt: skip


def guide():
    d = Drawing("What do you want? What to take, in which chapter, and which rival to beat", 574)
    d.box(8, 8, 172, 36, "What do you want?", size=14, bold=True)
    for x, words in ((356, "take"), (476, "chapter"), (612, "beat this first")):
        d.text(x, 34, words, 14, bold=True)
    tall, pitch, y = 46, 58, 58
    for question, (colour, rows) in GUIDE.items():
        middle = y + (pitch * (len(rows) - 1) + tall) / 2
        d.line((16, 44), (16, middle), (28, middle))
        d.arrow((16, middle), (30, middle))
        d.box(32, middle - 27, 96, 54, question, colour=colour, fill=0.3, size=14, bold=True)
        for need, take, chapters, rival in rows:
            line = y + tall / 2
            d.arrow((128, middle), (135, middle), (135, line), (144, line))
            d.box(146, y, 104, tall, need, colour=colour, size=13)
            d.arrow((250, line), (262, line), head=6)
            d.box(264, y, 186, tall, take, colour=colour, fill=0.3, size=13)
            d.box(450, y, 52, tall, chapters, colour=colour, fill=0.3, size=14, bold=True)
            d.box(514, y, 198, tall, rival, colour=QUIET, fill=0.06, dashed=True, size=13)
            y += pitch
        y += 12
    said = "The chapter says on which data this was tried, and by which measure."
    d.text(360, 558, said, 13)
    return d


def three_tasks():
    d = Drawing("Three tasks: give back, repair, say the next word", 262)
    words, width, cell = ("Tom", "is", "here", "."), 208, 52
    for x, name, given, asked, said in (
        (8, "autoencoder", (0, 1, 2, 3), (0, 1, 2, 3),
         "all is given,\nand passes a narrow place"),
        (256, "denoising: BART", (0, 2, 3), (0, 1, 2, 3),
         "a damaged copy is given,\nand all is asked for"),
        (504, "autoregressive: GPT", (0, 1), (2,),
         "each word is asked for,\nbefore it is given"),
    ):  # fmt: skip
        middle = x + width / 2
        d.text(middle, 16, name, 15, bold=True)
        for y, row, seen in ((40, asked, "asked for"), (176, given, "given")):
            for i, word in enumerate(words):
                shown = i in row
                damaged = row is given and len(given) == 3 and not shown
                d.box(x + i * cell, y, cell, 28, word if shown else "?" if damaged else "",
                      colour=INK if shown else WRONG if damaged else QUIET,
                      fill=0.14 if shown else 0.03, dashed=not shown)  # fmt: skip
            d.text(middle, y + 40, seen, 12)
        if name == "autoencoder":
            d.polygon((x, 168), (x + width, 168), (middle + 30, 143), (middle - 30, 143),
                      colour=ENCODER, words="encoder", size=12)  # fmt: skip
            d.box(middle - 30, 121, 60, 20, "code", colour=CODE, fill=0.3, size=12)
            d.polygon((middle - 30, 119), (middle + 30, 119), (x + width, 94), (x, 94),
                      colour=DECODER, words="decoder", size=12)  # fmt: skip
        elif len(given) == 3:
            d.box(x, 134, width, 34, "encoder: sees all places", colour=ENCODER, size=12)
            d.box(x, 94, width, 34, "decoder: word by word", colour=DECODER, size=12)
        else:
            d.box(x, 94, width, 74, "decoder: a mask hides\nthe word and all behind it",
                  colour=DECODER, size=12)  # fmt: skip
        d.text(middle, 242, said, 12)
    return d


DRAWINGS = {"guide": guide, "three_tasks": three_tasks}
