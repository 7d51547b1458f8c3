"""Hold the stored chapters to the book's measure.

    python tools/check_notebooks.py [chapters/02_dense.ipynb …]

Each rule takes a ``Chapter`` and yields what is wrong with it. Prints every problem; exit
status 1 if there is one. tests/test_notebooks.py runs the same rules, and proves them on a
chapter that was spoilt.
"""

import json
import re
import sys
from functools import cached_property
from pathlib import Path

from ae_lib.claims import MIME as CLAIM
from ae_lib.claims import stale
from repository import ROOT, chapter_times

LONGEST_CELL, MEAN_CELL = 30, 9
LARGEST = 1_000_000  # bytes
EXERCISES = range(5, 9)
GRADES = ("Predict", "Implement", "Find the bug", "Design")
GLOSSARY = ROOT / "book" / "glossary.md"
# What is no prose: formulas, code in fences, the lines that open and close a directive, options.
NO_PROSE = (
    r"^(`{3,})(?:\{math\}|\{code|\w)[^\n]*\n.*?^\1|\$\$.*?\$\$|\$[^$]*\$"
    r"|^(?:`{3,}|:{3,})[^\n]*$|^:[\w-]+:[^\n]*$|^\([\w:-]+\)=$"
)
LIVE = "live"  # the tag of cells whose outputs depend on the clock
# What a stored output must not hold: progress bars, warnings, addresses in memory.
DEBRIS = re.compile(
    r"Warning|WARNING|\r|\x1b\[|\[=+>?|━|\d+%\||ms/step|it/s\b|object at 0x|Traceback|I0000 "
)


class Chapter:
    """A stored notebook and what the rules ask of it."""

    def __init__(self, path):
        self.path = Path(path)
        self.text = self.path.read_text("utf8")
        self.notebook = json.loads(self.text)
        self.cells = self.notebook["cells"]
        self.code = [c for c in self.cells if c["cell_type"] == "code" and source(c).strip()]
        self.prose = [c for c in self.cells if c["cell_type"] == "markdown"]

    @cached_property
    def markdown(self):
        """All prose, as one text."""
        return "\n\n".join(map(source, self.prose))

    @cached_property
    def exercises(self):
        """``{name: (starter cell or None, solution cell or None)}`` by what they check."""
        found = {}
        for cell in self.code:
            for name in re.findall(r"\bcheck\(\s*[\"']([\w.-]+)[\"']", source(cell)):
                pair = found.setdefault(name, [None, None])
                pair["solution" in tags(cell)] = cell
        return found


def source(cell):
    """A cell's text."""
    return "".join(cell["source"])


def tags(cell):
    """A cell's tags."""
    return cell["metadata"].get("tags", [])


def lines(cell):
    """A code cell's lines that are not blank."""
    return [line for line in source(cell).splitlines() if line.strip()]


def bundles(cell):
    """The MIME bundles among a cell's outputs, each text as one string."""
    for output in cell["outputs"]:
        if "data" in output:
            joined = {
                k: "".join(v) if isinstance(v, list) else v for k, v in output["data"].items()
            }
            yield joined, output.get("metadata", {})


def printed(cell):
    """Everything a reader sees in a cell's outputs, as one text."""
    streams = ["".join(o["text"]) for o in cell["outputs"] if "text" in o]
    return "\n".join(
        streams + [b.get("text/html", b.get("text/plain", "")) for b, _ in bundles(cell)]
    )


def verdicts(cell):
    """States of the verdicts in a cell's output: "right", "wrong", "todo"."""
    return re.findall(r"ae-check-(right|wrong|todo)", printed(cell))


# -- the rules ---------------------------------------------------------------------------


def executed_in_order(chapter):
    """Outputs are those of one run from top to bottom."""
    counts = [cell["execution_count"] for cell in chapter.code]
    if counts != list(range(1, len(counts) + 1)):
        yield "the stored outputs are not of one run from top to bottom"


