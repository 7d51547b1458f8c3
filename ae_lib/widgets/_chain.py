"""A Keras decoder as plain numbers: what an explorer needs to run it in a browser."""

from dataclasses import dataclass

import numpy as np

# Activations by the name that the JavaScript knows, with the one number that may bend them.
ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "selu", "silu", "gelu", "tanh", "sigmoid")
_SUPPORTED = (
    "Dense, Activation, ReLU, LeakyReLU, ELU, Rescaling, Reshape, Flatten, Dropout and "
    f"InputLayer, with the activations {', '.join(ACTIVATIONS)}"
)
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
    kinds, kind = keras.layers, type(layer)  # a subclass may compute something else
    if kind is kinds.Dense:
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
    elif kind is kinds.Activation:
        _append_activation(keras, layer, layer.activation, steps)
    elif kind is kinds.LeakyReLU:
        steps.append(_act("leaky_relu", layer.negative_slope))
    elif kind is kinds.ELU:
        steps.append(_act("elu", layer.alpha))
    elif kind is kinds.ReLU and layer.max_value is None and not layer.threshold:
        steps.append(_act("leaky_relu", layer.negative_slope))
    elif kind is kinds.Rescaling and np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
        scale, offset = float(layer.scale), float(layer.offset)
        steps.append({"op": "scale", "scale": scale, "offset": offset})
    elif kind not in (kinds.InputLayer, kinds.Reshape, kinds.Flatten, kinds.Dropout):
        raise ValueError(
            f"decoder: layer {layer.name!r} ({kind.__name__}) is not supported; "
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


def _drawn(keras, chain, codes, rounded):
    """What the page draws for codes (n, 2): values (n, pixels) in [0, 1].

    With ``rounded`` of the weights as the page has them, in float16.
    """
    arrays, x = iter(chain.arrays), codes
    for step in chain.steps:
        if step["op"] == "dense":
            kernel, bias = next(arrays), next(arrays)
            if rounded:
                kernel, bias = (a.astype("<f2").astype("float32") for a in (kernel, bias))
            x = x @ kernel + bias
        elif step["op"] == "scale":
            x = x * step["scale"] + step["offset"]
        else:
            bend = {"leaky_relu": "negative_slope", "elu": "alpha"}.get(step["name"])
            options = {bend: step["alpha"]} if bend else {}
            x = keras.ops.convert_to_numpy(getattr(keras.activations, step["name"])(x, **options))
    return np.clip(x, 0, 1)


def _compare(keras, decoder, chain, sample):
    """Raise unless the model, the chain and its rounded weights draw the same images."""
    with np.errstate(over="ignore", invalid="ignore"):
        exact, rounded = (_drawn(keras, chain, sample, r) for r in (False, True))
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
            "decoder: it does not compute what its layers say (a model with its own call?); "
            f"supported are {_SUPPORTED}"
        )
