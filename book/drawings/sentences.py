"""Chapter 08: the sentence VAE with its two costs, and the test of exchanged codes."""

from book.drawings.kit import CODE, DECODER, ENCODER, OTHER, QUIET, WRONG, Drawing


def sentence_vae():
    d = Drawing("A sentence VAE: shapes, and the two costs", 420)
    for y, name, shape in ((120, "words x", "(n, T)"), (300, "<bos>, words", "(n, T+1)")):
        d.box(26, y - 20, 108, 40, name, size=14)
        d.text(80, y + 34, shape, 12)
        d.arrow((136, y), (154, y))
        d.box(156, y - 20, 100, 40, "embedding", colour=QUIET, size=14)
        d.text(206, y + 34, shape.replace(")", ", 128)"), 12)
        d.arrow((258, y), (280, y))
    d.arrow((80, 168), (80, 278))
    d.text(92, 222, "the true words before:\nteacher forcing", 13, anchor="start")
    d.polygon((282, 80), (376, 96), (376, 144), (282, 160), colour=ENCODER, words="LSTM\nencoder",
              size=14)  # fmt: skip
    d.box(398, 72, 120, 96, colour=ENCODER, fill=0, dashed=True)
    for y, name in ((96, "mean"), (144, "log-variance")):
        d.arrow((378, 120 + (y - 120) / 2), (404, y))
        d.box(406, y - 17, 104, 34, name, colour=ENCODER, size=14)
    d.text(458, 182, "q(z | x): each (n, 32)", 12)
    d.box(550, 98, 156, 44, "z = mean + std · ε", colour=CODE, fill=0.3, size=14)
    d.text(706, 156, "(n, 32)", 12, anchor="end")
    for y in (96, 144):
        d.arrow((512, y), (548, 120 + (y - 120) / 3))
    d.box(576, 16, 104, 34, "noise ε", colour=QUIET, dashed=True, size=14)
    d.arrow((628, 52), (628, 96))
    d.box(406, 10, 104, 34, "prior p(z)", colour=QUIET, dashed=True, size=14)
    d.line((458, 46), (458, 72), colour=WRONG, width=2, dashed=True)
    d.text(446, 60, "cost 2: KL(q(z | x) ‖ p(z))", 14, anchor="end", bold=True)
    d.polygon((282, 284), (376, 260), (376, 340), (282, 316), colour=DECODER,
              words="LSTM\ndecoder", size=14)  # fmt: skip
    d.line((628, 144), (628, 222), (352, 222), colour=CODE, width=2)
    for x, y in ((310, 274), (352, 264)):
        d.arrow((352, 222), (x, 222), (x, y), colour=CODE, width=2)
    d.text(362, 206, "its first state, and beside each word", 13, anchor="start")
    d.text(628, 270, "The words before reach\nthe decoder, too: it could\ndo without z.", 13)
    d.arrow((378, 300), (424, 300))
    d.box(426, 280, 104, 40, "logits", colour=DECODER, size=14)
    d.text(478, 334, "(n, T+1, V)", 12)
    d.line((24, 120), (12, 120), (12, 380), (478, 380), (478, 344), colour=WRONG, width=2,
           dashed=True)  # fmt: skip
    d.text(246, 398, "cost 1: −log p(x | z), summed over the words and <eos>", 14, bold=True)
    return d


def exchanged():
    d = Drawing("Exchanged codes: does the decoder use its code?", 404)
    for y, name, colour in ((84, "a", CODE), (200, "b", OTHER)):
        d.box(20, y - 20, 104, 40, f"sentence {name}", size=14)
        d.arrow((126, y), (148, y))
        d.polygon((150, y - 28), (236, y - 18), (236, y + 18), (150, y + 28), colour=ENCODER,
                  words="encoder", size=14)  # fmt: skip
        d.arrow((238, y), (262, y))
        d.box(264, y - 20, 82, 40, f"code of {name}", colour=colour, fill=0.3, size=14)
        d.arrow((348, y), (384, y), colour=colour, width=2)
        d.polygon((386, y - 18), (472, y - 28), (472, y + 28), (386, y + 18), colour=DECODER,
                  words="decoder", size=14)  # fmt: skip
        d.box(379, y - 74, 100, 28, "words of a", size=14)
        d.arrow((429, y - 44), (429, y - 26))
        d.arrow((474, y), (500, y))
        d.box(502, y - 20, 206, 40, f"−log p(a | code of {name})", colour=colour, size=14)
    for x, title, own, other, result in (
        (110, "A decoder that uses the code", 90, 190, "nats lost by the exchange"),
        (470, "A decoder that ignores the code", 150, 150, "no nats lost"),
    ):
        d.text(x - 90, 268, title, 14, anchor="start", bold=True)
        for y, name, nats, colour in ((290, "a", own, CODE), (322, "b", other, OTHER)):
            d.text(x - 8, y + 12, f"code of {name}", 13, anchor="end")
            d.box(x, y, nats, 24, colour=colour, fill=0.4)
        d.line((x + own, 284), (x + own, 384), colour=WRONG, width=2, dashed=True)
        if other > own:
            d.arrow((x + own, 362), (x + other, 362), colour=WRONG, width=2)
        d.text(x + own + 8, 380, result, 13, anchor="start")
    return d


DRAWINGS = {"sentence_vae": sentence_vae, "exchanged": exchanged}
