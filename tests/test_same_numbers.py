"""Every model computes the same numbers on TensorFlow, JAX and PyTorch, and the right ones.

A backend that is only compared with itself may be wrong: jaxlib 0.7.2 multiplied wide matrices
with the factor of an earlier call, and 268 tests passed. So each model trains five steps from
given weights on given data, and its losses and weights are held against numbers made once in
float64, on PyTorch:

    KERAS_BACKEND=torch python tests/test_same_numbers.py

The tolerances: a sum of n products in float32 is off by about √n · 6e-8 of its terms' size,
n ≤ 784 here: some 2e-6. Five steps and a softmax add to that; the wrong products were off by a
tenth and more. Losses may differ by 2e-5 of their size, a weight's change by 1e-3 of it.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest

from ae_lib import decoding, models, text
from ae_lib.models._tokens import PairModel

pytestmark = pytest.mark.backend
REFERENCE = Path(__file__).with_suffix(".json")
LOSSES, WEIGHTS, LOGITS = 2e-5, 1e-3, 1e-4
VOCABULARY = 40


@pytest.fixture(autouse=True, scope="module")
def compiled_as_for_readers():
    """The stage of JAX has its compiler optimise less, to save time. Not here."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def k_sparse():
    encoder = keras.Sequential([keras.Input((784,)), keras.layers.Dense(512), models.KSparse(24)])
    decoder = keras.Sequential([keras.Input((512,)), keras.layers.Dense(784)])
    return models.Autoencoder(encoder, decoder)


def lstm():
    inputs = keras.Input((9, 24))
    outputs = keras.layers.Dense(24)(models.LSTM(96)(inputs)[0])
    return models.Autoencoder(
        keras.Model(inputs, outputs),
        keras.Sequential([keras.Input((9, 24)), keras.layers.Dense(24)]),
    )


def gan():
    generator = keras.Sequential([keras.Input((16,)), keras.layers.Dense(256, "tanh")])
    generator.add(keras.layers.Dense(784, "sigmoid"))
    discriminator = keras.Sequential([keras.Input((784,)), keras.layers.Dense(256, "tanh")])
    discriminator.add(keras.layers.Dense(1))
    return models.GAN(generator, discriminator)


def normal(shape, seed=None, dtype=None):
    """What stands for the noise: the same numbers on each backend, whatever the seed."""
    noise = np.random.default_rng(8).normal(size=tuple(map(int, shape)))
    return keras.ops.cast(noise, dtype or keras.config.floatx())


# Wide enough for a processor's fast kernels of large products: the widths of the chapters.
MODELS = {
    "dense": lambda: models.dense_autoencoder(code_size=32, hidden=(512, 256)),
    "linear": lambda: models.linear_autoencoder(code_size=32),
    "convolutional": lambda: models.conv_autoencoder(),
    "contractive": lambda: models.ContractiveAutoencoder(weight=0.01),
    "k-sparse": k_sparse,
    "variational": lambda: models.dense_vae(likelihood="gaussian"),
    "Bernoulli": lambda: models.dense_vae(beta=0.5),
    "GAN": gan,
    "LSTM": lstm,
    "text": lambda: models.Seq2SeqAutoencoder(VOCABULARY, 256, 96, 128),
    "sentence VAE": lambda: models.SentenceVAE(
        VOCABULARY, 256, 96, 32, beta=0.7, free_bits=3, free_bits_of="mean number"
    ),
    "normalised sentence VAE": lambda: models.SentenceVAE(
        VOCABULARY, 256, 96, 32, free_bits=8, posterior_std=0.7
    ),
    "transformer": lambda: models.TransformerLM(VOCABULARY, 128, 2, 4, 16),
    "encoder": lambda: models.MaskedLM(VOCABULARY, 128, 2, 4, 16),
    "encoder and decoder": lambda: models.TransformerSeq2Seq(VOCABULARY, 128, 1, 4, 16),
    "LSTM's language model": lambda: models.RecurrentLM(VOCABULARY, 128, 96),
    "attention": lambda: models.AttentionSeq2Seq(VOCABULARY, 128, 96, "general"),
    "additive attention": lambda: models.AttentionSeq2Seq(
        VOCABULARY, 128, 96, "additive", smoothing=0.1
    ),
    "one vector": lambda: models.AttentionSeq2Seq(VOCABULARY, 128, 96, "last"),
}


def batches(model):
    """Five batches of 128 items: images, series, or sentences of unequal length."""
    rng = np.random.default_rng(5)
    for _ in range(5):
        if hasattr(model, "vocabulary_size"):
            tokens = rng.integers(4, VOCABULARY, (128, 9))
            tokens[np.arange(9) >= rng.integers(1, 10, (128, 1))] = 0
            if isinstance(model, PairModel):
                tokens = text.pairs(text.hidden(tokens, 0.4), tokens)
            yield tokens.astype("int32")
        else:
            yield rng.random((128, *model.item_shape)).astype("float32")


