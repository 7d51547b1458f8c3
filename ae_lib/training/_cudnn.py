"""Which kernel runs an LSTM or GRU layer: cuDNN's fused one, or Keras's loop over the steps.

The rules are those of Keras 3.13 to 3.15 (``layers/rnn/lstm.py``, ``gru.py`` and each backend's
``rnn.py``). Keras itself answers only on a machine with a GPU: there a layer with
``use_cudnn=True`` raises ValueError instead of falling back. cuDNN: Chetlur et al. (2014); its
recurrent kernels: Appleyard, Kočiský & Blunsom (2016).
"""

import sys
import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CudnnEligibility:
    """What ``cudnn_eligibility`` found.

    ``layer``: the layer and the backend, in words.
    ``path``: what runs on a GPU: "cuDNN", "loop" (of the backend, a step at a time), or
    "unrolled" (the steps written out).
    ``reasons``: why not cuDNN, each with what to do; empty if fused.
    """

    layer: str
    path: str
    reasons: tuple = ()

    @property
    def fused(self):
        """Whether layer and inputs qualify for cuDNN's kernel, on a machine with a GPU."""
        return not self.reasons

    def __str__(self):
        if self.fused:
            return f"{self.layer}: takes cuDNN's fused kernel on a GPU."
        head = f"{self.layer}: does not take cuDNN's fused kernel; path: {self.path}."
        return "\n- ".join([head, *self.reasons])


def cudnn_eligibility(layer, inputs, mask=None):
    """Say whether Keras will run a layer with cuDNN's fused kernel, and if not, why not.

    Nothing is run: the answer follows from the settings, the mask's values and Keras's rules
    for the backend in use, and is the same with and without a GPU. It does not hold inside a
    ``tf.function`` of your own with ``jit_compile=True``: XLA stops at cuDNN's kernel.

    Args:
        layer: ``keras.layers.LSTM`` or ``GRU``, or ``Bidirectional`` around one.
        inputs: example inputs (batch, time, features), or their shape as a tuple, None being
            any size.
        mask: example mask (batch, time), True where there is a word; None: the mask that
            ``Embedding(mask_zero=True)`` or ``Masking`` left on ``inputs``, if one did.
            The verdict holds for batches whose masks are like this one.

    Returns:
        ``CudnnEligibility``.

    Raises:
        TypeError: another layer.
        ValueError: inputs of other than three axes, a mask of another shape or without values.

    Example:
        >>> import keras
        >>> lstm = keras.layers.LSTM(64, recurrent_dropout=0.2)
        >>> cudnn_eligibility(lstm, (32, 20, 128)).fused
        False
    """
    import keras

    version = tuple(int(number) for number in keras.__version__.split(".")[:2])
    if not (3, 13) <= version <= (3, 15):
        warnings.warn(
            f"cudnn_eligibility: the rules are those of Keras 3.13 to 3.15; this is "
            f"{keras.__version__}, which may have others",
            stacklevel=2,
        )
    backend, both = keras.backend.backend(), isinstance(layer, keras.layers.Bidirectional)
    parts = [layer.forward_layer, layer.backward_layer] if both else [layer]
    if other := [p for p in parts if not isinstance(p, (keras.layers.LSTM, keras.layers.GRU))]:
        raise TypeError(
            "layer: expected a keras.layers.LSTM, GRU or Bidirectional around one, got "
            f"{type(other[0]).__name__}; other layers have no fused kernel"
        )
    mask = _mask(inputs, mask)
    # In 3.14 JAX's LSTM and both of PyTorch's got the kernel, for inputs without a mask.
    reasons = []
    for part in parts:
        kind = "GRU" if isinstance(part, keras.layers.GRU) else "LSTM"
        late = version >= (3, 14) and (backend, kind) != ("jax", "GRU")
        if backend == "tensorflow" or late:
            reasons += _of_mask(mask, backend)
        else:
            reasons.append(
                f"Keras {keras.__version__} on {backend} has no fused {kind} that works; use "
                "Keras on TensorFlow, or torch.nn"
            )
        reasons += _of_settings(part, backend)
    path = "unrolled" if any(part.unroll for part in parts) else "loop"
    name = f"{type(layer).__name__} {layer.name!r} on {backend}"
    return CudnnEligibility(name, path if reasons else "cuDNN", tuple(dict.fromkeys(reasons)))


def _mask(inputs, mask):
    """The mask's values as bool (batch, time), or None."""
    import keras

    shape = inputs if isinstance(inputs, tuple) else getattr(inputs, "shape", None)
    if shape is None or len(shape) != 3:
        got = type(inputs).__name__ if shape is None else tuple(shape)
        raise ValueError(f"inputs: expected an array (batch, time, features), got {got}")
    mask = getattr(inputs, "_keras_mask", None) if mask is None else mask
    if mask is None:
        return None
    mask, wanted = np.asarray(keras.ops.convert_to_numpy(mask)).astype(bool), tuple(shape[:2])
    if mask.ndim != 2 or any(w not in (None, n) for w, n in zip(wanted, mask.shape, strict=True)):
        raise ValueError(f"mask: expected shape (batch, time) = {wanted}, got {mask.shape}")
    return mask


def _of_settings(layer, backend):
    """Reasons in the layer's arguments."""
    import keras

    reasons = []
    if not layer.use_cudnn:
        reasons.append(f'use_cudnn={layer.use_cudnn}: leave it at "auto"')
    for argument, wanted in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        found = getattr(layer.cell, argument)  # Keras compares objects, as is done here
        places = keras.activations, keras.ops, sys.modules.get(backend)
        if found not in [getattr(place, wanted, None) for place in places]:
            shown = getattr(found, "__name__", type(found).__name__)
            reasons.append(f'{argument}={shown}: cuDNN has only "{wanted}"; use that')
    if layer.recurrent_dropout:
        reasons.append(
            f"recurrent_dropout={layer.recurrent_dropout}: cuDNN has none, and predicting is as "
            "slow as training; use dropout= on the inputs instead"
        )
    if layer.unroll:
        reasons.append("unroll=True: the steps are written out one by one; leave it False")
    if not layer.use_bias:
        reasons.append("use_bias=False: cuDNN's kernel has a bias; leave it True")
    if not getattr(layer, "reset_after", True):
        reasons.append("reset_after=False: cuDNN resets after the product; leave it True")
    return reasons


def _of_mask(mask, backend):
    """Reasons in the mask: words come first, padding after, and no row is without a word."""
    if mask is None:
        return []
    if backend != "tensorflow":
        return [
            f"mask: on {backend} Keras gives cuDNN none, and runs the loop for any, without a "
            "word; leave it out where nothing is padded, or use Keras on TensorFlow"
        ]
    lengths = mask.sum(1, keepdims=True)
    late = (lengths[:, 0] > 0) & ~mask[:, 0]
    gap = (mask != (np.arange(mask.shape[1]) < lengths)).any(1) & ~late
    cases = (
        (lengths[:, 0] == 0, "have no word at all", "leave them out, or give them one token"),
        (late, "begin with padding", 'pad on the right, padding="post"'),
        (gap, "have padding between words", "move the words together, pad on the right"),
    )
    return [
        f"mask: {rows.sum():,} of {len(rows):,} rows (the first: {rows.argmax()}) {what}; called "
        "by itself the layer falls back to the loop; inside fit, predict or a tf.function it "
        f"stops with InvalidArgumentError when such a batch comes. What to do: {advice}, or "
        "use_cudnn=False"
        for rows, what, advice in cases
        if rows.any()
    ]
