"""Transformers, decoder, encoder and both: beside PyTorch's own modules, on every backend."""

import math
import re

import keras
import numpy as np
import pytest
import torch
from keras import ops

from ae_lib import decoding, text, training
from ae_lib.models import MaskedLM, TransformerLM, TransformerSeq2Seq
from ae_lib.text import BOS, EOS, PAD, UNK

pytestmark = pytest.mark.backend
rng = np.random.default_rng(8)
BACKEND = keras.backend.backend()
SIZES = {"width": 8, "layers": 2, "heads": 2, "length": 9}
WORDS = np.array([[5, 6, 7, 8], [6, 9, 10, 0], [8, 0, 0, 0]], "int32")
SEEN = np.array([[5, 1, 7, 1, 6], [1, 9, 0, 0, 0], [1, 0, 0, 0, 0]], "int32")
FORMS = (TransformerLM, MaskedLM, TransformerSeq2Seq)


def make(form, vocabulary_size=12, scale=8, **options):
    training.set_seed(4)
    model = form(vocabulary_size, **{**SIZES, **options})
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:  # larger than at the start: every part counts
        value = ops.convert_to_numpy(weight)
        weight.assign(value * scale + random.normal(0, 0.1, value.shape))
    return model


def given_to(form, words=WORDS, seen=SEEN):
    return words if form is TransformerLM else text.pairs(seen[:, : words.shape[1]], words)


def compiled(model, rate):
    model.compile(keras.optimizers.Adam(rate), jit_compile=BACKEND == "jax")
    return model


def loss_of(model, x):
    return float(ops.convert_to_numpy(model.compute_loss(x=x, y_pred=model(x))))


def logits_of(model, x, **options):
    return ops.convert_to_numpy(model(x, **options))


# PyTorch's modules with the same weights


def put(module, weight, bias, name="weight", bias_name="bias"):
    for attribute, value in ((name, weight), (bias_name, bias)):
        getattr(module, attribute).data = torch.tensor(value)


def put_dense(module, dense):
    kernel, bias = dense.get_weights()
    put(module, kernel.T.copy(), bias)


def put_attention(module, inputs, output):
    kernels, biases = zip(*(dense.get_weights() for dense in inputs), strict=True)
    kernel, bias = np.concatenate(kernels, axis=1).T.copy(), np.concatenate(biases)
    put(module, kernel, bias, "in_proj_weight", "in_proj_bias")
    put_dense(module.out_proj, output)


def torch_layer(block, model, crossing):
    kind = torch.nn.TransformerDecoderLayer if crossing else torch.nn.TransformerEncoderLayer
    layer = kind(
        model.width,
        model.heads,
        4 * model.width,
        dropout=0.0,
        activation=lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        batch_first=True,
        norm_first=True,
    )
    put_attention(layer.self_attn, [block.to_qkv], block.from_heads)
    norms = [block.norm_1, block.norm_2]
    if crossing:
        put_attention(layer.multihead_attn, [block.to_q, block.to_kv], block.from_memory)
        norms.insert(1, block.norm_3)
    for i, norm in enumerate(norms):
        put(getattr(layer, f"norm{i + 1}"), *norm.get_weights())
    put_dense(layer.linear1, block.widen)
    put_dense(layer.linear2, block.narrow)
    return layer


def torch_states(model, blocks, norm, tokens, causal, memory=None):
    """The states of int (n, T) tokens; what was read as a pair of states and padding."""
    table, positions = (
        torch.tensor(ops.convert_to_numpy(w)) for w in (model.embedding, model.positions)
    )
    tokens = torch.tensor(tokens, dtype=torch.long)
    x, padding = table[tokens] + positions[: tokens.shape[1]], tokens == PAD
    mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
    for block in blocks:
        layer = torch_layer(block, model, memory is not None)
        if memory is not None:
            states, hidden = memory
            x = layer(x, states, tgt_mask=mask, memory_key_padding_mask=hidden)
        elif causal:
            x = layer(x, src_mask=mask)
        else:
            x = layer(x, src_key_padding_mask=padding)
    last = torch.nn.LayerNorm(model.width)
    put(last, *norm.get_weights())
    return last(x), padding, table


