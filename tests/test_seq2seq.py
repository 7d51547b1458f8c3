"""The LSTM beside Keras's own, and the sequence-to-sequence autoencoder, on every backend."""

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from ae_lib import training
from ae_lib.models import LSTM, Seq2SeqAutoencoder, _lstm
from ae_lib.text import BOS, EOS, PAD, UNK

pytestmark = pytest.mark.backend
rng = np.random.default_rng(6)
BACKEND = keras.backend.backend()
TOKENS = np.array([[5, 6, 7, 8], [6, 9, 0, 0], [8, 0, 0, 0]], "int32")


def numbers(*shape):
    return rng.normal(size=shape).astype("float32")


def gradients(layer, loss, arrays):
    """Values and gradients of ``loss(*outputs)`` by ``arrays`` and the layer's weights."""
    weights = layer.trainable_weights
    if BACKEND == "tensorflow":
        import tensorflow as tf

        inputs = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss(*inputs)
        found = tape.gradient(value, [*inputs, *(w.value for w in weights)])
    elif BACKEND == "jax":
        import jax

        def of(values, *inputs):
            with keras.StatelessScope(list(zip(weights, values, strict=True))):
                return loss(*inputs)

        by = tuple(range(len(arrays) + 1))
        values = [w.value for w in weights]
        value, (of_weights, *of_inputs) = jax.value_and_grad(of, by)(values, *arrays)
        found = [*of_inputs, *of_weights]
    else:
        import torch

        inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
        value = loss(*inputs)
        found = torch.autograd.grad(value, [*inputs, *(w.value for w in weights)])
    return [np.asarray(ops.convert_to_numpy(x)) for x in (value, *found)]


MASK = np.array([[1, 1, 1, 1, 1, 0, 0], [1, 1, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0]], bool)


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("unroll", [64, 3], ids=["unrolled", "loop"])
def test_the_lstm_is_keras_own_forward_and_backward(mask, unroll, monkeypatch):
    monkeypatch.setattr(_lstm, "UNROLL", unroll)
    theirs = keras.layers.LSTM(6, return_sequences=True, return_state=True)
    ours = LSTM(6)
    x, h, c = numbers(3, 7, 5), numbers(3, 6), numbers(3, 6)
    for layer in (theirs, ours):
        layer.build(x.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    weights = [numbers(*w.shape) for w in theirs.weights]
    factors = numbers(3, 7, 6), numbers(3, 6), numbers(3, 6)
    results = []
    for layer in (theirs, ours):
        layer.set_weights(weights)

        def loss(x, h, c, layer=layer):
            tensor = None if mask is None else ops.convert_to_tensor(mask)
            outputs = layer(x, mask=tensor, initial_state=[h, c])
            products = map(ops.multiply, outputs, factors)
            return sum(ops.sum(product) for product in products)

        results.append(gradients(layer, loss, [x, h, c]))
    assert all(np.abs(g).max() > 0.01 for g in results[0])
    for theirs_found, ours_found in zip(*results, strict=True):
        np.testing.assert_allclose(ours_found, theirs_found, rtol=1e-5, atol=1e-5)


def test_the_lstm_begins_as_keras_own_does():
    layer = LSTM(4)
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0, 1, 0, 0], 4))
    assert LSTM.from_config(layer.get_config()).units == 4
    with pytest.raises(ValueError, match="units: expected a whole number of at least 1, got 0"):
        LSTM(0)


def test_step_by_step_is_the_whole_sequence():
    layer = LSTM(4)
    x = numbers(2, 5, 3)
    outputs, last_h, last_c = layer(x)
    h = c = ops.zeros((2, 4))
    for t in range(5):
        h, c = layer.step(layer.project(x[:, t]), h, c)
        np.testing.assert_allclose(
            ops.convert_to_numpy(h), ops.convert_to_numpy(outputs)[:, t], atol=1e-6
        )
    np.testing.assert_allclose(ops.convert_to_numpy(last_c), ops.convert_to_numpy(c), atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(last_h), ops.convert_to_numpy(h), atol=1e-6)


