"""Language models with their vocabulary: probabilities, samples, what comes next, bad input."""

import itertools
import math
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from ae_lib import data, decoding, text, text_models, training
from ae_lib.models import RecurrentLM, TransformerLM
from ae_lib.text import BOS, EOS, PAD, UNK
from ae_lib.text_models import LanguageModel

TEXTS = ["Tom is here.", "I don't know what to do.", "Where is Tom's book?", "It's café-time 🙂!"]
KINDS = (TransformerLM, RecurrentLM)


@pytest.fixture(scope="module")
def vocabulary():
    return text.Subwords.build(TEXTS, 290)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__, scope="module")
def small(request, vocabulary):
    """A model of random weights, whose words differ in probability."""
    training.set_seed(5)
    sizes = {"width": 16, "layers": 2, "heads": 2, "length": 40}
    sizes = sizes if request.param is TransformerLM else {"units": 12, "embedding_size": 9}
    model = request.param(len(vocabulary), **sizes)
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:
        value = ops.convert_to_numpy(weight)
        weight.assign(value * 3 + random.normal(0, 0.2, value.shape))
    return LanguageModel(model, vocabulary)


def step_by_step(language_model, ids):
    """Nats of each of the ids and of the end, by the model's steps, in float64."""
    model, nats, last = language_model.model, [], BOS
    state = model.initial_state(1)
    for word in [*ids, EOS]:
        logits, state = model.step(state, np.array([last], "int32"))
        logits = ops.convert_to_numpy(logits)[0].astype("float64")
        nats.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[word])
        last = word
    return nats


# The LSTM's model


@pytest.mark.backend
def test_the_lstm_s_model_is_keras_s_own_layers():
    training.set_seed(1)
    model = RecurrentLM(12, units=7, embedding_size=5)
    words = np.random.default_rng(0).integers(4, 12, (3, 6)).astype("int32")
    theirs = layers.LSTM(7, return_sequences=True)
    theirs.build((None, None, 5))
    theirs.set_weights(model.lstm.get_weights())
    table, bias = (ops.convert_to_numpy(w) for w in (model.embedding, model.word_bias))
    seen = np.pad(words, ((0, 0), (1, 0)), constant_values=BOS)
    outputs = ops.convert_to_numpy(model.to_word(theirs(table[seen])))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(words)), outputs @ table.T + bias, rtol=1e-4, atol=1e-5
    )
    assert model.count_params() == 12 * 6 + 4 * 7 * (5 + 7 + 1) + 8 * 5


@pytest.mark.backend
def test_the_lstm_s_model_learns_and_comes_back(tmp_path):
    training.set_seed(1)
    model = RecurrentLM(16, units=32, embedding_size=16, dropout=0.1)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=keras.backend.backend() == "jax")
    words = np.arange(6) + np.random.default_rng(0).integers(4, 9, (64, 1))
    losses = model.fit(words.astype("int32"), epochs=40, batch_size=64, verbose=0)
    losses = losses.history["loss"]
    best = math.log(5) / 7  # the start, of five; six words and the end follow
    assert losses[0] > 2
    assert best * 0.98 < losses[-1] < best + 0.3
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(words[:3])) for m in (model, again)))


@pytest.mark.backend
def test_weights_are_dropped_in_training_alone_and_a_locked_mask_is_a_sentence_s():
    training.set_seed(1)
    model = RecurrentLM(12, 7, 5, dropout=0.5, weight_dropout=0.5, locked=True)
    kept = ops.convert_to_numpy(model.drop(np.ones((2, 6, 5), "float32"), training=True))
    np.testing.assert_array_equal(kept, np.repeat(kept[:, :1], 6, axis=1))
    assert set(kept.ravel()) == {0, 2}
    words = np.random.default_rng(0).integers(4, 12, (3, 6)).astype("int32")
    again = RecurrentLM.from_config(model.get_config() | {"dropout": 0.0})
    again.set_weights(model.get_weights())
    found = [ops.convert_to_numpy(again(words, training=t)) for t in (True, True, False, False)]
    assert np.abs(found[0] - found[1]).max() > 1e-3  # other weights are dropped
    np.testing.assert_array_equal(found[2], found[3])
    np.testing.assert_array_equal(found[2], ops.convert_to_numpy(model(words)))
    recurrent = ops.convert_to_numpy(again.lstm.recurrent_kernel)
    dropped = ops.convert_to_numpy(again.weight_drop(recurrent, training=True))
    assert set(np.unique(dropped / recurrent).round(4)) == {0, 2}


# Probabilities


