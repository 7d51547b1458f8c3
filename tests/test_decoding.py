"""Greedy, sampling and beam on every backend: one result on every path, beam exact."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops

from ae_lib import decoding, training
from ae_lib.models import Seq2SeqAutoencoder, TransformerLM
from ae_lib.text import BOS, EOS, PAD

pytestmark = pytest.mark.backend
rng = np.random.default_rng(5)
CODES = rng.normal(size=(11, 4)).astype("float32")
V = 6


@pytest.fixture(scope="module")
def model():
    """A small model whose sentences differ in length and words."""
    training.set_seed(2)
    model = Seq2SeqAutoencoder(V, units=8, embedding_size=5, code_size=4)
    random = np.random.default_rng(16)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    return model


def test_the_model_is_worth_testing(model):
    words = decoding.greedy(model, CODES, max_length=7)
    lengths = (words != PAD).sum(1)
    assert len(np.unique(words[words != PAD])) >= 3
    assert lengths.min() < lengths.max()


def one_by_one(model, code, max_length):
    """Greedy decoding of one sentence as one would write it down."""
    state = model.initial_state(code[None])
    words, last = [], BOS
    while len(words) < max_length and last != EOS:
        logits, state = model.step(state, np.array([last], "int32"))
        logits = ops.convert_to_numpy(logits)[0]
        logits[[PAD, BOS]] = -np.inf
        last = int(logits.argmax())
        words.append(last)
    return words


def as_lists(words):
    return [row[row != PAD].tolist() for row in words]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 512])
def test_greedy_is_the_same_on_every_path(model, compiled, batch_size):
    words = decoding.greedy(model, CODES, max_length=7, batch_size=batch_size, compiled=compiled)
    assert words.dtype == "int32"
    assert as_lists(words) == [one_by_one(model, code, 7) for code in CODES]


def test_results_end_at_the_end_and_are_no_longer_than_asked(model):
    for words in (
        decoding.greedy(model, CODES, max_length=5),
        decoding.sample(model, CODES, max_length=5, temperature=2.0),
        decoding.beam(model, CODES, max_length=5),
    ):
        assert words.shape[1] <= 5
        assert (words[:, -1] != PAD).any()
        for row in words:
            used = row[: np.flatnonzero(row != PAD)[-1] + 1]
            assert not np.isin(used, [PAD, BOS]).any()
            assert (used[:-1] != EOS).all()


def test_it_stops_when_all_have_ended(model):
    class Counting:
        """A model that ends each sentence at its third word, and counts."""

        def __init__(self):
            self.steps = 0

        def initial_state(self, codes):
            return (ops.zeros((codes.shape[0], 1)),)

        def step(self, state, tokens):
            self.steps += 1
            ids = ops.arange(V)[None]
            ends = state[0] == 2
            logits = ops.where(ends, ids == EOS, ids == 4)
            return ops.cast(logits, "float32"), (state[0] + 1,)

    counting = Counting()
    words = decoding.greedy(counting, CODES, compiled=False)
    assert words.tolist() == [[4, 4, EOS]] * len(CODES)
    assert counting.steps == 3


def all_sentences(model, code, max_length):
    """Every sentence of up to ``max_length`` tokens with its log-probability."""
    found = {}

    def grow(words, logp, state):
        if words and (words[-1] == EOS or len(words) == max_length):
            found[tuple(words)] = logp
            return
        last = np.array([words[-1] if words else BOS], "int32")
        logits, state = model.step(state, last)
        logits = ops.convert_to_numpy(logits)[0].astype("float64")
        logits[[PAD, BOS]] = -np.inf
        logp_next = logits - np.log(np.exp(logits).sum())
        for word in itertools.chain([1], range(3, V)):
            grow([*words, word], logp + logp_next[word], state)

    grow([], 0.0, model.initial_state(code[None]))
    return found


@pytest.fixture(scope="module")
def every_sentence(model):
    return [all_sentences(model, code, 4) for code in CODES[:4]]


def normalised(found, penalty):
    return {words: logp / ((5 + len(words)) / 6) ** penalty for words, logp in found.items()}


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_wide_beam_is_exhaustive_search(model, every_sentence, penalty):
    words, scores = decoding.beam(
        model, CODES[:4], width=V**3, length_penalty=penalty, max_length=4, return_scores=True
    )
    for row, score, found in zip(as_lists(words), scores, every_sentence, strict=True):
        found = normalised(found, penalty)
        assert len(found) == 1 + 3 + 9 + 27 * 4
        best = max(found, key=found.get)
        assert row == list(best)
        assert score == pytest.approx(found[best], abs=1e-5)


def test_a_score_is_that_of_its_sentence_and_wider_is_no_worse(model, every_sentence):
    before = None
    for width in (1, 4, V**3):
        words, scores = decoding.beam(
            model, CODES[:4], width=width, max_length=4, return_scores=True
        )
        for row, score, found in zip(as_lists(words), scores, every_sentence, strict=True):
            assert score == pytest.approx(normalised(found, 0.6)[tuple(row)], abs=1e-5)
        if before is not None and width == V**3:
            assert (scores >= before - 1e-6).all()
        before = scores


def test_a_beam_in_batches_is_the_same(model):
    options = {"width": 3, "max_length": 7, "return_scores": True}
    words, scores = decoding.beam(model, CODES, **options)
    again, again_scores = decoding.beam(model, CODES, **options, batch_size=4)
    np.testing.assert_array_equal(again, words)
    np.testing.assert_allclose(again_scores, scores, atol=1e-5)


class Attending:
    """A model whose words depend on masked states (n, T, V), one after another."""

    def initial_state(self, encoder):
        return {"encoder": encoder, "time": ops.zeros_like(encoder["mask"][:, 0], dtype="int32")}

    def step(self, state, tokens):
        states, mask = state["encoder"]["states"], state["encoder"]["mask"]
        here = ops.arange(states.shape[1]) == state["time"][:, None]
        share = ops.cast(here & mask, "float32")[:, :, None]
        logits = ops.sum(states * share, axis=1) + ops.one_hot(EOS, V) * 0.5
        return logits, {**state, "time": state["time"] + 1}


@pytest.mark.parametrize("compiled", [True, False])
def test_a_state_may_be_any_tree(compiled):
    wanted = [[4, 5, 1, EOS], [5, EOS], [EOS], [1, 4, EOS]]
    states, mask = np.zeros((4, 4, V)), np.zeros((4, 4), bool)
    for i, row in enumerate(wanted):
        mask[i, : len(row) - 1] = True
        states[i, np.arange(4), (row + [4] * 4)[:4]] = 1  # what the mask hides is no <eos>
    encoder = {"states": states, "mask": mask}
    options = {"batch_size": 3, "max_length": 6}
    found = decoding.greedy(Attending(), encoder, compiled=compiled, **options)
    assert as_lists(found) == wanted
    assert as_lists(decoding.beam(Attending(), encoder, width=1, **options)) == wanted
    drawn = decoding.sample(Attending(), encoder, temperature=1e-9, compiled=compiled, **options)
    assert as_lists(drawn) == wanted


def language_model(**options):
    lm = TransformerLM(V + 5, width=8, layers=1, heads=2, length=6, **options)
    random = np.random.default_rng(3)
    for weight in lm.trainable_weights:
        weight.assign(random.normal(0, 0.6, weight.shape))
    return lm


def test_a_language_model_writes_from_nothing_but_a_number():
    lm = language_model()
    words = decoding.sample(lm, 5, seed=1, max_length=6, batch_size=4)
    assert len(words) == 5
    assert len({tuple(row) for row in words}) == 5
    np.testing.assert_array_equal(
        decoding.sample(lm, 5, seed=1, max_length=6, batch_size=4, compiled=False), words
    )
    greedy = as_lists(decoding.greedy(lm, 3, max_length=6))
    sentence, ids = [], np.zeros((1, 0), "int32")
    while len(sentence) < 6 and EOS not in sentence:  # without a cache
        logits = ops.convert_to_numpy(lm(ids))[0, -1].copy()
        logits[[PAD, BOS]] = -np.inf
        sentence.append(int(logits.argmax()))
        ids = np.array([sentence], "int32")
    assert greedy == [sentence] * 3
    beam = decoding.beam(lm, 3, width=1, length_penalty=0, max_length=6, batch_size=2)
    assert as_lists(beam) == greedy


@pytest.fixture
def any_order():
    """TensorFlow's operations need not be deterministic, as in a program without a seed."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if before:
        config.enable_op_determinism()


