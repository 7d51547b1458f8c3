"""Chapter 12 against the library: the same counts and formats, answers that pass."""

import json

import keras
import ml_dtypes
import numpy as np
import pytest

from ae_lib import data, models, plotting, training
from tests.chapter_code import CHAPTERS, definitions

SIZES = {"V": 2000, "units": 256, "width": 128, "code": 256}


@pytest.fixture(scope="module")
def chapter():
    names = (
        "record",
        "medians",
        "product_cost",
        "lstm_products",
        "gpu_steps",
        "gpu_roofline",
        "largest",
        "smallest",
        "through",
    )
    return definitions("12", *names, given=SIZES)


def cells():
    (path,) = CHAPTERS.glob("12_*.ipynb")
    return [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in json.loads(path.read_text("utf8"))["cells"]
    ]


def test_a_product_costs_what_the_library_counts(chapter):
    """Through the Transformer's output: tokens by width, width by vocabulary, three times."""
    cost = training.transformer_cost(500, 64, 1, 2, 16, 8)
    operations, _ = chapter["product_cost"](16 * 8, 64, 500)
    assert cost.parts["output softmax"].operations == 3 * operations
    assert chapter["product_cost"](2, 3, 5, width=2) == (60, 2 * (6 + 15 + 10))


@pytest.mark.parametrize("batch, words", [(1, 1), (64, 8), (3, 20)])
def test_products_by_hand_are_the_librarys(chapter, batch, words):
    cost = training.lstm_autoencoder_cost(2000, 256, 128, 256, batch, words)
    products = sum(cost.parts[part].operations for part in cost.parts if "LSTM" in part)
    products += cost.parts["code"].operations + cost.parts["output softmax"].operations
    assert chapter["lstm_products"](batch, words) == products


def test_the_counted_models_are_the_models():
    assert (
        training.lstm_autoencoder_cost(50, 8, 6, 8, 1, 3).parameters
        == models.Seq2SeqAutoencoder(50, 8, 6, 8).count_params()
    )
    assert (
        training.transformer_cost(50, 8, 2, 2, 9, 1).parameters
        == models.TransformerLM(50, width=8, layers=2, heads=2, length=9).count_params()
    )


@pytest.mark.parametrize(
    "kind, bits",
    [("float32", (8, 23)), ("float16", (5, 10)), (ml_dtypes.bfloat16, (8, 7))]
    + [(ml_dtypes.float8_e5m2, (5, 2))],
)
def test_formats_by_their_bits(chapter, kind, bits):
    info = ml_dtypes.finfo(kind)
    assert chapter["largest"](*bits) == float(info.max)
    assert chapter["smallest"](*bits) == float(info.smallest_subnormal)
    assert 2.0 ** -bits[1] == float(info.eps)


def test_what_passes_through_a_format(chapter):
    chapter["gradient"] = np.array([2.0**-26, -(2.0**-20), 1.0], "float32")
    np.testing.assert_array_equal(chapter["through"]("float16"), [0, -(2.0**-20), 1])
    np.testing.assert_array_equal(chapter["through"]("float16", 2.0**15), chapter["gradient"])


def test_recorded_gpu_steps_become_points(chapter):
    """The record's layout is that of benchmarks/gpu.py."""
    shape = {"vocabulary": 97, "units": 1024, "embedding": 24, "batch": 6, "words": 4}
    rows = {
        "a": {
            "shape": {**shape, "precision": "bfloat16"},
            "tokens_per_second": {"ours, jax": 3.0, "ours, torch": 5, "raw, float16": 7},
        },
        "b": {"shape": {**shape, "precision": "float32"}, "tokens_per_second": {"ours, jax": 9.0}},
        "c": {"shape": {**shape, "precision": "bfloat16"}, "tokens_per_second": {"raw": 1.0}},
    }
    cost = training.lstm_autoencoder_cost(97, 1024, 24, 1024, 6, 4)
    (point,) = chapter["gpu_steps"]({"results": rows})
    assert point == (cost.intensity, pytest.approx(cost.operations * 5 / (6 * 5)), 6)


