"""Chapter 10 against the library: one model, one cache, one count; and the record's script."""

import hashlib

import keras
import numpy as np
import pytest
from keras import ops

import ae_lib
from ae_lib import data, models, text, text_models, training
from ae_lib.exercises import ch10
from benchmarks import transformer_parts
from tests.chapter_code import definitions

TOKENS = np.array([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0], [7, 0, 0, 0, 0]], "int32")


def numpy(x):
    return ops.convert_to_numpy(x)


def flat(*arrays):
    """Kernels (W, heads, d) as (W, heads · d), side by side; the same for biases."""
    return np.concatenate([a.reshape(*a.shape[:-2], -1) for a in arrays], axis=-1)


@pytest.fixture(scope="module")
def chapter():
    names = ("softmax", "attention", "multi_head", "Block", "GPT", "framed", "floor")
    return definitions("10", *names)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_chapters_gpt_is_the_librarys(chapter, depth):
    training.set_seed(0)
    taught = chapter["GPT"](20, width=12, depth=depth, heads=3, length=9)
    inputs, _ = chapter["framed"](TOKENS)
    taught(inputs)
    random = np.random.default_rng(0)
    for weight in taught.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    library = models.TransformerLM(20, 12, depth, 3, length=9)
    library.embedding.assign(taught.table.embeddings)
    library.positions.assign(taught.places.embeddings)
    for own, theirs in zip(taught.blocks, library.blocks, strict=True):
        wq, bq, wk, bk, wv, bv, wo, bo = own.attention.get_weights()
        theirs.to_qkv.set_weights([flat(wq, wk, wv), flat(bq, bk, bv)])
        theirs.from_heads.set_weights([wo.reshape(-1, wo.shape[-1]), bo])
        for name in ("norm_1", "norm_2", "widen", "narrow"):
            getattr(theirs, name).set_weights(getattr(own, name).get_weights())
    library.norm.set_weights(taught.norm.get_weights())
    expected = numpy(library(TOKENS))
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(numpy(taught(inputs)), expected, rtol=1e-4, atol=1e-4)
    assert taught.count_params() == library.count_params()


def test_the_chapters_arrays_are_the_models(chapter):
    library = models.TransformerLM(20, 8, 1, 1, length=9)
    inputs, targets = chapter["framed"](TOKENS)
    np.testing.assert_array_equal(inputs, numpy(library.decoder_input(TOKENS)))
    np.testing.assert_array_equal(targets, numpy(library.decoder_target(TOKENS)))


def test_the_option_peek_lets_a_place_see_the_next_word_and_no_more(chapter):
    for peek in (0, 1):
        training.set_seed(0)
        gpt = chapter["GPT"](20, width=8, depth=1, heads=2, peek=peek)
        before = numpy(gpt(TOKENS[:1]))
        for t in range(5):
            other = TOKENS[:1].copy()
            other[0, t] = 15
            moved = np.abs(numpy(gpt(other)) - before).max((0, 2)) > 1e-6
            assert moved.tolist() == [s >= t - peek for s in range(5)]


def test_the_floor_is_the_entropy_of_what_follows_each_beginning(chapter):
    inputs, targets = chapter["framed"](np.array([[5, 6], [5, 7], [8, 0]]))
    # First word: 5, 5, 8; after 5: 6 or 7; all ends are certain: 3 + 2 + 3 tokens.
    first = -(2 * np.log(2 / 3) + np.log(1 / 3))
    assert chapter["floor"](inputs, targets) == pytest.approx((first + 2 * np.log(2)) / 8)


def test_attention_by_hand_is_the_exercises_cache(chapter):
    x, wq, wk, wv = np.random.default_rng(0).normal(size=(4, 6, 6))
    expected, shares = chapter["attention"](x @ wq, x @ wk, x @ wv, np.tril(np.ones((6, 6), bool)))
    np.testing.assert_allclose(ch10._ask_cache(ch10._step, x, wq, wk, wv), expected, atol=1e-12)
    assert (np.triu(shares, 1) == 0).all()