@pytest.mark.backend
def test_a_sentence_s_probability_is_the_product_of_its_steps(small):
    found = small.log_probability([*TEXTS, ""])
    assert found.dtype == "float64"
    for nats, sentence in zip(found, [*TEXTS, ""], strict=True):
        expected = -sum(step_by_step(small, small.vocabulary.encode(sentence)))
        assert nats == pytest.approx(expected, rel=1e-4)


def test_probabilities_of_all_that_can_be_said_sum_to_one():
    """Over a vocabulary of which two pieces can be said, and sentences of up to two."""
    vocabulary = text.Subwords.build(["ab"], 260)
    training.set_seed(0)
    model = RecurrentLM(len(vocabulary), units=3, embedding_size=3)
    a, b = (vocabulary.encode(letter)[0] for letter in "ab")
    bias = np.full(len(vocabulary), -60, "float32")
    bias[[a, b, EOS]] = 0, 0.5, 1.0
    model.word_bias.assign(bias)
    found = LanguageModel(model, vocabulary)
    for longest in range(1, 7):
        letters = (itertools.product("ab", repeat=n) for n in range(longest + 1))
        sentences = ["".join(some) for some in itertools.chain(*letters)]
        total = np.exp(found.log_probability(sentences)).sum()
        # What is left is that a sentence is longer: less with each letter.
        assert total < 1 + 1e-5
    assert total > 0.95


def test_order_and_batches_change_nothing(small):
    expected = small.log_probability(TEXTS)
    np.testing.assert_allclose(small.log_probability(TEXTS[::-1])[::-1], expected, rtol=1e-5)
    np.testing.assert_allclose(small.log_probability(TEXTS, batch_size=1), expected, rtol=1e-5)
    assert small.log_probability([]).shape == (0,)


def test_bits_per_byte_are_nats_over_bytes_with_line_ends(small):
    count = sum(len((t + "\n").encode()) for t in TEXTS)
    assert count > sum(map(len, TEXTS)) + 4  # some characters have several bytes
    expected = -small.log_probability(TEXTS).sum() / math.log(2) / count
    assert small.bits_per_byte(TEXTS) == pytest.approx(expected, rel=1e-9)


# What comes next


@pytest.mark.backend
def test_next_words_are_the_steps_distribution(small):
    for prompt in ("", "Tom is"):
        found = small.next_words(prompt, k=10**6)
        assert len(found) == len(small.vocabulary) - 3  # not <pad>, <unk>, <bos>
        chances = [p for _, p in found]
        assert sum(chances) == pytest.approx(1)
        assert chances == sorted(chances, reverse=True)
        ids = small.vocabulary.encode(prompt)
        end = math.exp(-step_by_step(small, ids)[-1])
        unsayable = sum(
            math.exp(-step_by_step(small, [*ids, word])[-2]) for word in (PAD, UNK, BOS)
        )
        assert dict(found)["<eos>"] == pytest.approx(end / (1 - unsayable), rel=1e-4)
        assert small.next_words(prompt, k=3) == found[:3]


@pytest.mark.backend
def test_a_sample_goes_on_from_its_prompt_as_the_model_would_step_by_step(small):
    """With the most probable piece alone there is one continuation."""
    for prompt in ("", "I don't know what"):
        ids, words = small.vocabulary.encode(prompt), []
        room = int(min(decoding.MAX_LENGTH, small.context + 1 - len(ids)))
        state, last = small.model.initial_state(1), BOS
        for word in ids:
            _, state = small.model.step(state, np.array([last], "int32"))
            last = word
        while len(words) < room and EOS not in words:
            logits, state = small.model.step(state, np.array([last], "int32"))
            logits = ops.convert_to_numpy(logits)[0]
            logits[[PAD, BOS]] = -np.inf
            words.append(last := int(logits.argmax()))
        expected = small.vocabulary.decode([*ids, *words])
        assert small.sample(2, prompt=prompt, top_k=1) == [expected] * 2
        assert small.sample(1, prompt=prompt, temperature=1e-12) == [expected]


def test_samples_have_the_probabilities_that_next_words_says(small):
    n, prompt = 1000, "Tom is"
    drawn = small.sample(n, 3, prompt)
    assert len(drawn) == n
    assert drawn == small.sample(n, 3, prompt)
    assert drawn != small.sample(n, 4, prompt)
    assert all(s.startswith(prompt) for s in drawn)
    ends = sum(s == prompt for s in drawn) / n
    chance = dict(small.next_words(prompt, 10**6))["<eos>"]
    assert ends == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / n) + 1e-3)
    assert small.sample(0) == []