def code_as_run(chapter):
    """The code is the code that ran."""
    if problem := stale(chapter.notebook):
        yield f"{problem}; run: make chapters CHAPTER={chapter.path.stem[:2]}"


def clean_outputs(chapter):
    """No error, nothing on stderr, no debris."""
    for cell in chapter.code:
        for output in cell["outputs"]:
            if output["output_type"] == "error" or output.get("name") == "stderr":
                yield f"{output['output_type']} on {output.get('name')} after {lines(cell)[0]!r}"
        visible = re.sub(r"<svg.*?</svg>", "", printed(cell), flags=re.S)
        if debris := DEBRIS.search(visible):
            yield f"{debris[0]!r} in the output of {lines(cell)[0]!r}"


def live_cells(chapter):
    """What depends on the clock is compared with nothing."""
    for cell in chapter.code:
        if LIVE in tags(cell) and "NBVAL_CHECK_OUTPUT" in source(cell):
            yield f"{lines(cell)[0]!r} is tagged live and compared with the stored output"


def cell_lengths(chapter):
    """Cells of at most 30 lines, 9 in the mean."""
    counts = [len(lines(cell)) for cell in chapter.code]
    for cell, count in zip(chapter.code, counts, strict=True):
        if count > LONGEST_CELL:
            yield f"{count} lines in the cell {lines(cell)[0]!r}; at most {LONGEST_CELL}"
    if counts and sum(counts) / len(counts) > MEAN_CELL:
        yield f"{sum(counts) / len(counts):.1f} lines a cell; at most {MEAN_CELL}"


def size(chapter):
    """At most a megabyte."""
    if len(chapter.text.encode()) > LARGEST:
        yield f"{len(chapter.text.encode()):,} bytes; at most {LARGEST:,}"


def claims(chapter):
    """At least one claim, each of another name."""
    ids = [b[CLAIM]["id"] for cell in chapter.code for b, _ in bundles(cell) if CLAIM in b]
    if not ids:
        yield "no claim"
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"two claims named {twice}"


def glued_numbers(chapter):
    """Each number that the prose names was glued, once."""
    glued = [
        metadata["scrapbook"]["name"]
        for cell in chapter.code
        for _, metadata in bundles(cell)
        if "scrapbook" in metadata
    ]
    for twice in sorted({name for name in glued if glued.count(name) > 1}):
        yield f"glued twice: {twice}"
    asked = re.findall(r"\{glue:\w*\}`(?:[^`<]*<)?([^`<>:]+)", chapter.markdown)
    for name in sorted(set(asked) - set(glued)):
        yield f"the prose names {name}, which no cell glues"


def lost_lines(chapter):
    """To MyST a line of prose that begins with % is a comment: no reader would see it."""
    for line in re.findall(
        r"^%.*", re.sub(NO_PROSE, "", chapter.markdown, flags=re.M | re.S), re.M
    ):
        yield f"a comment, not prose: {line!r}"


def figures(chapter):
    """Every figure has a caption and alt text, and a name of its own."""
    names = []
    for cell in chapter.code:
        for bundle, metadata in bundles(cell):
            if "image/png" in bundle or "image/svg+xml" in bundle:
                yield f"a figure without show(fig, caption, alt=…) in {lines(cell)[0]!r}"
            if 'class="ae-figure"' in bundle.get("text/html", ""):
                about = metadata.get("ae_figure", {})
                names.append(about.get("name"))
                for key in ("name", "caption", "alt"):
                    if not about.get(key):
                        yield f"a figure without {key} in {lines(cell)[0]!r}"
                if about.get("alt") and about.get("alt") == about.get("caption"):
                    yield f"{about['name']}: its alt text only repeats the caption"
    for twice in sorted({n for n in names if n and names.count(n) > 1}):
        yield f"two figures named {twice}"


