"""The Transformer language model on every backend, beside its equations in NumPy."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from ae_lib import training
from ae_lib.models import TransformerLM
from ae_lib.text import BOS, EOS

pytestmark = pytest.mark.backend
rng = np.random.default_rng(8)
BACKEND = keras.backend.backend()
TOKENS = np.array([[5, 6, 7, 8], [6, 9, 0, 0], [8, 0, 0, 0]], "int32")
SIZES = {"width": 8, "layers": 2, "heads": 2, "length": 9}


def make(vocabulary_size=12, **options):
    training.set_seed(4)
    model = TransformerLM(vocabulary_size, **{**SIZES, **options})
    for weight in model.trainable_weights:  # larger than at the start: every part counts
        value = ops.convert_to_numpy(weight)
        weight.assign(value * 8 + rng.normal(0, 0.1, value.shape))
    return model


def compiled(model, rate=1e-2):
    model.compile(keras.optimizers.Adam(rate), jit_compile=BACKEND == "jax")
    return model


def logits_of(model, tokens, **options):
    return ops.convert_to_numpy(model(tokens, **options))


def loss_of(model, tokens):
    return float(ops.convert_to_numpy(model.compute_loss(x=tokens, y_pred=model(tokens))))


def normalised(x, gamma, beta):
    return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1) + 1e-5)[:, None] + beta


def dense(x, layer):
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    return x @ kernel + bias


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def equations(model, words):
    """Logits (T + 1, V) for one sentence without padding, in float64, head by head."""
    table, positions = (
        ops.convert_to_numpy(w).astype("float64") for w in (model.embedding, model.positions)
    )
    x = table[[BOS, *words]] + positions[: len(words) + 1]
    size = model.width // model.heads
    for block in model.blocks:
        qkv = dense(normalised(x, *block.norm_1.get_weights()), block.to_qkv)
        mixed = []
        for head in range(model.heads):
            q, k, v = (qkv[:, part * model.width + head * size :][:, :size] for part in range(3))
            rows = []
            for t in range(len(x)):
                scores = k[: t + 1] @ q[t] / np.sqrt(size)
                share = np.exp(scores - scores.max())
                rows.append(share / share.sum() @ v[: t + 1])
            mixed.append(np.array(rows))
        x = x + dense(np.concatenate(mixed, axis=1), block.from_heads)
        wide = gelu(dense(normalised(x, *block.norm_2.get_weights()), block.widen))
        x = x + dense(wide, block.narrow)
    return normalised(x, *model.norm.get_weights()) @ table.T


def test_the_model_is_its_equations():
    model = make()
    found = logits_of(model, TOKENS)
    assert found.shape == (3, 5, 12)
    assert found.dtype == "float32"
    for row, words in zip(found, ([5, 6, 7, 8], [6, 9], [8]), strict=True):
        expected = equations(model, words)
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(row[: len(words) + 1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_step_by_step_with_a_cache_is_the_whole_sentence(dtype):
    model = make(dtype=dtype)
    tokens = rng.integers(4, 12, (3, SIZES["length"] - 1)).astype("int32")
    state, seen = model.initial_state(3), np.pad(tokens, ((0, 0), (1, 0)), constant_values=BOS)
    expected = logits_of(model, tokens)
    for t, last in enumerate(seen.T):
        logits, state = model.step(state, last)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        scale = 1e-4 if dtype is None else 0.1
        np.testing.assert_allclose(
            ops.convert_to_numpy(logits), expected[:, t], atol=scale, rtol=scale
        )


@pytest.mark.parametrize("t", range(4))
def test_a_word_changes_no_logits_before_it(t):
    model = make()
    tokens = rng.integers(4, 12, (3, 4)).astype("int32")
    other = tokens.copy()
    other[:, t] = 4 + (tokens[:, t] - 3) % 8
    before, after = logits_of(model, tokens), logits_of(model, other)
    # Word t is seen at step t + 1.
    np.testing.assert_allclose(before[:, : t + 1], after[:, : t + 1], atol=1e-5)
    assert (np.abs(before - after)[:, t + 1 :].max((0, 2)) > 0.01).all()


def test_padding_changes_neither_loss_nor_logits():
    model = make()
    more = np.pad(TOKENS, ((0, 0), (0, 3)))
    assert loss_of(model, more) == pytest.approx(loss_of(model, TOKENS), rel=1e-5)
    np.testing.assert_allclose(
        logits_of(model, more)[1, :3], logits_of(model, TOKENS[1:2, :2])[0], atol=1e-5
    )


def test_the_loss_is_the_mean_over_words_and_ends():
    model = make()
    nats = []
    for words in ([5, 6, 7, 8], [6, 9], [8]):
        logits = equations(model, words)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        nats += [-logp[t, word] for t, word in enumerate([*words, EOS])]
    assert loss_of(model, TOKENS) == pytest.approx(np.mean(nats), rel=1e-4)


def test_a_fresh_model_loses_the_logarithm_of_the_vocabulary():
    training.set_seed(0)
    model = TransformerLM(500, width=64, layers=3, heads=4, length=8)
    tokens = rng.integers(4, 500, (20, 6)).astype("int32")
    assert loss_of(model, tokens) == pytest.approx(math.log(500), rel=0.02)


@pytest.mark.once
def test_first_weights_are_those_of_gpt2():
    training.set_seed(0)
    model = TransformerLM(50, width=64, layers=8, heads=4, length=16)
    deviations = {"to_qkv": 0.02, "widen": 0.02, "from_heads": 0.005, "narrow": 0.005}
    for name, expected in deviations.items():
        kernels = [getattr(block, name).get_weights()[0] for block in model.blocks]
        assert np.std(kernels) == pytest.approx(expected, rel=0.05)
        assert not np.array_equal(kernels[0], kernels[1])
    assert np.std(ops.convert_to_numpy(model.embedding)) == pytest.approx(0.02, rel=0.1)
    assert np.std(ops.convert_to_numpy(model.positions)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("v", "w", "depth", "heads", "p"), [(12, 8, 2, 2, 9), (300, 24, 5, 3, 64), (7, 6, 1, 1, 2)]
)
def test_the_number_of_weights_is_the_formula_s(v, w, depth, heads, p):
    model = TransformerLM(v, width=w, layers=depth, heads=heads, length=p)
    assert model.count_params() == (v + p) * w + depth * (12 * w * w + 13 * w) + 2 * w
    assert len(model.trainable_weights) == 2 + 12 * depth + 2
    # On PyTorch, Keras clears the gradients of weights that it knows by their paths.
    assert len({weight.path for weight in model.weights}) == len(model.weights)


def test_it_learns_a_toy_sequence():
    """Counting upwards from a random start: all but the first word is certain."""
    training.set_seed(1)
    model = compiled(TransformerLM(16, 32, 2, 2, length=8, dtype="mixed_bfloat16"), rate=5e-3)
    start = rng.integers(4, 9, (64, 1))
    tokens = (start + np.arange(6)).astype("int32")
    losses = model.fit(tokens, epochs=40, batch_size=64, verbose=0).history["loss"]
    best = math.log(5) / 7  # the start, of five; six words and the end follow
    assert losses[0] > 2
    assert best * 0.98 < losses[-1] < best + 0.2
    said = logits_of(model, tokens[:5]).argmax(-1)
    np.testing.assert_array_equal(said[:, 1:-1], tokens[:5, 1:])
    assert (said[:, -1] == EOS).all()


def test_fit_of_the_book_trains_it_and_it_takes_batches_of_several_lengths():
    model = compiled(make())
    history = training.fit(model, TOKENS, epochs=4, batch_size=3)
    assert history["loss"][-1] < history["loss"][0]
    first, *_, last = [
        [float(model.train_on_batch(batch)) for batch in (TOKENS, TOKENS[:, :2])]
        for _ in range(10)
    ]
    assert max(last) < min(first)
    with pytest.raises(ValueError, match="x: expected 0…11, got 5…12"):
        training.fit(model, np.array([[5, 12]]), epochs=1)


def test_a_mixed_policy_rounds_products_and_keeps_weights():
    sizes = {"width": 32, "layers": 2, "heads": 2, "length": 9}
    training.set_seed(4)
    exact, mixed = (TransformerLM(12, **sizes, dtype=d) for d in (None, "mixed_bfloat16"))
    mixed.set_weights(exact.get_weights())
    assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} == {"float32"}
    assert {layer.compute_dtype for layer in mixed._flatten_layers()} == {"bfloat16"}
    a, b = logits_of(exact, TOKENS), logits_of(mixed, TOKENS)
    assert b.dtype == "float32"
    assert 1e-3 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.05


def test_dropout_acts_in_training_alone():
    model, plain = make(dropout=0.5), make()
    model.set_weights(plain.get_weights())
    np.testing.assert_array_equal(logits_of(model, TOKENS), logits_of(plain, TOKENS))
    dropped = logits_of(model, TOKENS, training=True)
    assert np.abs(dropped - logits_of(model, TOKENS)).max() > 0.1
    assert np.abs(dropped - logits_of(model, TOKENS, training=True)).max() > 0.1
    np.testing.assert_allclose(
        logits_of(plain, TOKENS, training=True), logits_of(plain, TOKENS), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_a_saved_model_comes_back_the_same(tmp_path, dtype):
    model = make(dropout=0.1, dtype=dtype)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(logits_of(again, TOKENS), logits_of(model, TOKENS))


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"vocabulary_size": 3},
            ValueError,
            "vocabulary_size: expected a whole number of at least 4, got 3",
        ),
        ({"width": 0}, ValueError, "width: expected a whole number of at least 1, got 0"),
        ({"width": 9}, ValueError, "width: expected a multiple of heads, 2, got 9"),
        ({"layers": 0}, ValueError, "layers: expected a whole number of at least 1, got 0"),
        ({"heads": 2.0}, TypeError, "heads: expected a whole number of at least 1, got 2.0"),
        ({"length": 1}, ValueError, "length: expected a whole number of at least 2, got 1"),
        ({"dropout": 1}, ValueError, "dropout: expected a share in [0, 1), got 1"),
    ],
)
def test_bad_settings_are_named(options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        make(**options)


def test_the_longest_sentence_fits_and_a_longer_one_is_refused():
    model = make()
    assert logits_of(model, np.full((1, 8), 5)).shape == (1, 9, 12)
    with pytest.raises(ValueError, match="expected at most 8 words a row .*, got 9"):
        model(np.full((1, 9), 5))
    with pytest.raises(ValueError, match="tokens: expected at most 8 words a row .*length=9"):
        model.check_tokens(np.full((1, 9), 5))
    assert model.check_tokens(np.zeros((2, 0), "int32")).shape == (2, 1)
