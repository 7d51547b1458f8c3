"""The directive of a prediction: what it puts on a page, what it closes, what stops the build."""

import io
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
MODULES = ("ae_outputs", "ae_numbers", "ae_predict")
SHARE = {
    "id": "02-share",
    "value": "02-exact",
    "unit": "%",
    "hides": "next",
}
CHOICE = {"id": "02-more", "choices": "fewer | more", "right": "more", "hides": "next+1"}


def fence(question="How many?", body="It is {glue:text}`02-exact` %.", **options):
    """A question, and its answer behind it."""
    told = {key: options.pop(key) for key in ("value", "right") if key in options}
    asked = [f":{key}: {text}" for key, text in options.items()]
    answer = [f":{key}: {text}" for key, text in told.items()]
    lines = [f"```{{predict}} {question}", *asked, "```", ""]
    lines += [f"```{{predicted}} {options.get('id', 'none')}", *answer, body, "```"]
    return "\n".join(lines)


def glued(name, text):
    return new_output(
        "display_data",
        {"application/papermill.record/text/plain": repr(text)},
        metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
    )


def printed(text):
    cell = new_code_cell(f"print({text!r})")
    cell.outputs = [new_output("stream", name="stdout", text=text)]
    return cell


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Build a book of one chapter that begins with a prediction: its page, and the warnings."""
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    from sphinx.application import Sphinx

    def build(*prose, builder="html"):
        quiet = new_code_cell("glue(...)")
        quiet.outputs = [glued("02-exact", "1,062"), glued("02-word", "a few")]
        behind = "Of them {glue:text}`02-exact` % come back.\n\nThis is left open."
        cells = [quiet, printed("before"), *map(new_markdown_cell, prose)]
        cells += [new_code_cell("x = 1"), printed("first"), printed("second")]
        cells.append(new_markdown_cell(behind))
        (tmp_path / "chapters").mkdir()
        cells[0:0] = [new_markdown_cell("# Dense")]
        nbformat.write(new_notebook(cells=cells), tmp_path / "chapters" / "02_dense.ipynb")
        (tmp_path / "index.md").write_text("# Book\n\n```{toctree}\nchapters/02_dense\n```\n")
        settings = {"extensions": ["myst_nb", "ae_outputs", "ae_predict"]}
        settings["nb_execution_mode"] = "off"
        out, warnings = tmp_path / "out", io.StringIO()
        Sphinx(tmp_path, None, out, out / "d", builder, settings, None, warnings).build()
        (page,) = (out / "chapters").glob("02_dense.*html")
        return page.read_text("utf8"), warnings.getvalue()

    yield build
    for name in MODULES:
        sys.modules.pop(name, None)


def veiled(page, name, kind):
    """What stands in the veils of a kind of a prediction."""
    pattern = rf'<div class="ae-veil ae-veil-{kind}" data-ae-veil="{name}">(.*?)</div>\n'
    return [re.sub(r"<[^>]+>", "", text) for text in re.findall(pattern, page, re.S)]


def test_a_number_its_form_and_what_it_closes(built):
    page, warnings = built(fence("How *many*, in all?", **SHARE))
    assert "WARNING: predict:" not in warnings
    assert 'id="guess-02-share" data-ae-guess="02-share"' in page
    assert "How <em>many</em>, in all?" in page
    assert 'data-kind="number" data-unit="%" data-right="1,062"' in page
    assert "<fieldset>" not in page
    (answer,) = veiled(page, "02-share", "answer")
    assert answer.strip() == "It is 1,062 %."
    assert "first" in veiled(page, "02-share", "output")[0]
    (text,) = veiled(page, "02-share", "text")
    assert text.strip() == "Of them 1,062 % come back."
    assert page.count('data-ae-veil-note="02-share"') == 1, "a line in place of the output"


def test_choices_in_words_for_paper_and_as_radio_buttons(built):
    page, warnings = built(fence(**CHOICE | {"choices": "fewer | <b> & more", "right": "fewer"}))
    assert "WARNING: predict:" not in warnings
    assert "Choose: fewer; &lt;b&gt; &amp; more." in page
    assert page.count('type="radio" name="guess-02-more"') == 2
    assert 'value="&lt;b&gt; &amp; more"' in page
    assert "second" in veiled(page, "02-more", "output")[0]
    assert "inputmode" not in page


STRANGE = "an id of this chapter begins with 02-; got "
EITHER = "give either choices and right, or value"
WRONG = [
    (SHARE | {"id": "03-share"}, STRANGE + "'03-share'"),
    (SHARE | {"id": '02-"x'}, STRANGE + "'02-\"x'"),
    (SHARE | {"id": "02-a", "value": "02-no"}, "02-a: no cell of the chapter glues '02-no'"),
    (SHARE | {"id": "02-b", "value": "02-word"}, "02-b: 02-word is not a number: 'a few'"),
    (SHARE | {"id": "02-c", "hides": "fig-no"}, "02-c hides fig-no, which no cell after it shows"),
    (SHARE | {"id": "02-d", "hides": "next+5"}, "02-d hides next+5, which no cell after it shows"),
    (SHARE | CHOICE | {"id": "02-e"}, f"02-e: {EITHER}"),
    ({"id": "02-f"}, f"02-f: {EITHER}"),
    (CHOICE | {"id": "02-g", "right": "many"}, "02-g: right is none of the choices: 'many'"),
    ({"id": "02-h", "choices": "fewer | more"}, "02-h: right is none of the choices: None"),
]


def test_what_is_wrong_stops_the_build(built):
    """A question without an id, one asked twice, one answered twice, and one not at all."""
    twice, _, answer = fence(**CHOICE | {"id": "02-i"}).partition("\n\n")
    not_answered, _, _ = fence(**CHOICE).partition("\n\n")
    more = [fence(value="02-exact"), fence(**SHARE), fence("How many.", **SHARE)]
    more += ["\n\n".join([twice, answer, answer]), not_answered]
    _, warnings = built(*(fence(**options) for options, _ in WRONG), *more)
    found = re.findall(r"WARNING: predict: ([^\x1b\n]*)", warnings)  # its colour ends it
    assert sorted(found) == sorted(
        [
            *(message for _, message in WRONG),
            STRANGE + "''",
            "no question above has the id none",
            ": no {predicted} below gives its answer",
            "the id 02-share is used twice",
            "02-share: the question has no question mark at its end",
            "02-i: it is answered twice",
            "02-more: no {predicted} below gives its answer",
        ]
    )
