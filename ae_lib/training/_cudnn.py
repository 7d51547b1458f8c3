"""Which kernel runs an LSTM or GRU layer: cuDNN's fused one, or Keras's loop over the steps.

The rules are those of Keras 3.13 to 3.15 (``layers/rnn/lstm.py``, ``gru.py`` and each backend's
``rnn.py``); in 3.14 JAX and PyTorch got the fused kernel too, for inputs without a mask.
cuDNN: Chetlur et al. (2014); its recurrent kernels: Appleyard, Kočiský &
Blunsom (2016).
"""

import sys
from dataclasses import dataclass

import numpy as np

from ae_lib.training._setup import has_gpu

RULES_OF = (3, 13), (3, 15)  # the first and the last Keras whose rules these are
_ISSUE = "keras-team/keras issue 22274"
_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class CudnnEligibility:
    """What ``cudnn_eligibility`` found.

    ``fused``: whether layer and inputs qualify for cuDNN's kernel, on a machine with a GPU.
    ``available``: whether the Keras backend sees a GPU here.
    ``path``: "cuDNN", "loop" (of the backend, a step at a time), "unrolled" (the steps
    written out), or "matrix products" (``ae_lib.models.LSTM``): what runs on a GPU.
    ``reasons``: why not cuDNN, each with what to do; empty if fused.
    ``notes``: what else follows from the choice.
    """

    fused: bool
    available: bool
    path: str
    layer: str
    backend: str
    reasons: tuple = ()
    notes: tuple = ()

    def __str__(self):
        if self.fused:
            verdict = "takes cuDNN's fused kernel"
            verdict += "" if self.available else " on a GPU; this machine shows none"
        else:
            verdict = f"does not take cuDNN's fused kernel; path: {self.path}"
        lines = [f"{self.layer} on {self.backend}: {verdict}."]
        lines += [f"- {reason}" for reason in self.reasons]
        lines += [f"  Note: {note}" for note in self.notes]
        return "\n".join(lines)


def cudnn_eligibility(layer, inputs, mask=None, *, jit_compile=False):
    """Say whether Keras will run a layer with cuDNN's fused kernel, and if not, why not.

    Nothing is run: the answer follows from the settings, the mask's values and Keras's rules
    for the backend in use, and is the same with and without a GPU.

    Args:
        layer: ``keras.layers.LSTM`` or ``GRU``, ``Bidirectional`` around one, ``RNN`` around
            their cells, or ``ae_lib.models.LSTM``.
        inputs: example inputs (batch, time, features), or their shape as a tuple, None being
            any size.
        mask: example mask (batch, time), True where there is a word; None: the mask that
            ``Embedding(mask_zero=True)`` or ``Masking`` left on ``inputs``, if one did.
            The verdict holds for batches whose masks are like this one.
        jit_compile: whether the layer runs in a function of your own that XLA compiles.
            ``Model.compile`` need not be told: see ``notes``.

    Returns:
        ``CudnnEligibility``.

    Raises:
        TypeError: another layer, inputs or a mask that are no arrays.
        ValueError: inputs of other than three axes, a mask of another shape, or of which
            only the shape is known.

    Example:
        >>> lstm = keras.layers.LSTM(64, recurrent_dropout=0.2)
        >>> cudnn_eligibility(lstm, (32, 20, 128)).fused
        False
    """
    import keras

    backend = keras.backend.backend()
    name = _described(layer)
    shape = _shape(inputs)
    mask = _mask(inputs, mask, shape)
    gpu = has_gpu()
    if path := _never(layer):
        return CudnnEligibility(False, gpu, path[0], name, backend, (path[1],))
    parts = {"": layer}
    if isinstance(layer, keras.layers.Bidirectional):
        parts = {"forward: ": layer.forward_layer, "backward: ": layer.backward_layer}
    reasons, unrolled = [], False
    for label, part in parts.items():
        if path := _never(part):
            found = [path[1]]
        else:
            found = [*_of_backend(backend, part), *_of_settings(part, backend)]
            found += _of_mask(mask, part, backend)
            found += _of_xla(jit_compile, backend)
            unrolled = unrolled or part.unroll
        reasons += [(label, reason) for reason in found]
    # What holds for both directions is said once.
    texts = [text for _, text in reasons]
    said = [("" if texts.count(t) == len(parts) else label) + t for label, t in reasons]
    said = tuple(dict.fromkeys(said))
    path = "cuDNN" if not said else "unrolled" if unrolled else "loop"
    notes = tuple(_notes(list(parts.values()), backend, bool(said)))
    return CudnnEligibility(not said, gpu, path, name, backend, said, notes)