def with_bos(words):
    return np.pad(words, ((0, 0), (1, 0)), constant_values=BOS)


def torch_logits(model, x):
    with torch.no_grad():
        if isinstance(model, TransformerLM):
            found = torch_states(model, model.blocks, model.norm, with_bos(x), True)
        elif isinstance(model, MaskedLM):
            found = torch_states(model, model.blocks, model.norm, x[:, 0], False)
        else:
            read = torch_states(model, model.readers, model.read_norm, x[:, 0], False)[:2]
            written = with_bos(x[:, 1])
            found = torch_states(model, model.blocks, model.norm, written, True, read)
        return (found[0] @ found[2].T).numpy()


@pytest.mark.parametrize("form", FORMS)
def test_logits_are_those_of_pytorch_s_own_modules(form):
    model = make(form, scale=4)  # rounding grows with the weights
    x = given_to(form)
    found, expected = logits_of(model, x), torch_logits(model, x)
    there = (x if form is TransformerLM else x[:, 0 if form is MaskedLM else 1]) != PAD
    there = there if form is MaskedLM else np.pad(there, ((0, 0), (1, 0)), constant_values=True)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-4, atol=1e-4)


# What nothing sees


@pytest.mark.parametrize("form", [MaskedLM, TransformerSeq2Seq])
def test_what_should_be_guessed_is_not_seen(form):
    """The encoder sees the damaged words alone; so does the loss of what it did not hide."""
    model = make(form)
    pairs = text.pairs(SEEN[:, :4], WORDS)
    other = pairs.copy()
    other[:, 1] = np.where(pairs[:, 1] != PAD, 4 + (pairs[:, 1] - 3) % 8, PAD)
    before, after = logits_of(model, pairs), logits_of(model, other)
    first = slice(None) if form is MaskedLM else slice(1)
    np.testing.assert_array_equal(before[:, first], after[:, first])


@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_nothing(form):
    model, x = make(form), given_to(form)
    more = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 3)])
    there = (x if form is TransformerLM else x[:, 0]) != PAD
    before, after = (logits_of(model, given)[:, : x.shape[-1]] for given in (x, more))
    np.testing.assert_allclose(after[there], before[there], atol=1e-5)
    assert loss_of(model, more) == pytest.approx(loss_of(model, x), rel=1e-5)
    if form is TransformerLM:
        alone = logits_of(model, x[1:2, :2])[0]
        np.testing.assert_allclose(logits_of(model, more)[1, :3], alone, atol=1e-5)


# Losses, decoding, saving


def test_the_loss_is_the_mean_over_words_and_ends():
    model = make(TransformerLM)
    logits = logits_of(model, WORDS).astype("float64")
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = [[5, 6, 7, 8, EOS], [6, 9, 10, EOS], [8, EOS]]
    nats = [-logp[n, t, word] for n, row in enumerate(target) for t, word in enumerate(row)]
    assert loss_of(model, WORDS) == pytest.approx(np.mean(nats), rel=1e-5)


def test_the_loss_of_hidden_words_counts_those_alone():
    model = make(MaskedLM)
    pairs = text.pairs(SEEN[:, :4], WORDS)
    logits = logits_of(model, pairs).astype("float64")
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    places = [(n, t) for n, t in np.ndindex(3, 4) if SEEN[n, t] != WORDS[n, t]]
    assert {(0, 1), (0, 3), (1, 0), (2, 0)} <= set(places)
    expected = -np.mean([logp[n, t, WORDS[n, t]] for n, t in places if WORDS[n, t]])
    assert loss_of(model, pairs) == pytest.approx(expected, rel=1e-5)
    nothing = text.pairs(WORDS, WORDS)
    assert loss_of(model, nothing) == 0


@pytest.mark.parametrize("form", [TransformerLM, TransformerSeq2Seq])
@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_reading_once_and_writing_with_a_cache_is_the_whole(form, dtype):
    model = make(form, scale=8 if dtype is None else 2, dtype=dtype)
    words = np.random.default_rng(0).integers(4, 12, (3, SIZES["length"] - 1)).astype("int32")
    alone = form is TransformerLM
    expected = logits_of(model, words if alone else text.pairs(SEEN, words))
    state = model.initial_state(3 if alone else SEEN)
    near = 1e-4 if dtype is None else 0.05  # rounding grows with the weights
    for t, last in enumerate(with_bos(words).T):
        logits, state = model.step(state, last)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        np.testing.assert_allclose(
            ops.convert_to_numpy(logits), expected[:, t], atol=near, rtol=near
        )


