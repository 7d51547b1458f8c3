"""Chapters 12 and 13: memory and processor, the roofline; a checkpoint, intervals, the ring."""

from book.drawings.kit import CODE, DECODER, ENCODER, OTHER, QUIET, WRONG, Drawing


def memory():
    d = Drawing("Where numbers lie and where they are multiplied", 250)
    d.box(20, 60, 190, 110, "main memory\n(large, far, slow)", colour=ENCODER, size=14)
    d.box(320, 80, 110, 70, "cache\n(small, near)", colour=CODE, size=14)
    d.box(540, 60, 160, 110, "processor\n(multiplies and adds)", colour=DECODER, size=14)
    d.arrow((214, 100), (316, 100), width=1.5)
    d.arrow((316, 130), (214, 130), width=1.5)
    d.text(266, 82, "bytes a second", 12)
    d.arrow((434, 100), (536, 100), width=5, head=12)
    d.arrow((536, 130), (434, 130), width=5, head=12)
    d.text(620, 40, "operations a second", 12)
    d.text(
        360,
        204,
        "A step takes at least the longer of two times: bytes moved / bytes a second,",
        13,
    )
    d.text(360, 226, "and operations / operations a second.")
    return d


def roofline():
    d = Drawing("The roofline, and what each part of it says", 340)
    d.arrow((70, 290), (700, 290))
    d.arrow((70, 290), (70, 24))
    d.text(700, 326, "operations for each byte moved (intensity) →", 13, anchor="end")
    d.text(84, 22, "↑ operations a second that can be reached", 13, anchor="start")
    d.line((70, 270), (360, 80), (690, 80), width=3, colour=ENCODER)
    d.line((360, 80), (360, 290), dashed=True, colour=QUIET)
    d.text(530, 62, "flat: the processor is the limit", 13, bold=True)
    d.text(84, 96, "slope: memory is the limit", 13, bold=True, anchor="start")
    d.text(360, 306, "ridge", 12)
    for x, y, name, colour in (
        (150, 218, "adding two vectors", WRONG),
        (270, 139, "one step of decoding", DECODER),
        (560, 80, "a large matrix product", CODE),
    ):
        d.dot(x, y, 6, colour=colour)
        d.text(x + 4, y + 20, name, 12, anchor="start")
    return d


def ring():
    d = Drawing("Ring all-reduce with three workers: add, then share", 400)
    own = (("a₁", "b₁", "c₁"), ("a₂", "b₂", "c₂"), ("a₃", "b₃", "c₃"))
    added = (("a₁", "Σb", "c₁+c₃"), ("a₁+a₂", "b₂", "Σc"), ("Σa", "b₂+b₃", "c₃"))
    panels = (
        ("start: each has its own gradient", own, ()),
        ("after 2 rounds of adding", added, ((0, 1), (1, 2), (2, 0))),
        ("after 2 rounds of sharing", (("Σa", "Σb", "Σc"),) * 3, "all"),
    )  # fmt: skip
    for k, (name, rows, done) in enumerate(panels):
        x, y = 10 + 240 * k, 30
        d.text(x + 110, 14, name, 13, bold=True)
        for w, row in enumerate(rows):
            top = y + 20 + 110 * w
            d.text(x, top + 16, f"{w + 1}", 13, anchor="start", bold=True)
            colours = [CODE if done == "all" or (w, j) in done else QUIET for j in range(3)]
            d.cells(x + 16, top, row, width=62, height=32, colours=colours, fill=0.25, size=13)
            if w < 2:
                d.arrow((x + 109, top + 38), (x + 109, top + 104), colour=ENCODER)
        d.curve(f"M{x + 206},{y + 260} C{x + 226},{y + 230} {x + 226},{y + 60} {x + 210},{y + 42}",
                colour=ENCODER, dashed=True)  # fmt: skip
        d.arrow((x + 214, y + 48), (x + 207, y + 38), colour=ENCODER, width=1)
    d.text(
        360,
        356,
        "In each round every worker sends one part to the next and receives one from the",
        13,
    )
    d.text(
        360,
        376,
        "one before. With w workers: 2 (w − 1) rounds, each with 1/w of the gradient.",
        13,
    )
    return d


def checkpoint():
    d = Drawing("What a checkpoint must hold for a run to go on as if nothing had happened", 260)
    parts = (
        ("weights", "what was learned", ENCODER),
        ("optimizer", "Adam's two means,\nthe step number", CODE),
        ("random state", "for dropout, noise,\nthe next shuffle", DECODER),
        ("place in the data", "epoch and batch", OTHER),
    )
    d.box(14, 40, 692, 130, colour=QUIET, fill=0.05, dashed=True)
    for k, (name, what, colour) in enumerate(parts):
        x = 28 + 170 * k
        d.box(x, 56, 156, 40, name, colour=colour, size=14, bold=True)
        d.text(x + 78, 132, what, 12)
    d.text(360, 22, "one file, written beside the old one and then renamed")
    d.text(
        360,
        200,
        "Without the second the first steps after a restart differ; without the third the noise;",
        13,
    )
    d.text(360, 222, "without the fourth some images are seen twice and others not at all.")
    return d


def interval():
    d = Drawing("A run that saves now and then, fails once and goes on", 250)
    top, height, tau, save = 70, 40, 130, 26
    x = 20
    for k in range(2):
        d.box(x, top, tau, height, f"interval {k + 1}", colour=ENCODER, size=13)
        d.box(x + tau, top, save, height, "s", colour=DECODER, size=13)
        x += tau + save
    d.box(x, top, 70, height, "lost", colour=WRONG, size=13, dashed=True)
    d.line((x + 70, top - 18), (x + 70, top + height + 18), colour=WRONG, width=3)
    d.text(x + 70, top - 32, "failure", 13, bold=True)
    d.box(x + 74, top, 60, height, "restart", colour=QUIET, size=12)
    d.box(x + 138, top, tau, height, "interval 3, again", colour=ENCODER, size=13)
    d.box(x + 138 + tau, top, save, height, "s", colour=DECODER, size=13)
    d.arrow((20, top + 62), (700, top + 62))
    d.text(700, top + 78, "time", 12, anchor="end")
    d.line((20, 50), (20 + tau, 50))
    d.text(20 + tau / 2, 36, "τ seconds of training", 12)
    d.curve(f"M{x + 66},{top + height + 6} C{x + 50},{top + 100} {x + 20},{top + 100} "
            f"{x + 3},{top + height + 12}", dashed=True)  # fmt: skip
    d.arrow((x + 6, top + height + 16), (x + 1, top + height + 6), width=1)
    d.text(x + 34, top + 104, "back to the last checkpoint", 12)
    d.text(
        360, 204, "Short intervals: many savings of s seconds. Long intervals: much work lost", 13
    )
    d.text(360, 226, "at a failure, on average half an interval.", 13)
    return d


DRAWINGS = {
    "memory": memory,
    "roofline": roofline,
    "ring": ring,
    "checkpoint": checkpoint,
    "interval": interval,
}
