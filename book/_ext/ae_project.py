"""What the pages know of the project: its address, and how long a chapter runs.

Both come from tools/repository.py, which makes the README from them too.
"""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from repository import RECORDS, address, chapter_times, colab  # noqa: E402


class ChapterFacts(SphinxDirective):
    """How long the chapter runs, and the doors to run it: ``{chapter-facts}``."""

    def run(self):
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / RECORDS))
        self.env.note_dependency(str(root / "pyproject.toml"))
        cpu, gpu, machine = chapter_times(Path(self.env.docname).name[:2], root)
        node = chapter_facts(
            cpu=cpu or "not measured yet",
            gpu=gpu or "not measured",
            machine=machine,
            colab=colab(address(root), f"{self.env.docname}.ipynb"),
            notebook=f"{self.env.docname}.ipynb",
            classes=["ae-facts"],
        )
        return [node]


class chapter_facts(nodes.General, nodes.Element):
    """The box of facts; drawn at write time, when the page's own path is known."""


def visit_facts(self, node):
    badge = '<svg aria-hidden="true" viewBox="0 0 24 14"><path d="{}"/></svg>'.format(
        "M7 1a6 6 0 1 0 0 12c1.700 0 3.200-.7 4.300-1.800L9.600 9.500a3.600 3.600 0 1 1 0-5l"
        "1.700-1.700A6 6 0 0 0 7 1zm10 0a6 6 0 1 0 0 12 6 6 0 0 0 0-12zm0 2.400a3.600 3.600 "
        "0 1 1 0 7.200 3.600 3.600 0 0 1 0-7.200z"
    )
    machine = f' title="{self.attval(node["machine"])}"' if node["machine"] else ""
    up = "../" * self.builder.current_docname.count("/")
    body = [
        '<div class="ae-facts">',
        f"<dl><div{machine}><dt>On a laptop</dt><dd>{node['cpu']}</dd></div>",
        f"<div><dt>On a GPU</dt><dd>{node['gpu']}</dd></div></dl>",
        '<p class="ae-facts-doors">',
    ]
    body.append(
        f'<a class="ae-door ae-door-colab" href="{self.attval(node["colab"])}">'
        f"{badge}<span>Open in Colab</span></a>"
    )
    body.append(
        f'<a class="ae-door" href="{up}_sources/{node["notebook"]}" download>'
        "<span>Download the notebook</span></a></p></div>"
    )
    self.body.append("".join(body))
    raise nodes.SkipNode


def skip(self, node):
    raise nodes.SkipNode


def set_address(app):
    """Give the theme the address that pyproject.toml has."""
    app.config.html_context["ae_repository"] = address(Path(app.srcdir))


def header_buttons(app, pagename, templatename, context, doctree):
    """In the header of a chapter: open it on Colab, download it; nothing else."""
    source = context.get("page_source_suffix") or ""
    buttons = []
    if source == ".ipynb":
        link = colab(address(Path(app.srcdir)), f"{pagename}.ipynb")
        buttons.append(_button("Open this chapter in Colab", "ae-icon-colab", link))
        path = context["pathto"]("_sources/" + context["sourcename"], 1)
        buttons.append(_button("Download this chapter as a notebook", "fa-download", path))
    context["header_buttons"] = buttons


def _button(label, icon, url):
    return {"type": "ae_link", "label": label, "icon": icon, "url": url}


def setup(app):
    # Jupyter Book sets it whether or not sphinx_comments is there.
    app.add_config_value("comments_config", {}, "")
    app.add_directive("chapter-facts", ChapterFacts)
    app.add_node(chapter_facts, html=(visit_facts, None), latex=(skip, None), text=(skip, None))
    app.connect("builder-inited", set_address)
    app.connect("html-page-context", header_buttons, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