def test_greedy_decoding_takes_what_the_whole_sentence_says():
    model = make(TransformerSeq2Seq)
    found = decoding.greedy(model, SEEN, max_length=6)
    for row, seen in zip(found, SEEN, strict=True):
        words = []
        while len(words) < 6 and EOS not in words:
            pair = text.pairs(seen[None], np.array([[*words, 0]]))
            logits = logits_of(model, pair)[0, len(words)]
            logits[[PAD, BOS]] = -np.inf
            words.append(int(logits.argmax()))
        assert row[row != PAD].tolist() == words


@pytest.mark.once
@pytest.mark.parametrize("form", FORMS)
def test_a_fresh_model_loses_the_logarithm_of_the_vocabulary(form):
    training.set_seed(0)
    model = form(500, width=64, layers=3, heads=4, length=8)
    words = rng.integers(4, 500, (20, 6)).astype("int32")
    x = given_to(form, words, text.hidden(words, 0.5))
    assert loss_of(model, x) == pytest.approx(
        math.log(500), rel=0.02 if form is TransformerLM else 0.03
    )


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


def counting():
    """Rows of six numbers that count upwards from one of five."""
    return (np.arange(6) + np.random.default_rng(0).integers(4, 9, (64, 1))).astype("int32")


def test_it_learns_a_toy_sequence():
    """All but the first word is certain."""
    training.set_seed(1)
    model = compiled(TransformerLM(16, 32, 2, 2, length=8, dtype="mixed_bfloat16"), 5e-3)
    tokens = counting()
    losses = model.fit(tokens, epochs=40, batch_size=64, verbose=0).history["loss"]
    best = math.log(5) / 7  # the start, of five; six words and the end follow
    assert losses[0] > 2
    assert best * 0.98 < losses[-1] < best + 0.2
    said = logits_of(model, tokens[:5]).argmax(-1)
    np.testing.assert_array_equal(said[:, 1:-1], tokens[:5, 1:])
    assert (said[:, -1] == EOS).all()


@pytest.mark.parametrize("form", [MaskedLM, TransformerSeq2Seq])
def test_it_learns_to_fill_gaps(form):
    """A hidden word follows from any other."""
    training.set_seed(1)
    model = compiled(form(16, 32, 2, 2, length=8, dtype="mixed_bfloat16"), 5e-3)
    words = counting()
    seen = text.hidden(words, 0.4, seed=2)
    seen[:, 0] = words[:, 0]
    pairs = text.pairs(seen, words)
    losses = model.fit(pairs, epochs=40, batch_size=64, verbose=0).history["loss"]
    assert losses[0] > 2
    assert losses[-1] < math.log(5) / 2  # a place alone says one of five


def test_a_mixed_policy_rounds_products_and_keeps_weights():
    sizes = {"width": 32, "layers": 2, "heads": 2, "length": 9}
    training.set_seed(4)
    exact, mixed = (TransformerLM(12, **sizes, dtype=d) for d in (None, "mixed_bfloat16"))
    mixed.set_weights(exact.get_weights())
    assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} == {"float32"}
    assert {layer.compute_dtype for layer in mixed._flatten_layers()} == {"bfloat16"}
    a, b = logits_of(exact, WORDS), logits_of(mixed, WORDS)
    assert b.dtype == "float32"
    assert 1e-3 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.05


def test_dropout_acts_in_training_alone():
    model, plain = make(TransformerLM, dropout=0.5), make(TransformerLM)
    model.set_weights(plain.get_weights())
    np.testing.assert_array_equal(logits_of(model, WORDS), logits_of(plain, WORDS))
    dropped = logits_of(model, WORDS, training=True)
    assert np.abs(dropped - logits_of(model, WORDS)).max() > 0.1
    assert np.abs(dropped - logits_of(model, WORDS, training=True)).max() > 0.1
    np.testing.assert_allclose(
        logits_of(plain, WORDS, training=True), logits_of(plain, WORDS), atol=1e-6
    )