def test_xla_writes_the_same_words(any_order, recwarn):
    keras.utils.set_random_seed(1)
    model = TransformerLM(12, width=16, layers=2, heads=2, length=8)
    model.embedding.assign(model.embedding * 40)
    without = decoding.sample(model, 9, max_length=8, seed=3)
    model.decodes_by_xla = True
    assert decoding.sample(model, 9, max_length=8, seed=3).tolist() == without.tolist()
    if keras.backend.backend() == "tensorflow":
        assert [loop.jit_compile for loop in model._loops.values()] == [False, True]
    assert not [w for w in recwarn if "jit_compile" in str(w.message)]


@pytest.mark.once
@pytest.mark.parametrize(
    ("n", "options", "error", "words"),
    [
        (2, {}, ValueError, "max_length: expected at most 6, the model's length, got 48"),
        (
            0,
            {},
            ValueError,
            "number of sentences to write: expected a whole number of at least 1, got 0",
        ),
        (CODES, {}, TypeError, "number of sentences to write: expected a whole number"),
    ],
)
def test_what_a_language_model_cannot_write_is_named(n, options, error, words):
    for decode in (decoding.greedy, decoding.sample, decoding.beam):
        with pytest.raises(error, match=words):
            decode(language_model(), n, **options)


def test_a_cache_of_16_bits_goes_through_the_loop():
    """Other models in 16 bits: tests/test_text_inputs.py."""
    lm, options = language_model(dtype="mixed_bfloat16"), {"max_length": 5, "top_p": 0.9}
    drawn = decoding.sample(lm, 3, **options)
    same = (drawn == decoding.sample(lm, 3, **options, compiled=False)).all(1)
    assert same.mean() > 0.6  # bfloat16 rounds as it likes
    assert not np.isin(drawn[:, 0], [PAD, BOS]).any()
    decoding.beam(lm, 3, max_length=5)


