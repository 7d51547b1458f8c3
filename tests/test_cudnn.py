"""Which kernel an LSTM takes: our verdict beside Keras's own, as if there were a GPU."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_lib import models
from ae_lib.training import cudnn_eligibility

BACKEND = keras.backend.backend()
SHAPE = (2, 4, 3)
X = np.random.default_rng(0).random(SHAPE, dtype="float32")
RIGHT = [[True, True, False, False], [True, True, True, True]]
LEFT = [[False, True, True, True], [True, True, True, True]]
GAP = [[True, True, True, True], [True, False, True, False]]
EMPTY = [[False] * 4, [True] * 4]
FULL = [[True] * 4] * 2


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
    start = "glorot_uniform"  # the orthogonal one has no half precision everywhere
    layer = kind(2, use_cudnn=True, recurrent_initializer=start, **arguments)
    try:
        layer(X, mask=None if mask is None else keras.ops.convert_to_tensor(np.array(mask)))
    except ValueError as error:
        assert "cuDNN is not supported for this layer" in str(error)
        return False
    return True


@pytest.mark.backend
@settings(max_examples=80)
@given(
    kind=st.sampled_from([keras.layers.LSTM, keras.layers.GRU]),
    odd=st.sets(st.sampled_from(["activation", "gate", "dropout", "unroll", "bias"]), max_size=2),
    plain=st.booleans(),
    mask=st.one_of(
        st.none(),
        st.sampled_from([RIGHT, LEFT, GAP, EMPTY, FULL]),
        st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=2, max_size=2),
    ),
    go_backwards=st.booleans(),
    sequences=st.booleans(),
    dtype=st.sampled_from(["float32", "float16", "bfloat16", "float64", "mixed_bfloat16"]),
)
def test_the_verdict_is_keras_s_own(gpu, kind, odd, plain, mask, go_backwards, sequences, dtype):
    odd = set() if plain else odd
    arguments = {
        "activation": "relu" if "activation" in odd else "tanh",
        "recurrent_activation": "hard_sigmoid" if "gate" in odd else "sigmoid",
        "recurrent_dropout": 0.1 if "dropout" in odd else 0.0,
        "unroll": "unroll" in odd,
        "use_bias": "bias" not in odd,
        "go_backwards": go_backwards,
        "return_sequences": sequences,
        "dtype": dtype,
    }
    if BACKEND == "jax":
        arguments["dtype"] = "float32"
    found = cudnn_eligibility(kind(2, **arguments), X, mask)
    assert found.fused == keras_takes_cudnn(kind, arguments, mask)
    assert found.fused == (not found.reasons)
    asked = ("activation=relu", "recurrent_activation=hard_sigmoid", "recurrent_dropout=0.1")
    for name, start in zip(("activation", "gate", "dropout"), asked, strict=True):
        assert any(r.startswith(start) for r in found.reasons) == (name in odd)
    assert any(r.startswith("unroll=True") for r in found.reasons) == ("unroll" in odd)
    assert any(r.startswith("use_bias=False") for r in found.reasons) == ("bias" in odd)


def good(kind=keras.layers.LSTM, **arguments):
    return kind(2, **arguments)


def settings_reasons(found):
    """Reasons other than that the backend has no such kernel at all."""
    return [r for r in found.reasons if not r.startswith("Keras's ")]


@pytest.mark.backend
@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU])
def test_the_defaults_qualify_on_tensorflow_alone(gpu, kind):
    found = cudnn_eligibility(good(kind), X)
    assert found.fused == (BACKEND == "tensorflow")
    assert found.path == ("cuDNN" if found.fused else "loop")
    assert settings_reasons(found) == []
    assert found.fused == keras_takes_cudnn(kind, {}, None)
    if BACKEND == "torch" and kind is keras.layers.LSTM:
        assert "issue 22274" in found.reasons[0]


@pytest.mark.backend
@pytest.mark.parametrize(
    ("arguments", "mask", "reason"),
    [
        ({"activation": "relu"}, None, 'activation=relu: cuDNN has only "tanh"'),
        ({"recurrent_activation": "tanh"}, None, "recurrent_activation=tanh"),
        ({"recurrent_dropout": 0.2}, None, "recurrent_dropout=0.2"),
        ({"unroll": True}, None, "unroll=True"),
        ({"use_bias": False}, None, "use_bias=False"),
        ({"use_cudnn": False}, None, "use_cudnn=False"),
        ({}, LEFT, "mask: 1 of 2 rows (the first: 0) begin with padding"),
        ({}, GAP, "mask: 1 of 2 rows (the first: 1) have padding between words"),
        ({}, EMPTY, "mask: 1 of 2 rows (the first: 0) have no word at all"),
    ],
)
def test_each_reason_alone(arguments, mask, reason):
    found = cudnn_eligibility(good(**arguments), X, mask)
    (only,) = settings_reasons(found)
    assert only.startswith(reason)
    assert not found.fused
    assert found.path == ("unrolled" if "unroll" in arguments else "loop")


@pytest.mark.backend
def test_all_reasons_together_each_on_a_line():
    layer = good(activation="relu", recurrent_dropout=0.5, unroll=True, use_bias=False)
    found = cudnn_eligibility(layer, X, [*EMPTY[:1], *LEFT[:1]])
    assert len(settings_reasons(found)) == 6
    lines = str(found).splitlines()
    assert lines[0] == (
        f"LSTM {layer.name!r} on {BACKEND}: does not take cuDNN's fused kernel; path: unrolled."
    )
    assert [line[2:] for line in lines if line.startswith("- ")] == list(found.reasons)


@pytest.mark.backend
@pytest.mark.parametrize("mask", [None, RIGHT, FULL])
def test_right_padding_and_dropout_of_inputs_cost_nothing(mask):
    assert settings_reasons(cudnn_eligibility(good(dropout=0.5), X, mask)) == []


def test_activations_that_only_look_alike_do_not_count():
    import tensorflow as tf

    assert cudnn_eligibility(good(activation=tf.tanh), X).fused
    assert cudnn_eligibility(good(activation=keras.ops.tanh), X).fused
    assert not cudnn_eligibility(good(activation=lambda x: tf.tanh(x)), X).fused
    assert not cudnn_eligibility(good(keras.layers.GRU, reset_after=False), X).fused


def test_a_compiled_function_stops_at_a_bad_mask(gpu):
    import tensorflow as tf

    layer, calls = good(), {"right": RIGHT, "left": LEFT}
    compiled = tf.function(lambda x, mask: layer(x, mask=mask))
    compiled(X, tf.constant(calls["right"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="right-padded"):
        compiled(X, tf.constant(calls["left"]))
    layer(X, mask=tf.constant(calls["left"]))  # by itself it falls back
    reason = cudnn_eligibility(layer, X, LEFT).reasons[0]
    assert "stops with InvalidArgumentError" in reason


def test_keras_leaves_xla_off(gpu):
    assert not good().supports_jit
    assert any("leaves XLA off" in note for note in cudnn_eligibility(good(), X).notes)
    assert not good(recurrent_dropout=0.1).supports_jit
    assert "also loses XLA" in cudnn_eligibility(good(recurrent_dropout=0.1), X).reasons[0]
    assert good(use_cudnn=False).supports_jit


def test_xla_of_one_s_own_is_a_reason_on_tensorflow():
    found = cudnn_eligibility(good(), X, jit_compile=True)
    assert not found.fused
    assert found.reasons[0].startswith("jit_compile=True")


def test_the_types_that_tensorflow_s_kernel_takes():
    from tensorflow import dtypes
    from tensorflow.python.framework import op_def_registry

    (kind,) = (a for a in op_def_registry.get("CudnnRNNV3").attr if a.name == "T")
    taken = {dtypes.as_dtype(t).name for t in kind.allowed_values.list.type}
    assert taken == {"float16", "bfloat16", "float32", "float64"}
    for policy in (*taken, "mixed_float16", "mixed_bfloat16"):
        assert cudnn_eligibility(good(dtype=policy), X).fused


@pytest.mark.backend
def test_use_cudnn_true_is_said_to_raise():
    found = cudnn_eligibility(good(use_cudnn=True, unroll=True), X)
    assert any("raises ValueError" in note for note in found.notes)
    found = cudnn_eligibility(good(unroll=True), X)
    assert not any("raises ValueError" in note for note in found.notes)


@pytest.mark.backend
def test_both_directions_are_looked_at():
    pair = keras.layers.Bidirectional(good(unroll=True))
    (both,) = settings_reasons(cudnn_eligibility(pair, X))
    assert both.startswith("unroll=True")
    pair = keras.layers.Bidirectional(good(), backward_layer=good(go_backwards=True, unroll=True))
    (one,) = settings_reasons(cudnn_eligibility(pair, X))
    assert one.startswith("backward: unroll=True")


@pytest.mark.backend
def test_what_is_never_fused():
    found = cudnn_eligibility(models.LSTM(3), X)
    assert (found.fused, found.path) == (False, "matrix products")
    found = cudnn_eligibility(keras.layers.RNN(keras.layers.LSTMCell(3)), X)
    assert (found.fused, found.path) == (False, "loop")
    assert found.reasons[0].endswith("write keras.layers.LSTM")
    assert not cudnn_eligibility(keras.layers.SimpleRNN(3), X).fused


@pytest.mark.backend
def test_a_mask_of_another_array_type_and_shapes_alone():
    mask = keras.ops.convert_to_tensor(np.array(LEFT))
    assert len(settings_reasons(cudnn_eligibility(good(), (None, None, 3), mask))) == 1
    assert len(settings_reasons(cudnn_eligibility(good(), SHAPE, np.array(GAP, "int32")))) == 1
    assert settings_reasons(cudnn_eligibility(good(), keras.Input((4, 3)))) == []


def test_the_mask_that_an_embedding_leaves_is_found():
    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    words = np.array([[0, 5, 6, 7], [5, 6, 0, 0]])
    found = cudnn_eligibility(good(), embedding(words))
    assert found.reasons[0].startswith("mask: 1 of 2 rows (the first: 0) begin with padding")
    assert cudnn_eligibility(good(), embedding(words[1:])).fused


@pytest.mark.backend
def test_available_is_about_this_machine(monkeypatch):
    from ae_lib.training import _cudnn

    for there in (True, False):
        monkeypatch.setattr(_cudnn, "has_gpu", lambda there=there: there)
        found = cudnn_eligibility(good(), X)
        assert found.available == there
        if found.fused:
            assert ("this machine shows none" in str(found)) == (not there)


@pytest.mark.backend
def test_rules_of_another_keras_are_said_to_be_so(monkeypatch):
    assert keras.__version__.split(".")[:2] in (["3", "13"], ["3", "14"], ["3", "15"]), (
        "read the rules again, then change RULES_OF"
    )
    assert not any("the rules are" in note for note in cudnn_eligibility(good(), X).notes)
    monkeypatch.setattr(keras, "__version__", "3.99.0")
    assert any("this is 3.99.0" in note for note in cudnn_eligibility(good(), X).notes)


@pytest.mark.backend
@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU])
@pytest.mark.parametrize("mask", [None, RIGHT, LEFT])
def test_since_3_14_jax_and_pytorch_are_fused_without_a_mask(monkeypatch, kind, mask):
    """As read in Keras 3.14.0, 3.14.1 and 3.15.1: only JAX's GRU has no such kernel."""
    monkeypatch.setattr(keras, "__version__", "3.14.0")
    found = cudnn_eligibility(good(kind), X, mask)
    without = BACKEND == "jax" and kind is keras.layers.GRU
    masks = (None, RIGHT) if BACKEND == "tensorflow" else (None,)
    assert found.fused == (not without and mask in masks)
    assert not any("the rules are" in note for note in found.notes)
    if mask is RIGHT and BACKEND != "tensorflow" and not without:
        (reason,) = found.reasons
        assert "gives cuDNN none" in reason
    assert not cudnn_eligibility(good(kind, unroll=True), X).fused


@pytest.mark.backend
def test_bad_input_is_refused():
    with pytest.raises(TypeError, match="layer: expected a keras.layers.LSTM, GRU .* got Dense"):
        cudnn_eligibility(keras.layers.Dense(2), X)
    model = keras.Sequential([keras.Input((4, 3)), good(name="reader")])
    with pytest.raises(TypeError, match="got the model .*in it: reader"):
        cudnn_eligibility(model, X)
    with pytest.raises(ValueError, match="inputs: expected shape .batch, time, features.*2, 4"):
        cudnn_eligibility(good(), X[:, :, 0])
    with pytest.raises(TypeError, match="inputs: expected an array .* got str"):
        cudnn_eligibility(good(), "words")
    with pytest.raises(ValueError, match=r"mask: expected shape \(batch, time\) = \(2, 4\), got"):
        cudnn_eligibility(good(), X, np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="mask: expected shape"):
        cudnn_eligibility(good(), X, np.ones(4, bool))
    with pytest.raises(ValueError, match="mask: its values are not known"):
        cudnn_eligibility(good(), X, keras.KerasTensor((2, 4), "bool"))
    with pytest.raises(TypeError, match="mask: expected True and False"):
        cudnn_eligibility(good(), X, np.full((2, 4), "yes"))
