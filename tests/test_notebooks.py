"""The stored chapters hold to the book's measure, and the rules that say so do bite."""

import json
import re

import nbformat
import pytest

import chapters as runner
import check_notebooks as rules
from ae_lib import claims, exercises
from ae_lib.claims import MIME, code_sha256
from repository import ROOT, SETUP_METADATA, address, chapters, setup_cell

CHAPTERS = chapters()
TOC = (ROOT / "book" / "_toc.yml").read_text("utf8")


@pytest.fixture(scope="module")
def stored():
    return {path: rules.Chapter(path) for path in CHAPTERS}


def test_the_chapters_are_those_of_the_contents():
    assert [f"chapters/{path.stem}" for path in CHAPTERS] == re.findall(
        r"file: (chapters/\w+)", TOC
    )


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda r: r.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter(stored, path, rule):
    problems = list(rule(stored[path]))
    assert not problems, "\n".join(problems)


def test_every_exercise_is_in_one_chapter_and_none_is_made_up(stored):
    asked = [name for chapter in stored.values() for name in chapter.exercises]
    assert sorted(asked) == sorted(exercises.names())


def test_a_chapter_has_its_exercises_in_one_module(stored):
    for path, chapter in stored.items():
        assert len({name.partition(".")[0] for name in chapter.exercises}) == 1, path.name


def test_names_that_a_reader_can_link_to_are_unique_in_the_book(stored):
    for pattern in (r"^:label: ([\w-]+)$", r"^:name: ([\w-]+)$", r"^\(([\w:-]+)\)=$"):
        names = [n for c in stored.values() for n in re.findall(pattern, c.markdown, re.M)]
        assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
    figures = [
        metadata["ae_figure"]["name"]
        for chapter in stored.values()
        for cell in chapter.code
        for _, metadata in rules.bundles(cell)
        if "ae_figure" in metadata
    ]
    assert len(figures) == len(set(figures))


def test_the_ledger_can_be_read():
    ledger = claims.read_ledger(CHAPTERS)
    assert list(ledger) == [path.stem for path in CHAPTERS]
    assert all(ledger.values())


# -- the rules themselves ----------------------------------------------------------------


def code(text, *outputs, **metadata):
    return {
        "cell_type": "code",
        "source": text,
        "metadata": metadata,
        "execution_count": 1,
        "outputs": list(outputs),
    }


def shown(**data):
    metadata = data.pop("metadata", {})
    return {"output_type": "display_data", "data": {"text/html": ""} | data, "metadata": metadata}


def html(text, **metadata):
    return shown(**{"text/html": text}, metadata=metadata)


def verdict(state):
    return html(f'<div class="ae-check ae-check-{state}" role="status"></div>')


def claimed(name):
    return shown(**{MIME: {"id": name}})


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": [text]}


def glued(name):
    return html("", scrapbook={"name": name})


def figure(name="fig-a", alt="What it shows.", caption="Caption."):
    about = {"name": name, "caption": caption, "alt": alt}
    return html('<figure class="ae-figure"></figure>', ae_figure=about)


FOLDED = {
    "tags": ["hide-cell", "solution"],
    "jupyter": {"source_hidden": True},
    "cellView": "form",
}
TASK = "````{exercise} Title\n:label: ex-a\n*Predict.* What?\n```python\nf(x)\n```\n````"
ENDING = "## Summary\n\n" + "- a point\n" * 5 + "\n## Further reading\n\n{cite:t}`a`"


def task(name, state="todo", solved="right", first="# @title Solution", starter=(), **metadata):
    return [
        TASK,
        code(f'answer = ...\ncheck("{name}", answer)', verdict(state), tags=list(starter)),
        code(f'{first}\ncheck("{name}", 3)', verdict(solved), **{**FOLDED, **metadata}),
    ]


def chapter(tmp_path, *cells, **metadata):
    cells = [
        c if isinstance(c, dict) else {"cell_type": "markdown", "source": c, "metadata": {}}
        for c in cells
    ]
    count = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = cell["execution_count"] and count
    path = tmp_path / "99_none.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata}), "utf8")
    return rules.Chapter(path)


FIVE = [cell for i in range(5) for cell in task(f"a.b{i}")]


@pytest.mark.parametrize(
    "rule, cells",
    [
        ("executed_in_order", [code("x"), code("y")]),
        ("clean_outputs", [code("x", stream("fine"), html("<svg>1234it/s object at 0x</svg>"))]),
        ("live_cells", [code("x", tags=["live"]), code("y", tags=["NBVAL_CHECK_OUTPUT"])]),
        ("cell_lengths", [code("x\n\n" * 30), *[code("y")] * 9]),
        ("size", ["word"]),
        ("setup", [code(setup_cell(address()), **SETUP_METADATA)]),
        ("claims", [code("x", claimed("a"), claimed("b"))]),
        ("glued_numbers", [code("x", glued("a-b")), "{glue:text}`a-b` and {glue:text}`a-b:.2f`"]),
        ("figures", [code("x", figure()), code("y", figure("fig-b"))]),
        ("exercises", FIVE),
        ("exercises", [*task("a.b0", state="wrong", starter=["hide-output"]), *FIVE[3:]]),
        ("ending", [ENDING]),
    ],
)
def test_a_rule_is_content_with_what_is_right(tmp_path, rule, cells):
    assert not list(getattr(rules, rule)(chapter(tmp_path, *cells)))


