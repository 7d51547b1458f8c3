"""Sequence to sequence with attention: beside NumPy and PyTorch's modules, on every backend."""

import re

import keras
import numpy as np
import pytest
import torch
from keras import ops

from ae_lib import decoding, text, training
from ae_lib.models import AttentionSeq2Seq, TransformerSeq2Seq, _lstm
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
    model = AttentionSeq2Seq(vocabulary_size, **{**SIZES, **options})
    random = np.random.default_rng(26)
    for weight in model.trainable_weights:  # larger than at the start: every part counts
        weight.assign(random.normal(0, 0.7, weight.shape))
    return model


def numbers(x):
    return np.asarray(ops.convert_to_numpy(x), "float64")


def logits_of(model, pairs=PAIRS):
    return numbers(model(pairs))


def loss_of(model, pairs=PAIRS, **options):
    return float(numbers(model.compute_loss(x=pairs, y_pred=model(pairs, **options), **options)))


def score(model, question, value):
    """Of one question and one vector, from the class's docstring."""
    if model.attention == "additive":
        w, u = (dense.get_weights()[0] for dense in (model.to_key, model.to_query))
        return np.tanh(value @ w + question @ u) @ numbers(model.to_score)
    if model.attention == "general":
        return question @ model.to_key.get_weights()[0].T @ value
    return question @ value if model.attention == "dot" else 0.0


@each_kind
def test_weights_are_a_softmax_of_the_scores_of_real_words_alone(attention):
    """With "mean" the scores are 0, and the answer is the mean of the real words' vectors."""
    model = make(attention=attention)
    memory, first = model.read(SEEN)
    asked = model.questions(first, PAIRS[:, 1])
    values, questions, found = numbers(memory[0]), numbers(asked), model.align(PAIRS)
    answers = numbers(model.answers(asked, memory))
    assert found.shape == (3, 6, 1 if attention == "last" else 5)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    for n, t in np.ndindex(3, 6):
        there = values[n, : 1 if attention == "last" else (5, 2, 1)[n]]
        scores = np.array([score(model, questions[n, t], h) for h in there])
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found[n, t, : len(there)], weights, atol=1e-5)
        np.testing.assert_array_equal(found[n, t, len(there) :], 0)
        np.testing.assert_allclose(answers[n, t], [*questions[n, t], *weights @ there], atol=1e-5)
    assert np.ptp(found[0], axis=-1).max() > 0.05 or attention in ("mean", "last")


def torch_lstm(layers, inputs, units):
    lstm = torch.nn.LSTM(inputs, units, batch_first=True, bidirectional=len(layers) == 2)
    for layer, suffix in zip(layers, ("", "_reverse"), strict=False):
        w, u, bias = layer.get_weights()
        values = {"weight_ih": w.T, "weight_hh": u.T, "bias_ih": bias, "bias_hh": 0 * bias}
        for name, value in values.items():
            getattr(lstm, f"{name}_l0{suffix}").data = torch.tensor(value.copy())
    return lstm


def torch_dense(dense, x):
    kernel, *bias = dense.get_weights()
    return torch.nn.functional.linear(x, torch.tensor(kernel.T.copy()), *map(torch.tensor, bias))


@torch.no_grad()
def torch_logits(model, pairs):
    """The whole model anew, with packed sequences and a mask of −∞."""
    seen, words = (torch.tensor(x, dtype=torch.long) for x in (pairs[:, 0], pairs[:, 1]))
    table, units = torch.tensor(ops.convert_to_numpy(model.embedding)), model.units
    reader = torch_lstm([model.forwards, model.backwards], model.embedding_size, units // 2)
    lengths = (seen != PAD).sum(1)
    packed = torch.nn.utils.rnn.pack_padded_sequence(table[seen], lengths, True, False)
    outputs, (ends, _) = reader(packed)
    values, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, True, 0.0, seen.shape[1])
    ends = torch.cat([*ends], dim=1)
    first = torch.tanh(torch_dense(model.to_h, ends)), torch_dense(model.to_c, ends)
    before = torch.nn.functional.pad(words, (1, 0), value=BOS)
    asker = torch_lstm([model.asker], model.embedding_size, units)
    questions, _ = asker(table[before], tuple(x[None] for x in first))
    if model.attention == "last":
        answers = ends[:, None].expand_as(questions)
    else:
        if model.attention == "additive":
            both = torch_dense(model.to_key, values)[:, None]
            both = torch.tanh(both + torch_dense(model.to_query, questions)[:, :, None])
            scores = both @ torch.tensor(ops.convert_to_numpy(model.to_score))
        else:
            keys = torch_dense(model.to_key, values) if model.attention == "general" else values
            scores = torch.einsum("nsu,ntu->nst", questions, keys)
        scores = scores * (model.attention != "mean")
        scores = scores.masked_fill((seen == PAD)[:, None], -torch.inf)
        answers = torch.softmax(scores, dim=-1) @ values
    writer = torch_lstm([model.writer], 2 * units, units)
    vectors = torch_dense(model.to_word, writer(torch.cat([questions, answers], dim=-1))[0])
    return (vectors @ table.T + torch.tensor(ops.convert_to_numpy(model.word_bias))).numpy()


