"""The explorer of compression on its Python side: the copy of the weights, refusals."""

import json
import sys

import numpy as np
import pytest
import traitlets

from ae_lib import compression, pretrained, text_models
from ae_lib.compression import _exact
from ae_lib.widgets import Compress
from ae_lib.widgets import _int8 as int8
from tests.serving import assert_sends_when_asked, assert_serves

LINES = "Tom is here.\nWhere is Mary?\n"


def test_the_copy_is_exact_and_packed_without_keras(monkeypatch):
    model = pretrained("language-model")
    expected = int8.pack_model(model)
    _, arrays = int8.unpack(expected)
    for name, weight in text_models.named_weights(model.model).items():
        np.testing.assert_array_equal(arrays.pop(name), weight, err_msg=name)
    assert list(arrays) == ["merges"]
    monkeypatch.setitem(sys.modules, "keras", None)  # importing it fails
    assert int8.pack_file(text_models.shipped_file("language-model")) == expected
    with pytest.raises(ValueError, match="missing or unknown"):
        int8.pack_file(text_models.shipped_file("small-language-model"))


def test_no_entry_of_a_table_depends_on_the_last_bit_of_exp():
    """A browser's exp may differ there from NumPy's: none may lie near the middle of two steps."""
    sigmoids = 2**15 / (1 + np.exp(-np.arange(-1536, 1537) / 128))
    powers = 2**24 * np.exp(-np.arange(2049) / 128)
    np.testing.assert_array_equal(np.rint(sigmoids) / 2**15, _exact._SIGMOID)
    for entries in (sigmoids, powers):
        assert (np.abs(entries % 1 - 0.5) / entries).min() > 1e-11


def test_what_is_stored_is_pythons():
    payload = json.loads(Compress(LINES).payload)
    stored = payload["stored"]
    assert stored["archive"] == compression.compress(LINES.encode()).hex()
    assert stored["archive"].startswith(payload["head"])
    assert payload["weights"]["file"] == "language_model.js"
    lines = [[piece for piece, _ in line] for line in stored["lines"]]
    assert [line.pop() for line in lines] == [None] * 3
    assert "\n".join("".join(line) for line in lines) == LINES
    total = sum(bits for line in stored["lines"] for _, bits in line)
    assert total + 17 == pytest.approx(compression.bits(LINES.encode()), abs=0.1)


def test_what_it_cannot_show_is_refused():
    for wrong, error, words in (
        (b"Tom", TypeError, "text: expected a string, got bytes"),
        ("é" * 1001, ValueError, "expected at most 2,000 bytes in UTF-8, got 2,002"),
        ("\ud800", ValueError, r"text: .* is no Unicode text \(surrogates"),
    ):
        with pytest.raises(error, match=words):
            Compress(wrong)
    with pytest.raises(ValueError, match="name: expected lower-case .*'compress'"):
        Compress("Tom", name="A b")


def test_it_serves_a_notebook_and_a_page_and_asks_nobody(monkeypatch):
    widget = assert_serves(lambda: Compress("</script><b>"), text="Tea!")
    for wrong in ("a" * 2001, 3):
        with pytest.raises(traitlets.TraitError):
            widget.text = wrong
    assert widget.text == "Tea!"
    assert repr(widget) == "<Compress 'compress': 12 bytes of text, 28 of its archive>"
    assert_sends_when_asked(widget, widget._raw, monkeypatch)