@pytest.mark.parametrize(
    "rule, cells, words",
    [
        ("executed_in_order", [code("x"), {**code("y"), "execution_count": None}], "one run"),
        ("clean_outputs", [code("x", {"output_type": "error"})], "error"),
        ("clean_outputs", [code("x", stream("note", "stderr"))], "stderr"),
        ("clean_outputs", [code("x", stream("FutureWarning: soon"))], "Warning"),
        ("clean_outputs", [code("x", stream("1/10 ━━━━ 0s 3ms/step"))], "━"),
        ("clean_outputs", [code("x", stream(" 30%|###  | 3/10"))], "30%|"),
        ("clean_outputs", [code("x", html("<object object at 0x7f>"))], "object at 0x"),
        ("live_cells", [code("x", tags=["live", "NBVAL_CHECK_OUTPUT"])], "compared with the st"),
        ("cell_lengths", [code("x\n" * 31), *[code("y")] * 9], "31 lines"),
        ("cell_lengths", [code("x\n" * 10)] * 2, "10.0 lines a cell"),
        ("size", ["word " * 250_000], "bytes; at most"),
        ("setup", ["no code"], "not the setup cell"),
        ("setup", [code("import sys", **SETUP_METADATA)], "not the setup cell"),
        ("setup", [code(setup_cell(address()))], "not the setup cell"),
        ("setup", [code(setup_cell("https://github.com/a/b"), **SETUP_METADATA)], "not the setup"),
        ("setup", [code(setup_cell(address()), stream("!"), **SETUP_METADATA)], "has outputs"),
        ("claims", [code("x")], "no claim"),
        ("claims", [code("x", claimed("a"), claimed("a"))], "two claims named a"),
        ("glued_numbers", [code("x", glued("a"), glued("a"))], "glued twice: a"),
        ("glued_numbers", ["so {glue:text}`a-c` it is"], "names a-c"),
        ("figures", [code("x", shown(**{"image/png": "…"}))], "without show"),
        ("figures", [code("x", figure(alt=""))], "without alt"),
        ("figures", [code("x", figure(caption=None))], "without caption"),
        ("figures", [code("x", html('<figure class="ae-figure">'))], "without name"),
        ("figures", [code("x", figure(alt="Caption."))], "only repeats"),
        ("figures", [code("x", figure()), code("y", figure())], "two figures named fig-a"),
        ("exercises", FIVE[:12], "4 exercises; 5 to 8"),
        ("exercises", FIVE + FIVE[:3], "6 exercises in the prose, 5 checked"),
        ("exercises", [TASK.replace("*Predict.*", ""), *FIVE[1:]], "no grade"),
        ("exercises", [*task("a.b0", state="right"), *FIVE[3:]], "starter's stored verdict"),
        ("exercises", [*task("a.b0", state="wrong"), *FIVE[3:]], "names the mistake; fold it"),
        ("exercises", [*task("a.b0", solved="wrong"), *FIVE[3:]], "solution's stored verdict"),
        ("exercises", [*task("a.b0", tags=["solution"]), *FIVE[3:]], "not folded"),
        ("exercises", [*task("a.b0", first="# Solution"), *FIVE[3:]], "not folded"),
        ("exercises", [*FIVE[:2], *FIVE[3:]], "a.b0: no cell tagged solution"),
        ("exercises", [FIVE[0], *FIVE[2:]], "a.b0: no starter"),
        ("ending", [ENDING.replace("- a point\n", "", 1)], "five lines expected, 4 found"),
        ("ending", [ENDING.replace("{cite:t}", "")], "no citation"),
        ("seconds", ["word"], "no record of its seconds; run: make chapters CHAPTER=99"),
    ],
)
def test_a_rule_finds_what_is_wrong(tmp_path, rule, cells, words):
    problems = list(getattr(rules, rule)(chapter(tmp_path, *cells)))
    assert any(words in problem for problem in problems), problems


def test_code_that_changed_after_its_run_is_found(tmp_path):
    ran = {"code_sha256": code_sha256([code("x = 1")])}
    assert not list(rules.code_as_run(chapter(tmp_path, code("x = 1"), "prose", ae_lib=ran)))
    (problem,) = rules.code_as_run(chapter(tmp_path, code("x = 2"), "prose", ae_lib=ran))
    assert problem.endswith("; run: make chapters CHAPTER=99")


def test_a_run_leaves_the_digest_of_its_code():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    runner.normalise(notebook)
    assert claims.stale(notebook) is None


def test_the_measure_is_one_line(tmp_path):
    line = rules.measure(chapter(tmp_path, "six words and then some more", code("x\ny", figure())))
    assert line.startswith("99_none.ipynb: 1 cells, 2 lines (2.0 a cell), 3.0 words a line, 1 fig")


@pytest.mark.parametrize("tags, same", [([], False), (["live"], True)])
def test_a_second_run_may_change_what_the_clock_says_and_nothing_else(tags, same):
    runs = [
        nbformat.from_dict({"cells": [code("x", stream(text), tags=tags)]}) for text in ("1", "2")
    ]
    assert (runner.text_outputs(runs[0]) == runner.text_outputs(runs[1])) == same