@each_kind
def test_logits_are_those_of_pytorch_s_own_modules(attention, monkeypatch):
    model = make(attention=attention)
    expected = torch_logits(model, PAIRS)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(logits_of(model), expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(_lstm, "UNROLL", 2)  # in a loop of the backend, as long sentences are
    np.testing.assert_allclose(logits_of(model), expected, rtol=1e-4, atol=1e-4)


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
    for shape in ((2, 2, 0), (2, 2, 3)):  # nothing to read, and weights all the same
        np.testing.assert_allclose(model.align(np.zeros(shape, "int32")).sum(-1), 1)


@pytest.mark.parametrize(
    ("attention", "dtype"),
    [
        *((attention, None) for attention in ATTENTIONS),
        ("general", "mixed_bfloat16"),
        ("last", "mixed_bfloat16"),
    ],
)
def test_step_by_step_is_the_whole_sentence(attention, dtype):
    model = make(attention=attention, dtype=dtype)
    expected, state = logits_of(model), model.initial_state(SEEN)
    scale = 1e-5 if dtype is None else 0.1
    for t, last in enumerate(np.pad(PAIRS[:, 1], ((0, 0), (1, 0)), constant_values=BOS).T):
        logits, state = model.step(state, last)
        np.testing.assert_allclose(ops.convert_to_numpy(logits), expected[:, t], atol=scale)


@pytest.mark.parametrize("attention", ["general", "last"])
def test_greedy_decoding_is_the_same_compiled_and_not_and_a_beam_of_one(attention):
    model = make(attention=attention)
    found = decoding.greedy(model, SEEN, max_length=6)
    assert len(np.unique(found)) > 2
    in_python = decoding.greedy(model, SEEN, max_length=6, compiled=False)
    beam = decoding.beam(model, SEEN, width=1, length_penalty=0, max_length=6)
    for other in (in_python, beam):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("kind", [AttentionSeq2Seq, TransformerSeq2Seq])
def test_one_limit_serves_sentences_of_several_lengths(kind):
    own = SIZES if kind is AttentionSeq2Seq else {"width": 8, "layers": 1, "heads": 2}
    training.set_seed(0)
    model = kind(12, **own)
    for width in (3, 5):  # the second one is traced anew, of any length
        compiled = decoding.greedy(model, SEEN[:, :width], max_length=6)
        in_python = decoding.greedy(model, SEEN[:, :width], max_length=6, compiled=False)
        np.testing.assert_array_equal(compiled, in_python)
        pairs = text.pairs(SEEN[:, :width], WORDS[:, :width])
        np.testing.assert_allclose(
            model.predict_on_batch(pairs), logits_of(model, pairs), atol=1e-5
        )


def test_the_loss_is_the_mean_over_words_and_ends_and_smoothed_in_training():
    model = make(smoothing=0.2)
    logits = logits_of(model)
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = [[6, 9, 10, EOS], [5, 6, 7, 8, EOS], [8, EOS]]
    rows = [(logp[n, t], word) for n, row in enumerate(target) for t, word in enumerate(row)]
    plain, even = -np.mean([row[word] for row, word in rows]), -np.mean([row for row, _ in rows])
    assert loss_of(model) == pytest.approx(plain, rel=1e-5)
    assert loss_of(model, training=True) == pytest.approx(0.8 * plain + 0.2 * even, rel=1e-5)


def test_it_learns_from_batches_of_several_lengths_and_comes_back(tmp_path):
    """To write a sentence backwards."""
    training.set_seed(1)
    model = AttentionSeq2Seq(12, 24, 12, "additive", dropout=0.01, smoothing=0.01)
    jit = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit)
    words = [rng.integers(4, 12, (16, length)).astype("int32") for length in (2, 3)]
    batches = [text.pairs(x, x[:, ::-1]) for x in words]
    first = [float(model.train_on_batch(batch)) for batch in batches]
    for _ in range(40):
        last = [float(model.train_on_batch(batch)) for batch in batches]
    assert max(last) < 0.7 * min(first)
    assert len(model._steps) == 2
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    assert (again.attention, again.dropout, again.smoothing) == ("additive", 0.01, 0.01)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 82
    np.testing.assert_array_equal(logits_of(again), logits_of(model))


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make(attention="bilinear"), "attention: expected one of 'dot', 'general', "),
        (lambda: make(units=7), "units: half of them read from each end; expected an even number"),
        (lambda: make(units="8"), "units: expected a whole number of at least 1, got '8'"),
        (lambda: make(dropout=1), "dropout: expected a share in [0, 1), got 1"),
        (lambda: make(smoothing=-0.1), "smoothing: expected a share in [0, 1), got -0.1"),
        (lambda: make(3), "vocabulary_size: expected a whole number of at least 4, got 3"),
        (lambda: make()(WORDS), "expected shape (n, 2, T), what is seen and what should be"),
        (lambda: make().align([[[0, 5], [5, 0]]]), "padding (0) stands before a word"),
        (lambda: make().predict([[[5], [12]]]), "expected 0…11, got 5…12"),
        (lambda: decoding.greedy(make(), [[12]]), "conditioning: expected 0…11, got 12…12"),
    ],
)
def test_what_is_wrong_is_named(call, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        call()
