"""The explorer of a translator on its Python side: its copy of the weights, refusals."""

import functools
import json
import sys

import keras
import numpy as np
import pytest
import traitlets

from ae_lib import models, text_models
from ae_lib.widgets import Translate, _static
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import ENDS, small_translator
from tests.serving import assert_sends_when_asked, assert_serves


@pytest.fixture(scope="module", params=int8.ATTENTIONS)
def translator(request, tmp_path_factory):
    return small_translator(tmp_path_factory.mktemp("model"), request.param)


def test_weights_from_a_file_of_8_bits_are_copied_exactly(translator):
    header, arrays = int8.unpack(int8.pack_model(translator))
    for name, weight in text_models.named_weights(translator.model).items():
        weight = keras.ops.convert_to_numpy(weight)
        np.testing.assert_array_equal(arrays.pop(name), weight, err_msg=name)
    assert list(arrays) == ["merges"]
    assert header["attention"] == translator.model.attention


def test_the_stored_translations_are_those_of_the_translator(translator):
    long = "tea " * 90
    payload = json.loads(Translate(translator, [*ENDS, long, ENDS[0]]).payload)
    assert [one["text"] for one in payload["stored"]] == [*ENDS, long]
    for one in payload["stored"]:
        assert [one["translation"]] == translator.translate([one["text"]])
        assert len(one["weights"]) == len(one["written"])
        np.testing.assert_allclose(np.sum(one["weights"], axis=1), 1, atol=0.03)
    assert len(one["read"]) == 60 < one["pieces"] == len(translator.vocabulary.encode(long))


def test_the_build_packs_the_shipped_one_without_keras(translator, tmp_path, monkeypatch):
    assert json.loads(Translate(translator, ENDS).payload)["weights"] is None
    monkeypatch.setattr(text_models, "WEIGHTS", tmp_path)
    shipped, expected = text_models.shipped_file("translate-en-fr"), int8.pack_model(translator)
    translator.save(shipped, "int8")
    beside = json.loads(Translate(translator, ENDS).payload)["weights"]
    assert beside["file"] == "translate_en_fr.js"
    assert beside["version"] == int8.fingerprint(expected)
    monkeypatch.setitem(sys.modules, "keras", None)  # importing it fails
    assert int8.pack_file(shipped) == expected


def wrong_translators(translator):
    vocabulary, make = translator.vocabulary, text_models.Translator
    sizes = {"width": 8, "layers": 1, "heads": 1, "length": 16}
    transformer = models.TransformerSeq2Seq(len(vocabulary), **sizes)
    last = models.AttentionSeq2Seq(len(vocabulary), 4, 4, attention="last")
    ill = models.AttentionSeq2Seq(len(vocabulary), 4, 4)
    ill.embedding.assign(np.full((len(vocabulary), 4), np.nan))
    return [
        (translator.model, TypeError, "expected ae_lib.pretrained.*got AttentionSeq2Seq"),
        ("translate-en-fr", TypeError, "got str"),
        (make(transformer, vocabulary), ValueError, "TransformerSeq2Seq has several attentions"),
        (make(last, vocabulary), ValueError, "attention, 'last', does not.*'dot', 'general'"),
        (make(ill, vocabulary), ValueError, "embedding: some values are NaN"),
    ]


def test_what_it_cannot_show_is_refused(translator):
    for wrong, error, words in wrong_translators(translator):
        with pytest.raises(error, match=words):
            Translate(wrong, ENDS)
    for sentences, error, words in (
        ([], ValueError, "sentences: empty; expected at least one"),
        ("Tom is here.", TypeError, "sentences: expected a list"),
        (None, TypeError, "sentences: expected a list"),
        (["Tom.", 3], TypeError, "sentences: expected texts, but item 1 is int"),
        (["Tom.", " \u200b "], ValueError, r"sentences\[1\]: .* has nothing visible"),
        (
            ["é" * 1001],
            ValueError,
            r"sentences\[0\]: expected at most 1,000 characters, got 1,001",
        ),
    ):
        with pytest.raises(error, match=words):
            Translate(translator, sentences)
    with pytest.raises(ValueError, match="name: expected lower-case .*'translate'"):
        Translate(translator, ENDS, name="A b")


def test_it_serves_a_notebook_and_a_page_and_asks_nobody(translator, monkeypatch):
    make = functools.partial(Translate, translator, ["</script><b>", *ENDS])
    widget = assert_serves(make, sentence="Tea!")
    for wrong in ("", "a" * 1001, 3):
        with pytest.raises(traitlets.TraitError):
            widget.sentence = wrong
    assert widget.sentence == "Tea!"
    assert repr(widget).startswith("<Translate 'translate': 3 sentences, '</script><b>' to ")
    assert_sends_when_asked(widget, int8.pack_model(translator), monkeypatch)


def test_what_a_module_imports_stands_in_it():
    found = _static.bundled('import { bytesOf, affine } from "./next_words.js";\nconst a = 1;\n')
    assert found.startswith("const bytesOf = (base64) => ")
    assert found.count("function affine(") == 1
    assert found.endswith("\n}\nconst a = 1;\n")
    with pytest.raises(ValueError, match="imports bend, which next_words.js does not declare"):
        _static.bundled('import { bend } from "./next_words.js";')
