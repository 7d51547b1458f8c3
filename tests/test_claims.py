"""Claims that fail when false, numbers for the prose, and the ledger read back."""

import io
import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from ae_lib._display import anchor
from ae_lib.claims import (
    MIME,
    ClaimFailed,
    claim,
    code_sha256,
    format_measured,
    glue,
    inline_parts,
    read_ledger,
    rows_of,
    stale,
    typeset,
)

NAN = float("nan")


def test_a_true_claim_prints_its_number(capsys):
    claim("Held-out error is at most 0.60 of PCA's", 0.58712, holds=True)
    assert capsys.readouterr().out == "✓ Held-out error is at most 0.60 of PCA's [0.587]\n"


@pytest.mark.parametrize("holds", [False, np.False_, np.float32(2) < 1])
def test_a_false_claim_raises_with_text_and_number(holds, capsys):
    with pytest.raises(ClaimFailed, match=r"The ratio is below one \[measured: 1\.23\]"):
        claim("The ratio is below one", 1.2345, holds)
    assert not capsys.readouterr().out


def test_a_failed_claim_is_an_assertion():
    assert issubclass(ClaimFailed, AssertionError)


NO_NUMBERS = {
    (ValueError, "a claim needs a number"): [
        NAN, np.float32("nan"), [1.0, NAN], {"ours": NAN}, [], {}
    ],
    (TypeError, "measured: expected a number, got "): [None, "0.3", {"ours": "two"}],
    (TypeError, "truth value .*; give the number that was compared"): [
        True, np.False_, [0.5, True], {"same": np.True_}, np.array([True])
    ],
}  # fmt: skip


@pytest.mark.parametrize(("error", "words"), NO_NUMBERS)
def test_what_is_no_number_is_refused(error, words):
    for measured in NO_NUMBERS[error, words]:
        with pytest.raises(error, match=words):
            claim("Something", measured, holds=True)


@pytest.mark.parametrize(
    "gap, size",
    [(0.0, "0"), (np.float32(1.2e-7), "about 1e-07"), ([2e-9, -9e-6], "about 1e-05")],
)
def test_a_rounding_error_shows_its_size_and_its_bound(capsys, gap, size):
    claim("The same, to 1e-5", gap, True, at_most=1e-5)
    assert capsys.readouterr().out == f"✓ The same, to 1e-5 [{size}, bound 1e-05]\n"


@pytest.mark.parametrize("gap, holds", [(3.1e-5, True), (3.1e-5, False), ([0.0, -3.1e-5], True)])
def test_a_rounding_error_over_its_bound_shows_the_number(gap, holds):
    with pytest.raises(ClaimFailed, match=r"measured: .*3\.1e-05\]"):
        claim("The same, to 1e-5", gap, holds, at_most=1e-5)


@pytest.mark.parametrize("holds", [np.array([True, True]), 1, "yes", None, [True]])
def test_holds_is_one_truth_value(holds):
    with pytest.raises(TypeError, match="holds: expected one True or False"):
        claim("Something", 1, holds)


@pytest.mark.parametrize("text", ["", "  ", None, 3])
def test_a_claim_is_in_words(text):
    with pytest.raises(TypeError, match="in words"):
        claim(text, 1, True)


@pytest.mark.parametrize(
    "measured, printed",
    [
        (0.58712, "0.587"),
        (1.0, "1"),
        (999.7, "1,000"),
        (-999.7, "-1,000"),
        (999.4, "999"),
        (12345.6, "12,346"),
        (12345, "12,345"),
        (np.int64(7), "7"),
        (np.float32(0.25), "0.25"),
        ([0.5, 0.25], "0.5, 0.25"),
        ({"PCA": 0.0153, "ours": 0.009}, "PCA 0.0153, ours 0.009"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_as_the_book_prints_them(measured, printed):
    assert format_measured(measured) == printed


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-4, max_value=1e12))
def test_printed_numbers_are_near_and_plain(value):
    printed = format_measured(value)
    assert "e+" not in printed
    assert float(printed.replace(",", "")) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    "value, spec", [(NAN, ""), (NAN, ".3f"), (NAN, ".1%"), ("text", ".3f"), (np.zeros(2), ".2f")]
)
def test_glue_refuses_what_no_sentence_can_hold(value, spec):
    with pytest.raises(ValueError, match="02-ratio: "):
        glue("02-ratio", value, spec)


def test_glue_takes_words_and_numbers_silently(capsys):
    glue("02-name", "banana")
    glue("02-ratio", 0.5871, ".2f")
    assert not capsys.readouterr().out