def test_the_recorded_gpu_roofline_is_the_better_backend_s(chapter):
    one = {"bfloat16": {"operations_per_second": 4.0}, "copy": {"bytes_per_second": 2.0}}
    two = {"bfloat16": {"operations_per_second": 3.0}, "copy": {"bytes_per_second": 5.0}}
    cut = {"copy": {"bytes_per_second": 9.0}}  # a process that was ended before its products
    found = chapter["gpu_roofline"]({"results": {"jax": one, "torch": two, "cut": cut}})
    assert (found.operations_per_second, found.bytes_per_second) == (4.0, 5.0)
    assert not chapter["gpu_roofline"]({"results": {"cut": cut}})


SHAPE = {"vocabulary": 97, "units": 1024, "embedding": 24, "batch": 6, "words": 4}
FUSED = {
    "as it comes": {"seconds": 0.1, "path": "loop"},
    "unroll=True": {"seconds": 1, "path": None},
}
RECORDS = {
    "gpu_ceilings": {
        "devices": {"jax": "a GPU by jax"},
        "results": {
            "jax": {"copy": {"bytes_per_second": 2.0}, "bfloat16": {"operations_per_second": 4.0}}
        },
    },
    "gpu_lstm": {
        "devices": {"ours, jax": "a GPU by jax"},
        "results": {
            f"batch {batch}": {
                "shape": {**SHAPE, "precision": "bfloat16", "batch": batch},
                "tokens_per_second": {"ours, jax": 3.0 * batch, "raw, float16": 99.0},
            }
            for batch in (6, 60)
        },
    },
    "gpu_fused": {
        "devices": {"jax": "a GPU by jax", "torch": "a GPU by torch"},
        "shape": {"batch": 256, "words": 64, "inputs": 256, "units": 512},
        "results": {"jax": FUSED, "torch": {**FUSED, "torch.nn.LSTM": FUSED["as it comes"]}},
    },
}


@pytest.mark.parametrize("there", [RECORDS, {}, {**RECORDS, "gpu_lstm": None}])
def test_the_page_shows_what_is_recorded_of_a_gpu_and_says_what_is_not(chapter, there, capsys):
    """The cells that draw it, run with records laid out as benchmarks/gpu.py does."""
    names = ["record", "draw_roof", "draw_steps", "gpu_steps", "gpu_roofline"]
    given = definitions("12", *names, given=SIZES)
    shown = []
    given |= {"plotting": plotting, "np": np, "training": training, "record": there.get}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plotting, "show", lambda fig, caption, **about: shown.append(caption))
        for _, source in cells():
            if source.startswith(('peaks, recorded = record("gpu_', 'recorded = record("gpu_')):
                exec(source, given)
    said = capsys.readouterr().out
    assert ("The same on GPUs, for an LSTM of 512 units over 64 words" in " ".join(shown)) == bool(
        there
    )
    assert any("a GPU by jax" in caption for caption in shown) == (there is RECORDS)
    assert len(shown) + said.count("not measured") == 2


def test_a_missing_record_is_none_and_not_an_error(chapter):
    assert chapter["record"]("no such record") is None
    assert chapter["record"]("scaling") == data.load_record("scaling")


def test_medians_take_turns(chapter):
    calls = []
    found = chapter["medians"]({name: lambda n=name: calls.append(n) for name in "ab"}, rounds=3)
    assert "".join(calls) == "aabb" + 3 * "ab"
    assert list(found) == ["a", "b"]


def test_keras_averages_what_it_accumulates():
    """What the chapter says of ``gradient_accumulation_steps``: the plain mean of the pieces."""
    weight = keras.Variable(np.zeros(2, "float32"))
    rule = keras.optimizers.SGD(1.0, gradient_accumulation_steps=2)
    for gradient in ([1.0, 0.0], [3.0, 4.0]):
        rule.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), [-2, -2])
