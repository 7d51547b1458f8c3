"""Sequence to sequence with attention: beside NumPy and PyTorch's modules, on every backend."""

import re

import keras
import numpy as np
import pytest
import torch
from keras import ops

from ae_lib import decoding, text, training
from ae_lib.models import AttentionSeq2Seq, _lstm
from ae_lib.models.attention import ATTENTIONS
from ae_lib.text import BOS, EOS, PAD

pytestmark = pytest.mark.backend
rng = np.random.default_rng(9)
SIZES = {"units": 6, "embedding_size": 5}
SEEN = np.array([[5, 4, 7, 11, 6], [10, 9, 0, 0, 0], [8, 0, 0, 0, 0]], "int32")
WORDS = np.array([[6, 9, 10, 0], [5, 6, 7, 8], [8, 0, 0, 0]], "int32")
PAIRS = text.pairs(SEEN, WORDS)
each_kind = pytest.mark.parametrize("attention", ATTENTIONS)


def make(vocabulary_size=12, **options):
    training.set_seed(4)
    model = AttentionSeq2Seq(vocabulary_size, **{**SIZES, **options})
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:  # larger than at the start: every part counts
        value = ops.convert_to_numpy(weight)
        weight.assign(value * 2 + random.normal(0, 0.2, value.shape))
    return model


def compiled(model, rate=1e-2):
    model.compile(keras.optimizers.Adam(rate), jit_compile=keras.backend.backend() == "jax")
    return model


def numbers(x):
    return np.asarray(ops.convert_to_numpy(x), "float64")


def logits_of(model, pairs=PAIRS, **options):
    return ops.convert_to_numpy(model(pairs, **options))


def loss_of(model, pairs=PAIRS, **options):
    loss = model.compute_loss(x=pairs, y_pred=model(pairs, **options), **options)
    return float(ops.convert_to_numpy(loss))


def with_bos(words):
    return np.pad(words, ((0, 0), (1, 0)), constant_values=BOS)


def score(model, question, value):
    """Of one question and one vector, from the class's docstring."""
    if model.attention == "additive":
        w, u = (dense.get_weights()[0] for dense in (model.to_key, model.to_query))
        return np.tanh(value @ w + question @ u) @ numbers(model.to_score)
    if model.attention == "general":
        return question @ model.to_key.get_weights()[0].T @ value
    return question @ value if model.attention == "dot" else 0.0


@each_kind
def test_weights_are_a_softmax_of_the_scores_of_real_words(attention):
    model = make(attention=attention)
    memory, first = model.read(SEEN)
    questions = model.questions(first, WORDS)
    values, questions = numbers(memory[0]), numbers(questions)
    found = model.align(PAIRS)
    assert found.shape == (3, 5 + 1, 1 if attention == "last" else 5)
    answers = numbers(model.answers(model.questions(first, PAIRS[:, 1]), memory))
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    for n, length in enumerate([5, 2, 1]):
        length = 1 if attention == "last" else length
        for t in range(5):
            scores = np.array([score(model, questions[n, t], h) for h in values[n, :length]])
            weights = np.exp(scores) / np.exp(scores).sum()
            np.testing.assert_allclose(found[n, t, :length], weights, atol=1e-5)
            np.testing.assert_array_equal(found[n, t, length:], 0)
            answer = weights @ values[n, :length]
            np.testing.assert_allclose(answers[n, t], [*questions[n, t], *answer], atol=1e-5)
    if attention in ("dot", "general", "additive"):
        assert np.ptp(found[0], axis=-1).max() > 0.05


