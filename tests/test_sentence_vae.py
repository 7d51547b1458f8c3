"""The sentence VAE: its loss, bounds, cures and callbacks, and texts in and out."""

import re
from unittest import mock

import keras
import numpy as np
import pytest
from keras import ops

from ae_lib import metrics, models, text, training
from ae_lib.models.variational import FREE_BITS
from ae_lib.text import BOS, EOS, PAD
from ae_lib.text_models import TextVAE

TEXTS = ["Tom is here.", "Is Tom here?", "I saw him.", "Did I see him?", "She isn't there.", "No!"]
WORDS, LONGEST = 12, 5
rng = np.random.default_rng(4)
TOKENS = rng.integers(4, WORDS, (40, LONGEST)).astype("int32")
TOKENS[np.arange(LONGEST) >= rng.integers(0, LONGEST + 1, (40, 1))] = PAD
TOKENS[0] = PAD  # the empty sentence
JAX = keras.backend.backend() == "jax"


def make(compiled=None, **options):
    """A small model whose words differ in probability and depend on the code."""
    training.set_seed(2)
    sizes = {"units": 12, "embedding_size": 7, "code_size": 4}
    model = models.SentenceVAE(WORDS, **sizes | options)
    random = np.random.default_rng(5)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    if compiled is not None:
        model.compile(compiled, jit_compile=JAX)
    return model


def values(weights):
    return [ops.convert_to_numpy(w).copy() for w in weights]


def still(shape, dtype=None, seed=None):
    """What stands for the noise."""
    return ops.cast(np.random.default_rng(1).normal(size=tuple(map(int, shape))), dtype)


@pytest.mark.backend
def test_a_likelihood_is_the_product_of_the_steps():
    model = make()
    codes = rng.normal(size=(40, 4)).astype("float32")
    found, state, last = np.zeros(40), model.initial_state(codes), np.full(40, BOS, "int32")
    ended = np.zeros(40, bool)
    for column in np.pad(TOKENS, ((0, 0), (0, 1))).T:
        word = np.where(column == PAD, EOS, column)
        logits, state = model.step(state, last)
        logits = ops.convert_to_numpy(logits).astype("float64")
        logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        found += np.where(ended, 0, logp[np.arange(40), word])
        ended, last = ended | (word == EOS), column
    for batch_size in (7, 4096):
        given = model.log_likelihood(TOKENS, codes, batch_size)
        assert given.dtype == "float64"
        np.testing.assert_allclose(given, found, rtol=1e-4)


@pytest.mark.backend
def test_the_loss_is_the_sum_of_its_parts_per_sentence():
    model = make("sgd", beta=0.3)
    mean, log_variance = model.posterior(TOKENS)
    assert mean.shape == log_variance.shape == (40, 4)
    np.testing.assert_array_equal(model.encode(TOKENS), mean)
    nll = -model.log_likelihood(TOKENS, mean).mean()
    kl = metrics.gaussian_kl(mean, log_variance).mean()
    found = model.evaluate(TOKENS, verbose=0, batch_size=10, return_dict=True)
    assert found == pytest.approx({"loss": nll + 0.3 * kl, "nll": nll, "kl": kl}, rel=1e-4)
    wider = np.pad(TOKENS, ((0, 0), (0, 3)))  # more padding changes nothing
    wide = model.evaluate(wider, verbose=0, batch_size=10, return_dict=True)
    assert wide == pytest.approx(found, rel=1e-4)


def test_the_bounds_of_chapter_05_take_sentences():
    model = make()
    kl = metrics.gaussian_kl(*model.posterior(TOKENS))
    lost = metrics.distortion(model, TOKENS, 20)
    np.testing.assert_allclose(metrics.elbo(model, TOKENS, 20), -lost - kl, rtol=1e-9)
    assert metrics.iwae(model, TOKENS, 100).mean() > metrics.elbo(model, TOKENS, 100).mean()
    assert metrics.distortion(model, TOKENS, 20, shuffled=True).mean() != lost.mean()
    for layer in (model.to_h, model.to_c, model.to_gates):
        layer.kernel.assign(0 * layer.kernel)  # a decoder that does not look at the code
    own, other = (metrics.distortion(model, TOKENS, 2, shuffled=s) for s in (False, True))
    np.testing.assert_allclose(own, other, rtol=1e-6)


