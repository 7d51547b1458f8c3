"""The theme's style sheets without the rules that match nothing in the built pages."""

import re

WORD = re.compile(r"[\w-]+")
MARK = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{};]")
CLASS_OR_ID = re.compile(r"[.#]((?:\\.|[\w-])+)")
# Inside these a name that no page has does no harm: the rule may match without it.
OPTIONAL = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]")
NESTED = ("@media", "@supports", "@layer", "@container")


def purge(css, words):
    """The rules whose classes and ids are all among ``words``, and no icon font."""
    kept = []
    for head, body in split_rules(re.sub(r"/\*.*?\*/", "", css, flags=re.S)):
        if head.startswith(NESTED):
            body = purge(body, words)
            keep = body != ""
        elif head.startswith("@"):
            keep = "Awesome" not in body
        else:
            keep = any(
                all(name.replace("\\", "") in words for name in CLASS_OR_ID.findall(selector))
                for selector in OPTIONAL.sub("", head).split(",")
            )
        if keep:
            kept.append(f"{head}{{{body}}}")
    return "\n".join(kept)


def split_rules(css):
    """Yield ``(head, body)`` of each rule at the top; ``@charset …;`` is left out."""
    start = depth = 0
    for mark in MARK.finditer(css):
        if mark[0] == "{":
            depth += 1
            if depth == 1:
                head, inner = css[start : mark.start()].strip(), mark.end()
        elif mark[0] == "}":
            depth -= 1
            if depth == 0:
                yield head, css[inner : mark.start()].strip()
                start = mark.end()
        elif mark[0] == ";" and depth == 0:
            start = mark.end()