def test_an_anchor_is_of_the_first_words():
    assert anchor("claim", "Two & two make FOUR!", 8) == "claim-two-two-make-four"
    assert anchor("fig", "Loss of $f$ & *g*, by epoch.", 3) == "fig-loss-of-f"
    text = "Trained on E‖f(x)‖², the network paints everything black"
    assert anchor("claim", text, 8) == "claim-trained-on-e-f-x-the-network-paints"
    assert anchor("claim", "Größe ist alles", 8) == "claim-gr-e-ist-alles"


def test_anchors_are_distinct_in_any_script():
    texts = [
        "自编码器比较好",
        "自编码器比较差",
        "用 LSTM 训练模型",
        "用 LSTM 测试模型",
        "∑ = ∫",
        "¬ ∑",
        *("ошибка", "ошибки", "الخطأ", "الخسارة", "त्रुटि", "오차", "🙂", "🙃", "१", "२", "θ与σ"),
        *(f"MSE and loss curves of training {word}" for word in ("误差", "誤差", "ошибка")),
    ]
    anchors = [anchor("claim", text, 8) for text in texts]
    assert len(set(anchors)) == len(texts)
    assert all(re.fullmatch(r"claim(-[a-z0-9]+)+", name) for name in anchors)
    assert anchors == [anchor("claim", text, 8) for text in texts]
    assert anchors[0] == "claim-83e45e2b"


def test_code_and_emphasis_are_found_and_nothing_else():
    assert inline_parts("<unk> in `a*b*c`: *so*") == [
        ("", "<unk> in "),
        ("code", "a*b*c"),
        ("", ": "),
        ("em", "so"),
    ]
    assert inline_parts("2 * 2 <pad>") == [("", "2 * 2 <pad>")]


# -- code that is not the code that ran ---------------------------------------------------


@pytest.fixture
def ran():
    """A notebook with the digest that ``make chapters`` stores."""
    cells = [
        nbformat.v4.new_code_cell("install()", metadata={"tags": ["setup"]}),
        nbformat.v4.new_markdown_cell("Two and two."),
        nbformat.v4.new_code_cell("a = 2 + 2\nclaim('Four', a, a == 4)"),
        nbformat.v4.new_code_cell("b = a"),
    ]
    digest = {"ae_lib": {"code_sha256": code_sha256(cells)}}
    return nbformat.v4.new_notebook(cells=cells, metadata=digest)


def test_a_notebook_is_as_it_ran_when_only_its_wrapping_changed(ran):
    assert stale(ran) is None
    ran.cells[1].source = "Two and two, in other words."
    ran.cells[0].source = "install('from another address')"
    ran.cells[2].source = ran.cells[2].source.replace("\n", "\r\n")
    ran.cells[2].metadata = {"tags": ["live"], "collapsed": True}
    ran.cells.append(nbformat.v4.new_code_cell(""))  # as Jupyter leaves one at the end
    ran.metadata["kernelspec"] = {"name": "another"}
    assert stale(ran) is None
    assert stale(json.loads(nbformat.writes(ran))) is None  # sources as lists of lines


@pytest.mark.parametrize("change", ["character", "order", "cell", "digest"])
def test_changed_code_is_stale(ran, change):
    if change == "character":
        ran.cells[2].source = ran.cells[2].source.replace("Four", "Four.")
    elif change == "order":
        ran.cells[2:] = ran.cells[:1:-1]
    elif change == "cell":
        del ran.cells[3]
    else:
        del ran.metadata["ae_lib"]
    assert "not the code that" in stale(ran)


def bundle(text, measured="1"):
    record = {"id": anchor("claim", text, 8), "text": text, "measured": measured}
    return nbformat.v4.new_output("display_data", {MIME: record, "text/plain": text})


def test_the_ledger_refuses_two_claims_of_one_name(tmp_path):
    cell = nbformat.v4.new_code_cell("…", outputs=[bundle("The same"), bundle("The same")])
    path = tmp_path / "02_dense.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    with pytest.raises(ValueError, match=r"02_dense\.ipynb: two claims named"):
        read_ledger([path])


