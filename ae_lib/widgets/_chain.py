"""A Keras decoder as plain numbers: what an explorer needs to run it in a browser."""

from dataclasses import dataclass

import numpy as np

# Activations by the name that the JavaScript knows, with the one number that may bend them.
ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "selu", "silu", "gelu", "tanh", "sigmoid")
_SUPPORTED = (
    "Dense, Activation, ReLU, LeakyReLU, ELU, Rescaling, Reshape, Flatten, Dropout and "
    f"InputLayer, with the activations {', '.join(ACTIVATIONS)}"
)
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_MAX_BYTES = 1_000_000
_GREY_LEVEL = 1 / 255


@dataclass(frozen=True)
class Chain:
    """A decoder as a list of steps and the arrays they use.

    Attributes:
        steps: dicts, each ``{"op": "dense", "in", "out"}``, ``{"op": "act", "name", "alpha"}``
            or ``{"op": "scale", "scale", "offset"}``, ready for JSON.
        arrays: float32, in the order of use: a kernel (in, out) and a bias (out,) for each
            dense step.
    """

    steps: list
    arrays: list

    @property
    def widths(self):
        """Sizes from the code to the image, such as ``[2, 64, 784]``."""
        dense = [step for step in self.steps if step["op"] == "dense"]
        return [dense[0]["in"], *(step["out"] for step in dense)]

    @property
    def float16(self):
        """The arrays' bytes in little-endian float16, one after another."""
        return b"".join(array.astype("<f2").tobytes() for array in self.arrays)

    def __call__(self, codes, *, rounded=False):
        """Decode codes (n, 2) to values (n, pixels), float32, with NumPy.

        Args:
            codes: (n, 2).
            rounded: use the weights as the page has them, in float16.
        """
        arrays = iter(self.arrays)
        x = np.asarray(codes, "float32")
        for step in self.steps:
            if step["op"] == "dense":
                kernel, bias = next(arrays), next(arrays)
                if rounded:
                    kernel, bias = kernel.astype("<f2"), bias.astype("<f2")
                x = x @ kernel.astype("float32") + bias.astype("float32")
            elif step["op"] == "scale":
                x = x * step["scale"] + step["offset"]
            else:
                x = _activate(step["name"], step["alpha"], x)
        return x.astype("float32")


def read_chain(decoder, pixels, sample):
    """Turn a decoder into a :class:`Chain`, and make sure that it computes the same.

    Args:
        decoder: a built Keras model that is one plain chain of supported layers, from a code
            of size 2 to ``pixels`` values.
        pixels: number of values it must return.
        sample: codes (n, 2) on which the chain is compared with the model.

    Raises:
        TypeError: not a Keras model.
        ValueError: not a chain, an unsupported layer or activation, wrong sizes, more than
            1 MB of weights, or values that float16 cannot hold within one grey level.
    """
    import keras

    if not isinstance(decoder, keras.Model):
        raise TypeError(f"decoder: expected a Keras model, got {type(decoder).__name__}")
    steps, arrays = [], []
    for layer in _layers(keras, decoder):
        _read_layer(keras, layer, steps, arrays)
    chain = Chain(steps, arrays)
    if not arrays:
        raise ValueError("decoder: expected at least one Dense layer, found none")
    if chain.widths[0] != 2:
        raise ValueError(
            f"decoder: expected codes of size 2, this decoder takes {chain.widths[0]}; "
            "train an autoencoder with a 2-dimensional code for the map"
        )
    if chain.widths[-1] != pixels:
        raise ValueError(
            f"shape: expected {chain.widths[-1]} pixels, as many as the decoder returns, "
            f"got {pixels}"
        )
    size = sum(array.size for array in arrays)
    if 2 * size > _MAX_BYTES:
        raise ValueError(
            f"decoder: expected at most {_MAX_BYTES // 2:,} parameters (1 MB in float16, "
            f"carried by the page), got {size:,}; use narrower layers"
        )
    _compare(keras, decoder, chain, sample)
    return chain


def _layers(keras, model):
    """The layers of a Sequential or of a Functional that is one chain, nested ones opened."""
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(
                f"decoder: {model.name!r} has no weights yet; call it once on a batch of codes, "
                "or begin it with keras.Input((2,))"
            )
        layers = list(model.layers)
    elif hasattr(model, "outputs") and getattr(model, "inputs", None):
        layers = _walk_back(keras, model)
    else:
        raise ValueError(
            f"decoder: {type(model).__name__} is a subclassed model, whose order of layers "
            "cannot be read; pass the Sequential or functional model inside it"
        )
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from _layers(keras, layer)
        else:
            yield layer


