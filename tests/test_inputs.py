"""No input gives a wrong result in silence: arrays, pictures, data for training, names, sizes.

Each kind of fault is a test with several of its members; a message is short, whatever came.
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import ml_dtypes
import numpy as np
import pytest

from ae_lib import _checks, claims, data, metrics, models, plotting, training

X = np.random.default_rng(0).random((8, 6, 4), dtype="float32")
X[0, 0, :2] = 0, 1
BYTES, DARK = (X * 255).astype("uint8"), np.rint(X * 9)  # dark, but in whole numbers
SPLIT = data.Split(X, np.arange(8))
EARLY = keras.callbacks.EarlyStopping("loss")
HUGE = np.zeros((200, 6, 4)).tolist()


def make():
    training.set_seed(1)
    model = models.dense_autoencoder((6, 4), 3, (8,))
    model.compile("adam", "mse")
    return model


MODEL = make()  # for what must not reach it


def fit(x=X, model=MODEL, **options):
    return training.fit(model, x, **{"epochs": 2, "batch_size": 8, **options})["loss"]


def refused(call, *words, error=(TypeError, ValueError, AssertionError)):
    """The message of ``call``'s error, which is short and has the words."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert len(message) < 400 and message.count("\n") < 4, message[:1000]
    assert all(word in message for word in words), message
    return message


class Batches(keras.utils.PyDataset):
    x = X

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.x, self.x


class Bytes(Batches):
    x = BYTES


class Silent:
    def __repr__(self):
        raise RuntimeError


def torch_loader():
    from torch import from_numpy
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(from_numpy(X)))


def tf_dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, X)).batch(4)


SHAPES = [
    ((4, 3, 28, 28), (28, 28, 3), "np.transpose(x, (0, 2, 3, 1))"),
    ((5, 30, 20), (20, 30), "np.transpose(x, (0, 2, 1))"),
    ((20, 30, 5), (20, 30), "np.transpose(x, (2, 0, 1))"),
    ((3, 50), (3,), "np.transpose(x, (1, 0))"),
    ((5, 24), (6, 4), "x.reshape(-1, 6, 4)"),
    ((5, 6, 4), (24,), "x.reshape(-1, 24)"),
    ((5, 6, 4, 1), (6, 4), "x.reshape(-1, 6, 4)"),
    ((5, 6, 4), (6, 4, 1), "x.reshape(-1, 6, 4, 1)"),
    ((5, 2, 12), (6, 4), ""),
    ((5, 7, 4), (6, 4), ""),
]


@pytest.mark.parametrize(("shape", "item", "advice"), SHAPES)
def test_axes_are_to_be_transposed_and_reshaped_only_where_it_is_right(shape, item, advice):
    x = np.zeros(shape)
    message = refused(lambda: _checks.as_batch(x, shape=item), advice)
    assert [w in message for w in ("pose", "shape it")] == [w in advice for w in ("pose", "(-1")]
    assert not advice or eval(advice).shape[1:] == item


@pytest.mark.parametrize(
    ("x", "advice"),
    [
        (np.clip(X + 1e-7, 0, 1.0000002), "1.0000001]; if that is rounding: np.clip(x, 0.0, 1.0)"),
        (X - 1e-6, "; if that is rounding"),
        *((x, "; divide by 255") for x in (BYTES, X * 255, DARK)),
        *((x, "") for x in (X * 1.5, X * 2 - 1, X * 65535)),
    ],
)
def test_a_range_is_shown_exactly_and_the_advice_is_right(x, advice):
    for use in (MODEL.encode, MODEL.reconstruct, fit):
        message = refused(lambda use=use: use(x), "expected values in [0.0, 1.0]", advice)
        assert advice or message.endswith("]")


def test_metrics_compute_in_float64():
    near = [[123456789, 1]], [[123456780, 1]]
    assert metrics.mse(*near) == 40.5
    assert metrics.per_item_mse([[1.7e9]], [[1.7e9 + 30]]) == [900]
    assert metrics.mse([[1e40]], [[2e40]]) == pytest.approx(1e80)
    assert metrics.psnr(*near) == pytest.approx(-10 * np.log10(40.5))
    assert metrics.roc([1 + 1e-12], [1 + 2e-12])[2] == 1
    nats = metrics.bernoulli_nll([[1.0]], [[1 - 2e-7]])
    assert nats == pytest.approx(2e-7, rel=1e-6)


def drawn(histories):
    fig, axis = plotting.figure()
    plotting.learning_curves(axis, histories)
    plt.close(fig)
    looks = [(li.get_color(), li.get_linestyle(), str(li.get_marker())) for li in axis.lines]
    return axis.get_yscale(), looks