def test_mean_is_the_mean_of_real_words_and_last_the_ends_of_both_lstms():
    values = numbers(make(attention="dot").read(SEEN)[0][0])
    mean = make(attention="mean")
    means = numbers(mean.answers(ops.zeros((3, 1, 6)), mean.read(SEEN)[0]))[:, 0, 6:]
    ends = numbers(make(attention="last").read(SEEN)[0][0])
    for n, length in enumerate([5, 2, 1]):
        np.testing.assert_allclose(means[n], values[n, :length].mean(0), atol=1e-6)
        last = [*values[n, length - 1, :3], *values[n, 0, 3:]]
        np.testing.assert_allclose(ends[n, 0], last, atol=1e-6)


# PyTorch's modules with the same weights


def torch_lstm(layers, inputs, units):
    lstm = torch.nn.LSTM(inputs, units, batch_first=True, bidirectional=len(layers) == 2)
    for layer, suffix in zip(layers, ("", "_reverse"), strict=False):
        kernel, recurrent, bias = layer.get_weights()
        values = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
        values |= {"bias_ih": bias, "bias_hh": 0 * bias}
        for name, value in values.items():
            getattr(lstm, f"{name}_l0{suffix}").data = torch.tensor(value.copy())
    return lstm


def torch_dense(dense):
    kernel, *bias = dense.get_weights()
    linear = torch.nn.Linear(*kernel.shape, bias=bool(bias))
    linear.weight.data = torch.tensor(kernel.T.copy())
    if bias:
        linear.bias.data = torch.tensor(bias[0])
    return linear


@torch.no_grad()
def torch_logits(model, pairs):
    """The whole model anew, with packed sequences and a mask of −∞."""
    seen, words = (torch.tensor(x, dtype=torch.long) for x in (pairs[:, 0], pairs[:, 1]))
    table, units = torch.tensor(ops.convert_to_numpy(model.embedding)), model.units
    reader = torch_lstm([model.forwards, model.backwards], model.embedding_size, units // 2)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        table[seen], (seen != PAD).sum(1), batch_first=True, enforce_sorted=False
    )
    outputs, (ends, _) = reader(packed)
    values, _ = torch.nn.utils.rnn.pad_packed_sequence(
        outputs, batch_first=True, total_length=seen.shape[1]
    )
    ends = torch.cat([*ends], dim=1)
    first = torch.tanh(torch_dense(model.to_h)(ends)), torch_dense(model.to_c)(ends)
    before = torch.nn.functional.pad(words, (1, 0), value=BOS)
    asker = torch_lstm([model.asker], model.embedding_size, units)
    questions, _ = asker(table[before], tuple(x[None] for x in first))
    if model.attention == "last":
        answers = ends[:, None].expand_as(questions)
    else:
        if model.attention == "additive":
            both = torch_dense(model.to_key)(values)[:, None]
            both = torch.tanh(both + torch_dense(model.to_query)(questions)[:, :, None])
            scores = both @ torch.tensor(ops.convert_to_numpy(model.to_score))
        else:
            keys = torch_dense(model.to_key)(values) if model.attention == "general" else values
            scores = torch.einsum("nsu,ntu->nst", questions, keys)
        scores = scores * (model.attention != "mean")
        scores = scores.masked_fill((seen == PAD)[:, None], -torch.inf)
        answers = torch.softmax(scores, dim=-1) @ values
    writer = torch_lstm([model.writer], 2 * units, units)
    written, _ = writer(torch.cat([questions, answers], dim=-1))
    bias = torch.tensor(ops.convert_to_numpy(model.word_bias))
    return (torch_dense(model.to_word)(written) @ table.T + bias).numpy()


@each_kind
def test_logits_are_those_of_pytorch_s_own_modules(attention):
    model = make(attention=attention)
    expected = torch_logits(model, PAIRS)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(logits_of(model), expected, rtol=1e-4, atol=1e-4)


# What sees what


@each_kind
def test_padding_changes_nothing(attention):
    model = make(attention=attention)
    more = np.pad(PAIRS, ((0, 0), (0, 0), (0, 3)))
    np.testing.assert_allclose(logits_of(model, more)[:, :6], logits_of(model), atol=1e-5)
    alone = text.pairs(SEEN[1:2, :2], WORDS[1:2])
    np.testing.assert_allclose(logits_of(model, alone)[0], logits_of(model)[1, :5], atol=1e-5)
    assert loss_of(model, more) == pytest.approx(loss_of(model), rel=1e-5)
    if attention != "last":
        assert not model.align(more)[:, :, 5:].any()


