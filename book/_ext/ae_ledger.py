"""Tables made from the project's records: the claims, the data and their licences."""

import json
from pathlib import Path

from ae_numbers import chapter_number
from ae_outputs import inline_nodes, measured_html
from ae_project import title
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ae_lib._display import anchor
from ae_lib.claims import read_ledger, rows_of, stale

logger = logging.getLogger(__name__)
MANIFEST = "ae_lib/data/manifest.json"


def _row(*cells, **attributes):
    return nodes.row("", *[nodes.entry("", cell) for cell in cells], **attributes)


class ClaimsLedger(SphinxDirective):
    """Every claim of every chapter, with its number and its place: ``{claims-ledger}``."""

    def run(self):
        chapters = sorted(d for d in self.env.found_docs if d.startswith("chapters/"))
        sections, counts = zip(*map(self.chapter, chapters), strict=True)
        total = f"{sum(counts)} claims in {len(chapters)} chapters; all of them hold."
        return [nodes.paragraph(text=total, classes=["ae-ledger-total"]), *sections]

    def chapter(self, docname):
        """One chapter's section, and how many claims it has."""
        path = Path(self.env.doc2path(docname))
        self.env.note_dependency(str(path))
        chapter = chapter_number(docname)
        if problem := stale(json.loads(path.read_text("utf8"))):
            run = f"make chapters CHAPTER={chapter:02}"
            logger.warning("%s; run: %s", problem, run, location=docname)
        uri = self.env.app.builder.get_relative_uri(self.env.docname, docname)
        rows = nodes.tbody()
        (claims,) = read_ledger([path]).values()
        for count, record in enumerate(claims, 1):
            number = f"{chapter}.{count}"
            link = nodes.reference(
                "",
                number,
                refuri=f"{uri}#{record['id']}",
                internal=True,
                reftitle="Read it in its chapter",
            )
            rows += _row(
                nodes.paragraph("", "", link),
                nodes.paragraph("", "", *inline_nodes(record["text"])),
                nodes.raw(text=measured_html(record), format="html"),
                ids=[f"ledger-{number}"],
            )
        section = nodes.section(ids=[f"ledger-{chapter}"])
        section += nodes.title(text=f"Chapter {chapter}. {title(path)}")
        titles = ("Claim", "What the run showed", "Measured")
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (8, 58, 34)]
        group += nodes.thead("", _row(*[nodes.paragraph(text=text) for text in titles]))
        group += rows
        section += nodes.table("", group, classes=["ae-ledger"])
        return section, len(claims)


class ClaimRole(SphinxRole):
    """A link to a claim with its number: ``{claim}`02:claim-two-numbers-of-ours```.

    Set as "(claim 2.4: 0.52)"; of a claim with more than three numbers, how many there are.
    """

    def run(self):
        chapter, _, name = self.text.partition(":")
        (docname,) = (d for d in self.env.found_docs if d.startswith(f"chapters/{chapter}_"))
        path = Path(self.env.doc2path(docname))
        self.env.note_dependency(str(path))
        (claims,) = read_ledger([path]).values()
        places = [i for i, record in enumerate(claims) if record["id"] == name]
        if not places:
            logger.warning(
                "no claim of chapter %s is named %s", chapter, name, location=self.get_location()
            )
            return [nodes.Text(self.text)], []
        record, number = claims[places[0]], f"{int(chapter)}.{places[0] + 1}"
        rows = rows_of(record)
        shown = f"{len(rows)} numbers"
        if len(rows) <= 3:
            shown = ", ".join(_in_words(*row) for row in rows)
        uri = self.env.app.builder.get_relative_uri(self.env.docname, docname)
        link = nodes.reference(
            "", f"claim {number}", refuri=f"{uri}#{name}", internal=True, reftitle=record["text"]
        )
        return [nodes.inline("", "", nodes.Text("("), link, nodes.Text(f": {shown})"))], []


def _in_words(name, value, unit, bound):
    value = f"{value}\N{NO-BREAK SPACE}{unit}".strip() if unit else value
    return f"{name} {value}".strip() + (f", bound {bound}" if bound else "")


class DataFiles(SphinxDirective):
    """The shipped files with origin, licence and hash: ``{data-files}``."""

    def run(self):
        path = Path(self.env.srcdir) / MANIFEST
        self.env.note_dependency(str(path))
        result = []
        for entry in json.loads(path.read_text("utf8"))["files"]:
            rows = [("Contents", entry["contents"])] if "contents" in entry else []
            rows += [("Origin", entry["origin"]), ("Licence", entry["licence"])]
            rows += [("Size", f"{entry['bytes']:,} bytes")]
            items = [(term, nodes.paragraph(text=text)) for term, text in rows]
            items.append(("SHA-256", _literal(entry["sha256"])))
            items.append(("Made by", _literal(entry["made_by"])))
            name = entry["file"]
            section = nodes.section(
                ids=[nodes.make_id(name) if name.isascii() else anchor("file", name, 8)]
            )
            section += nodes.title("", "", nodes.literal(text=name))
            listing = nodes.definition_list(classes=["ae-data"])
            for term, node in items:
                listing += nodes.definition_list_item(
                    "", nodes.term(text=term), nodes.definition("", node)
                )
            section += listing
            result.append(section)
        return result


def _literal(text):
    return nodes.paragraph("", "", nodes.literal(text=text))


def setup(app):
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_directive("data-files", DataFiles)
    app.add_role("claim", ClaimRole())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
