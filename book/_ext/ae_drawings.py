"""A drawing from ``book/drawings`` stands in the page itself, so that it has the page's colours.

In a chapter it is a figure in MyST, which a notebook shows, too::

    :::{figure-md} fig-hourglass
    ![What is to be seen, in words.](../book/drawings/hourglass.svg)

    The caption.
    :::
"""

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)


def inline(app, doctree):
    """Put the drawing in place of its image; the words of the image describe it."""
    for figure in doctree.findall(nodes.figure):
        for image in list(figure.findall(nodes.image)):
            path = Path(app.env.relfn2path(image["uri"])[1])
            if path.parent.name != "drawings" or path.suffix != ".svg" or not path.is_file():
                continue
            app.env.note_dependency(path)
            if not image.get("alt"):
                logger.warning("%s has no alternative text", path.name, location=figure)
            label = f'class="ae-drawn" aria-label="{html.escape(image.get("alt", ""))}"'
            _, opening, _, rest = re.split(
                r'^(<svg\b[^>]*?)(width="\d+" height="\d+")', path.read_text("utf8"), maxsplit=1
            )
            drawing = opening + label + rest
            # On a phone it keeps a legible size and scrolls in its own box, by keyboard too.
            box = f'<div class="ae-drawing" tabindex="0">{drawing}</div>'
            image.replace_self(nodes.raw(text=box, format="html"))
            figure["classes"].append("ae-figure")


def setup(app):
    app.connect("doctree-read", inline, priority=400)  # before Sphinx collects the images
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
