"""What the pages know of the project: its address, and how long a chapter runs.

The repository's address stands in ``[project.urls]`` of pyproject.toml and nowhere
else; the Colab links and the link to the sources are made from it here.
"""

import json
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective

BRANCH = "main"
COLAB = "https://colab.research.google.com/github"
RECORDS = "ae_lib/data/records/chapters.json"


def repository(root):
    """The repository's address, from pyproject.toml in the folder ``root``."""
    path = Path(root) / "pyproject.toml"
    with path.open("rb") as file:
        urls = tomllib.load(file).get("project", {}).get("urls", {})
    if "Repository" not in urls:
        raise ConfigError(f"{path}: no Repository under [project.urls]")
    return urls["Repository"].rstrip("/").removesuffix(".git")


def colab_url(address, docname):
    """Where a chapter opens on Colab; None when the repository is not on GitHub."""
    parts = urlsplit(address)
    if parts.hostname != "github.com":
        return None
    return f"{COLAB}{parts.path}/blob/{BRANCH}/{docname}.ipynb"


def duration(seconds):
    """Seconds in a reader's words: ``about 3 minutes``, ``under a minute``."""
    if seconds is None:
        return None
    minutes = seconds / 60
    if minutes < 1:
        return "under a minute"
    if minutes < 1.5:
        return "about a minute"
    return f"about {round(minutes)} minutes"


def chapter_records(root):
    """``{"01": {"seconds": …, "machine": …}, …}``, empty when nothing was measured."""
    path = Path(root) / RECORDS
    return json.loads(path.read_text("utf8")) if path.exists() else {}


class ChapterFacts(SphinxDirective):
    """How long the chapter runs, and the doors to run it: ``{chapter-facts}``."""

    def run(self):
        root = self.env.srcdir
        self.env.note_dependency(str(Path(root) / RECORDS))
        self.env.note_dependency(str(Path(root) / "pyproject.toml"))
        number = Path(self.env.docname).name.split("_")[0]
        record = chapter_records(root).get(number, {})
        node = chapter_facts(
            cpu=duration(record.get("seconds")) or "not measured yet",
            gpu=duration(record.get("gpu_seconds")) or "not measured",
            machine=record.get("machine", ""),
            colab=colab_url(repository(root), self.env.docname),
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
    if node["colab"]:
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
    app.config.html_context["ae_repository"] = repository(app.srcdir)


def header_buttons(app, pagename, templatename, context, doctree):
    """In the header of a chapter: open it on Colab, download it; nothing else."""
    source = context.get("page_source_suffix") or ""
    buttons = []
    if source == ".ipynb":
        link = colab_url(repository(app.srcdir), pagename)
        if link:
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