def test_shuffled_codes_are_all_others():
    """Items that only their own code makes likely: none keeps it, whatever the seed."""

    class Eye:
        def posterior(self, x):
            return np.eye(len(x)) * 9, np.full((len(x),) * 2, -20.0)

        def log_likelihood(self, x, z, batch_size):
            return np.where(z.argmax(1) == x[:, 0], -1.0, -5.0)

    x = np.arange(6)[:, None]
    assert (metrics.distortion(Eye(), x, 3) == 1).all()
    for seed in range(20):
        assert (metrics.distortion(Eye(), x, 3, seed, shuffled=True) == 5).all()
    with pytest.raises(ValueError, match="one item has no other's code"):
        metrics.distortion(Eye(), x[:1], shuffled=True)


# Cures


def test_free_bits_of_four_kinds():
    kl = rng.exponential(1.0, (50, 4))
    right = {
        "code": np.maximum(kl.sum(1), 4).mean(),
        "mean code": max(kl.sum(1).mean(), 4),
        "number": np.maximum(kl, 1).sum(1).mean(),
        "mean number": np.maximum(kl.mean(0), 1).sum(),
    }
    assert len({round(value, 3) for value in right.values()}) == 4
    for kind in FREE_BITS:
        found = float(make(free_bits=4, free_bits_of=kind).counted(ops.convert_to_tensor(kl)))
        assert found == pytest.approx(right[kind], rel=1e-6)
        assert float(make(free_bits_of=kind).counted(kl)) == pytest.approx(kl.sum(1).mean())


@pytest.mark.backend
@pytest.mark.parametrize("kind", ["code", "mean number"])
def test_with_more_free_bits_than_there_are_the_kl_has_no_gradient(kind):
    """The weights move as without a KL, the loss has the bits, and the metric says the truth."""
    moved, logs = [], []
    for options in ({"free_bits": 1e4, "free_bits_of": kind}, {"beta": 0.0}):
        model = make(keras.optimizers.SGD(0.1), **options)
        with mock.patch("keras.random.normal", still):
            logs.append(model.train_on_batch(TOKENS, return_dict=True))
        moved.append(values(model.trainable_weights))
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    free, none = logs
    assert free["kl"] == pytest.approx(none["kl"], rel=1e-5)
    assert free["loss"] == pytest.approx(none["nll"] + 1e4, rel=1e-5)


@pytest.mark.backend
def test_a_normalised_posterior_has_its_rate_and_comes_back(tmp_path):
    model = make(keras.optimizers.Adam(1e-2), posterior_std=0.8, dropout=0.2, word_dropout=0.3)
    model.fit(TOKENS, epochs=3, batch_size=40, verbose=0)
    mean = ops.convert_to_numpy(model(TOKENS, training=True)[1])
    np.testing.assert_allclose(mean.std(0), 0.8, rtol=0.01)
    kernel = model.to_code.kernel  # the encoder cannot shrink the means out of it
    kernel.assign(kernel * 1e-2)  # not smaller: Keras's variance, E[x²] - E[x]², is rounded
    mean = ops.convert_to_numpy(model(TOKENS, training=True)[1])
    np.testing.assert_allclose(mean.std(0), 0.8, rtol=0.01)
    model.normal.momentum = 0.0  # the moving averages become those of the last batch
    model(TOKENS, training=True)
    kl = metrics.gaussian_kl(*model.posterior(TOKENS)).mean()
    assert kl >= 4 * 0.8**2 / 2 * 0.95
    model.beta.assign(0.4)
    model.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert float(again.beta) == pytest.approx(0.4)
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.encode(TOKENS), model.encode(TOKENS))


