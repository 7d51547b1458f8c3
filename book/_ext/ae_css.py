"""A small style-sheet purger: it keeps the rules that can match in the built pages."""

import re

WORD = re.compile(r"[A-Za-z_][\w-]*")
CLASS_OR_ID = re.compile(r"([.#])((?:\\.|[\w-])+)")
# Inside these a name that no page has does no harm: the rule may match without it.
OPTIONAL = re.compile(r":(?:not|is|where|has|-webkit-any)\((?:[^()]|\([^()]*\))*\)")
PROPERTY = re.compile(r"(?<=[{;\s])(--[\w-]+)\s*:(?:[^;{}\"']|\"[^\"]*\"|'[^']*')*(?:;|(?=\}))")
NESTED = ("@media", "@supports", "@layer", "@container")


class Purger:
    """Collects the classes and ids of pages and scripts, then drops what matches none."""

    def __init__(self):
        self.words = set()

    def see_html(self, text):
        for value in re.findall(r"\b(?:class|id)=\"([^\"]*)\"", text):
            self.words.update(value.split())
        for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.S):
            self.see_script(script)

    def see_script(self, text):
        self.words.update(WORD.findall(text))

    def purge(self, css):
        """The style sheet without the rules that no page can use."""
        css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
        css = self._rules(css)
        return self._unused_names(css)

    def _rules(self, css):
        kept = []
        for head, body in split_rules(css):
            head = head.strip()
            if body is None:
                if not head.startswith("@charset"):
                    kept.append(head + ";")
            elif head.startswith(NESTED):
                inner = self._rules(body)
                if inner.strip():
                    kept.append(f"{head}{{{inner}}}")
            elif head.startswith("@"):
                if "Font Awesome" not in body and "FontAwesome" not in body:
                    kept.append(f"{head}{{{body}}}")
            else:
                selectors = [s for s in split_top(head, ",") if self._matches(s)]
                if selectors and body.strip():
                    kept.append(f"{','.join(selectors)}{{{body}}}")
        return "\n".join(kept)

    def _matches(self, selector):
        bare = OPTIONAL.sub("", selector)
        bare = re.sub(r"\[[^\]]*\]", "", bare)
        return all(name.replace("\\", "") in self.words for _, name in CLASS_OR_ID.findall(bare))

    def _unused_names(self, css):
        """Drop the custom properties and key frames that nothing reads any more."""

        def keep(found):
            return found[0] if found[1] in used else ""

        used = None
        while used != (now := set(re.findall(r"var\(\s*(--[\w-]+)", css))):
            used = now
            css = PROPERTY.sub(keep, css)
        animated = " ".join(re.findall(r"animation(?:-name)?\s*:([^;}]*)", css))
        return re.sub(
            r"@(?:-webkit-)?keyframes\s+([\w-]+)\s*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}",
            lambda found: found[0] if found[1] in animated else "",
            css,
        )


def split_rules(css):
    """Yield ``(head, body)`` of each rule at the top; body None for ``@import …;``."""
    start = at = 0
    while at < len(css):
        character = css[at]
        if character in "\"'":
            at = _string_end(css, at)
        elif character == ";":
            if css[start:at].strip():
                yield css[start:at], None
            start = at + 1
        elif character == "{":
            end = _block_end(css, at)
            yield css[start:at], css[at + 1 : end]
            at = end
            start = at + 1
        at += 1


def split_top(text, separator):
    """Split where no bracket is open."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def _string_end(css, at):
    quote = css[at]
    at += 1
    while at < len(css) and css[at] != quote:
        at += 2 if css[at] == "\\" else 1
    return at


def _block_end(css, at):
    depth = 0
    while at < len(css):
        if css[at] in "\"'":
            at = _string_end(css, at)
        elif css[at] == "{":
            depth += 1
        elif css[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError("style sheet: a block is not closed")


def minify_css(css):
    """Close up white space outside strings; drop empty rules."""
    parts = re.split(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|url\([^)]*\))", css)
    for index in range(0, len(parts), 2):
        text = re.sub(r"\s+", " ", parts[index])
        text = re.sub(r" ?([{};,]) ?", r"\1", text)
        parts[index] = re.sub(r";}", "}", text)
    css = "".join(parts)
    while True:
        shorter = re.sub(r"(?<=[{}])[^{}@]+\{\}", "", css)
        if shorter == css:
            return css
        css = shorter
