"""The translator's public functions, with small random models: odd texts, searches, files."""

import re

import numpy as np
import pytest
from keras import ops

from ae_lib import decoding, text, training
from ae_lib.data import DataError
from ae_lib.models import AttentionSeq2Seq, TransformerSeq2Seq
from ae_lib.text import BOS, EOS
from ae_lib.text_models import RepairModel, Translator

TEXTS = ["Tom is here.", "Tom est ici.", "I don't know.", "Je ne sais pas.", "Où es-tu ? — Là !"]
ODD = ["", " \t\u200b", "Où es-tu ? — Là !", "word " * 200, "🙂👩\u200d🚀", "你好，世界", "مرحبا",
       "bad \ud800 half", "Tom " * 12, "x"]  # fmt: skip


def make(kind, **options):
    training.set_seed(4)
    vocabulary = text.Subwords.build(TEXTS, 290)
    sizes = {"width": 8, "layers": 1, "heads": 2, "length": 13}
    if kind is AttentionSeq2Seq:
        sizes = {"units": 10, "embedding_size": 8}
    model = kind(len(vocabulary), **sizes, **options)
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:  # larger than at the start: words differ
        value = ops.convert_to_numpy(weight)
        weight.assign(value * 2 + random.normal(0, 0.3, value.shape))
    return Translator(model, vocabulary)


@pytest.fixture(autouse=True)
def _loops(monkeypatch):
    """Recurrences are loops of the backend: little to compile."""
    monkeypatch.setattr("ae_lib.models._lstm.UNROLL", 4)


@pytest.fixture(scope="module")
def small():
    return make(AttentionSeq2Seq)


@pytest.fixture(scope="module")
def transformer():
    return make(TransformerSeq2Seq)


# Translating


@pytest.mark.parametrize(
    ("name", "beam_width"), [("small", 1), ("transformer", 1), ("transformer", 3)]
)
def test_any_text_is_translated_and_nothing_to_nothing(name, beam_width, request):
    translator = request.getfixturevalue(name)
    found = translator.translate(ODD, beam_width)
    assert found[:2] == ["", ""]
    assert all(isinstance(s, str) for s in found)
    assert len(set(found)) >= 5
    assert translator.translate([], beam_width) == translator.reads([]) == []


def test_a_translation_depends_neither_on_its_place_nor_on_the_others(small):
    texts = ["x", "", "ab" * 9, "Tom is here.", "cd" * 10]
    whole = small.translate(texts, 1)
    assert len({len(small.vocabulary.encode(found)) for found in whole}) >= 3
    assert small.translate(texts[::-1], 1, batch_size=2) == whole[::-1]
    for i in (0, 2):
        assert small.translate([texts[i]], 1) == [whole[i]]


def test_it_writes_what_the_model_s_search_finds(small):
    read = text.pad(small.vocabulary.encode_all(["Où"]), 8)
    found = (
        decoding.greedy(small.model, read, max_length=26),
        decoding.beam(small.model, read, width=3, max_length=26),
    )
    for words, width in zip(found, (1, 3), strict=True):
        assert small.translate(["Où"], width) == small.vocabulary.decode_all(words)


def test_of_a_long_text_the_first_pieces_are_read(small, transformer):
    for translator, longest in ((small, 60), (transformer, 12)):
        assert translator.longest == longest
        fits, cut = "x" * longest, "x" * (longest + 1)
        assert translator.reads([fits, cut, "", "x" * 200]) == [True, False, True, False]
        assert translator.tokens([cut, "x"]).shape == (2, longest)
        np.testing.assert_array_equal(translator.tokens([cut]), translator.tokens([fits]))
    assert small.tokens([]).shape == (0, 1)
    assert small.tokens([""]).tolist() == [[0]]


# What the model says of a pair


