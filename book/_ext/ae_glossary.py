"""The glossary by letters, each term with the chapters that use it."""

from html import escape

from ae_numbers import chapter_number
from docutils import nodes
from sphinx.addnodes import glossary, pending_xref

GLOSSARY = "book/glossary"


def uses(env):
    """``{term: [(chapter, where its first use stands), …]}``, terms in lower case."""
    found = {}
    for docname in sorted(name for name in env.found_docs if name.startswith("chapters/")):
        uri = env.app.builder.get_relative_uri(GLOSSARY, docname)
        for reference in env.get_doctree(docname).findall(pending_xref):
            if reference["reftype"] == "term":
                term, section = reference["reftarget"].lower(), reference
                while not _is_place(section):
                    section = section.parent
                places = found.setdefault(term, {})
                places.setdefault(chapter_number(docname), f"{uri}#{section['ids'][0]}")
    return {term: sorted(places.items()) for term, places in found.items()}


def _is_place(node):
    """A section of the text; boxes hold sections, too, whose ids ae_outputs.py drops."""
    return isinstance(node, nodes.section) and not node["ids"][0].endswith("-content")


def tend(app, doctree, docname):
    """Put the letters above the terms, and beneath each term where it is used."""
    if docname != GLOSSARY or app.builder.name != "html":
        return
    used, letters = uses(app.env), {}
    for item in doctree.findall(nodes.definition_list_item):
        terms = list(item.findall(nodes.term))
        if not terms or not terms[0]["ids"]:
            continue
        letters.setdefault(terms[0].astext()[0].upper(), terms[0]["ids"][0])
        places = dict(place for term in terms for place in used.get(term.astext().lower(), ()))
        if places:
            links = ", ".join(
                f'<a href="{escape(uri)}">{chapter}</a>' for chapter, uri in sorted(places.items())
            )
            chapters = "chapter" if len(places) == 1 else "chapters"
            text = f'<p class="ae-used">Used in {chapters} {links}</p>'
            item.children[-1].append(nodes.raw("", text, format="html"))
    links = " ".join(f'<a href="#{name}">{letter}</a>' for letter, name in letters.items())
    bar = f'<nav class="ae-letters" aria-label="Terms by their first letter">{links}</nav>'
    for terms in list(doctree.findall(glossary)):
        terms.parent.insert(terms.parent.index(terms), nodes.raw("", bar, format="html"))


def again(app, env):
    """The chapters may have come to use other terms."""
    return [GLOSSARY]


def setup(app):
    app.connect("doctree-resolved", tend)
    app.connect("env-get-updated", again)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