def _described(layer):
    """How a layer is called, or TypeError for what is no recurrent layer."""
    import keras

    kinds = (keras.layers.LSTM, keras.layers.GRU, keras.layers.RNN, keras.layers.Bidirectional)
    kind = type(layer).__name__
    if isinstance(layer, kinds) or _is_ours(layer):
        return f"{kind} {layer.name!r}"
    if isinstance(layer, keras.Model):
        found = [part for part in layer._flatten_layers() if isinstance(part, kinds[:2])]
        inside = ", ".join(part.name for part in found) or "none"
        raise TypeError(
            f"layer: expected one recurrent layer, got the model {layer.name!r}; "
            f"ask for a layer of it (LSTM and GRU in it: {inside})"
        )
    raise TypeError(
        f"layer: expected a keras.layers.LSTM, GRU or Bidirectional, got {kind}; give the layer "
        "itself, not its output"
    )


def _is_ours(layer):
    ours = sys.modules.get("ae_lib.models._lstm")
    return ours is not None and isinstance(layer, ours.LSTM)


def _never(layer):
    """``(path, reason)`` of what has no fused form, whatever the backend; else None."""
    import keras

    if _is_ours(layer):
        return "matrix products", (
            "ae_lib.models.LSTM is written out in matrix products and never cuDNN; on a GPU "
            "use keras.layers.LSTM, which takes the same weights"
        )
    if isinstance(layer, (keras.layers.LSTM, keras.layers.GRU, keras.layers.Bidirectional)):
        return None
    path = "unrolled" if getattr(layer, "unroll", False) else "loop"
    cell = type(getattr(layer, "cell", layer)).__name__
    kind = {"LSTMCell": "LSTM", "GRUCell": "GRU"}.get(cell)
    advice = f"write keras.layers.{kind}" if kind else "only keras.layers.LSTM and GRU have one"
    return path, f"{type(layer).__name__} of {cell} has no fused form; {advice}"


def _shape(inputs):
    if isinstance(inputs, (tuple, list)) and all(
        size is None or isinstance(size, (int, np.integer)) for size in inputs
    ):
        shape = tuple(inputs)
    else:
        shape = getattr(inputs, "shape", None)
        if shape is None:
            kind = type(inputs).__name__
            raise TypeError(
                f"inputs: expected an array (batch, time, features) or its shape, got {kind}"
            )
        shape = tuple(shape)
    if len(shape) != 3:
        raise ValueError(f"inputs: expected shape (batch, time, features), got {shape}")
    return shape


def _mask(inputs, mask, shape):
    """The mask's values as bool (batch, time), or None."""
    import keras

    if mask is None:
        mask = getattr(inputs, "_keras_mask", None)
    if mask is None:
        return None
    if isinstance(mask, keras.KerasTensor):
        raise ValueError(
            "mask: its values are not known before there are data; give an example, such as "
            "embedding.compute_mask(words)"
        )
    array = np.asarray(keras.ops.convert_to_numpy(mask))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"mask: expected True and False, got dtype {array.dtype}")
    wanted = tuple(shape[:2])
    if array.ndim != 2 or any(
        w not in (None, f) for w, f in zip(wanted, array.shape, strict=True)
    ):
        raise ValueError(f"mask: expected shape (batch, time) = {wanted}, got {array.shape}")
    return array.astype(bool)


def _version():
    """The installed Keras as (major, minor)."""
    import keras

    return tuple(int(number) for number in keras.__version__.split(".")[:2])


def _kind(layer):
    import keras

    return "GRU" if isinstance(layer, keras.layers.GRU) else "LSTM"


def _since_3_14(backend, kind):
    """Whether this backend has a fused layer only since Keras 3.14, and this is that or later."""
    return _version() >= (3, 14) and (backend == "torch" or (backend, kind) == ("jax", "LSTM"))


def _of_backend(backend, layer):
    kind = _kind(layer)
    if backend == "tensorflow" or _since_3_14(backend, kind):
        return []
    if backend == "torch" and kind == "LSTM":
        return [
            "Keras's PyTorch backend copies the weights by way of NumPy, which refuses weights "
            "that are trained or on a GPU, and then falls back to the loop without a word "
            f"({_ISSUE}); use torch.nn.LSTM, or Keras on TensorFlow"
        ]
    return [f"Keras's {backend} backend has no fused {kind}; use Keras on TensorFlow"]


