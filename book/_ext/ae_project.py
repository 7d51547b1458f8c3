"""What the pages know of the project: its address, and how long a chapter runs.

Both come from tools/repository.py, which makes the README from them too.
"""

import sys
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from repository import RECORDS, address, chapter_times, colab, pages, title  # noqa: E402

__all__ = ["pages", "title"]
FACTS = """\
<div class="ae-facts"><dl>
{times}</dl>
<p class="ae-facts-links">
<a class="ae-link ae-link-colab" href="{colab}"><svg aria-hidden="true" viewBox="0 0 24 14"><path
d="M7 1a6 6 0 1 0 0 12c1.700 0 3.200-.7 4.300-1.800L9.600 9.500a3.600 3.600 0 1 1 0-5l1.700-1.700A6
6 0 0 0 7 1zm10 0a6 6 0 1 0 0 12 6 6 0 0 0 0-12zm0 2.400a3.600 3.600 0 1 1 0 7.200 3.600 3.600 0 0
1 0-7.200z"/></svg><span>Open in Colab</span></a>
<a class="ae-link" href="{notebook}" download><span>Download the notebook</span></a></p></div>"""


class ChapterFacts(SphinxDirective):
    """How long the chapter runs, and the links to run it: ``{chapter-facts}``."""

    def run(self):
        root, name = Path(self.env.srcdir), self.env.docname
        self.env.note_dependency(str(root / RECORDS))
        self.env.note_dependency(str(root / "pyproject.toml"))
        cpu, gpu, machine = chapter_times(Path(name).name[:2])
        about = f' title="{escape(machine)}"' if machine else ""
        rows = (("On a laptop", cpu, about), ("On a GPU", gpu, ""))
        facts = FACTS.format(
            times="\n".join(
                f"<div{more}><dt>{where}</dt><dd>{time}</dd></div>"
                for where, time, more in rows
                if time  # what was not measured is not shown
            ),
            colab=escape(colab(address(), f"{name}.ipynb")),
            notebook=f"{'../' * name.count('/')}_sources/{name}.ipynb",
        )
        return [nodes.raw("", facts, format="html")]


def link_to_colab(app, pagename, templatename, context, doctree):
    """For the button in the header of a chapter."""
    context["ae_colab"] = colab(address(), f"{pagename}.ipynb")


def setup(app):
    # Jupyter Book sets it whether or not sphinx_comments is there.
    app.add_config_value("comments_config", {}, "")
    app.add_directive("chapter-facts", ChapterFacts)
    app.connect("html-page-context", link_to_colab)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
