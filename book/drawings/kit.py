"""The vocabulary of the book's drawings: boxes, arrows, words, rows of cells.

Lengths are in pixels of a page 720 wide. Ink is ``currentColor``; the other colours are the
figures', so that one file serves the light and the dark page: blue for the encoder, green for
the code, orange for the decoder.
"""

import math

import drawsvg

from ae_lib.plotting import PALETTE

INK = "currentColor"
ENCODER, DECODER, CODE, OTHER, QUIET, WRONG = PALETTE[:6]
SANS = "font-family: var(--ae-sans, system-ui, sans-serif)"
MONO = "font-family: var(--ae-mono, ui-monospace, monospace)"


class Drawing:
    """One drawing.

    Args:
        title: what it shows, in a few words; the chapter's alternative text says the rest.
        height, width: pixels.
    """

    def __init__(self, title, height, width=720):
        self.svg = drawsvg.Drawing(width, height, role="img", style=SANS, fill=INK)
        self.svg.append_title(title)

    def text(self, x, y, words, size=13, *, anchor="middle", bold=False, mono=False):
        """Words in ink (a colour is too faint), their middle at ``y``; \\n ends a line."""
        lines = words.split("\n")
        more = {"font_weight": 600} if bold else {}
        more |= {"style": MONO} if mono else {}
        for i, line in enumerate(lines):
            middle = y + (i - (len(lines) - 1) / 2) * 1.3 * size
            self.svg.append(
                drawsvg.Text(
                    line, size, x, round(middle + 0.35 * size, 1),
                    text_anchor=anchor, **more,
                )
            )  # fmt: skip

    def box(self, x, y, width, height, words="", *, colour=INK, fill=0.14, dashed=False, **text):
        """A rounded box with words in its middle; its top left corner is (x, y)."""
        more = {"stroke_dasharray": "5 4"} if dashed else {}
        shape = {"fill": colour, "fill_opacity": fill, "stroke": colour, "stroke_width": 1.5}
        round_ = min(5, width / 6, height / 6)
        self.svg.append(
            drawsvg.Rectangle(x, y, width, height, rx=round(round_, 1), **shape, **more)
        )
        if words:
            self.text(x + width / 2, y + height / 2, words, **text)

    def polygon(self, *points, colour=INK, fill=0.14, words="", **text):
        """A filled polygon with words in its middle."""
        shape = {"fill": colour, "fill_opacity": fill, "stroke": colour, "stroke_width": 1.5}
        self.svg.append(drawsvg.Lines(*sum(points, ()), close=True, **shape))
        if words:
            x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
            self.text(x, y, words, **text)

    def line(self, *points, colour=INK, width=1.5, dashed=False, opacity=1.0):
        """A line through points (x, y)."""
        more = {"stroke_dasharray": "5 4"} if dashed else {}
        more |= {"stroke_opacity": opacity} if opacity < 1 else {}
        line = drawsvg.Lines(
            *sum(points, ()), fill="none", stroke=colour, stroke_width=width, **more
        )
        self.svg.append(line)

    def arrow(self, *points, colour=INK, width=1.5, dashed=False, head=7):
        """A line through points with a head at its last one."""
        (x0, y0), (x1, y1) = points[-2:]
        angle = math.atan2(y1 - y0, x1 - x0)
        back = (round(x1 - head * math.cos(angle), 1), round(y1 - head * math.sin(angle), 1))
        self.line(*points[:-1], back, colour=colour, width=width, dashed=dashed)
        wings = (
            round(p + head * f(angle + turn), 1)
            for turn in (math.pi - 0.45, math.pi + 0.45)
            for p, f in ((x1, math.cos), (y1, math.sin))
        )
        self.svg.append(drawsvg.Lines(x1, y1, *wings, close=True, fill=colour))

    def curve(self, path, *, colour=INK, width=1.5, dashed=False, fill="none"):
        """A path in SVG's own notation."""
        more = {"stroke_dasharray": "5 4"} if dashed else {}
        self.svg.append(drawsvg.Path(path, stroke=colour, stroke_width=width, fill=fill, **more))

    def dot(self, x, y, radius=3.5, colour=INK, opacity=1.0):
        """A filled circle."""
        self.svg.append(drawsvg.Circle(x, y, radius, fill=colour, fill_opacity=opacity))

    def cells(self, x, y, words, *, width=44, height=28, colours=None, fill=0.14, **text):
        """A row of boxes that touch, one for each word."""
        for i, word in enumerate(words):
            colour = colours[i] if colours else INK
            self.box(x + i * width, y, width, height, word, colour=colour, fill=fill, **text)

    def as_text(self):
        """The SVG; the same drawing gives the same text."""
        return self.svg.as_svg(header="") + "\n"