def make(**options):
    training.set_seed(4)
    sizes = {"units": 7, "embedding_size": 6, "code_size": 5}
    model = Seq2SeqAutoencoder(12, **{**sizes, **options})
    for weight in model.trainable_weights:  # larger than at the start: every part counts
        weight.assign(ops.convert_to_numpy(weight) * 2 + 0.1)
    return model


def compiled(model, rate=1e-2):
    model.compile(keras.optimizers.Adam(rate), jit_compile=BACKEND == "jax")
    return model


def test_shapes_and_what_the_decoder_sees_and_writes():
    model = make()
    assert ops.shape(model(TOKENS)) == (3, 5, 12)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.decoder_input(TOKENS)), [[BOS, *row] for row in TOKENS]
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.decoder_target(TOKENS)),
        [[5, 6, 7, 8, EOS], [6, 9, EOS, 0, 0], [8, EOS, 0, 0, 0]],
    )
    empty = np.zeros((1, 2), "int32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.decoder_target(empty)), [[EOS, PAD, PAD]]
    )


def loss_of(model, tokens, **options):
    loss = model.compute_loss(x=tokens, y_pred=model(tokens, **options), **options)
    return float(ops.convert_to_numpy(loss))


def test_the_loss_without_logits_has_the_gradient_of_the_one_with_them():
    model = make()
    vectors = numbers(7, 6) * 3
    results = []
    for by_hand in (False, True):

        def loss(vectors, by_hand=by_hand):
            if by_hand:
                found = _lstm.log_normaliser(vectors, model.embedding, model.word_bias)
            else:
                logits = ops.matmul(vectors, ops.transpose(model.embedding)) + model.word_bias
                found = ops.logsumexp(logits, axis=-1)
            return ops.sum(found * ops.arange(1.0, 8.0))

        weights = SimpleNamespace(trainable_weights=[model.embedding, model.word_bias])
        results.append(gradients(weights, loss, [vectors]))
    assert all(np.abs(g).max() > 0.01 for g in results[0])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_padding_changes_neither_code_nor_loss():
    model = make()
    alone = model.encode(TOKENS[1:2, :2])
    np.testing.assert_allclose(model.encode(TOKENS)[1:2], alone, atol=1e-6)
    more = np.pad(TOKENS, ((0, 0), (0, 3)))
    np.testing.assert_allclose(model.encode(more), model.encode(TOKENS), atol=1e-6)
    losses = [loss_of(model, x) for x in (TOKENS, more)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_loss_is_the_mean_over_words_and_ends():
    model = make()
    logits = ops.convert_to_numpy(model(TOKENS)).astype("float64")
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = ops.convert_to_numpy(model.decoder_target(TOKENS))
    nats = [-logp[i, t, w] for (i, t), w in np.ndenumerate(target) if w != PAD]
    assert len(nats) == 7 + 3
    assert loss_of(model, TOKENS) == pytest.approx(np.mean(nats), rel=1e-5)
    assert loss_of(model, TOKENS, training=True) == pytest.approx(np.mean(nats), rel=1e-5)


def test_it_learns_from_batches_of_several_lengths():
    training.set_seed(1)
    model = compiled(Seq2SeqAutoencoder(12, units=24, embedding_size=12, code_size=16))
    batches = [rng.integers(4, 12, (16, length)).astype("int32") for length in (2, 3)]
    first = [float(model.train_on_batch(batch)) for batch in batches]
    for _ in range(40):
        last = [float(model.train_on_batch(batch)) for batch in batches]
    assert max(last) < 0.6 * min(first)
    assert len(model._steps) == 2
    compiled(model)
    model.train_on_batch(batches[0])
    assert len(model._steps) == 1


def test_word_dropout_hides_words_in_training_alone():
    model = make(word_dropout=0.5)
    tokens = np.full((200, 5), 7, "int32")
    seen = ops.convert_to_numpy(model.decoder_input(tokens, training=True))
    assert set(np.unique(seen)) == {UNK, BOS, 7}
    assert 0.4 < (seen[:, 1:] == UNK).mean() < 0.6
    seen = ops.convert_to_numpy(model.decoder_input(tokens, training=False))
    assert not (seen == UNK).any()


def test_long_sentences_are_read_in_pieces(monkeypatch):
    model = make()
    tokens = np.random.default_rng(0).integers(4, 12, (3, 11)).astype("int32")
    tokens[1, 7:] = tokens[2, 2:] = 0
    whole = model.encode(tokens)
    monkeypatch.setattr("ae_lib.models.seq2seq.UNROLL", 4)
    for batch_size in (512, 1):
        pieces = model.encode(tokens, batch_size)
        np.testing.assert_allclose(pieces, whole, atol=1e-6)


def test_a_saved_model_comes_back_the_same(tmp_path):
    model, path = compiled(make(word_dropout=0.1)), tmp_path / "model.keras"
    model.train_on_batch(TOKENS)
    model.save(path)
    again = keras.models.load_model(path)
    assert again.word_dropout == 0.1
    assert int(again.optimizer.iterations) == 1
    np.testing.assert_array_equal(again.encode(TOKENS), model.encode(TOKENS))


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": 0}, "units: expected a whole number of at least 1, got 0"),
        ({"code_size": 0}, "code_size: expected a whole number of at least 1, got 0"),
        ({"word_dropout": 1.0}, "word_dropout: expected a share in [0, 1), got 1.0"),
    ],
)
def test_bad_settings_are_named(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make(**options)
    with pytest.raises(
        ValueError, match="vocabulary_size: expected a whole number of at least 4, got 3"
    ):
        Seq2SeqAutoencoder(3)


@pytest.mark.once
@pytest.mark.parametrize(
    ("tokens", "error", "words"),
    [
        ([5, 6], ValueError, "tokens: expected shape (n, T), got (2,)"),
        ([[5.0, 6.0]], TypeError, "tokens: expected whole numbers, got dtype float64"),
        ([[5, 12]], ValueError, "tokens: expected 0…11, got 5…12"),
        ([[5, -1]], ValueError, "tokens: expected 0…11, got -1…5"),
        ([[0, 5]], ValueError, "tokens: padding (0) stands before a word; pad on the right"),
    ],
)
def test_tokens_that_are_none_are_named(tokens, error, words):
    with pytest.raises(error, match=re.escape(words)):
        make().encode(tokens)


def test_empty_sentences_and_empty_batches_have_codes():
    model = make()
    assert model.encode(np.zeros((2, 0), "int32")).shape == (2, 5)
    assert model.encode(np.zeros((0, 3), "int32")).shape == (0, 5)


@pytest.fixture
def policy():
    """Sets Keras's global policy, and puts it back."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(  # XLA multiplies no float16 on a CPU
    "name", ["mixed_bfloat16", *(["mixed_float16"] if BACKEND != "jax" else [])]
)
def test_a_global_policy_of_16_bits_is_one_of_the_products(policy, name):
    tokens = np.random.default_rng(0).integers(4, 50, (8, 5)).astype("int32")
    losses = {}
    for dtype in ("float32", name):
        policy(dtype)
        keras.utils.set_random_seed(0)
        model = Seq2SeqAutoencoder(50, units=16, embedding_size=8, code_size=12)
        model.compile(keras.optimizers.Adam(1e-2))
        losses[dtype] = [float(model.train_on_batch(tokens)) for _ in range(20)]
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert model(tokens).dtype == model.encoder(np.ones((1, 2, 8)))[0].dtype
        assert keras.backend.standardize_dtype(model(tokens).dtype) == "float32"
    short = name.removeprefix("mixed_")
    assert (model.matmul_dtype, model.encoder.matmul_dtype) == (short, short)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (short == "float16")
    assert losses["float32"] != losses[name]
    np.testing.assert_allclose(losses[name], losses["float32"], rtol=0.01)
    policy("float32")
    again = Seq2SeqAutoencoder.from_config(model.get_config())
    assert again.matmul_dtype == short


@pytest.mark.once
def test_what_was_asked_for_goes_before_the_policy():
    sizes = {"units": 4, "embedding_size": 4, "code_size": 4}
    model = Seq2SeqAutoencoder(9, **sizes, matmul_dtype="bfloat16", dtype="mixed_float16")
    assert (model.matmul_dtype, model.encoder.compute_dtype) == ("bfloat16", "float32")
    assert LSTM(4, dtype="mixed_bfloat16").matmul_dtype == "bfloat16"
    assert LSTM(4).matmul_dtype is None