@each_kind
@pytest.mark.parametrize("t", [0, 2, 3])
def test_all_that_is_read_counts_and_nothing_that_is_still_to_be_written(attention, t):
    model = make(attention=attention)
    seen, words = (rng.integers(4, 12, (3, 4)).astype("int32") for _ in range(2))
    before, place = logits_of(model, text.pairs(seen, words)), np.arange(4) == t
    other_seen, other_words = (np.where(place, 4 + (x - 3) % 8, x) for x in (seen, words))
    pairs = text.pairs(other_seen, words), text.pairs(seen, other_words)
    read, written = (np.abs(logits_of(model, x) - before).max((0, 2)) for x in pairs)
    assert (read > 1e-3).all()
    assert (written[: t + 1] < 1e-5).all()
    assert (written[t + 1 :] > 1e-3).all()


# Decoding


@each_kind
@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_step_by_step_is_the_whole_sentence(attention, dtype):
    model = make(attention=attention, dtype=dtype)
    expected, state = logits_of(model), model.initial_state(SEEN)
    scale = 1e-5 if dtype is None else 0.1
    for t, last in enumerate(with_bos(PAIRS[:, 1]).T):
        logits, state = model.step(state, last)
        np.testing.assert_allclose(ops.convert_to_numpy(logits), expected[:, t], atol=scale)


@each_kind
def test_greedy_decoding_takes_what_the_whole_sentence_says(attention):
    model = make(attention=attention)
    found = decoding.greedy(model, SEEN, max_length=6)
    np.testing.assert_array_equal(
        found, decoding.greedy(model, SEEN, max_length=6, compiled=False)
    )
    beams = decoding.beam(model, SEEN, width=1, length_penalty=0, max_length=6)
    np.testing.assert_array_equal(found, beams)
    for row, seen in zip(found, SEEN, strict=True):
        words = []
        while len(words) < 6 and EOS not in words:
            logits = logits_of(model, text.pairs(seen[None], [[*words, 0]]))[0, len(words)]
            logits[[PAD, BOS]] = -np.inf
            words.append(int(logits.argmax()))
        assert row[row != PAD].tolist() == words
    with pytest.raises(ValueError, match="conditioning: expected 0…11, got 12…12"):
        decoding.greedy(model, [[12]])


def test_a_loop_of_the_backend_is_the_steps_written_out(monkeypatch):
    model = make()
    expected = logits_of(model)
    monkeypatch.setattr(_lstm, "UNROLL", 2)
    np.testing.assert_allclose(logits_of(model), expected, atol=1e-5)


# Training


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_over_words_and_ends_and_smoothed_in_training(smoothing):
    model = make(smoothing=smoothing)
    logits = logits_of(model).astype("float64")
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = [[6, 9, 10, EOS], [5, 6, 7, 8, EOS], [8, EOS]]
    rows = [(logp[n, t], word) for n, row in enumerate(target) for t, word in enumerate(row)]
    assert len(rows) == 11
    plain = np.mean([-row[word] for row, word in rows])
    even = np.mean([-row.mean() for row, _ in rows])
    smoothed = (1 - smoothing) * plain + smoothing * even
    assert loss_of(model) == pytest.approx(plain, rel=1e-5)
    assert loss_of(model, training=True) == pytest.approx(smoothed, rel=1e-5)


