"""How the stored outputs of a chapter become parts of its page.

A figure that ``ae_lib.plotting.show`` stored becomes a numbered figure with a caption in
MyST and a cross-reference target; a claim gets its number in the chapter and a link to
the ledger. What only a running notebook needs (widget states) stays out of the page.
"""

import html
import re

import myst_nb.sphinx_
from ae_numbers import chapter_number
from docutils import nodes
from myst_nb.core.render import NbElementRenderer
from myst_nb.sphinx_ import HideCodeCellNode

from ae_lib.claims import MIME as CLAIM
from ae_lib.claims import inline_parts

# What stands beside text/html in a bundle and never reaches a page.
BESIDE = "application/vnd.jupyter.widget-view+json"


class BookRenderer(NbElementRenderer):
    """Render notebook outputs as this book wants them."""

    def render_nb_finalise(self, metadata):
        """Leave out the state of live widgets and the scripts that would load it."""

    def render_mime_type(self, data):
        if data.mime_type == CLAIM:
            return self._claim(data.content)
        if data.mime_type == BESIDE or data.mime_type.startswith("application/papermill"):
            return []
        if data.mime_type == "text/html" and "ae_figure" in data.output_metadata:
            return self._figure(data, data.output_metadata["ae_figure"])
        if data.mime_type == "text/plain" and "ae_figure" in data.output_metadata:
            return []
        return super().render_mime_type(data)

    def _figure(self, data, about):
        document = self.renderer.document
        drawing = _inside_figure(data.string)
        figure = nodes.figure(classes=["ae-figure"])
        # On a phone a figure keeps a legible size and scrolls in its own box, by keyboard too.
        box = f'<div class="ae-drawing" tabindex="0">{drawing}</div>'
        figure += nodes.raw(text=box, format="html")
        caption = nodes.caption()
        self.renderer.add_line_and_source_path(caption, _Token(data.line))
        with self.renderer.current_node_context(caption):
            self.renderer.nested_render_text(about["caption"], data.line or 0, inline=True)
        figure += caption
        self.renderer.add_line_and_source_path(figure, _Token(data.line))
        figure["names"].append(nodes.fully_normalize_name(about["name"]))
        document.note_explicit_target(figure, figure)
        return [figure]

    def _claim(self, record):
        """The claim after its number, ``Claim 2.3``, which links to its row in the ledger."""
        env = self.renderer.sphinx_env
        chapter = chapter_number(env.docname)
        count = env.temp_data["ae_claims"] = env.temp_data.get("ae_claims", 0) + 1
        number = f"{chapter}.{count}"
        up = "../" * env.docname.count("/")
        opening = (
            f'<div class="ae-claim" id="{html.escape(record["id"])}">'
            f'<a class="ae-claim-label" href="{up}book/claims.html#ledger-{number}" '
            f'title="See it among all the claims of this book">Claim {number}</a> '
            '<span class="ae-claim-mark" aria-hidden="true">✓</span> '
        )
        measured = html.escape(record["measured"])
        return [
            nodes.raw(text=opening, format="html"),
            nodes.inline("", "", *inline_nodes(record["text"]), classes=["ae-claim-text"]),
            nodes.raw(
                text=f' <span class="ae-claim-number">{measured}</span></div>', format="html"
            ),
        ]


def inline_nodes(text):
    """A claim's text for a page: code and emphasis, everything else as it is written."""
    make = {
        "": nodes.Text,
        "code": lambda part: nodes.literal(part, part),
        "em": lambda part: nodes.emphasis(part, part),
    }
    return [make[tag](part) for tag, part in inline_parts(text)]


class _Token:
    """The little of a markdown-it token that add_line_and_source_path looks at."""

    def __init__(self, line):
        self.map = [line or 0, line or 0]


def _inside_figure(page):
    """The drawing between ``<figure …>`` and ``<figcaption>``."""
    inside = re.sub(r"^\s*<figure[^>]*>", "", page)
    return re.split(r"<figcaption", inside)[0].replace("</figure>", "").strip()


def tidy(app, doctree):
    """Leave out of the listings what only Colab and the linter read."""
    for block in doctree.findall(nodes.literal_block):
        text = re.sub(r"^#\s*@title[^\n]*\n|  # noqa\b[^\n]*", "", block.astext())
        if text != block.astext():
            block.rawsource = text
            block.children = [nodes.Text(text)]


def resolved(app, doctree, docname):
    """Mark the folds that hold solutions; drop the ids that boxes share."""
    for cell in doctree.findall(nodes.container):
        for fold in cell.children:
            if isinstance(fold, HideCodeCellNode):
                fold["solution"] = "tag_solution" in cell["classes"]
                # A listing with a bug that is to be found: the verdict would give it away.
                fold["starter"] = "check(" in cell.astext() and not fold["solution"]
    # sphinx-exercise and sphinx-proof give every box's content the same id.
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if not name.endswith("-content")]


def visit_hidden(self, node):
    """A folded cell, named after what it holds."""
    title = "Solution" if node["solution"] else "The code of this cell"
    if "below-input" in node["classes"] or "above-output" in node["classes"]:
        title = "What the check says of it" if node["starter"] else "The output of this cell"
    kind = " ae-solution" if node["solution"] else ""
    self.body.append(f'<details class="hide{kind}"><summary>{title}</summary>\n')


def depart_hidden(self, node):
    self.body.append("</details>\n")


def prefer_records(app, config):
    """Of a claim's bundle, take the record; an EPUB is made of what the pages are made of."""
    chosen = [*config.nb_mime_priority_overrides, ("html", CLAIM, -1)]
    chosen += [("epub", *choice[1:]) for choice in chosen if choice[0] == "html"]
    config.nb_mime_priority_overrides = chosen


def setup(app):
    app.connect("config-inited", prefer_records, priority=1)
    app.connect("doctree-read", tidy)
    app.connect("doctree-resolved", resolved)
    app.add_node(HideCodeCellNode, override=True, html=(visit_hidden, depart_hidden))
    # myst-nb finds a renderer by the entry point of an installed package; a book's own
    # extension is none, so its loader is told.
    myst_nb.sphinx_.load_renderer = lambda name: BookRenderer
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