def test_the_exercises_mask_is_what_the_library_sees():
    """A word that the mask hides changes no score of that place; one that it shows does."""
    training.set_seed(0)
    library = models.TransformerLM(20, 8, 1, 2, length=9)
    random = np.random.default_rng(0)
    library.set_weights([w + random.normal(0, 0.3, w.shape) for w in library.get_weights()])
    words = np.array([[7, 5, 9, 6]], "int32")
    before, mask = numpy(library(words)), ch10._sees(np.pad(words, ((0, 0), (1, 0)), "edge"))
    for t in range(4):
        other = words.copy()
        other[0, t] = 15
        moved = np.abs(numpy(library(other)) - before).max((0, 2)) > 1e-6
        np.testing.assert_array_equal(moved, mask[0, :, t + 1])


@pytest.mark.parametrize("sizes", [(30, 8, 2, 9, 5), (1000, 64, 3, 16, 7)])
def test_the_exercises_count_is_of_the_librarys_weights(sizes):
    v, w, depth, length, _ = sizes
    library = models.TransformerLM(v, w, depth, 2, length)
    assert ch10._count(*sizes)[0] == library.count_params()


def test_counted_writing_is_the_count_of_passes():
    """Without a cache, word n costs what a pass over n places costs, with one place's scores."""
    operations = definitions("10", "operations")["operations"]
    sizes = {"V": 50, "W": 8, "L": 3}
    passes = [ch10._count(50, 8, 3, 9, t)[1] - (t - 1) * 50 * 8 for t in (1, 2, 3, 4)]
    assert operations(4, False, **sizes) == sum(passes)
    assert operations(1, True, **sizes) == operations(1, False, **sizes)


def test_lines_are_cut_joined_and_chosen_as_the_chapter_says():
    scope = definitions("10", "first_bytes", "cut", "as_long_as", given={"LONG": 4})
    lines = ["a b c d e", "f g", "h i j k"]
    assert scope["cut"](lines) == ["a b c", "d e", "f g", "h i j k"]
    assert scope["first_bytes"](lines, 14) == lines[:2]
    assert scope["first_bytes"](lines, 13) == lines[:1]
    again = scope["as_long_as"](lines, ["x y z"])
    assert " ".join(again) == " ".join(lines)
    assert [len(line.split()) for line in again] == [3, 3, 3, 2]


def test_the_records_arms_are_the_script_s():
    record = data.load_record("transformer_parts")
    arms = [(a["model"], a["layers"], a["removed"]) for a in record["arms"]]
    assert arms == transformer_parts.ARMS
    for arm in record["arms"]:
        tried = {float(rate): nats for rate, nats in arm["tried"].items() if nats is not None}
        assert set(map(float, arm["tried"])) == set(transformer_parts.RATES)
        assert tried[arm["rate"]] == min(tried.values()) == arm["nats"][0]
        assert len(arm["nats"]) == len(record["seeds"])


@pytest.mark.parametrize("part", ["positions", "normalisation", "residual"])
def test_what_is_removed_is_gone_and_the_rest_learns(part):
    training.set_seed(0)
    library = transformer_parts.without(models.TransformerLM(20, 8, 2, 2, length=9), part)
    library.compile("adam")
    whole = models.TransformerLM(20, 8, 2, 2, length=9)
    gone = {"positions": 1, "normalisation": 10, "residual": 0}[part]
    assert len(library.trainable_weights) == len(whole.trainable_weights) - gone
    losses = [float(library.train_on_batch(TOKENS)) for _ in range(30)]
    assert losses[-1] < losses[0]
    if part == "residual":  # a block whose last layer writes nothing gives nothing
        library.blocks[-1].narrow.set_weights(
            [0 * w for w in library.blocks[-1].narrow.get_weights()]
        )
        assert np.ptp(numpy(library.blocks[-1](np.ones((1, 3, 8), "float32")))) == 0