@pytest.mark.parametrize("length", [8, 2])
def test_the_longest_prompt_fits_and_a_longer_one_is_refused(vocabulary, length):
    model = TransformerLM(len(vocabulary), width=8, layers=1, heads=1, length=length)
    found, longest = LanguageModel(model, vocabulary), "a" * (length - 1)
    assert len(vocabulary.encode(longest)) == length - 1 == found.context
    assert all(s.startswith(longest) for s in found.sample(5, prompt=longest))
    assert len(found.sample(5)) == 5
    assert len(found.next_words(longest, 3)) == 3
    assert (found.log_probability(["", longest]) < 0).all()
    for ask, name in (
        (found.next_words, "prompt"),
        (lambda words: found.sample(prompt=words), "prompt"),
        (lambda words: found.bits_per_byte(["a", words]), "sentences: item 1"),
    ):
        words = f"{name} has {length} pieces, .* reads at most {length - 1}"
        with pytest.raises(ValueError, match=words):
            ask(longest + "a")


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda m: m.log_probability("Tom"), TypeError, "sentences: expected a list of texts"),
        (lambda m: m.log_probability([3]), TypeError, "sentences: expected texts, but item 0"),
        (lambda m: m.bits_per_byte([]), ValueError, "texts: empty"),
        (lambda m: m.log_probability(TEXTS, 0), ValueError, "batch_size: expected a whole"),
        (lambda m: m.sample(-1), ValueError, "n: expected a whole number of at least 0"),
        (lambda m: m.sample(1, -1), ValueError, "seed: expected a whole number of at least 0"),
        (lambda m: m.sample(prompt=["a"]), TypeError, "prompt: expected one string, got list"),
        (lambda m: m.sample(temperature=0), ValueError, "temperature: expected a finite number"),
        (lambda m: m.sample(top_k=0), ValueError, "top_k: expected a whole number of at least 1"),
        (lambda m: m.sample(top_p=0.0), ValueError, "top_p: expected a finite number > 0"),
        (lambda m: m.next_words(None), TypeError, "prompt: expected one string, got NoneType"),
        (lambda m: m.next_words("a", 0), ValueError, "k: expected a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(small, ask, error, words):
    with pytest.raises(error, match=re.escape(words)):
        ask(small)


def test_any_text_has_a_probability(small):
    strange = ["日本語", "\x00", "a\ud800b", "🙂🙂", " ", "<eos> <pad>"]
    assert (small.log_probability(strange) < 0).all()
    assert small.sample(1, prompt="<eos>")[0].startswith("<eos>")


# Files


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_file_gives_the_model_back(small, tmp_path, dtype):
    small.save(tmp_path / "model.keras", dtype)
    again = LanguageModel.load(tmp_path / "model.keras")
    assert again.vocabulary.tokens == small.vocabulary.tokens
    exact = {"float32": 1e-7, "int8": 0.05}[dtype]
    np.testing.assert_allclose(
        again.log_probability(TEXTS), small.log_probability(TEXTS), rtol=exact
    )


def test_eight_bits_are_whole_multiples_and_halve_the_file(tmp_path, vocabulary):
    training.set_seed(0)
    model = TransformerLM(len(vocabulary), width=128, layers=2, heads=2, length=40)
    found, sizes = LanguageModel(model, vocabulary), {}
    for dtype in ("float32", "float16", "int8"):
        found.save(tmp_path / "model.keras", dtype)
        sizes[dtype] = (tmp_path / "model.keras").stat().st_size
    assert sizes["int8"] < 0.7 * sizes["float16"] < 0.4 * sizes["float32"]
    kernel = ops.convert_to_numpy(model.blocks[0].widen.kernel)
    again = ops.convert_to_numpy(
        LanguageModel.load(tmp_path / "model.keras").model.blocks[0].widen.kernel
    )
    step = np.exp2(np.ceil(np.log2(np.abs(kernel).max(0) / 63)))
    np.testing.assert_array_equal(again / step, np.rint(kernel / step))
    assert np.abs(again / step).max() <= 63


def test_a_vocabulary_of_another_kind_or_size_is_refused(tmp_path, small):
    with pytest.raises(ValueError, match="vocabulary: has 260 tokens, but the model was made for"):
        LanguageModel(small.model, text.Subwords.build(["a"], 260))
    small.save(tmp_path / "model.keras")
    with pytest.raises(data.DataError, match="another vocabulary"):
        LanguageModel.load(tmp_path / "model.keras", vocabulary=text.Subwords.build(["a"], 260))
    with pytest.raises(data.DataError, match="holds"):
        text_models.TextAutoencoder.load(tmp_path / "model.keras")