def _of_settings(layer, backend):
    """Reasons in the layer's arguments; the same ones on all backends."""
    import keras

    reasons = []
    if layer.use_cudnn not in ("auto", True):
        reasons.append(f'use_cudnn={layer.use_cudnn}: leave it at "auto"')
    functions = (("activation", "tanh"), ("recurrent_activation", "sigmoid"))
    for argument, wanted in functions:
        found = getattr(layer.cell, argument)
        if found not in _same_function(wanted, backend):
            shown = getattr(found, "__name__", type(found).__name__)
            reasons.append(f'{argument}={shown}: cuDNN has only "{wanted}"; use that')
    if layer.recurrent_dropout:
        more = ""
        if backend == "tensorflow":
            more = " (on a GPU it also loses XLA, which Keras turns off with the layer)"
        reasons.append(
            f"recurrent_dropout={layer.recurrent_dropout}: cuDNN has none, and predicting is "
            f"as slow as training{more}; use dropout= on the inputs instead"
        )
    if layer.unroll:
        reasons.append("unroll=True: the steps are written out one by one; leave it False")
    if not layer.use_bias:
        reasons.append("use_bias=False: cuDNN's kernel has a bias; leave it True")
    if isinstance(layer, keras.layers.GRU) and not layer.reset_after:
        reasons.append(
            "reset_after=False: cuDNN resets after the recurrent product; leave it True"
        )
    if layer.compute_dtype not in _FLOATS:
        reasons.append(f"dtype {layer.compute_dtype}: cuDNN takes {', '.join(_FLOATS)}")
    return reasons


def _same_function(name, backend):
    """The functions that Keras knows to be cuDNN's ``name``: it compares objects."""
    import keras

    functions = [getattr(keras.activations, name), getattr(keras.ops, name)]
    if backend in ("tensorflow", "torch") and backend in sys.modules:
        native = sys.modules[backend]
        functions.append(getattr(native, name))
    return functions


def _of_mask(mask, layer, backend):
    """Reasons in the mask: rows that are not words first, padding after, one word at least."""
    if mask is None:
        return []
    if _since_3_14(backend, _kind(layer)):
        return [
            f"mask: on {backend} Keras gives cuDNN none, and runs the loop for any, without a "
            "word; leave it out where nothing is padded (mask=None), or use Keras on TensorFlow"
        ]
    flipped = backend == "torch" and layer.go_backwards
    mask = mask[:, ::-1] if flipped else mask
    lengths = mask.sum(1)
    empty = lengths == 0
    right = mask == (np.arange(mask.shape[1]) < lengths[:, None])
    late = ~empty & ~mask[:, :1].any(1)
    gap = ~right.all(1) & ~late
    then = {
        "tensorflow": "called by itself the layer falls back to the loop; inside fit, predict "
        "or a tf.function it stops with InvalidArgumentError when such a batch comes",
        "torch": "the layer falls back to the loop without a word",
    }.get(backend, "the layer runs in the loop")
    order = " (read from the end by go_backwards)" if flipped else ""
    cases = (
        (empty, "have no word at all", "leave them out, or give them one token such as <eos>"),
        (late, f"begin with padding{order}", 'pad on the right, padding="post"'),
        (gap, f"have padding between words{order}", "move the words together, pad on the right"),
    )
    return [
        f"mask: {_rows(rows)} {what}; {then}. What to do: {advice}, or use_cudnn=False"
        for rows, what, advice in cases
        if rows.any()
    ]


def _rows(which):
    count, first = int(which.sum()), int(which.argmax())
    return f"{count:,} of {len(which):,} rows (the first: {first})"


def _of_xla(jit_compile, backend):
    if not jit_compile or backend != "tensorflow":
        return []
    return [
        "jit_compile=True: XLA cannot compile cuDNN's kernel, and stops at it; take jit_compile "
        "from your tf.function, or use_cudnn=False and XLA compiles the loop"
    ]


def _notes(layers, backend, slow):
    import keras

    if slow and any(layer.use_cudnn is True for layer in layers if hasattr(layer, "use_cudnn")):
        yield "with use_cudnn=True Keras raises ValueError instead of falling back"
    if not slow and backend == "tensorflow":
        yield (
            "on a GPU Model.compile leaves XLA off for a model with this layer, whatever "
            "jit_compile says: cuDNN's kernel is not XLA's"
        )
    first, last = RULES_OF
    if not first <= _version() <= last:
        ours = " to ".join(f"{major}.{minor}" for major, minor in RULES_OF)
        yield f"the rules are those of Keras {ours}; this is {keras.__version__}"
