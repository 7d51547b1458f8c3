"""Which kernel an LSTM takes: our verdict beside Keras's own, as if there were a GPU."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.layers import GRU, LSTM

from ae_lib.training import cudnn_eligibility

BACKEND = keras.backend.backend()
SHAPE = (2, 4, 3)
X = np.random.default_rng(0).random(SHAPE, dtype="float32")
RIGHT = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
LEFT = np.array([[0, 1, 1, 1], [1, 1, 1, 1]], bool)
GAP = np.array([[1, 1, 1, 1], [1, 0, 1, 0]], bool)
EMPTY = np.array([[0, 0, 0, 0], [1, 1, 1, 1]], bool)
SETTINGS = {
    "activation=relu": {"activation": "relu"},
    "recurrent_activation=tanh": {"recurrent_activation": "tanh"},
    "recurrent_dropout=0.2": {"recurrent_dropout": 0.2},
    "unroll=True": {"unroll": True},
    "use_bias=False": {"use_bias": False},
}


@pytest.fixture(scope="module")
def gpu():
    """Make Keras believe in a GPU whose cuDNN kernel gives zeros."""
    with pytest.MonkeyPatch.context() as patch:
        rnn = sys.modules.get(f"keras.src.backend.{BACKEND}.rnn")
        if BACKEND == "tensorflow":
            import tensorflow as tf

            def kernel(input, input_h, input_c, **_):
                outputs = tf.zeros((*input.shape[:2], input_h.shape[-1]), input.dtype)
                return outputs, tf.zeros_like(input_h), tf.zeros_like(input_h), None, None

            patch.setattr(rnn, "_is_gpu_available", lambda: True)
            patch.setattr(tf, "raw_ops", SimpleNamespace(CudnnRNNV3=kernel))
        elif BACKEND == "torch":
            patch.setattr(rnn, "_is_cuda_cudnn_available", lambda: True)
        yield


def keras_takes_cudnn(kind, arguments, mask):
    """Keras's own answer: with use_cudnn=True it raises instead of falling back."""
    try:
        kind(2, use_cudnn=True, **arguments)(X, mask=keras.ops.convert_to_tensor(mask))
    except ValueError as error:
        assert "cuDNN is not supported for this layer" in str(error)
        return False
    return True


@pytest.mark.backend
@settings(max_examples=40)
@given(
    kind=st.sampled_from([LSTM, GRU]),
    odd=st.one_of(st.just(set()), st.sets(st.sampled_from(sorted(SETTINGS)), max_size=2)),
    mask=st.lists(st.sampled_from([*RIGHT, *LEFT, *GAP, *EMPTY]), min_size=2, max_size=2),
    more=st.fixed_dictionaries({"go_backwards": st.booleans(), "dropout": st.just(0.5)}),
)
def test_the_verdict_is_keras_s_own(gpu, kind, odd, mask, more):
    for name in odd:
        more |= SETTINGS[name]
    found = cudnn_eligibility(kind(2, **more), X, np.array(mask))
    assert found.fused == keras_takes_cudnn(kind, more, np.array(mask))
    for name in SETTINGS:
        assert any(reason.startswith(name) for reason in found.reasons) == (name in odd)


@pytest.mark.backend
@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("mask", [None, RIGHT])
def test_the_defaults_by_backend_and_version(monkeypatch, kind, mask):
    """As read in Keras 3.14.0, 3.14.1 and 3.15.1: only JAX's GRU has no such kernel."""
    monkeypatch.setattr(keras, "__version__", "3.13.2")
    assert cudnn_eligibility(kind(2), X, mask).fused == (BACKEND == "tensorflow")
    monkeypatch.setattr(keras, "__version__", "3.14.0")
    there = (BACKEND, kind) != ("jax", GRU) and (mask is None or BACKEND == "tensorflow")
    assert cudnn_eligibility(kind(2), X, mask).fused == there
    monkeypatch.setattr(keras, "__version__", "3.99.0")
    with pytest.warns(UserWarning, match=r"those of Keras 3.13 to 3.15; this is 3.99.0"):
        cudnn_eligibility(kind(2), X, mask)


@pytest.mark.parametrize(
    ("mask", "words"),
    [(LEFT, "(the first: 0) begin with"), (GAP, "(the first: 1) have padding between words")]
    + [(EMPTY, "(the first: 0) have no word at all")],
)
def test_a_mask_that_cudnn_does_not_take(gpu, mask, words):
    import tensorflow as tf

    (reason,) = cudnn_eligibility(LSTM(2), (None, None, 3), mask).reasons
    assert reason.startswith(f"mask: 1 of 2 rows {words}")
    compiled, layer = tf.function(lambda layer, x, mask: layer(x, mask=mask)), LSTM(2)
    compiled(layer, X, tf.constant(RIGHT))
    with pytest.raises(tf.errors.InvalidArgumentError, match="right-padded"):
        compiled(layer, X, tf.constant(mask))


def test_what_qualifies_and_how_it_reads():
    import tensorflow as tf

    assert cudnn_eligibility(LSTM(2, activation=tf.tanh), X).fused
    assert not cudnn_eligibility(LSTM(2, activation=lambda x: tf.tanh(x)), X).fused
    assert not cudnn_eligibility(GRU(2, reset_after=False), X).fused
    found = cudnn_eligibility(LSTM(2, unroll=True, use_cudnn=False, name="reader"), X)
    head, *rest = str(found).splitlines()
    assert head.startswith("LSTM 'reader' on tensorflow: does not take")
    assert head.endswith(" path: unrolled.")
    assert [line[2:].split(":")[0] for line in rest] == ["use_cudnn=False", "unroll=True"]
    pair = keras.layers.Bidirectional(LSTM(2), backward_layer=LSTM(2, go_backwards=True))
    assert str(cudnn_eligibility(pair, X)).endswith("takes cuDNN's fused kernel on a GPU.")
    pair.backward_layer.unroll = True
    assert cudnn_eligibility(pair, X).path == "unrolled"
    words = np.array([[0, 5, 6, 7], [5, 6, 0, 0]])
    found = cudnn_eligibility(LSTM(2), keras.layers.Embedding(9, 3, mask_zero=True)(words))
    assert "begin with padding" in found.reasons[0]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("inputs: expected an array .batch, time, features., got .2, 4", (X[:, :, 0],)),
        ("inputs: expected an array .* got str", ("words",)),
        (r"mask: expected shape .* = \(2, 4\), got \(2, 3\)", (X, RIGHT[:, 1:])),
        ("mask: expected shape", (X, RIGHT[0])),
        ("symbolic", (X, keras.KerasTensor((2, 4), "bool"))),
    ],
)
def test_bad_input_is_refused(words, arguments):
    with pytest.raises(ValueError, match=words):
        cudnn_eligibility(LSTM(2), *arguments)
    with pytest.raises(TypeError, match="layer: expected a keras.layers.LSTM, .* got Dense"):
        cudnn_eligibility(keras.layers.Dense(2), X)
