"""What a step costs: counted by hand, and by others."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_lib import models, training
from ae_lib.training import Cost, Roofline

LSTM_SIZES = {"vocabulary_size": 700, "units": 96, "embedding_size": 80, "code_size": 56}
LM_SIZES = {"vocabulary_size": 500, "width": 96, "layers": 2, "heads": 4, "length": 24}


def lstm_case():
    model = models.Seq2SeqAutoencoder(**LSTM_SIZES)
    words = np.random.default_rng(0).integers(4, 700, (16, 7)).astype("int32")
    return model, words, training.lstm_autoencoder_cost(**LSTM_SIZES, batch=16, words=7)


def transformer_case():
    model = models.TransformerLM(**LM_SIZES)
    words = np.random.default_rng(0).integers(4, 500, (6, 23)).astype("int32")
    return model, words, training.transformer_cost(**LM_SIZES, batch=6)


def product_operations(cost):
    """Those of matrix products alone."""
    return sum(part.operations for name, part in cost.parts.items() if name not in NO_PRODUCTS)


NO_PRODUCTS = ("embedding", "Adam")


# Others count the operations of one forward and backward pass.


def counted_by_torch(model, words):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # it does not know the CPU's fused attention
        model.compute_loss(x=words, y_pred=model(words, training=True), training=True).backward()
    return counter.get_total_flops()


def counted_by_xla(model, words):
    """XLA's own cost analysis of the step, operations element by element included."""
    import jax

    weights = model.trainable_variables

    def loss(values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
            outputs = model(words, training=True)
            return model.compute_loss(x=words, y_pred=outputs, training=True)

    step = jax.jit(jax.grad(loss)).lower([weight.value for weight in weights])
    return step.cost_analysis()["flops"]


BACKEND = keras.backend.backend()
COUNTERS = {"torch": counted_by_torch, "jax": counted_by_xla}


if BACKEND in COUNTERS:  # TensorFlow has no counter of its own

    @pytest.mark.backend
    @pytest.mark.parametrize("case", [lstm_case, transformer_case])
    def test_operations_agree_with_an_independent_counter(case):
        model, words, cost = case()
        ratio = COUNTERS[BACKEND](model, words) / product_operations(cost)
        # PyTorch counts products alone, ours and the bias's; XLA counts all operations.
        low, high = (1.0, 1.05) if BACKEND == "jax" else (0.999, 1.003)
        assert low <= ratio <= high


@pytest.mark.backend
@pytest.mark.parametrize("case", [lstm_case, transformer_case])
def test_parameters_are_the_model_s_own(case):
    model, _, cost = case()
    assert cost.parameters == model.count_params()


def test_the_bytes_of_a_step_by_hand():
    # V, U, E, C = 5, 2, 3, 4; two sentences of three words: six words read, eight written.
    cost = training.lstm_autoencoder_cost(5, 2, 3, 4, batch=2, words=3)
    numbers = {
        "embedding": 3 * 14 * 3,
        "encoder LSTM": 3 * 8 * (3 + 2 + 1) + 2 * 6 * (6 * 2),
        "code": 3 * ((4 * 4 + 4) + 2 * (4 * 2 + 2) + 4 * 8) + 2 * 2 * (4 + 2 + 2 + 8),
        "decoder LSTM": 3 * 48 + 2 * 8 * (6 * 2),
        "output softmax": 3 * ((2 * 3 + 3 + 5) + 15) + 2 * 8 * (3 + 5),
        "Adam": 7 * (15 + 48 + 72 + 48 + 14),
    }
    assert {name: part.bytes / 4 for name, part in cost.parts.items()} == numbers
    assert cost.bytes == 4 * sum(numbers.values())
    half = training.lstm_autoencoder_cost(5, 2, 3, 4, batch=2, words=3, bytes_per_number=2)
    assert half.bytes * 2 == cost.bytes
    assert half.operations == cost.operations
    assert cost.parts["Adam"].operations == 12 * cost.parameters


def test_the_bytes_of_a_transformer_by_hand():
    cost = training.transformer_cost(5, 4, 3, 2, length=6, batch=2)
    numbers = {
        "embedding": 3 * 12 * 4,
        "attention": 3 * 3 * (4 * 16 + 6 * 4) + 2 * 12 * 3 * (6 * 4 + 2 * 6),
        "feed-forward": 3 * 3 * (8 * 16 + 7 * 4) + 2 * 12 * 3 * (10 * 4),
        "output softmax": 3 * (2 * 4 + 20) + 2 * 12 * (4 + 5),
        "Adam": 7 * ((5 + 6) * 4 + 3 * (12 * 16 + 13 * 4) + 8),
    }
    assert {name: part.bytes / 4 for name, part in cost.parts.items()} == numbers


def test_six_operations_a_weight_and_token():
    width, depth, length, batch, words = 4096, 3, 128, 5, 1000
    cost = training.transformer_cost(words, width, depth, 8, length, batch)
    weights = depth * 12 * width**2 + words * width
    attention = 12 * depth * length * width
    a_token = product_operations(cost) / (length * batch)
    assert a_token == pytest.approx(6 * weights + attention, rel=1e-12)
    assert a_token == pytest.approx(6 * cost.parameters, rel=0.02)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.integers(1, 40))
