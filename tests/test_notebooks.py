"""The stored chapters hold to the book's measure, and the rules that say so do bite."""

import re

import nbformat
import pytest

import chapters as runner
import check_notebooks as rules
from ae_lib import claims, exercises
from ae_lib.claims import MIME
from ae_lib.widgets._static import classic_script
from repository import ROOT, chapters

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


def test_a_stored_explorer_has_the_library_s_script(stored):
    scripts = {
        path.stem.replace("_", "-"): classic_script(path.read_text("utf8"))
        for path in (ROOT / "ae_lib" / "widgets").glob("*.js")
        if path.stem != "page"
    }
    shape = re.compile(r'data-ae-mount="([\w-]+)".*?<script>\n(\(.*?)\n</script>', re.DOTALL)
    pages = [
        data.get("text/html", "")
        for chapter in stored.values()
        for cell in chapter.code
        for data, _ in rules.bundles(cell)
    ]
    found = [one for page in pages for one in shape.findall(page)]
    assert {kind for kind, _ in found} == set(scripts)
    assert not [kind for kind, script in found if script != scripts[kind]]


def test_the_ledger_can_be_read():
    ledger = claims.read_ledger(CHAPTERS)
    assert list(ledger) == [path.stem for path in CHAPTERS]
    assert all(ledger.values())


SPOILT = [
    ("executed_in_order", '"execution_count": 2,', '"execution_count": 7,', "one run"),
    ("code_as_run", "# @title Solution", "# @title Solution 1", "make chapters"),
    ("clean_outputs", '"name": "stdout"', '"name": "stderr"', "stderr"),
    ("clean_outputs", '"text": [', '"text": ["3ms/step",', "ms/step"),
    ("live_cells", '"source": [', '"source": ["# NBVAL_CHECK_OUTPUT\\n",', "compared"),
    ("cell_lengths", "# @title Solution", "x\\n" * 31, "at most 30"),
    ("cell_lengths", "# @title Solution", "x\\n" * 120, "lines a cell"),
    ("size", "{", "{" + " " * 1_000_000, "bytes; at most"),
    ("claims", f'"{MIME}"', '"other"', "no claim"),
    ("claims", '"id": "claim', '"id": "twice", "was": "claim', "two claims named twice"),
    ("glued_numbers", "{glue:text}`", "{glue:text}`no-", "names no-"),
    ("glued_numbers", '"name": "13-', '"name": "twice", "was": "13-', "glued twice: twice"),
    ("lost_lines", "## Summary", "% Summary", "not prose"),
    ("figures", '"alt": "', '"alt": "", "was": "', "without alt"),
    ("figures", '"text/html": [', '"image/png": "…", "text/html": [', "without show"),
    ("exercises", "{exercise}", "{note}", "0 exercises; 5 to 8"),
    ("exercises", "*Predict", "*Foretell", "no grade"),
    ("exercises", "ae-check-todo", "ae-check-right", "starter's stored verdict"),
    ("exercises", "ae-check-right", "ae-check-wrong", "solution's stored verdict"),
    ("exercises", '"hide-cell"', '"hide-input"', "not folded"),
    ("exercises", '"solution"', '"other"', "no cell tagged solution"),
    ("ending", "## Summary", "## Summing up", "0 found"),
    ("ending", "{cite", "{sit", "no citation"),
]


@pytest.mark.parametrize("rule, old, new, words", SPOILT)
def test_a_rule_finds_what_was_spoilt(tmp_path, rule, old, new, words):
    (chapter,) = (path for path in CHAPTERS if path.stem.startswith("13"))
    text = chapter.read_text("utf8")
    assert old in text
    path = tmp_path / chapter.name
    path.write_text(text.replace(old, new), "utf8")
    problems = list(getattr(rules, rule)(rules.Chapter(path)))
    assert any(words in problem for problem in problems), problems


def test_a_term_that_is_used_is_linked(tmp_path):
    (chapter,) = (path for path in CHAPTERS if path.stem.startswith("03"))
    path = tmp_path / chapter.name
    text = chapter.read_text("utf8")
    path.write_text(text.replace("{term}`receptive field`", "receptive fields"), "utf8")
    problems = [p.partition(";")[0] for p in rules.linked_terms(rules.Chapter(path))]
    assert problems == ["the prose uses 'receptive field'"]


def test_terms_in_code_formulas_and_compounds_are_no_prose(tmp_path):
    cell = "`loss` $loss$ [a](loss) cross-loss\n\n```python\nloss\n```\n\n{ref}`the loss <x>`"
    path = tmp_path / "99_x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(cell)]), path)
    assert not list(rules.linked_terms(rules.Chapter(path)))
    cell = "> The Losses\n\n```{admonition} X\nA loss.\n```"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(cell)]), path)
    assert len(list(rules.linked_terms(rules.Chapter(path)))) == 1


def test_a_run_leaves_the_digest_of_its_code():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    runner.normalise(notebook)
    assert claims.stale(notebook) is None
