"""The latent map in Python: what it refuses, what it emits."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import traitlets

from ae_lib import plotting
from ae_lib.widgets import LatentMap
from ae_lib.widgets._static import classic_script, payload_text
from tests.serving import assert_serves

NAMES = ["coat", "bag", "boot"]
SHAPE = (6, 5)
rng = np.random.default_rng(0)
CODES = rng.normal(0, 2, (60, 2)).astype("float32")
LABELS = np.arange(60) % 3


def dense_decoder(activation="elu", *, widths=(8, 16), final="sigmoid", size=2, shape=SHAPE):
    keras.utils.set_random_seed(7)
    dense = [keras.layers.Dense(w, activation, bias_initializer="normal") for w in widths]
    return keras.Sequential(
        [
            keras.Input((size,)),
            *dense,
            keras.layers.Dense(shape[0] * shape[1], final, bias_initializer="normal"),
            keras.layers.Reshape(shape),
        ]
    )


def explorer(decoder=None, codes=CODES, labels=LABELS, names=NAMES, **options):
    options.setdefault("shape", SHAPE)
    return LatentMap(decoder or dense_decoder(), codes, labels, names, **options)


# ---- what is refused, and how it is said ----


def poisoned(array, value=np.nan):
    array = np.array(array)
    array[3] = value
    return array


REFUSED = {
    "codes of size 3": ({"codes": np.zeros((60, 3))}, "codes: expected shape"),
    "codes one row": ({"codes": np.zeros(2)}, "codes: expected shape"),
    "codes empty": ({"codes": np.zeros((0, 2))}, "codes: empty"),
    "codes NaN": ({"codes": poisoned(CODES)}, "codes: 2 of 120 values are NaN"),
    "codes words": ({"codes": [["a", "b"]]}, "codes: expected an array of numbers"),
    "codes too many": ({"codes": np.zeros((20_001, 2))}, "codes: expected at most 20,000"),
    "labels short": ({"labels": LABELS[:5]}, r"labels: expected shape \(60,\)"),
    "labels one-hot": ({"labels": np.eye(3)[LABELS]}, "labels.argmax"),
    "labels fractions": ({"labels": LABELS / 2}, "labels: expected whole numbers"),
    "labels too high": ({"labels": LABELS + 1}, "labels: expected 0 to 2"),
    "labels negative": ({"labels": LABELS - 1}, "labels: expected 0 to 2"),
    "names a string": ({"names": "abc"}, "class_names: expected a list"),
    "names twice": ({"names": ["a", "a", "b"]}, "class_names: expected at most 10 different"),
    "names eleven": ({"names": list("abcdefghijk")}, "class_names: expected at most 10"),
    "names none": ({"names": []}, "class_names: expected a list"),
    "names missing": ({"names": None}, "class_names: expected a list"),
    "shape a number": ({"shape": 30}, "shape: expected"),
    "shape other": ({"shape": (28, 28)}, "shape: expected 30 pixels"),
    "shape zero": ({"shape": (0, 5)}, "shape: expected a whole number of at least 1"),
    "name odd": ({"name": 'a"b'}, "name: expected lower-case"),
    "start long": ({"start": [0, 0, 0]}, "start: expected two finite"),
    "start infinite": ({"start": [0, np.inf]}, "start: expected two finite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_wrong_arguments(case):
    arguments, message = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=message):
        explorer(**arguments)


def joined():
    code = keras.Input((2,))
    hidden = keras.layers.Dense(30)(code)
    return keras.Model(code, keras.layers.Add()([hidden, hidden]))


class Subclassed(keras.Model):
    def call(self, x):
        return x


class Doubling(keras.layers.Dense):
    def call(self, x):
        return 2 * super().call(x)


class Doubled(keras.Sequential):
    def call(self, x, **options):
        return 2 * super().call(x, **options)


def sequence(*layers):
    return keras.Sequential([keras.Input((2,)), *layers])


def huge_weights():
    decoder = dense_decoder(widths=(4,), final="linear")
    decoder.layers[0].set_weights([np.full((2, 4), 1e5), np.zeros(4)])
    return decoder


DECODERS = {
    "not a model": (lambda: "decoder.keras", TypeError, "expected a Keras model, got str"),
    "code of size 3": (lambda: dense_decoder(size=3), ValueError, "codes of size 2, .* takes 3"),
    "not built": (
        lambda: keras.Sequential([keras.layers.Dense(30)]), ValueError, "has no weights yet"
    ),
    "subclassed": (Subclassed, ValueError, "subclassed model"),
    "branches": (joined, ValueError, "plain chain"),
    "too large": (
        lambda: dense_decoder(widths=(700, 700)), ValueError, "at most 500,000 parameters"
    ),
    "no weights": (lambda: sequence(keras.layers.Flatten()), ValueError, "at least one Dense"),
    "layer": (
        lambda: sequence(keras.layers.LayerNormalization(name="norm"), keras.layers.Dense(30)),
        ValueError, r"layer 'norm' \(LayerNormalization\) is not supported; supported are Dense",
    ),
    "activation": (
        lambda: sequence(keras.layers.Dense(30, "softmax")), ValueError, "activation 'softmax'"
    ),
    "a layer's own call": (
        lambda: sequence(Doubling(30)), ValueError, r"\(Doubling\) is not supported"
    ),
    "a model's own call": (
        lambda: Doubled([keras.Input((2,)), *dense_decoder().layers]),
        ValueError, "does not compute what its layers",
    ),
    "beyond float16": (huge_weights, ValueError, "in float16"),
}  # fmt: skip


@pytest.mark.parametrize("case", DECODERS)
def test_refuses_decoders_it_cannot_run(case):
    make, error, message = DECODERS[case]
    with pytest.raises(error, match=message):
        explorer(make())


def test_refuses_weights_that_are_nan():
    decoder = dense_decoder()
    weights = decoder.get_weights()
    weights[0][0, 0] = np.nan
    decoder.set_weights(weights)
    with pytest.raises(ValueError, match="weights of .* are NaN"):
        explorer(decoder)


# ---- what it emits ----


def test_it_serves_a_notebook_and_a_page_and_asks_nobody():
    widget = assert_serves(explorer)
    assert repr(widget) == "<LatentMap 'latent-map': 60 codes in 3 classes, decoder 2-8-16-30>"
    assert explorer(name="another").html() != widget.html()


def test_payload_is_small_and_cannot_leave_its_element():
    widget = explorer(names=["</script><b>", "bag", "boot"])
    payload = json.loads(widget.payload)
    assert payload["classes"][0] == "</script><b>"
    assert payload["colours"] == list(plotting.PALETTE[:3])
    assert "<" not in widget.payload
    assert payload_text({"a": "<!--"}) == '{"a":"\\u003c!--"}'
    usual = dense_decoder(widths=(64, 128, 256), shape=(28, 28))
    big = explorer(usual, CODES.repeat(30, 0), LABELS.repeat(30), shape=(28, 28))
    assert len(big.html()) < 700_000


def test_classic_script_refuses_what_would_break_the_page():
    with pytest.raises(ValueError, match="export default"):
        classic_script("const a = 1;")
    with pytest.raises(ValueError, match="cannot stand"):
        classic_script("// </script>\nexport default { render };")


def test_code_is_synchronised_and_checked():
    widget = explorer(start=[0.5, 1])
    assert widget.code == [0.5, 1.0]
    assert json.loads(widget.payload)["start"] == [0.5, 1.0]
    seen = []
    widget.observe(lambda change: seen.append(change.new), "code")
    widget.code = [0, 1]
    widget.set_state({"code": [2.0, -1.5]})  # as the browser does
    assert seen == [[0.0, 1.0], [2.0, -1.5]]
    for wrong in ([1.0], [1.0, 2.0, 3.0], [np.nan, 0.0], "ab"):
        with pytest.raises(traitlets.TraitError):
            widget.code = wrong
    assert widget.code == [2.0, -1.5]
    assert {"code", "payload", "_esm"} <= set(widget.get_state())


def test_starts_on_a_code_of_the_first_class():
    widget = explorer()
    assert any(np.allclose(widget.code, code) for code in CODES[LABELS == 0])


def test_import_is_light():
    script = (
        "import sys, ae_lib.widgets; "
        "heavy = {'keras', 'tensorflow', 'torch', 'jax', 'anywidget', 'ipywidgets', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules))); "
        "import ae_lib.widgets.latent_map, ae_lib.widgets.next_words, "
        "ae_lib.widgets.sentence_path, ae_lib.widgets.denoising_field, ae_lib.widgets.tokenisers; "
        "print(sorted({'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "[]"]


def test_unknown_explorer_is_named():
    import ae_lib.widgets

    with pytest.raises(AttributeError, match="no 'LatentMup'; it has LatentMap"):
        _ = ae_lib.widgets.LatentMup
    assert "LatentMap" in dir(ae_lib.widgets)
