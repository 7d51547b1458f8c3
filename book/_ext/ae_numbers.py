"""A chapter has the number of its file on its page too, whatever is written before it.

Sphinx counts the chapters that there are. But a file's name is an address, in links, on Colab
and in ``make chapters CHAPTER=07``: it stays, and so must the number that readers know it by.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError


def chapter_number(docname):
    """The number that a chapter's file begins with: 7 for ``chapters/07_text_autoencoder``."""
    found = re.match(r"(\d\d)_", Path(docname).name)
    if not found:
        raise ExtensionError(f"{docname}: a chapter's file begins with its number, as in 07_name")
    return int(found[1])


def number_by_file(app, env):
    """Put the files' numbers in place of the counted ones; the pages to be written again."""
    changed = []
    for docname in filter(lambda name: name.startswith("chapters/"), env.toc_secnumbers):
        number = chapter_number(docname)
        places = [env.titles[docname], *env.tocs[docname].findall(nodes.reference)]
        numbered = [place for place in places if place.get("secnumber")]
        if all(place["secnumber"][0] == number for place in numbered):
            continue
        for place in numbered:
            place["secnumber"] = [number, *place["secnumber"][1:]]
        tables = [env.toc_secnumbers[docname], *env.toc_fignumbers.get(docname, {}).values()]
        for table in tables:
            table.update({key: (number, *old[1:]) for key, old in table.items() if old})
        changed.append(docname)
    return changed


def setup(app):
    app.connect("env-get-updated", number_by_file, priority=900)  # after Sphinx has counted
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