def exercises(chapter):
    """Five to eight exercises, each with starter, folded solution and their verdicts."""
    fenced = re.finditer(r"^(`{3,})\{exercise\}.*?^\1$", chapter.markdown, re.M | re.S)
    stated = [match[0] for match in fenced]
    if len(stated) not in EXERCISES:
        yield f"{len(stated)} exercises; 5 to 8 expected"
    if len(stated) != len(chapter.exercises):
        yield f"{len(stated)} exercises in the prose, {len(chapter.exercises)} checked in cells"
    for text in stated:
        if not re.search(rf"\*({'|'.join(GRADES)})\b", text):
            yield f"no grade ({', '.join(GRADES)}) in the exercise {text.splitlines()[0]!r}"
    for name, (starter, solution) in chapter.exercises.items():
        if not starter:
            yield f"{name}: no starter cell"
        elif "right" in verdicts(starter) or not verdicts(starter):
            yield f"{name}: the starter's stored verdict is {verdicts(starter) or 'missing'}"
        elif "wrong" in verdicts(starter) and "hide-output" not in tags(starter):
            yield f"{name}: the starter's verdict names the mistake; fold it, tag hide-output"
        if not solution:
            yield f"{name}: no cell tagged solution"
            continue
        if verdicts(solution) != ["right"]:
            yield f"{name}: the solution's stored verdict is {verdicts(solution) or 'missing'}"
        about = solution["metadata"]
        if (
            "hide-cell" not in tags(solution)
            or not about.get("jupyter", {}).get("source_hidden")
            or about.get("cellView") != "form"
            or lines(solution)[0] != "# @title Solution"
        ):
            yield f"{name}: the solution is not folded as the others are (see CONTRIBUTING.md)"


def ending(chapter):
    """A summary of five lines, then further reading with real citations."""
    parts = re.split(r"^## +(.+)$", chapter.markdown, flags=re.M)
    sections = {
        title.strip().lower(): text for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    points = re.findall(r"^(?:[-*]|\d+\.) ", sections.get("summary", ""), re.M)
    if len(points) != 5:
        yield f"a summary of five lines expected, {len(points)} found under '## Summary'"
    if "{cite" not in sections.get("further reading", ""):
        yield "no citation under '## Further reading'"


def glossary_terms():
    """The terms of book/glossary.md, as they stand there."""
    body = GLOSSARY.read_text("utf8").partition("```{glossary}")[2]
    return [line.strip() for line in body.splitlines() if re.match(r"[^\W_]", line)]


def linked_terms(chapter):
    """A term of the glossary that the prose uses is linked at least once in the chapter."""
    text = re.sub(NO_PROSE, " ", chapter.markdown, flags=re.M | re.S)
    linked = {
        " ".join(re.sub(r".*<(.*)>", r"\1", term, flags=re.S).split()).lower()
        for term in re.findall(r"\{term\}`([^`]*)`", text)
    }
    prose = " ".join(re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)", " ", text).split())
    for term in glossary_terms():
        used = re.search(rf"(?<![\w-]){re.escape(term)}s?(?![\w-])", prose, re.I)
        if used and term.lower() not in linked:
            yield f"the prose uses {term!r}; link it at its first use: {{term}}`{term}`"


def seconds(chapter):
    """Its run is on record. How long it took is shown, not judged: machines are noisy."""
    number = chapter.path.stem[:2]
    if chapter_times(number)[0] is None:
        yield f"no record of its seconds; run: make chapters CHAPTER={number}"


RULES = (
    executed_in_order,
    code_as_run,
    clean_outputs,
    live_cells,
    cell_lengths,
    size,
    claims,
    glued_numbers,
    lost_lines,
    figures,
    exercises,
    ending,
    linked_terms,
    seconds,
)


def main():
    paths = [Path(p) for p in sys.argv[1:]] or sorted((ROOT / "chapters").glob("*.ipynb"))
    found = False
    for chapter in map(Chapter, paths):
        for rule in RULES:
            for problem in rule(chapter):
                found = True
                print(f"{chapter.path.name}: {rule.__name__}: {problem}")
    sys.exit(found)


if __name__ == "__main__":
    main()