@pytest.mark.parametrize(
    ("form", "dtype"), [*((form, None) for form in FORMS), (TransformerLM, "mixed_bfloat16")]
)
def test_a_saved_model_comes_back_the_same(tmp_path, form, dtype):
    model, x = make(form, dropout=0.1, dtype=dtype), given_to(form)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(logits_of(again, x), logits_of(model, x))


@pytest.mark.once
@pytest.mark.parametrize(("v", "w", "depth", "heads", "p"), [(12, 8, 2, 2, 9), (30, 24, 3, 3, 16)])
def test_the_number_of_weights_is_the_formula_s(v, w, depth, heads, p):
    sizes = {"width": w, "layers": depth, "heads": heads, "length": p}
    *one, both = (form(v, **sizes) for form in FORMS)
    for model in one:
        assert model.count_params() == (v + p) * w + depth * (12 * w * w + 13 * w) + 2 * w
        assert len(model.trainable_weights) == 2 + 12 * depth + 2
    assert both.count_params() == (v + p) * w + depth * (28 * w * w + 32 * w) + 4 * w
    # On PyTorch, Keras clears the gradients of weights that it knows by their paths.
    assert len({weight.path for weight in both.weights}) == len(both.weights)


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
        make(TransformerLM, **options)


def test_the_longest_sentence_fits_and_a_longer_one_is_refused():
    model = make(TransformerLM)
    assert logits_of(model, np.full((1, 8), 5)).shape == (1, 9, 12)
    with pytest.raises(ValueError, match="expected at most 8 words a row .*, got 9"):
        model(np.full((1, 9), 5))
    with pytest.raises(ValueError, match="tokens: expected at most 8 words a row .*length=9"):
        model.check_tokens(np.full((1, 9), 5))
    assert model.check_tokens(np.zeros((2, 0), "int32")).shape == (2, 1)


@pytest.mark.once
@pytest.mark.parametrize("form", [MaskedLM, TransformerSeq2Seq])
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (WORDS, ValueError, "expected shape (n, 2, T), what is seen and what should be"),
        (np.zeros((1, 3, 4), "int32"), ValueError, "got (1, 3, 4); make it by text.pairs"),
        (np.zeros((1, 2, 4)), TypeError, "expected whole numbers, got dtype float64"),
        (np.full((1, 2, 3), 12), ValueError, "expected 0…11, got 12…12"),
        (np.array([[[0, 5], [5, 0]]]), ValueError, "padding (0) stands before a word"),
        (np.full((1, 2, 9), 5), ValueError, "expected at most 8 words a row (length=9"),
    ],
)
def test_bad_pairs_are_named(form, given, error, words):
    model = make(form)
    model.compile("sgd")
    with pytest.raises(error, match=re.escape(words)):
        model(given)
    with pytest.raises(error, match=re.escape(words)):
        model.fit(given, verbose=0)


@pytest.mark.once
def test_bad_sentences_to_read_are_named():
    model = make(TransformerSeq2Seq)
    with pytest.raises(ValueError, match="conditioning: expected 0…11, got 12…12"):
        decoding.greedy(model, np.full((2, 3), 12), max_length=3)
    with pytest.raises(ValueError, match="conditioning: expected at most 8 words a row"):
        decoding.greedy(model, np.full((2, 9), 5), max_length=3)


@pytest.mark.once
def test_hidden_words_have_the_chance_asked_for():
    words = rng.integers(4, 99, (200, 20)).astype("int32")
    words[:, 15:] = PAD
    seen = text.hidden(words, 0.3, seed=1)
    changed = seen != words
    assert changed[:, :15].mean() == pytest.approx(0.3, abs=0.03)
    assert (seen[changed] == UNK).all()
    assert not changed[:, 15:].any()
    np.testing.assert_array_equal(seen, text.hidden(words, 0.3, seed=1))
    with pytest.raises(ValueError, match=re.escape("rate: expected a share in [0, 1], got 2")):
        text.hidden(words, 2)
    with pytest.raises(ValueError, match="tokens: 3 sentences, but seen has 200"):
        text.pairs(words, WORDS)