@pytest.mark.parametrize("name", ["small", "transformer"])
def test_nats_are_those_of_the_model_s_steps(name, request):
    translator = request.getfixturevalue(name)
    sources, targets = ["Tom is here.", "I", "Où"], ["Où", "Je sais", ""]
    found = translator.nats(sources, targets)
    for source, target, nats in zip(sources, targets, found, strict=True):
        state, last = translator.model.initial_state(translator.tokens([source])), BOS
        pieces, expected = [*translator.vocabulary.encode(target), EOS], []
        for piece in pieces:
            logits, state = translator.model.step(state, np.array([last], "int32"))
            logits = ops.convert_to_numpy(logits)[0].astype("float64")
            expected.append(np.log(np.exp(logits - logits[piece]).sum()))
            last = piece
        assert nats.dtype == "float64"
        np.testing.assert_allclose(nats, expected, rtol=1e-4, atol=1e-5)
    assert translator.nats([], []) == []
    many = translator.nats(sources * 120, targets * 120)
    assert len(many) == 360
    np.testing.assert_allclose(np.concatenate(many), np.concatenate(found * 120), atol=1e-5)


def test_align_has_a_row_a_piece_that_is_written_and_a_column_a_piece_that_is_read(small):
    source, target = "I don't know.", "Où"
    weights = small.align(source, target)
    split = small.vocabulary.split
    assert weights.shape == (len(split(target)) + 1, len(split(source)))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    assert (weights > 0).all()
    pairs = text.pairs(small.tokens([source]), small.tokens([target]))
    np.testing.assert_allclose(weights, small.model.align(pairs)[0][: len(weights)], atol=1e-6)
    longer = small.align(target, source)  # more is written than read
    assert longer.shape == (len(split(source)) + 1, len(split(target)))
    np.testing.assert_allclose(longer.sum(1), 1, rtol=1e-5)


# What is refused


@pytest.mark.parametrize("bad", ["Tom is here.", ["Tom", 3], [b"Tom"], [None], 3, {"Tom": 1}])
def test_texts_are_a_list_of_strings(small, bad):
    calls = [small.translate, small.reads, small.tokens]
    for name in ("sources", "targets"):
        given = {"sources": ["Tom"], "targets": ["Tom"], name: bad}
        with pytest.raises(TypeError, match=f"{name}: expected (a list of )?texts"):
            small.nats(**given)
    for call in calls:
        with pytest.raises(TypeError, match="sentences: expected (a list of )?texts"):
            call(bad)


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", None, True])
def test_sizes_are_whole_numbers_above_zero(small, size):
    for name in ("beam_width", "batch_size"):
        for sentences in (["Tom is here."], []):
            with pytest.raises(
                (TypeError, ValueError), match=f"{name}: expected a whole number of at least 1"
            ):
                small.translate(sentences, **{name: size})


def test_pairs_that_are_none_are_named(small, transformer):
    with pytest.raises(ValueError, match=re.escape("targets: 1 texts, but sources has 2")):
        small.nats(["Tom", "I"], ["Tom"])
    empty, lists = (ValueError, "an empty text has no pieces"), (TypeError, "expected texts, but")
    for bad, (error, words) in (("", empty), (" \n", empty), (["Tom"], lists), (None, lists)):
        for name in ("source", "target"):
            with pytest.raises(error, match=f"{name}: {words}"):
                small.align(**{"source": "Tom", "target": "Tom", name: bad})
    with pytest.raises(ValueError, match="a TransformerSeq2Seq has several such weights a layer"):
        transformer.align("Tom", "Tom")
    with pytest.raises(ValueError, match="vocabulary: has 290 tokens, but the model was made for"):
        Translator(AttentionSeq2Seq(12, 4, 4), small.vocabulary)


# Files


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("name", ["small", "transformer"])
def test_a_saved_translator_comes_back(tmp_path, name, dtype, request):
    translator, path = request.getfixturevalue(name), tmp_path / "kept.keras"
    translator.save(path, dtype)
    again = Translator.load(path)
    assert type(again.model) is type(translator.model)
    assert again.vocabulary.fingerprint == translator.vocabulary.fingerprint
    nats, known = (np.concatenate(t.nats(TEXTS, TEXTS[::-1])) for t in (again, translator))
    np.testing.assert_allclose(nats, known, atol=1e-5 if dtype == "float32" else 0.5)
    with pytest.raises(DataError, match="holds .*Translator.*, expected .*RepairModel"):
        RepairModel.load(path)