def prepare(model):
    """Give the model's weights values that depend on nothing but their shapes and order."""
    rng = np.random.default_rng(6)
    for weight in model.trainable_weights:
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 100
        weight.assign(rng.normal(size=weight.shape) / np.sqrt(fan_in))


def trained(name):
    """``(model, record)``: the losses of five steps, and how the weights moved."""
    model = MODELS[name]()
    prepare(model)
    before = [keras.ops.convert_to_numpy(w).astype("float64") for w in model.trainable_weights]
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0)
    if hasattr(model, "vocabulary_size") or name in ("variational", "Bernoulli", "GAN"):
        model.compile(optimizer)
        with mock.patch("keras.random.normal", normal):
            steps = [model.train_on_batch(x, return_dict=True) for x in batches(model)]
        losses = [float(step["loss"]) for step in steps]
    else:
        model.compile(optimizer, "mse")
        losses = [float(model.train_on_batch(x, x)) for x in batches(model)]
    rng, moves = np.random.default_rng(7), []
    for old, weight in zip(before, model.trainable_weights, strict=True):
        move = keras.ops.convert_to_numpy(weight).astype("float64") - old
        along = rng.normal(size=(3, move.size)) @ move.ravel()  # three random directions
        moves.append([float(np.linalg.norm(move)), *map(float, along)])
    return model, {"losses": losses, "moves": moves}


def text_record(model):
    """What the trained text model says: logits, greedy and beam decoding, chances of a word."""
    tokens = next(batches(model))[:16]
    codes = model.encode(tokens)
    logits = keras.ops.convert_to_numpy(model(tokens))[:, :2].astype("float64")
    powers = np.exp(logits[0, 0])
    powers[[0, 2]] = 0  # <pad> and <bos> are never drawn
    return {
        "codes": np.round(codes[:, :5].astype("float64"), 9).tolist(),
        "logits": np.round(logits[:, :, ::7], 9).tolist(),
        "greedy": decoding.greedy(model, codes, max_length=6).tolist(),
        "beam": decoding.beam(model, codes, width=3, max_length=6).tolist(),
        "chances": np.round(powers / powers.sum(), 9).tolist(),
    }


@pytest.fixture(scope="module")
def reference():
    return json.loads(REFERENCE.read_text("utf8"))


@pytest.fixture(scope="module")
def text_model():
    return trained("text")[0]


@pytest.mark.parametrize("name", MODELS)
def test_training_gives_the_numbers_of_float64(name, reference):
    model, found = trained(name)
    right = reference[name]
    np.testing.assert_allclose(found["losses"], right["losses"], rtol=LOSSES)
    assert len(found["moves"]) == len(right["moves"])
    for weight, moved, wanted in zip(
        model.trainable_weights, found["moves"], right["moves"], strict=True
    ):
        # Some 16,000 weights of 0.1 are rounded by 4e-9 each in each step: by 1e-6 together.
        allowed = WEIGHTS * max(wanted[0], 5e-4)
        np.testing.assert_allclose(moved, wanted, atol=3 * allowed, err_msg=weight.path)


def test_codes_logits_and_searches_are_those_of_float64(text_model, reference):
    found, right = text_record(text_model), reference["text decoded"]
    np.testing.assert_allclose(found["codes"], right["codes"], atol=LOGITS)
    np.testing.assert_allclose(found["logits"], right["logits"], atol=LOGITS)
    assert found["greedy"] == right["greedy"]
    assert found["beam"] == right["beam"]


def test_words_are_sampled_as_often_as_they_are_probable(text_model, reference):
    chances = np.array(reference["text decoded"]["chances"])
    codes = np.repeat(text_model.encode(next(batches(text_model))[:1]), 4_000, axis=0)
    first = decoding.sample(text_model, codes, seed=3, max_length=2)[:, 0]
    share = np.bincount(first, minlength=VOCABULARY) / len(first)
    error = np.sqrt(chances * (1 - chances) / len(first))
    assert (np.abs(share - chances) <= 5 * error + 1e-9).all()


if __name__ == "__main__":
    keras.config.set_floatx("float64")
    records = json.loads(REFERENCE.read_text("utf8")) if REFERENCE.exists() else {}
    for key in sys.argv[1:] or MODELS:
        made, records[key] = trained(key)
        if key == "text":
            records["text decoded"] = text_record(made)
        print(key, records[key]["losses"])
    REFERENCE.write_text(json.dumps(records) + "\n", "utf8")