@pytest.mark.backend
def test_the_kl_s_weight_follows_its_schedule_in_a_plain_fit():
    model, seen = make(keras.optimizers.SGD(0.0)), []
    note = keras.callbacks.LambdaCallback()
    note.on_train_batch_end = lambda batch, logs: seen.append(float(note.model.beta))
    cycles = training.kl_schedule(8, cycles=2, ramp=0.5)
    model.fit(TOKENS, epochs=5, batch_size=20, verbose=0, callbacks=[cycles, note])
    np.testing.assert_allclose(seen, [0, 0.5, 1, 1, 0, 0.5, 1, 1, 1, 1])
    more = training.kl_schedule(14)  # goes on where the optimizer is
    model.fit(TOKENS, epochs=2, batch_size=20, verbose=0, callbacks=[more, note])
    np.testing.assert_allclose(seen[10:], np.arange(10, 14) / 14, rtol=1e-5)
    assert float(model.beta) == 1


@pytest.mark.backend
def test_more_updates_of_the_encoder_move_it_alone():
    model = make("adam", posterior_std=0.5)
    inner = model.encoder_updates()
    inner.compile(keras.optimizers.Adam(1e-2), jit_compile=JAX)
    own = {id(w) for w in inner.trainable_variables}
    assert len(own) == 3 + 2 + 1  # the LSTM's, the code's, the normalisation's centre
    before = values(model.trainable_weights)
    losses = [float(inner.train_on_batch(TOKENS)) for _ in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert (ops.convert_to_numpy(weight) != old).any() == (id(weight) in own), weight.path
    assert float(model.nll.result()) == 0  # the logs are of the whole model's steps
    more = training.aggressive_encoder(TOKENS, steps=3, updates=2, batch_size=16)
    training.fit(model, TOKENS, epochs=2, batch_size=20, callbacks=more)
    assert int(more.inner.optimizer.iterations) == 6
    assert int(model.optimizer.iterations) == 4


def test_it_learns_sentences_by_their_codes():
    rows = np.unique(TOKENS[:12], axis=0)
    model = make(keras.optimizers.Adam(2e-2), units=32, free_bits=20)
    model.fit(rows, epochs=150, batch_size=len(rows), verbose=0)
    own, other = (metrics.distortion(model, rows, 5, shuffled=s).mean() for s in (False, True))
    assert own < 1
    assert other > own + 3


# Texts in and out


@pytest.fixture(scope="module")
def vae():
    vocabulary = text.Vocabulary.build(TEXTS)
    training.set_seed(3)
    model = models.SentenceVAE(len(vocabulary), 24, 12, 6, free_bits=30)
    model.compile(keras.optimizers.Adam(2e-2))
    model.fit(text.pad(vocabulary.encode_all(TEXTS)), epochs=120, batch_size=6, verbose=0)
    found = TextVAE(model, vocabulary)
    found.learn_attributes(TEXTS)
    return found


def test_what_comes_out(vae, tmp_path):
    assert vae.reconstruct(TEXTS) == TEXTS
    path = vae.interpolate(TEXTS[0], TEXTS[1], steps=5)
    assert (path[0], path[-1], len(path)) == (*TEXTS[:2], 5)
    assert vae.sample(5, seed=1) == vae.sample(5, seed=1) != vae.sample(5, seed=2)
    assert vae.set_attribute(TEXTS, "question", True, strength=0.0) == TEXTS
    assert vae.set_attribute(TEXTS[1:2], "question", True) == TEXTS[1:2]
    codes, asks = vae.encode(TEXTS), np.array([t.endswith("?") for t in TEXTS])
    with mock.patch.object(vae, "decode", lambda codes: codes):
        moved = vae.set_attribute(TEXTS, "question", True, strength=2.0)
    move = 2 * (codes[asks].mean(0) - codes[~asks].mean(0))
    np.testing.assert_allclose(moved, codes + np.where(asks[:, None], 0, move), atol=1e-5)
    vae.save(tmp_path / "vae.keras")
    again = TextVAE.load(tmp_path / "vae.keras")
    assert again.set_attribute(TEXTS, "words", 3) == vae.set_attribute(TEXTS, "words", 3)


def test_nothing_in_nothing_out(vae):
    assert vae.sample(0) == vae.decode(np.zeros((0, 6))) == []
    assert vae.set_attribute([], "question", True) == vae.reconstruct([]) == []
    assert vae.encode([]).shape == (0, 6)
    assert np.isfinite(vae.encode(["", "   "])).all()
    assert vae.reconstruct([""]) == [""]


def test_attributes_by_rule():
    """What the rules say, and where they are known to err."""
    cases = {
        "Didn't you see Tom?": (True, True, True, 4),
        "I need a bed.": (False, False, False, 4),
        "Nobody asked.": (False, True, True, 2),
        "I'm tired.": (False, False, True, 2),  # an adjective: wrong, as the docstring says
        "": (False, False, False, 0),
    }
    for sentence, right in cases.items():
        assert tuple(text.attributes(sentence).values()) == right, sentence
    with pytest.raises(TypeError, match="sentence: expected a string, got list"):
        text.attributes([])


def fitted(callback, model=None):
    model = model or make("sgd")
    return model.fit(TOKENS, epochs=2, batch_size=20, verbose=0, callbacks=[callback])


def plain():
    model = models.Seq2SeqAutoencoder(WORDS, 4, 4, 4)
    model.compile("sgd")
    return model


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda _: make(beta=-1), "beta: expected a finite number ≥ 0, got -1"),
        (lambda _: make(free_bits=-1), "free_bits: expected a finite number ≥ 0"),
        (lambda _: make(free_bits_of="all"), "free_bits_of: expected code, mean code, number, "),
        (lambda _: make(posterior_std=0), "posterior_std: expected a finite number > 0, got 0"),
        (lambda _: make(dropout=1), "dropout: expected a share in [0, 1), got 1"),
        (lambda _: make().log_likelihood(TOKENS, np.zeros((2, 4))), "codes: expected 40, one for"),
        (lambda _: make().posterior([[0, 5]]), "padding (0) stands before a word"),
        (lambda _: metrics.iwae(make(), TOKENS, 0), "samples: expected a whole number"),
        (lambda _: training.kl_schedule(0), "steps: expected a whole number of at least 1"),
        (lambda _: training.kl_schedule(3, cycles=4), "cycles: 4 do not fit in 3 steps"),
        (lambda _: training.kl_schedule(3, ramp=0), "ramp: expected a share in (0, 1], got 0"),
        (lambda _: fitted(training.kl_schedule(5)), "the schedule has 5, but training ends after"),
        (lambda _: fitted(training.kl_schedule(2), plain()), "has no beta that can be set"),
        (lambda _: fitted(training.aggressive_encoder(TOKENS, 1), plain()), "a SentenceVAE, got"),
        (lambda _: training.aggressive_encoder(TOKENS, 1, updates=0), "updates: expected a whole"),
        (lambda vae: vae.sample(-1), "n: expected a whole number of at least 0, got -1"),
        (lambda vae: vae.sample(1, temperature=0), "temperature: expected a finite number > 0"),
        (lambda vae: vae.interpolate("a", "b", 1), "steps: expected a whole number of at least 2"),
        (lambda vae: vae.set_attribute(TEXTS, "mood", 1), "no attribute 'mood'; there is 'ques"),
        (lambda vae: vae.set_attribute(TEXTS, "words", 99), "words has no 99; there is 1, 3, 4"),
        (lambda vae: vae.learn_attributes(TEXTS[:1]), "question is [False] for all of them"),
        (lambda vae: vae.learn_attributes([]), "question is [] for all of them"),
    ],
)
def test_bad_input_is_named(call, words, vae):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        call(vae)
