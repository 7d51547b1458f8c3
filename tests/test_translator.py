"""The translator's public functions, with small random models, whatever they are given."""

import numpy as np
import pytest
from keras import ops

from ae_lib import decoding, text, training
from ae_lib.models import AttentionSeq2Seq, TransformerSeq2Seq
from ae_lib.text import BOS, EOS
from ae_lib.text_models import Translator

TEXTS = ["Tom is here.", "Tom est ici.", "I don't know.", "Je ne sais pas.", "Où es-tu ? — Là !"]
ODD = ["", " \t\u200b", "Où es-tu ?", "word " * 200, "🙂👩\u200d🚀", "你好", "\ud800 half", "x"]
SIZES = {AttentionSeq2Seq: (10, 8), TransformerSeq2Seq: (8, 1, 2, 13)}


@pytest.fixture(autouse=True)
def _loops(monkeypatch):
    """Recurrences are loops of the backend: little to compile."""
    monkeypatch.setattr("ae_lib.models._lstm.UNROLL", 4)


@pytest.fixture(scope="module")
def made():
    training.set_seed(4)
    vocabulary, random = text.Subwords.build(TEXTS, 290), np.random.default_rng(3)
    models = [kind(len(vocabulary), *sizes) for kind, sizes in SIZES.items()]
    for weight in (weight for model in models for weight in model.trainable_weights):
        value = ops.convert_to_numpy(weight) * 2  # larger than at the start: words differ
        weight.assign(value + random.normal(0, 0.3, value.shape))
    return [Translator(model, vocabulary) for model in models]


@pytest.mark.parametrize(("which", "beam_width"), [(0, 1), (1, 1), (1, 3)])
def test_any_text_is_translated_and_nothing_to_nothing(made, which, beam_width):
    found = made[which].translate(ODD, beam_width)
    assert found[:2] == ["", ""]
    assert len(set(found)) >= 5
    assert made[which].translate([], beam_width) == []


def test_a_translation_is_its_search_s_and_depends_neither_on_its_place_nor_on_the_others(made):
    small, texts = made[0], ["x", "", "ab" * 9, "Tom is here.", "cd" * 10]
    whole = small.translate(texts, 1)
    assert small.translate(texts[::-1], 1, batch_size=2) == whole[::-1]
    for given, found in zip(texts[:3], whole, strict=False):
        assert small.translate([given], 1) == [found]
    read = text.pad(small.vocabulary.encode_all(["Où"]), 8)
    words = decoding.beam(small.model, read, width=3, max_length=small.limits[8])
    assert small.translate(["Où"], 3) == small.vocabulary.decode_all(words)


@pytest.mark.parametrize(("which", "longest"), [(0, 60), (1, 12)])
def test_of_a_long_text_the_first_pieces_are_read(made, which, longest):
    fits, cut = "x" * longest, "x" * (longest + 1)
    assert made[which].tokens([cut, "x"]).shape == (2, longest)
    np.testing.assert_array_equal(made[which].tokens([cut]), made[which].tokens([fits]))
    assert made[which].tokens([""]).tolist() == [[0]]


@pytest.mark.parametrize("which", [0, 1])
def test_nats_are_those_of_the_model_s_steps_and_of_a_saved_translator(made, which, tmp_path):
    model, vocabulary = made[which].model, made[which].vocabulary
    sources, targets = ["Tom is here.", "I", "Où"] * 30, ["Où", "Je sais", ""] * 30
    found = made[which].nats(sources, targets)
    for source, target, nats in zip(sources[-3:], targets[-3:], found[-3:], strict=True):
        state, last, expected = model.initial_state(made[which].tokens([source])), BOS, []
        for piece in [*vocabulary.encode(target), EOS]:
            logits, state = model.step(state, np.array([last], "int32"))
            logits = ops.convert_to_numpy(logits)[0].astype("float64")
            expected.append(np.log(np.exp(logits - logits[piece]).sum()))
            last = piece
        np.testing.assert_allclose(nats, expected, rtol=1e-4, atol=1e-5)
    made[which].save(tmp_path / "kept.keras")
    again = Translator.load(tmp_path / "kept.keras")
    again = np.concatenate(again.nats(sources, targets))
    np.testing.assert_allclose(again, np.concatenate(found), atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [("I don't know.", "Où"), ("Où", "I don't know.")])
def test_align_has_a_row_a_piece_written_and_a_column_a_piece_read(made, source, target):
    weights = made[0].align(source, target)
    read, written = (made[0].tokens([given]) for given in (source, target))
    assert weights.shape == (written.shape[1] + 1, read.shape[1])
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    whole = made[0].model.align(text.pairs(read, written))[0]
    np.testing.assert_allclose(weights, whole[: len(weights), : read.shape[1]], atol=1e-6)


@pytest.mark.parametrize("bad", ["Tom is here.", ["Tom", 3], [b"Tom"], [None], 3, {"Tom": 1}])
def test_texts_are_a_list_of_strings(made, bad):
    calls = [(do, "sentences") for do in (made[0].translate, made[0].tokens)]
    calls += [(lambda x: made[0].nats(x, ["Tom"]), "sources")]
    calls += [(lambda x: made[0].nats(["Tom"], x), "targets")]
    for call, name in calls:
        with pytest.raises(TypeError, match=f"{name}: expected (a list of )?texts"):
            call(bad)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t, _: t.translate(["Tom"], 0), "beam_width: expected a whole number of at least"),
        (lambda t, _: t.translate([], 2.5), "beam_width: expected a whole number of at least 1"),
        (lambda t, _: t.translate([], batch_size=0), "batch_size: expected a whole number"),
        (lambda t, _: t.nats(["Tom", "I"], ["Tom"]), "targets: 1 texts, but sources has 2"),
        (lambda t, _: t.align(" ", "Tom"), "source: an empty text has no pieces to align"),
        (lambda t, _: t.align("Tom", ""), "target: an empty text has no pieces to align"),
        (lambda t, _: t.align("Tom", ["Tom"]), "target: expected texts, but item 0 is list"),
        (lambda _, t: t.align("Tom", "Tom"), "a TransformerSeq2Seq has several such weights"),
    ],
)
def test_what_is_wrong_is_named(made, call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(*made)
