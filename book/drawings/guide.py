"""Chapter 14: a need, what to take, the rival to beat first."""

from book.drawings.kit import CODE, DECODER, ENCODER, QUIET, Drawing

GUIDE = {  # question: its colour; (need, what to take, chapters, rival to beat first)
    "the same\ndata again": (ENCODER, (
        ("every byte,\nin few bytes", "language model and\nentropy coder", "11",
         "PPMd: it wins on little text,\nand it won on our novel"),
        ("repaired", "denoising autoencoder", "3", "best linear repair"),
    )),
    "to know\nmore of it": (CODE, (
        ("features, if\nlabels are few", "an encoder's code, or a\nlanguage model's states", "4",
         "pixels or words as they are;\nthe same model, untrained"),
        ("a map", "code of two numbers", "2, 4", "PCA; t-SNE, if no image\nis to be placed later"),
        ("what does\nnot belong", "reconstruction error", "2",
         "distance from the average;\nPCA's error"),
    )),
    "something\nnew": (DECODER, (
        ("images", "GAN; VAE, for a bound on\nthe probability, too", "5",
         "mixture of normals, fitted to\na plain autoencoder's codes"),
        ("sentences", "language model; sentence\nVAE, to move in a code", "10, 8",
         "model that counts (5-gram);\nfor the VAE, language model"),
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


DRAWINGS = {"guide": guide}
