"""How the stored outputs of a chapter become parts of its page.

A figure that ``ae_lib.plotting.show`` stored becomes a numbered figure with a caption in
MyST and a cross-reference target; a claim gets its number in the chapter and a link to
the ledger. What only a running notebook needs (widget states) stays out of the page.
"""

import html
import re
from dataclasses import replace
from pathlib import Path

import myst_nb.sphinx_
from ae_numbers import chapter_number
from docutils import nodes
from myst_nb.core.render import NbElementRenderer
from myst_nb.sphinx_ import HideCodeCellNode

from ae_lib.claims import MIME as CLAIM
from ae_lib.claims import inline_parts, rows_of, typeset
from ae_lib.plotting import PALETTE
from ae_lib.widgets import _static
from ae_lib.widgets._static import classic_script

# What stands beside text/html in a bundle and never reaches a page.
BESIDE = "application/vnd.jupyter.widget-view+json"

WIDGETS = Path(_static.__file__).parent
# The verdict on an exercise that nobody has answered: on a page it says nothing.
UNANSWERED = "Not answered yet"
NARROW_SPACE = "\u202f"


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
        if data.mime_type.startswith("text/") and UNANSWERED in data.string:
            return []
        if data.mime_type == "text/html" and "data-ae-mount=" in data.string:
            data = replace(data, content=self._with_todays_script(data.string))
        return super().render_mime_type(data)

    def _with_todays_script(self, page):
        """An explorer's stored data under the script of today: a repair needs no new run."""
        kind = re.search(r'data-ae-mount="([a-z-]+)"', page)[1]
        module = WIDGETS / f"{kind.replace('-', '_')}.js"
        for part in WIDGETS.glob("*.js"):  # one takes parts of another
            self.renderer.sphinx_env.note_dependency(str(part))
        start = page.rindex("<script>")
        return f"{page[:start]}<script>\n{classic_script(module.read_text('utf8'))}\n</script>"

    def _figure(self, data, about):
        document = self.renderer.document
        drawing = legible(_inside_figure(data.string))
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
        return [
            nodes.raw(text=opening, format="html", ae_claim=number),
            nodes.inline("", "", *inline_nodes(record["text"]), classes=["ae-claim-text"]),
            nodes.raw(text=f" {measured_html(record)}</div>", format="html"),
        ]


def measured_html(record):
    """A claim's numbers as rows: name, value with unit, bound."""
    rows = rows_of(record)
    alone = " ae-claim-alone" if len(rows) == 1 and not rows[0][0] else ""
    lines = []
    for name, value, unit, bound in rows:
        counted = f"{NARROW_SPACE}{html.escape(unit)}" if unit[:1] != "°" else unit
        cells = f"<dt>{html.escape(name or 'measured')}</dt>"
        cells += f"<dd>{html.escape(value)}{counted if unit else ''}</dd>"
        if bound:
            cells += f'<dd class="ae-claim-bound">bound {html.escape(bound)}</dd>'
        lines.append(f"<div>{cells}</div>")
    return f'<dl class="ae-claim-rows{alone}">{"".join(lines)}</dl>'


def inline_nodes(text):
    """A claim's text for a page: code and emphasis, everything else as it is written."""
    make = {
        "": lambda part: nodes.Text(typeset(part)),
        "code": lambda part: nodes.literal(part, part),
        "em": lambda part: nodes.emphasis(part, typeset(part)),
    }
    return [make[tag](part) for tag, part in inline_parts(text)]


def legible(drawing):
    """Words in a colour of the palette, 3 : 1 at least, made 4.5 : 1 by the page's own ink."""
    return re.sub(
        r"(<text\b[^>]*?\bfill: )(#[0-9a-f]{6})",
        lambda found: (
            f"{found[1]}color-mix(in srgb, {found[2]} 70%, currentColor)"
            if found[2] in PALETTE
            else found[0]
        ),
        drawing,
    )


class _Token:
    """The little of a markdown-it token that add_line_and_source_path looks at."""

    def __init__(self, line):
        self.map = [line or 0, line or 0]


def _inside_figure(page):
    """The drawing between ``<figure …>`` and ``<figcaption>``."""
    inside = re.sub(r"^\s*<figure[^>]*>", "", page)
    return re.split(r"<figcaption", inside)[0].replace("</figure>", "").strip()


def tidy(app, doctree):
    """Leave out of the listings what only Colab, the linter and the comparison of runs read."""
    for block in doctree.findall(nodes.literal_block):
        text = re.sub(r"(?m)\A#\s*@title[^\n]*\n|^# NBVAL_\w+\n?|  # noqa\b.*", "", block.astext())
        if text != block.astext():
            block.rawsource = text
            block.children = [nodes.Text(text)]


def resolved(app, doctree, docname):
    """Name the folds after what they hold; drop the ids that boxes share."""
    figures = app.env.toc_fignumbers.get(docname, {}).get("figure", {})
    for cell in doctree.findall(nodes.container):
        for fold in list(cell.children):
            if not isinstance(fold, HideCodeCellNode):
                continue
            fold["solution"] = "tag_solution" in cell["classes"]
            if {"below-input", "above-output"} & set(fold["classes"]):
                # A listing with a bug that is to be found: the verdict would give it away.
                starter = "check(" in cell.astext() and not fold["solution"]
                fold["title"] = (
                    "What the check says of it" if starter else "The output of this cell"
                )
                if not any(block.children for block in fold.children):
                    cell.remove(fold)
            else:
                fold["title"] = "Solution" if fold["solution"] else _code_of(cell, figures)
    # sphinx-exercise and sphinx-proof give every box's content the same id.
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if not name.endswith("-content")]


def _code_of(cell, figures):
    """What a folded listing is called: "Code of figure 7.2 and claim 7.3"."""
    drawn = [
        ".".join(map(str, figures[name]))
        for figure in cell.findall(nodes.figure)
        for name in figure["ids"]
        if name in figures
    ]
    claimed = [raw["ae_claim"] for raw in cell.findall(nodes.raw) if "ae_claim" in raw]
    named = [
        f"{kind}{'s' * (len(numbers) > 1)} {_and(numbers)}"
        for kind, numbers in (("figure", drawn), ("claim", claimed))
        if numbers
    ]
    if named:
        return f"Code of {_and(named)}"
    if "tag_setup" in cell["classes"]:
        return "Set-up on Colab"
    shown = [part for part in cell.findall(nodes.container) if "cell_output" in part["classes"]]
    if any(part.children for part in shown):
        return "Code of the output below"
    if re.search(r"^\s*glue\(", cell.astext(), re.MULTILINE):
        return "Code of numbers in the text"
    return "Code used below"


def _and(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def visit_hidden(self, node):
    """A folded cell, named after what it holds."""
    kind = " ae-solution" if node["solution"] else ""
    title = self.encode(node["title"])
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