def test_the_chapters_sentences_are_the_records():
    x, held_out = transformer_parts.sentences()
    vocabulary = text.Vocabulary.build(data.load_sentences("train"), transformer_parts.WORDS)
    short = definitions(
        "10", "short", given={"vocabulary": vocabulary, "LONGEST": 7, "text": text}
    )
    np.testing.assert_array_equal(short["short"](data.load_sentences("train"))[1][:8000], x)
    np.testing.assert_array_equal(short["short"](data.load_sentences("validation"))[1], held_out)


def test_other_lines_have_as_many_words_and_are_others():
    lines = ["a b", "c d", "e f g", "h i", "j k l"]
    scope = definitions("10", "as_many_words", given={"held": {"here": lines}})
    drawn = scope["as_many_words"]("here", np.array([0, 2]), draws=50)
    assert set(drawn[:, 0]) == {1, 3}
    assert set(drawn[:, 1]) == {4}


def test_a_gpt_with_few_answers_counts_that_part_and_other_ones_each_time():
    library = transformer_parts.FewAnswers(20, 8, 1, 2, length=9)
    whole = numpy(library.decoder_target(np.full((400, 6), 7)))
    library.part, library.draw = 0.2, keras.random.SeedGenerator(0)
    first, second = (numpy(library.decoder_target(np.full((400, 6), 7))) for _ in range(2))
    for some in (first, second):
        assert 0.17 < np.mean(some != 0) < 0.23
        assert (some[some != 0] == whole[some != 0]).all()
    assert (first != second).any()


def test_gaps_filled_are_counted_at_the_gaps():
    x = np.array([[7, 8, 9, 0], [7, 9, 0, 0], [8, 8, 8, 8]], "int32")
    assert transformer_parts.filled(lambda pairs: np.eye(12)[pairs[:, 1]], "bert", x) == {
        "filled": 100
    }
    # Who copies what is seen fills none: the sign of a gap is no answer.
    copied = transformer_parts.filled(lambda pairs: np.eye(12)[pairs[:, 0]], "bert", x)
    assert copied["filled"] == 0


@pytest.mark.parametrize("name", ["GPT, as few answers as BERT", "BART"])
def test_an_arm_of_the_three_models_runs(name):
    arm = transformer_parts.ModelArm(name, epochs=1, cut=64)
    found = arm.run(4e-3, 0)
    assert 0 < found["spare"] < np.log(transformer_parts.WORDS) + 0.2
    assert all(0 <= found[key] <= 100 for key in set(found) - {"spare"})
    assert ("rescored" in found) == name.startswith("GPT")


def test_the_three_models_record_has_each_arm_at_its_best_rate():
    record = data.load_record("transformer_models")
    assert [arm["arm"] for arm in record["arms"]] == list(transformer_parts.MODEL_ARMS)
    for arm in record["arms"]:
        tried = {float(rate): nats for rate, nats in arm["tried"].items() if nats is not None}
        assert set(map(float, arm["tried"])) == set(transformer_parts.MODEL_RATES)
        assert tried[arm["rate"]] == min(tried.values()) == arm["runs"][0]["spare"]
        assert len(arm["runs"]) == len(record["seeds"]) == 5


@pytest.mark.parametrize("name", ["bert", "bart"])
def test_a_shipped_model_that_repairs_is_what_its_record_says(name):
    shipped, record = ae_lib.pretrained(name), text_models.record(name)
    raw = text_models.shipped_file(name).read_bytes()
    assert record["sha256"] == hashlib.sha256(raw).hexdigest()
    assert record["bytes"] == len(raw) < 4e5
    arms = {arm["arm"]: arm for arm in data.load_record("transformer_models")["arms"]}
    assert record["settings"]["rate"] == arms[name.upper()]["rate"]
    arm = transformer_parts.ModelArm(name.upper())
    assert arm.scored(shipped.model) == pytest.approx(record["scores"], rel=0.02)
    seeds = [run["filled"] for run in arms[name.upper()]["runs"]]
    assert min(seeds) - 2 < record["scores"]["filled"] < max(seeds) + 2
    words = text.Vocabulary.build(data.load_sentences("train"), transformer_parts.WORDS)
    assert shipped.vocabulary.fingerprint == words.fingerprint