def test_every_run_is_drawn_and_none_looks_like_another():
    runs = {f"run {i}": {"loss": [2, 1], "val_loss": [3, 2]} for i in range(25)}
    assert len(set(drawn(runs)[1])) == 50
    assert {look[2] for look in drawn(dict(list(runs.items())[:10]))[1]} == {"None"}
    assert drawn(runs)[0] == "log"
    for low in ({"loss": [1, -1]}, {"loss": [1], "val_loss": [0]}):
        assert drawn(runs | {"A": low})[0] == "linear"


@pytest.mark.parametrize("images", [X, X * 9 - 4, (X > 0.5).astype("uint8"), X.tolist(), BYTES])
def test_pictures_are_shown_as_they_are(images):
    fig = plotting.image_grid({"x": images}, high=255 if images is BYTES else 1)
    assert np.nanmax(fig.axes[0].images[0].get_array()) == pytest.approx(np.max(images))
    plt.close(fig)


SIZES = {
    "encode": lambda n: MODEL.encode(X, batch_size=n),
    "decode": lambda n: MODEL.decode(np.zeros((2, 3)), batch_size=n),
    "reconstruct": lambda n: MODEL.reconstruct(X, batch_size=n),
    "epochs": lambda n: fit(epochs=n),
    "steps": lambda n: training.cosine_schedule(0.1, n),
    "items": lambda n: training.steps_per_epoch(n, 1),
    "roofline": lambda n: training.measure_roofline(rounds=n),
    "columns": lambda n: plotting.figure(columns=n),
    "digits": lambda n: claims.format_measured(1.5, n),
    "code_size": lambda n: models.dense_autoencoder((6, 4), n),
    "filters": lambda n: models.conv_autoencoder(filters=(8, n)),
    "k": models.KSparse,
}


@pytest.mark.parametrize("use", SIZES)
@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3", HUGE, -(10**5000)], ids=range(7))
def test_every_size_has_one_message(use, n):
    refused(lambda: SIZES[use](n), ": expected a whole number of at least 1, got ")


BUILD = {
    "dense": lambda: models.dense_autoencoder((8, 8), 3, (8,)),
    "contractive": lambda: models.ContractiveAutoencoder((8, 8), 3),
    "convolutional": lambda: models.conv_autoencoder((8, 8), 3, (4,)),
    "without a dense layer": lambda: models.conv_autoencoder((8, 8, 1), None, (4,)),
}
SETTINGS = [
    ("dtype_policy", "mixed_bfloat16"),
    ("floatx", "float64"),
    ("image_data_format", "channels_first"),
]


@pytest.mark.backend
@pytest.mark.parametrize(
    ("setting", "value", "kind"),
    [
        (*setting, kind)
        for setting in SETTINGS
        for kind in BUILD
        if setting[0] != "image_data_format" or kind not in ("dense", "contractive")
    ],
)
def test_models_work_as_documented_whatever_keras_is_set_to(setting, value, kind):
    training.set_seed(1)
    usual = BUILD[kind]()
    x = np.random.default_rng(1).random((4, *usual.item_shape), dtype="float32")
    before, change = getattr(keras.config, setting)(), getattr(keras.config, f"set_{setting}")
    change(value)
    try:
        model = BUILD[kind]()
        model.set_weights(usual.get_weights())
        codes, back = model.encode(x), model.reconstruct(x)
        assert (codes.dtype, back.dtype, model.decode(codes).dtype) == ("float32",) * 3
        near = 0.1 if setting == "dtype_policy" else 1e-5
        np.testing.assert_allclose(back, usual.reconstruct(x), atol=near)
        if setting != "floatx":
            model.compile("adam", "mse")
            assert len(fit(x, model)) == 2
    finally:
        change(before)


@pytest.fixture(scope="module")
def usual_losses():
    return fit(X, make())


@pytest.mark.backend
@pytest.mark.parametrize(
    ("x", "options"),
    [
        (X.tolist(), {}),
        (list(X), {}),
        (keras.ops.convert_to_tensor(X), {"validation": list(X)}),
        (X, {"y": X.tolist(), "validation": (X, X), "callbacks": EARLY}),
        (Batches(), {"validation": X, "callbacks": None}),
    ],
)
def test_fit_takes_what_holds_the_same_values(x, options, usual_losses):
    assert fit(x, make(), **options) == pytest.approx(usual_losses)


@pytest.mark.backend
def test_arrays_of_every_kind_are_read():
    import torch

    tensor = torch.tensor(X, requires_grad=True)
    for x in [X.tolist(), list(X), tensor, keras.ops.convert_to_tensor(X), X.astype("float64")]:
        np.testing.assert_array_equal(MODEL.encode(x), MODEL.encode(X))
    for half in (tensor.bfloat16(), tensor.half(), X.astype(ml_dtypes.bfloat16)):
        assert metrics.mse(half, X) < 1e-5


