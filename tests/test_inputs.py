"""No input gives a wrong result in silence: arrays, pictures, data for training, names, sizes.

Each kind of fault is a test with several of its members; a message is short, whatever came.
"""

import io
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import ml_dtypes
import numpy as np
import pytest

from ae_lib import _checks, claims, data, metrics, models, plotting, training
from ae_lib._display import anchor

X = np.random.default_rng(0).random((8, 6, 4), dtype="float32")
X[0, 0, :2] = 0, 1
HUGE = np.zeros((200, 6, 4)).tolist()  # 5,000 numbers as a list


def make():
    training.set_seed(1)
    model = models.dense_autoencoder((6, 4), 3, (8,))
    model.compile("adam", "mse")
    return model


MODEL = make()  # for what must not reach it


def refused(call, *words, error=(TypeError, ValueError)):
    """The message of ``call``'s error, which is short and has the words."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert len(message) < 400 and message.count("\n") < 4, message[:1000]
    for word in words:
        assert word in message, message
    return message


# -- advice that does harm ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "item", "order"),
    [
        ((4, 3, 28, 28), (28, 28, 3), (0, 2, 3, 1)),
        ((5, 30, 20), (20, 30), (0, 2, 1)),
        ((20, 30, 5), (20, 30), (2, 0, 1)),
        ((28, 28, 3, 4), (28, 28, 3), (3, 0, 1, 2)),
        ((3, 50), (3,), (1, 0)),
    ],
)
def test_axes_in_another_order_are_to_be_transposed(shape, item, order):
    x = np.zeros(shape)
    message = refused(lambda: _checks.as_batch(x, shape=item), f"np.transpose(x, {order})")
    assert "reshape" not in message
    assert np.transpose(x, order).shape[1:] == item


@pytest.mark.parametrize(
    ("shape", "item", "right"),
    [
        ((5, 24), (6, 4), True),
        ((5, 6, 4), (24,), True),
        ((5, 6, 4, 1), (6, 4), True),
        ((5, 1, 6, 4), (6, 4), True),
        ((5, 6, 4), (6, 4, 1), True),
        ((5, 8, 3), (6, 4), False),
        ((5, 2, 12), (6, 4), False),
        ((5, 7, 4), (6, 4), False),
    ],
)
def test_a_reshape_is_advised_only_where_it_is_right(shape, item, right):
    message = refused(lambda: _checks.as_batch(np.zeros(shape), shape=item))
    advice = f"reshape it: x.reshape(-1, {', '.join(map(str, item))})"
    assert (advice in message) is right
    assert right or "reshape" not in message


# -- values in another range -------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "words", "divide"),
    [
        (np.clip(X + 1e-7, 0, 1.0000002), ("1.0000001]", "np.clip(x, 0.0, 1.0)"), False),
        (X - 1e-6, ("if that is rounding: np.clip",), False),
        ((X * 255).astype("uint8"), ("divide by 255",), True),
        (X * 255, ("divide by 255",), True),
        (np.rint(X * 9), ("divide by 255",), True),  # dark, but in whole numbers
        (X * 1.5, (), False),
        (X * 2 - 1, (), False),
        (X * 65535, (), False),
    ],
)
def test_a_range_is_shown_exactly_and_the_advice_is_right(x, words, divide):
    for use in (MODEL.encode, MODEL.reconstruct, lambda x: training.fit(MODEL, x)):
        message = refused(lambda use=use: use(x), "expected values in [0.0, 1.0]", *words)
        assert ("255" in message) is divide


# -- float32 where it is not enough ------------------------------------------------------


def test_metrics_compute_in_float64():
    near = [[123456789, 1]], [[123456780, 1]]
    assert metrics.mse(*near) == 40.5
    assert metrics.per_item_mse([[1.7e9]], [[1.7e9 + 30]]) == [900]
    assert metrics.mse([[1e40]], [[2e40]]) == pytest.approx(1e80)
    assert metrics.psnr(*near, peak=1e9) == pytest.approx(10 * np.log10(1e18 / 40.5))
    assert metrics.roc([1 + 1e-12], [1 + 2e-12])[2] == 1
    assert metrics.bernoulli_nll([[1.0]], [[1 - 1e-12]], eps=1e-13) == pytest.approx(
        1e-12, rel=1e-3
    )
    angle = metrics.principal_angles([[1.0], [0.0]], [[1.0], [1e-9]])
    assert angle == pytest.approx(np.degrees(1e-9))


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.mse([[2**60 + 1]], [[2**60]]),
        lambda: metrics.mse([[1e300]], [[0.0]]),
        lambda: metrics.mse(np.ma.masked_less(X, 0.5), X),
        lambda: metrics.psnr(X, X / 2, peak=0),
        lambda: metrics.psnr(X, X / 2, peak=np.complex64(1 + 1j)),
        lambda: metrics.bernoulli_nll(X, X, eps=0),
        lambda: metrics.bernoulli_nll(X, X, eps=1e-17),
        lambda: metrics.bernoulli_nll(X, X, eps=0.7),
        lambda: training.cosine_schedule(10**400, 5),
    ],
)
def test_what_float64_cannot_hold_is_refused(call):
    refused(call)


# -- pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ((X * 255).astype("uint8"), "divide by 255"),
        (X * 255, "divide by 255"),
        (np.rint(X * 9), "divide by 255"),
        (X * 100, "outside [0.0, 1.0]"),
        (X - 3, "outside [0.0, 1.0]"),
        (np.zeros((8, 6, 4, 3)), "expected 3 axes"),
        (np.where(X > 0.5, np.nan, X), "NaN"),
        (X[:, :0], "empty"),
    ],
)
def test_pictures_that_would_be_lost_are_refused(images, words):
    refused(lambda: plotting.image_grid({"x": images}), words)


@pytest.mark.parametrize("images", [X, X * 1.2 - 0.1, (X > 0.5).astype("uint8"), X.tolist()])
def test_pictures_are_shown_as_they_are(images):
    fig = plotting.image_grid({"x": images})
    shown = fig.axes[0].images[0].get_array()
    assert np.nanmax(shown) == pytest.approx(np.max(images))
    plt.close(fig)


def test_pictures_to_255_are_shown_when_it_is_said():
    plt.close(plotting.image_grid({"x": (X * 255).astype("uint8")}, high=255))
    refused(lambda: plotting.image_grid(X), "rows: expected {label: images}")


# -- more than the palette holds ---------------------------------------------------------


def looks(count):
    fig, axis = plotting.figure()
    plotting.learning_curves(
        axis, {f"run {i}": {"loss": [2, 1], "val_loss": [3, 2]} for i in range(count)}
    )
    plt.close(fig)
    return [(li.get_color(), li.get_linestyle(), str(li.get_marker())) for li in axis.lines]


def test_every_run_is_drawn_and_none_looks_like_another():
    assert len(set(looks(25))) == 50
    assert {marker for _, _, marker in looks(10)} == {"None"}, "as before, up to ten"


@pytest.mark.parametrize(
    ("values", "scale"), [([2, 1], "log"), ([1, -1], "linear"), ([1, 0], "linear")]
)
@pytest.mark.parametrize("key", ["loss", "val_loss"])
def test_losses_that_a_logarithm_would_hide_get_a_linear_axis(values, scale, key):
    fig, axis = plotting.figure()
    plotting.learning_curves(axis, {"A": {"loss": [2, 1], key: values}})
    assert axis.get_yscale() == scale
    plt.close(fig)


@pytest.mark.parametrize("histories", [{}, {"loss": [1.0]}, {"A": {"loss": []}}, {"A": {}}, [1]])
def test_histories_that_are_none_are_named(histories):
    refused(lambda: plotting.learning_curves(None, histories), "histories: expected")


# -- names made from text ----------------------------------------------------------------

TITLES = re.findall(
    r"\S+",
    "误差 学习 损失曲线 误差很小 誤差 θ与σ ошибка ошибки الخطأ الخسارة त्रुटि 오차 🙂 🙃 १ २",
)


def test_names_are_distinct_in_every_script_and_latin_ones_as_ever():
    mixed = [f"MSE and loss curves of training {title}" for title in TITLES[:-4]]
    names = [anchor("fig", text, 6) for text in [*TITLES, *mixed]]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and " " not in name for name in names)
    assert anchor("fig", "误差", 6) == "fig-663c65c1"
    assert anchor("claim", "A field over σ² has length", 8) == "claim-a-field-over-has-length"
    assert anchor("claim", "Größe ist alles", 8) == "claim-gr-e-ist-alles"


# -- sizes -------------------------------------------------------------------------------

SIZES = {
    "encode": lambda n: MODEL.encode(X, batch_size=n),
    "decode": lambda n: MODEL.decode(np.zeros((2, 3)), batch_size=n),
    "reconstruct": lambda n: MODEL.reconstruct(X, batch_size=n),
    "epochs": lambda n: training.fit(MODEL, X, epochs=n),
    "fit": lambda n: training.fit(MODEL, X, batch_size=n),
    "steps": lambda n: training.cosine_schedule(0.1, n),
    "items": lambda n: training.steps_per_epoch(n, 1),
    "roofline": lambda n: training.measure_roofline(rounds=n),
    "columns": lambda n: plotting.montage(X, columns=n),
    "rows": lambda n: plotting.figure(n),
    "digits": lambda n: claims.format_measured(1.5, n),
    "code_size": lambda n: models.dense_autoencoder((6, 4), n),
    "filters": lambda n: models.conv_autoencoder(filters=(8, n)),
    "k": models.KSparse,
}


@pytest.mark.parametrize("use", SIZES)
@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3", HUGE, -(10**5000)], ids=range(7))
def test_every_size_has_one_message(use, n):
    refused(lambda: SIZES[use](n), ": expected a whole number of at least 1, got ")


def test_a_gap_may_be_nothing_but_not_less():
    assert plotting.montage(X, gap=0).shape == (6, 32)
    refused(lambda: plotting.montage(X, gap=-1), "gap: expected a whole number of at least 0")


# -- settings of Keras -------------------------------------------------------------------


@pytest.fixture
def settings():
    yield keras.config
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


BUILD = {
    "dense": lambda: models.dense_autoencoder((8, 8), 3, (8,)),
    "linear": lambda: models.linear_autoencoder((8, 8), 3),
    "sparse": lambda: models.dense_autoencoder((8, 8), 3, code_regularizer="l1"),
    "contractive": lambda: models.ContractiveAutoencoder((8, 8), 3),
    "transposed": lambda: models.conv_autoencoder((8, 8), 3, (4,)),
    "resize": lambda: models.conv_autoencoder((8, 8, 1), 3, (4,), upsampling="resize"),
    "subpixel": lambda: models.conv_autoencoder((8, 8), None, (4,), upsampling="subpixel"),
}


@pytest.mark.backend
@pytest.mark.parametrize("setting", ["mixed_bfloat16", "float64", "channels_first"])
@pytest.mark.parametrize("kind", BUILD)
def test_models_work_as_documented_whatever_keras_is_set_to(settings, setting, kind):
    training.set_seed(1)
    usual = BUILD[kind]()
    x = np.random.default_rng(1).random((4, *usual.item_shape), dtype="float32")
    if setting == "channels_first":
        settings.set_image_data_format(setting)
    elif setting == "float64":
        settings.set_floatx(setting)
    else:
        settings.set_dtype_policy(setting)
    model = BUILD[kind]()
    model.set_weights(usual.get_weights())
    codes, back = model.encode(x), model.reconstruct(x)
    assert (codes.dtype, back.dtype, model.decode(codes).dtype) == ("float32",) * 3
    near = {"atol": 0.1 if setting == "mixed_bfloat16" else 1e-5}
    np.testing.assert_allclose(back, usual.reconstruct(x), **near)
    if setting != "float64":
        model.compile("adam", "mse")
        assert len(training.fit(model, x, epochs=1, label="A")["loss"]) == 1


# -- what fit takes ----------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, X


Y = np.arange(8)
SPLIT = data.Split(X, Y)
EARLY = keras.callbacks.EarlyStopping("loss")


@pytest.mark.backend
@pytest.mark.parametrize(
    ("x", "options"),
    [
        (X.tolist(), {}),
        (list(X), {}),
        (keras.ops.convert_to_tensor(X), {"validation": list(X)}),
        (X, {"y": X.tolist(), "validation": (X, X)}),
        (X, {"callbacks": EARLY}),
        (X, {"callbacks": None}),
        (Batches(), {"validation": X}),
    ],
)
def test_fit_takes_what_holds_the_same_values(x, options):
    expected = training.fit(make(), X, epochs=2, batch_size=8)["loss"]
    assert training.fit(make(), x, epochs=2, batch_size=8, **options)["loss"] == expected


def torch_loader():
    from torch import from_numpy
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(from_numpy(X)))


def tf_dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, X)).batch(4)


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (SPLIT, {}, "x: expected an array, got a Split"),
        ((X, X), {}, "x: expected an array, got a tuple"),
        (X, {"y": Y}, "y: the targets of an autoencoder are like its inputs"),
        (X, {"y": X[:, :5]}, "y: the targets"),
        (X, {"validation": SPLIT}, "validation targets: the targets"),
        (X, {"validation": 0.2}, "validation: expected held-out inputs, got 0.2"),
        (X, {"validation": (X, X, Y)}, "validation: expected a pair (inputs, targets), got 3"),
        (X, {"validation": Batches()}, "validation inputs: expected an array"),
        (X, {"validation": [X, X]}, "validation inputs: expected shape"),
        (X, {"callbacks": "EarlyStopping"}, "callbacks: expected Keras callbacks"),
        (X, {"callbacks": keras.callbacks.EarlyStopping}, "callbacks: expected"),
        (X, {"callbacks": [EARLY, print]}, "callbacks: expected"),
        (Batches(), {"y": X}, "y: x is a PyDataset"),
        (tf_dataset, {}, "or a keras.utils.PyDataset, got "),
        (torch_loader, {}, "or a keras.utils.PyDataset, got DataLoader"),
        (lambda: torch_loader().dataset, {}, "got TensorDataset"),
        (lambda: (batch for batch in X), {}, "got generator"),
        (lambda: {"images": X}, {}, "got dict"),
        ([X[0], X[1, :3]], {}, "got list whose items differ in shape"),
        (None, {}, "got NoneType"),
        ([HUGE], {}, "expected shape"),
        ([[str(HUGE)]], {}, "got dtype"),
    ],
)
def test_fit_refuses_the_rest_by_name(x, options, words):
    refused(lambda: training.fit(MODEL, x() if callable(x) else x, **options), words)


def test_fit_takes_what_is_like_the_training_data_of_any_model():
    line = keras.Sequential([keras.Input((6, 4)), keras.layers.Flatten(), keras.layers.Dense(1)])
    line.compile("adam", "mse")
    y = X.sum((1, 2))[:, None]
    assert set(training.fit(line, X, y, validation=data.Split(X, y), epochs=1)) == {
        "loss",
        "val_loss",
    }
    refused(lambda: training.fit(line, X, y, validation=X), "validation targets: shape (8, 6, 4)")
    refused(lambda: training.fit(X, line), "model: expected a compiled keras.Model, got ndarray")


# -- arrays of other libraries -----------------------------------------------------------


@pytest.mark.backend
def test_arrays_of_every_kind_are_read():
    import torch

    tensor = torch.tensor(X, requires_grad=True)
    same = [X.tolist(), list(X), tensor, keras.ops.convert_to_tensor(X), X.astype("longdouble")]
    for x in same:
        np.testing.assert_array_equal(MODEL.encode(x), MODEL.encode(X))
    for half in (tensor.bfloat16(), tensor.half(), X.astype(ml_dtypes.bfloat16)):
        assert metrics.mse(half, X) < 1e-5


@pytest.mark.parametrize(
    "x", [SPLIT, {"a": X}, {1, 2}, iter(X), "text", [X, None], io.BytesIO(), np.zeros(3, "V8")]
)
def test_what_is_no_array_is_named(x):
    for use in (MODEL.encode, lambda x: metrics.mse(x, x), lambda x: plotting.montage(x)):
        refused(lambda use=use: use(x), "expected an array of numbers, got ", error=TypeError)


# -- messages are short, whatever came -----------------------------------------------------


class Silent:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("value", [HUGE, "x" * 10**6, {"a": HUGE}, np.zeros((300, 300)), Silent()])
@pytest.mark.parametrize(
    "call",
    [
        lambda v: models.dense_autoencoder(hidden=v if isinstance(v, str) else (v,)),
        lambda v: models.conv_autoencoder(upsampling=str(type(v)) + "x" * 10**6),
        lambda v: models.ContractiveAutoencoder(weight=v),
        lambda v: training.cosine_schedule(v, 10),
        lambda v: training.preset({}, {str(i): v for i in range(10**4)}),
        lambda v: training.fit(v, X),
        lambda v: training.fit(MODEL, X, callbacks=[v]),
        lambda v: metrics.psnr(X, X, peak=v),
        lambda v: claims.claim("text", 1, v),
        lambda v: claims.claim("text", [0.5] * 10**5, False),
        lambda v: claims.format_measured(SimpleNamespace(value=v)),
        lambda v: claims.glue("name", SimpleNamespace(value=v), "x" * 10**6),
        lambda v: plotting.show(None, v if not isinstance(v, str) else "", alt="alt"),
        lambda v: plotting.show(None, "caption", alt="alt", name="x " * 10**6),
        lambda v: plotting.image_grid({str(i): X[: i % 3] for i in range(10**4)}),
    ],
)
def test_no_message_is_long(call, value):
    refused(lambda: call(value), error=(TypeError, ValueError, AssertionError))


# -- no device -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["models.dense_autoencoder()", "training.has_gpu()"])
def test_a_device_that_jax_has_not_is_named(call):
    code = f"import ae_lib; ae_lib.{call}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "tpu"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: JAX finds no device to compute on: JAX_PLATFORMS=tpu.")
