"""What the pages know of the project: its address, its commit, and how long a chapter runs.

Address and minutes come from tools/repository.py, which makes the README from them too.
"""

import re
import subprocess
import sys
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ae_lib.claims import read_ledger

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from repository import BRANCH, RECORDS, address, chapter_times, colab, pages, title  # noqa: E402

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


def colophon(app, pagename, templatename, context, doctree):
    """For the foot of a page: its source, its faults by name, and how to cite it."""
    context["ae_address"], context["ae_commit"] = address(), app.config.ae_commit
    if doctree is None:
        return
    path = Path(app.env.doc2path(pagename))
    name = path.relative_to(app.srcdir).as_posix()
    url = pages(address()) + app.builder.get_target_uri(pagename).removesuffix("index.html")
    commit = app.config.ae_commit[:10]
    heading = app.env.titles[pagename].astext()
    chapter = str(int(path.name[:2])) if name.startswith("chapters/") else ""
    faults = [(f"Chapter {chapter}: " if chapter else f"{heading}: ", "the page as a whole")]
    if chapter:
        (claims,) = read_ledger([path]).values()
        for count, claim in enumerate(claims, 1):
            number = f"Claim {chapter}.{count}"
            faults.append((f"{number} ({_short(claim['text'])}): ", number))
    cited, bibtex = citation(Path(app.srcdir), chapter and (chapter, heading), url, commit)
    version = f"Commit: {commit}\n" if commit else ""
    context |= {
        "ae_source": f"{address()}/blob/{BRANCH}/{name}",
        "ae_faults": faults,
        "ae_report": f"Page: {url}\n{version}\nWhat is wrong, and what should stand there?\n",
        "ae_cite": cited,
        "ae_cite_bibtex": bibtex,
    }


def citation(root, chapter, url, commit):
    """How to cite a chapter, ``(number, title)``, or the book: as a line, and for BibTeX."""
    text = (root / "CITATION.cff").read_text("utf8")
    book = re.search(r'^title: "?(.+?)"?$', text, re.M)[1]
    author = re.search(r"^ *- name: (.+)$", text, re.M)[1]
    year = re.search(r'^date-released: "?(\d{4})', text, re.M)[1]
    number, title = chapter or ("", "")
    part = f"“{title}”, chapter {number} of " if chapter else ""
    note = f" (commit {commit})" if commit else ""
    line = f"{author} ({year}). {part}{book}. {url}{note}"
    fields = {"author": f"{{{author}}}", "title": title or book, "year": year, "url": url}
    if chapter:
        fields |= {"booktitle": book, "chapter": number}
    if commit:
        fields["note"] = f"Commit {commit}"
    entry = "\n".join(f"  {key} = {{{value}}}," for key, value in fields.items())
    kind, key = ("incollection", f"autoencoders-{number}") if chapter else ("book", "autoencoders")
    return line, f"@{kind}{{{key},\n{entry}\n}}"


def _short(text, most=60):
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def commit(root):
    """``"hash date"`` of the commit that ``root`` stands at, ``" changed"`` if it has changes.

    An empty string where ``root`` is no checkout of its own.
    """

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        top = git("rev-parse", "--show-toplevel")
        if not top or Path(top).resolve() != Path(root).resolve():
            return ""
        changed = " changed" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("log", "-1", "--format=%H %cs") + changed
    except FileNotFoundError:  # no git on this machine
        return ""


def note_commit(app, config):
    """The pages are out of date when the commit is another."""
    config.ae_commit = commit(app.srcdir)


def setup(app):
    app.add_config_value("ae_commit", "", "html", types=[str])
    app.connect("config-inited", note_commit)
    app.connect("html-page-context", colophon)
    # Jupyter Book sets it whether or not sphinx_comments is there.
    app.add_config_value("comments_config", {}, "")
    app.add_directive("chapter-facts", ChapterFacts)
    app.connect("html-page-context", link_to_colab)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