def _walk_back(keras, model):
    found = []
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"decoder: expected one input and one output, {model.name!r} has "
            f"{len(model.inputs)} and {len(model.outputs)}"
        )
    tensor = model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node_index, _ = tensor._keras_history
        if isinstance(layer, keras.layers.InputLayer):
            break
        inputs = layer._inbound_nodes[node_index].input_tensors
        if len(inputs) != 1:
            raise ValueError(
                f"decoder: expected a plain chain of layers, {layer.name!r} in {model.name!r} "
                f"joins {len(inputs)} of them"
            )
        found.append(layer)
        tensor = inputs[0]
    return found[::-1]


def _read_layer(keras, layer, steps, arrays):
    kinds = keras.layers
    if isinstance(layer, kinds.Dense):
        kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), "float32")
        if layer.bias is None:
            bias = np.zeros(kernel.shape[1], "float32")
        else:
            bias = np.asarray(keras.ops.convert_to_numpy(layer.bias), "float32")
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise ValueError(f"decoder: weights of {layer.name!r} are NaN or infinite")
        steps.append({"op": "dense", "in": kernel.shape[0], "out": kernel.shape[1]})
        arrays.extend([kernel, bias])
        _append_activation(keras, layer, layer.activation, steps)
    elif isinstance(layer, kinds.Activation):
        _append_activation(keras, layer, layer.activation, steps)
    elif isinstance(layer, kinds.LeakyReLU):
        steps.append(_act("leaky_relu", layer.negative_slope))
    elif isinstance(layer, kinds.ELU):
        steps.append(_act("elu", layer.alpha))
    elif isinstance(layer, kinds.ReLU) and layer.max_value is None and not layer.threshold:
        steps.append(_act("leaky_relu", layer.negative_slope))
    elif isinstance(layer, kinds.Rescaling) and np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
        scale, offset = float(layer.scale), float(layer.offset)
        steps.append({"op": "scale", "scale": scale, "offset": offset})
    elif not isinstance(layer, (kinds.InputLayer, kinds.Reshape, kinds.Flatten, kinds.Dropout)):
        raise ValueError(
            f"decoder: layer {layer.name!r} ({type(layer).__name__}) is not supported; "
            f"supported are {_SUPPORTED}"
        )


def _append_activation(keras, layer, function, steps):
    name = next((n for n in ACTIVATIONS if getattr(keras.activations, n) is function), None)
    if name is None:
        given = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"decoder: activation {given!r} of layer {layer.name!r} is not supported; "
            f"supported are {_SUPPORTED}"
        )
    if name != "linear":
        steps.append(_act(name, {"leaky_relu": 0.2, "elu": 1.0}.get(name, 0.0)))


def _act(name, alpha):
    return {"op": "act", "name": name, "alpha": float(alpha)}


def _activate(name, alpha, x):
    if name == "relu":
        return np.maximum(x, 0)
    if name == "leaky_relu":
        return np.where(x > 0, x, alpha * x)
    if name == "elu":
        return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    if name == "selu":
        return _SELU_SCALE * _activate("elu", _SELU_ALPHA, x)
    if name == "silu":
        return x * _activate("sigmoid", alpha, x)
    if name == "gelu":
        from math import erf

        return x * 0.5 * (1 + np.vectorize(erf, otypes="d")(x / np.sqrt(2)))
    if name == "tanh":
        return np.tanh(x)
    return 0.5 * (1 + np.tanh(x / 2))  # the sigmoid, without overflow


def _compare(keras, decoder, chain, sample):
    """Raise unless the model, the chain and its rounded weights draw the same images."""
    with np.errstate(over="ignore", invalid="ignore"):
        exact, rounded = (np.clip(chain(sample, rounded=r), 0, 1) for r in (False, True))
        loss = np.abs(exact - rounded).max()
    if not loss <= _GREY_LEVEL:
        raise ValueError(
            f"decoder: in float16, as the page carries them, its weights change a pixel by "
            f"{loss:.3f}, expected at most 1/255; very large weights? train with weight decay"
        )
    values = decoder(keras.ops.convert_to_tensor(sample, "float32"), training=False)
    model = np.asarray(keras.ops.convert_to_numpy(values), "float32").reshape(len(sample), -1)
    # Half precision on a GPU is allowed a few grey levels of its own.
    if not np.abs(np.clip(model, 0, 1) - exact).max() <= 5 * _GREY_LEVEL:
        raise ValueError(
            "decoder: it does not compute what its layers say (a layer with its own call?); "
            f"supported are {_SUPPORTED}"
        )