def test_a_penalty_prefers_longer_sentences(model):
    lengths = [
        (decoding.beam(model, CODES, width=20, length_penalty=p, max_length=7) != PAD).sum()
        for p in (0.0, 3.0)
    ]
    assert lengths[0] < lengths[1]


def test_samples_follow_their_seed_on_every_path(model):
    same = [
        decoding.sample(model, CODES, seed=3, max_length=6, compiled=compiled)
        for compiled in (True, False)
    ]
    np.testing.assert_array_equal(*same)
    other = decoding.sample(model, CODES, seed=4, max_length=6)
    assert as_lists(other) != as_lists(same[0])


@pytest.mark.parametrize(
    "cut", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}, {"temperature": 1e-40}], ids=str
)
def test_the_narrowest_draw_is_greedy(model, cut):
    words = decoding.sample(model, CODES, max_length=7, **cut)
    assert as_lists(words) == as_lists(decoding.greedy(model, CODES, max_length=7))


LOGITS = np.log([[0.02, 0.05, 0.03, 0.1, 0.5, 0.3]])


class Constant:
    """A model of always the same distribution."""

    def initial_state(self, codes):
        return (codes,)

    def step(self, state, tokens):
        n = tokens.shape[0] if tokens.shape[0] is not None else ops.shape(tokens)[0]
        return ops.tile(ops.convert_to_tensor(LOGITS.astype("float32")), (n, 1)), state


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ({}, [0, 0.05, 0, 0.1, 0.5, 0.3]),
        ({"temperature": 2.0}, [0, 0.05**0.5, 0, 0.1**0.5, 0.5**0.5, 0.3**0.5]),
        ({"temperature": 1e12}, [0, 1, 0, 1, 1, 1]),
        ({"temperature": 1e300, "top_k": 99}, [0, 1, 0, 1, 1, 1]),
        ({"top_k": 2}, [0, 0, 0, 0, 0.5, 0.3]),
        ({"top_k": 99}, [0, 0.05, 0, 0.1, 0.5, 0.3]),
        ({"top_p": 0.8}, [0, 0, 0, 0, 0.5, 0.3]),  # 0.5 / 0.95 < 0.8 ≤ 0.8 / 0.95
        ({"top_p": 0.5}, [0, 0, 0, 0, 1, 0]),
        ({"top_p": 1.0}, [0, 0.05, 0, 0.1, 0.5, 0.3]),
        ({"top_k": 3, "top_p": 0.9}, [0, 0, 0, 0.1, 0.5, 0.3]),
    ],
)
def test_draws_have_the_distribution_asked_for(cut, expected):
    n = 4000
    words = decoding.sample(
        Constant(), np.zeros((n, 1)), max_length=1, batch_size=n, compiled=False, **cut
    )
    shares = np.bincount(words[:, 0], minlength=V) / n
    expected = np.array(expected) / np.sum(expected)
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / n**0.5)
    assert (shares[expected == 0] == 0).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("function", "options", "error", "words"),
    [
        ("beam", {"length_penalty": -1}, ValueError, "length_penalty: expected a finite"),
        (
            "sample",
            {"temperature": 0},
            ValueError,
            "temperature: expected a finite number > 0, got 0",
        ),
        ("sample", {"temperature": -1.0}, ValueError, "finite number > 0, got -1.0"),
        ("sample", {"temperature": float("nan")}, ValueError, "temperature: expected a finite"),
        ("sample", {"temperature": "hot"}, TypeError, "temperature: expected a number, got 'hot'"),
        (
            "sample",
            {"top_k": 0},
            ValueError,
            "top_k: expected a whole number of at least 1, got 0",
        ),
        ("sample", {"top_p": 0.0}, ValueError, "top_p: expected a finite number > 0, got 0.0"),
        ("sample", {"top_p": 1.5}, ValueError, "top_p: expected a number in (0, 1], got 1.5"),
        (
            "sample",
            {"seed": -1},
            ValueError,
            "seed: expected a whole number of at least 0, got -1",
        ),
    ],
)
def test_bad_settings_are_named(model, function, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        getattr(decoding, function)(model, CODES, **options)


@pytest.mark.once
@pytest.mark.parametrize("function", ["greedy", "sample", "beam"])
def test_codes_that_are_none_are_named(model, function):
    decode = getattr(decoding, function)
    with pytest.raises(ValueError, match="codes: 44 of 44 values are NaN or infinite"):
        decode(model, CODES * np.nan)
    with pytest.raises(ValueError, match=r"codes: expected shape \(n, 4\), got \(4,\)"):
        decode(model, CODES[0])
    with pytest.raises(TypeError, match="codes: expected an array of numbers"):
        decode(model, "Tom")
    wrong = {
        "values are NaN or infinite": {"a": CODES, "b": CODES * np.nan},
        r"one first axis, of the sentences, got \(11, 4\), \(2,\)": [CODES, np.zeros(2)],
        r"one first axis, of the sentences, got no array": (),
        "expected an array with a batch axis": {"a": CODES, "b": 3.0},
    }
    for words, given in wrong.items():
        with pytest.raises((TypeError, ValueError), match=words):
            decode(Constant(), given)