def test_it_learns_from_batches_of_several_lengths():
    """To write a sentence backwards; each word stands elsewhere, so "last" is no rival."""
    training.set_seed(1)
    model = compiled(AttentionSeq2Seq(12, units=24, embedding_size=12))
    words = [rng.integers(4, 12, (16, length)).astype("int32") for length in (2, 3)]
    batches = [text.pairs(x, x[:, ::-1]) for x in words]
    first = [float(model.train_on_batch(batch)) for batch in batches]
    for _ in range(40):
        last = [float(model.train_on_batch(batch)) for batch in batches]
    assert max(last) < 0.7 * min(first)
    assert len(model._steps) == 2
    history = model.fit(batches[0], epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_dropout_acts_in_training_alone():
    model, plain = make(dropout=0.5), make()
    model.set_weights(plain.get_weights())
    np.testing.assert_array_equal(logits_of(model), logits_of(plain))
    values = [ops.convert_to_numpy(model(PAIRS, training=True)) for _ in range(2)]
    assert np.abs(values[0] - values[1]).max() > 0.1
    assert 0.3 < (values[0] == 0).mean() < 0.7


@each_kind
@pytest.mark.parametrize(("v", "u", "e"), [(12, 6, 5), (30, 4, 7)])
def test_the_number_of_weights_is_the_formula_s(attention, v, u, e):
    model = AttentionSeq2Seq(v, u, e, attention)
    own = {"general": u * u, "additive": 2 * u * u + u}.get(attention, 0)
    readers, asker, writer = (4 * u * (n + 1) for n in (e + u // 2, e + u, 3 * u))
    first, out = 2 * u * (u + 1), v * (e + 1) + (u + 1) * e
    assert model.count_params() == readers + asker + writer + first + out + own
    assert len({weight.path for weight in model.weights}) == len(model.weights)


# Saving, and what is refused


@each_kind
def test_a_saved_model_comes_back_the_same(tmp_path, attention):
    model = compiled(make(attention=attention, dropout=0.1, smoothing=0.1))
    model.train_on_batch(PAIRS)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    assert (again.attention, again.dropout, again.smoothing) == (attention, 0.1, 0.1)
    assert int(again.optimizer.iterations) == 1
    np.testing.assert_array_equal(logits_of(again), logits_of(model))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"attention": "bilinear"}, ValueError, "attention: expected one of 'dot', 'general', "),
        ({"attention": None}, ValueError, "'mean', 'last', got None"),
        ({"units": 7}, ValueError, "units: half of them read from each end; expected an even"),
        ({"units": 0}, ValueError, "units: expected a whole number of at least 1, got 0"),
        ({"units": "8"}, TypeError, "units: expected a whole number of at least 1, got '8'"),
        ({"embedding_size": 2.0}, TypeError, "embedding_size: expected a whole number"),
        ({"dropout": 1}, ValueError, "dropout: expected a share in [0, 1), got 1"),
        ({"smoothing": -0.1}, ValueError, "smoothing: expected a share in [0, 1), got -0.1"),
        ({"vocabulary_size": 3}, ValueError, "vocabulary_size: expected a whole number of at"),
    ],
)
def test_bad_settings_are_named(options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        make(**options)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (WORDS, ValueError, "expected shape (n, 2, T), what is seen and what should be"),
        (np.zeros((1, 2, 4)), TypeError, "expected whole numbers, got dtype float64"),
        (np.full((1, 2, 3), 12), ValueError, "expected 0…11, got 12…12"),
        (np.array([[[0, 5], [5, 0]]]), ValueError, "padding (0) stands before a word"),
    ],
)
def test_bad_pairs_are_named(given, error, words):
    model = compiled(make())
    for call in (model, model.align, model.train_on_batch, lambda x: model.fit(x, verbose=0)):
        with pytest.raises(error, match=re.escape(words)):
            call(given)


def test_nothing_to_read_gives_weights_all_the_same():
    for attention in ATTENTIONS:
        model = make(attention=attention)
        for shape in ((2, 2, 0), (2, 2, 3)):
            np.testing.assert_allclose(model.align(np.zeros(shape, "int32")).sum(-1), 1)