def test_what_a_notebook_stores_is_what_the_ledger_reads(tmp_path):
    code = (
        "from ae_lib._display import emit\n"
        "from ae_lib.claims import claim, glue\n"
        "claim('Two and two make *four* <in `int`>', 2 + 2, 2 + 2 == 4)\n"
        "glue('02-sum', 4, '.1f')\n"
        "emit({'text/plain': 'a bar'}, display_id='fit', update=False)\n"
        "emit({'text/plain': 'a line'}, display_id='fit', update=True)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3").execute()
    path = tmp_path / "02_dense.ipynb"
    nbformat.write(notebook, path)
    (record,) = read_ledger([path])["02_dense"]
    assert record == {
        "id": "claim-two-and-two-make-four-in-int",
        "text": "Two and two make *four* <in `int`>",
        "measured": "4",
    }
    first, second, last = json.loads(path.read_text("utf8"))["cells"][0]["outputs"]
    page = "".join(first["data"]["text/html"])
    assert "<em>four</em> &lt;in <code>int</code>&gt; <strong>[4]</strong>" in page
    assert second["metadata"]["scrapbook"]["name"] == "02-sum"
    assert second["data"]["application/papermill.record/text/plain"] == "'4.0'"
    assert last["data"] == {"text/plain": ["a line"]}  # in place of the bar


# -- the pages made of the records --------------------------------------------------------


@pytest.fixture
def built(ran, tmp_path, monkeypatch):
    """Build a book of one chapter; returns its two pages, and what the build warned of."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "_ext")
    from sphinx.application import Sphinx

    def build(code):
        (tmp_path / "chapters").mkdir()
        (tmp_path / "book").mkdir()
        ran.cells[2].outputs = [bundle("All <b> in `a<b` is *so* <unk>", "<1")]
        ran.cells[2].outputs[0]["data"]["text/html"] = "<p>for Jupyter</p>"
        ran.cells[3].source = code
        ran.cells.insert(0, nbformat.v4.new_markdown_cell("# Dense"))
        nbformat.write(ran, tmp_path / "chapters" / "02_dense.ipynb")
        (tmp_path / "book" / "claims.md").write_text("# Proved\n\n```{claims-ledger}\n```\n")
        (tmp_path / "index.md").write_text(
            "# Book\n\n```{toctree}\nchapters/02_dense\nbook/claims\n```\n"
        )
        settings = {
            "extensions": ["myst_nb", "ae_outputs", "ae_ledger"],
            "nb_execution_mode": "off",
            "nb_mime_priority_overrides": [["html", "text/html", 0]],
        }
        out, warnings = tmp_path / "out", io.StringIO()
        Sphinx(tmp_path, None, out, out, "html", settings, None, warnings).build()
        pages = [out / "chapters" / "02_dense.html", out / "book" / "claims.html"]
        return [path.read_text("utf8") for path in pages], warnings.getvalue()

    yield build
    for name in ("ae_outputs", "ae_ledger", "ae_numbers"):
        sys.modules.pop(name, None)


def test_page_and_ledger_show_a_claim_as_it_is_written(built):
    (chapter, ledger), warnings = built("b = a")
    assert "not the code" not in warnings
    name = anchor("claim", "All <b> in `a<b` is *so* <unk>", 8)
    assert f'<div class="ae-claim" id="{name}"><a class="ae-claim-label" href="../book/claims' in (
        chapter
    )
    assert ">Claim 2.1</a>" in chapter
    assert "<dd>&lt;1</dd>" in chapter
    assert "for Jupyter" not in chapter
    assert f'href="../chapters/02_dense.html#{name}"' in ledger
    for page in (chapter, ledger):
        text = re.sub(r"</?(code|span)[^>]*>", "", page)
        assert "All &lt;b&gt; in a&lt;b is <em>so</em> &lt;unk&gt;" in text


def test_the_book_is_not_built_of_code_that_did_not_run(built):
    _, warnings = built("b = a + 1")
    assert "not the code that" in warnings
    assert "run: make chapters CHAPTER=02" in warnings


def test_a_claim_stores_its_rows_and_unit(monkeypatch):
    stored = []
    monkeypatch.setattr("ae_lib.claims.emit", stored.append)
    claim("Both are short", {"a, 2 of 3": 1, "b": [0.5, -2e-9], "off, %": 3}, True, unit="ms")
    record = stored[0][MIME]
    assert stored[0]["text/plain"].endswith("[a, 2 of 3 1, b 0.5, -2e-09, off, % 3 ms]")
    assert rows_of(record) == [
        ("a, 2 of 3", "1", "ms", ""),
        ("b", "0.5, −2 × 10⁻⁹", "ms", ""),
        ("off", "3", "%", ""),
    ]
    claim("Equal, to 1e-5", [1e-7], True, at_most=1e-5)
    assert rows_of(stored[1][MIME]) == [("", "about 10⁻⁷", "", "10⁻⁵")]
    claim("Short", 12345.6, True, unit="ms")
    assert rows_of(stored[2][MIME]) == [("", "12,346", "ms", "")]


def test_typeset_leaves_words_alone():
    assert typeset("mid-2 k-sparse 1e-5, 2^15 (-3) x1e5") == "mid-2 k-sparse 10⁻⁵, 2¹⁵ (−3) x1e5"
