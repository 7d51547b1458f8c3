"""The theme's style sheets without the rules that match nothing in the built pages."""

import re

WORD = re.compile(r"[\w-]+")
MARK = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{};]")
CLASS_OR_ID = re.compile(r"[.#]((?:\\.|[\w-])+)")
# Inside these a name that no page has does no harm: the rule may match without it.
OPTIONAL = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]")
DARK = re.compile(r"\[data-theme=[\"']?dark[\"']?\]")
SELECTOR = re.compile(r",(?![^(]*\))")  # the commas between selectors
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


def without_script(css):
    """The style sheet in which the colours of the dark theme hold by the system's wish too.

    js/book.js and the page's head say in ``data-theme`` what the reader wants, and add the
    class ``js``. Where no script runs the pages say ``light``, and each dark rule is followed by
    its like for a dark system; both weigh the same, so that what came later still wins.
    """
    result = []
    for head, body in split_rules(css):
        result.append(f"{head}{{{body}}}")
        chosen = [part for part in SELECTOR.split(head) if DARK.search(part)]
        if chosen and not head.startswith("@"):
            head = DARK.sub(":not(.js)", ",".join(chosen))
            result.append(f"@media (prefers-color-scheme:dark){{{head}{{{body}}}}}")
    return "\n".join(result)


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