LINE = keras.Sequential([keras.Input((6, 4)), keras.layers.Flatten(), keras.layers.Dense(1)])
SUM = X.sum((1, 2))[:, None]
REFUSED = [
    (lambda: fit(SPLIT), "x: expected an array, got a Split"),
    (lambda: fit(y=SPLIT.y), "y: the targets of an autoencoder are like its inputs"),
    (lambda: fit(validation=SPLIT), "validation targets: the targets"),
    (lambda: fit(validation=0.2), "validation: expected held-out inputs, got 0.2"),
    (lambda: fit(validation=(X, X, X)), "validation: expected a pair (inputs, targets), got 3"),
    (lambda: fit(validation=Batches()), "validation inputs: expected an array"),
    (lambda: fit(validation=[X, X]), "validation inputs: expected shape"),
    (lambda: fit(X, LINE, y=SUM, validation=X), "validation targets: shape (8, 6, 4)"),
    (lambda: fit(LINE, X), "model: expected a compiled keras.Model, got ndarray"),
    (lambda: fit(callbacks="EarlyStopping"), "callbacks: expected Keras callbacks"),
    (lambda: fit(callbacks=keras.callbacks.EarlyStopping), "callbacks: expected"),
    (lambda: fit(callbacks=[EARLY, print]), "callbacks: expected"),
    (lambda: fit(Batches(), y=X), "y: x is a PyDataset"),
    (lambda: fit(Bytes()), "x[0]: expected values in [0.0, 1.0], got"),
    (lambda: fit(tf_dataset()), "or a keras.utils.PyDataset, got "),
    (lambda: fit(torch_loader()), "or a keras.utils.PyDataset, got DataLoader"),
    (lambda: fit(torch_loader().dataset), "got TensorDataset"),
    (lambda: fit([[str(HUGE)]]), "got dtype"),
    (lambda: metrics.mse([[2**60 + 1]], [[2**60]]), "x: whole numbers above 2**53"),
    (lambda: metrics.mse([[1e300]], [[0.0]]), "too large for float64"),
    (lambda: metrics.mse(np.ma.masked_less(X, 0.5), X), "x: masked values"),
    (lambda: training.cosine_schedule(0, 5), "peak: expected"),
    (lambda: training.cosine_schedule(np.complex64(1 + 1j), 5), "peak: expected"),
    (lambda: training.cosine_schedule(10**400, 5), "peak: expected"),
    (lambda: plotting.image_grid({"x": BYTES}), "rows['x']: up to 255; divide"),
    (lambda: plotting.image_grid({"x": X * 255}), "divide by 255"),
    (lambda: plotting.image_grid({"x": np.zeros((8, 6, 4, 3))}), "expected 3 axes"),
    (lambda: plotting.image_grid(X), "rows: expected {label: images}"),
    (
        lambda: plotting.image_grid({str(i): X[: 1 + i % 3] for i in range(10**4)}),
        "rows: expected",
    ),
    (lambda: plotting.show(None, "caption", alt="alt", name="x " * 10**6), "name: expected"),
    *((lambda h=h: drawn(h), "histories: expected") for h in ({}, {"loss": [1]}, {"A": {}}, [1])),
    (lambda: claims.claim("text", [0.5] * 10**5, False), "Not so in this run: text"),
    (lambda: claims.glue("name", HUGE, "x" * 10**6), "name: "),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_cannot_be_right_is_refused_by_name(call, words):
    refused(call, words)


ODD = [SPLIT, {"a": X}, {1, 2}, iter(X), "text", [X, None], [X[0], X[0, :3]], np.zeros(3, "V8")]


@pytest.mark.parametrize("x", ODD)
@pytest.mark.parametrize(
    "use", [MODEL.encode, lambda x: metrics.mse(x, x), lambda x: plotting.image_grid({"a": x})]
)
def test_what_is_no_array_is_named(use, x):
    refused(lambda: use(x), "expected an array of numbers, got ", error=TypeError)


@pytest.mark.parametrize("value", [[HUGE], {"a": HUGE}, np.zeros((300, 300)), Silent()])
def test_no_message_is_long(value):
    refused(lambda: models.dense_autoencoder(hidden=(value,)))
    refused(lambda: models.ContractiveAutoencoder(weight=value))
    refused(lambda: training.preset({}, {str(i): value for i in range(10**4)}))
    refused(lambda: fit(callbacks=[value]))
    refused(lambda: training.cosine_schedule(value, 5))
    refused(lambda: claims.claim("text", 1, value))
    refused(lambda: claims.format_measured(SimpleNamespace(value=value)))
    refused(lambda: plotting.show(None, value, alt="alt"))


@pytest.mark.parametrize(
    ("platform", "call"), [("cuda", "models.dense_autoencoder()"), ("tpu", "training.has_gpu()")]
)
def test_a_device_that_jax_has_not_is_named(platform, call):
    more = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": platform, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", f"import ae_lib; ae_lib.{call}"]
    run = subprocess.run(command, env=os.environ | more, capture_output=True, text=True)
    words = f"RuntimeError: JAX finds no device to compute on: JAX_PLATFORMS={platform}."
    assert run.stderr.strip().splitlines()[-1].startswith(words)