def test_a_sum_has_all_its_parts_and_grows_with_the_batch(units, code, batch, words):
    sizes = {"vocabulary_size": 50, "units": units, "embedding_size": 9, "code_size": code}
    cost = training.lstm_autoencoder_cost(**sizes, batch=batch, words=words)
    for name in ("operations", "bytes", "parameters"):
        assert getattr(cost, name) == sum(getattr(p, name) for p in cost.parts.values())
    twice = training.lstm_autoencoder_cost(**sizes, batch=2 * batch, words=words)
    assert product_operations(twice) == 2 * product_operations(cost)
    assert twice.parts["Adam"] == cost.parts["Adam"]
    assert cost.bytes < twice.bytes < 2 * cost.bytes
    assert cost.parameters == twice.parameters
    assert twice.intensity > cost.intensity


def test_a_cost_reads_as_a_table():
    cost = Cost.of({"one": Cost(2000, 4.0, 3), "two": Cost(10.0, 20.0)})
    lines = str(cost).splitlines()
    assert lines[0].split() == ["weights", "operations", "bytes", "ops/byte"]
    assert [line.split()[0] for line in lines[1:]] == ["one", "two", "in"]
    assert lines[-1].split()[2:] == ["3", "2.01e+03", "24", "83.8"]
    assert str(Cost(1, 2)).splitlines()[1].split()[0] == "cost"


def test_intensity():
    assert Cost(10, 4).intensity == 2.5
    assert Cost(10, 0).intensity == math.inf
    assert Cost(0, 0).intensity == 0


def test_a_roofline():
    roof = Roofline(100.0, 10.0)
    assert roof.ridge == 10
    dense, sparse, edge = Cost(1000, 50), Cost(100, 50), Cost(100, 10)
    assert (roof.lower_bound_seconds(dense), roof.bound(dense)) == (10, "arithmetic")
    assert (roof.lower_bound_seconds(sparse), roof.bound(sparse)) == (5, "bytes")
    assert (roof.lower_bound_seconds(edge), roof.bound(edge)) == (1, "arithmetic")
    both = Cost.of({"dense": dense, "sparse": sparse})
    assert roof.lower_bound_seconds(both) == 11


class Clock:
    """A clock that shows these times, one after another."""

    def __init__(self, *times):
        self.times = iter(times)

    def __call__(self):
        return next(self.times)


@pytest.mark.backend
def test_the_roofline_is_of_the_best_round():
    # Rounds: the product takes 4 and 2 seconds, the copy 1 and 8.
    clock = Clock(0, 4, 10, 11, 20, 22, 30, 38)
    roof = training.measure_roofline(size=8, rounds=2, clock=clock)
    assert roof == Roofline(2 * 8**3 / 2, 2 * 4 * 8**2 * 4 / 1)


@pytest.mark.backend
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_roofline_of_a_narrow_type_counts_its_bytes(dtype):
    roof = training.measure_roofline(dtype, size=8, rounds=1, clock=Clock(0, 1, 2, 3))
    assert roof == Roofline(2 * 8**3, 2 * 4 * 8**2 * 2)


@pytest.mark.backend
def test_the_backend_is_waited_for():
    """The clock is read only when the backend has its result."""
    from ae_lib.training import _costs

    order = []
    wait = _costs._wait
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_costs, "_wait", lambda result: (wait(result), order.append("wait")))

        def clock():
            order.append("clock")
            return float(len(order))

        training.measure_roofline(size=4, rounds=1, clock=clock)
    assert order == ["wait", "wait", *["clock", "wait", "clock"] * 2]


@pytest.mark.backend
def test_the_roofline_of_this_machine():
    roof = training.measure_roofline(size=64, rounds=2)
    assert 0 < roof.bytes_per_second < math.inf
    assert 0 < roof.operations_per_second < math.inf


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Cost(-1, 2), ValueError, "operations: expected a finite number ≥ 0, got -1"),
        (lambda: Cost(1, float("nan")), ValueError, "bytes: expected a finite number"),
        (lambda: Cost("1", 2), TypeError, "operations: expected a number, got '1'"),
        (
            lambda: Roofline(0, 1),
            ValueError,
            "operations_per_second: expected a finite number > 0",
        ),
        (lambda: Roofline(1, math.inf), ValueError, "bytes_per_second: expected a finite"),
        (lambda: Roofline(True, 1), TypeError, "operations_per_second: expected a number"),
        (
            lambda: training.lstm_autoencoder_cost(9, 1, 1, 1, batch=0, words=1),
            ValueError,
            "batch: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: training.lstm_autoencoder_cost(9, 1.5, 1, 1, batch=1, words=1),
            TypeError,
            "units: expected a whole number of at least 1, got 1.5",
        ),
        (
            lambda: training.transformer_cost(9, 10, 1, 3, 4, 1),
            ValueError,
            "width: expected a multiple of heads, 3, got 10",
        ),
        (lambda: training.measure_roofline("int8"), ValueError, "dtype: got 'int8'; expected one"),
        (
            lambda: training.measure_roofline(size=0),
            ValueError,
            "size: expected a whole number of at least 1",
        ),
        (
            lambda: training.measure_roofline(size=2, rounds=1, clock=lambda: 5.0),
            ValueError,
            "size: 2 is too small for this clock",
        ),
    ],
)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        call()


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_a_dtype_the_backend_does_not_have_is_refused():
    if BACKEND == "jax":
        with pytest.raises(ValueError, match="the backend made float32 of float64; enable it"):
            training.measure_roofline("float64", size=4, rounds=1, clock=Clock(0, 1, 2, 3))
    else:
        roof = training.measure_roofline("float64", size=4, rounds=1, clock=Clock(0, 1, 2, 3))
        assert roof == Roofline(2 * 4**3, 2 * 4 * 4**2 * 8)
