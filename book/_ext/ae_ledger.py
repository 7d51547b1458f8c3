"""Tables made from the project's records: the claims, the data and their licences."""

import json
import re
from pathlib import Path

from ae_numbers import chapter_number
from ae_outputs import inline_nodes
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from ae_lib._display import anchor
from ae_lib.claims import read_ledger, stale

logger = logging.getLogger(__name__)
MANIFEST = "ae_lib/data/manifest.json"


def read_title(path):
    """The first heading of a notebook."""
    for cell in json.loads(Path(path).read_text("utf8"))["cells"]:
        found = re.search(r"^# (.+)$", "".join(cell["source"]), re.M)
        if cell["cell_type"] == "markdown" and found:
            return found.group(1).strip()
    return Path(path).stem


class Generated(SphinxDirective):
    """A directive whose content is MyST made here."""

    def cell(self, *children):
        return nodes.entry("", *children)

    def table(self, classes, head, rows, widths):
        """A docutils table; ``rows`` holds lists of nodes, with ids on the row if given."""
        table = nodes.table(classes=classes)
        group = nodes.tgroup(cols=len(head))
        table += group
        for width in widths:
            group += nodes.colspec(colwidth=width)
        titles = nodes.row("", *[self.cell(nodes.paragraph(text=text)) for text in head])
        group += nodes.thead("", titles)
        body = nodes.tbody()
        for ids, cells in rows:
            body += nodes.row("", *[self.cell(cell) for cell in cells], ids=ids)
        group += body
        return table


class ClaimsLedger(Generated):
    """Every claim of every chapter, with its number and its place: ``{claims-ledger}``."""

    def run(self):
        env = self.env
        chapters = sorted(d for d in env.found_docs if d.startswith("chapters/"))
        result = []
        total = 0
        for docname in chapters:
            path = env.doc2path(docname)
            env.note_dependency(path)
            (claims,) = read_ledger([path]).values()
            total += len(claims)
            chapter = chapter_number(docname)
            if problem := stale(json.loads(Path(path).read_text("utf8"))):
                run = f"make chapters CHAPTER={chapter:02}"
                logger.warning("%s; run: %s", problem, run, location=docname)
            section = nodes.section(ids=[f"ledger-{chapter}"])
            section += nodes.title(text=f"Chapter {chapter}. {read_title(path)}")
            rows = []
            for count, record in enumerate(claims, 1):
                number = f"{chapter}.{count}"
                uri = env.app.builder.get_relative_uri(env.docname, docname)
                link = nodes.reference(
                    "",
                    number,
                    refuri=f"{uri}#{record['id']}",
                    internal=True,
                    reftitle="Read it in its chapter",
                )
                rows.append(
                    (
                        [f"ledger-{number}"],
                        [
                            nodes.paragraph("", "", link),
                            nodes.paragraph("", "", *inline_nodes(record["text"])),
                            nodes.paragraph(text=record["measured"]),
                        ],
                    )
                )
            if rows:
                head = ["Claim", "What the run showed", "Measured"]
                section += self.table(["ae-ledger"], head, rows, [8, 67, 25])
            else:
                section += nodes.paragraph(text="This chapter makes no claim yet.")
            result.append(section)
        summary = nodes.paragraph(classes=["ae-ledger-total"])
        summary += nodes.Text(f"{total} claims in {len(chapters)} chapters; all of them hold.")
        return [summary, *result]


class DataFiles(Generated):
    """The shipped files with origin, licence and hash: ``{data-files}``."""

    def run(self):
        path = Path(self.env.srcdir) / MANIFEST
        self.env.note_dependency(str(path))
        files = json.loads(path.read_text("utf8"))["files"] if path.exists() else []
        result = []
        for entry in files:
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
        return result or [nodes.paragraph(text="No data file is shipped.")]


def _literal(text):
    return nodes.paragraph("", "", nodes.literal(text=text))


def setup(app):
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_directive("data-files", DataFiles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
