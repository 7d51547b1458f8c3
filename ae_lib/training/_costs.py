"""What a training step costs, counted by hand, and the least time a machine needs for it.

A step is forward, backward and Adam's update. Counted, for every part of a model:

* operations: those of the matrix products, a multiply-add being two, so 2·m·k·n for (m, k) by
  (k, n), and twice that backward, once for each factor's gradient; one addition for each value
  of an embedding's gradient; 12 for each weight in Adam;
* bytes: each weight read forward, read backward, its gradient written (3 numbers a weight);
  Adam reads the gradient, reads and writes the weight and its two moments (7); each
  intermediate result that the backward pass needs is written once and read once, the logits
  among them. Of an embedding the rows looked up are read; the whole table is counted where it
  is a matrix, at the tied output.

Not counted: operations element by element (gates, activations, normalisations, the softmax,
dropout: a few per cent of the products' at widths of 100 and more), clipping, the gradients of
intermediate results, results read again within the forward pass, weights read again at each
step of a recurrence when no cache holds them. So the time that follows is a floor for a step
done in this manner, as long as its weights and results are larger than the processor's caches:
what stays in a cache does not move, and a small step can be faster than its bytes say.

Sources: Williams, Waterman & Patterson (2009) for the two ceilings; Kaplan et al. (2020) for
the rule of 6 operations a weight and token, which ``transformer_cost`` meets when the width is
large beside the length: forward 2·N, backward 4·N, and 12·layers·length·width for attention,
N being the weights of the blocks and of the output's table.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from ae_lib._checks import as_size, brief, positive_number

ADAM_OPERATIONS = 12  # two running means (3 + 4), the root, the quotient, the step (5)
_DTYPES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Cost:
    """Operations and bytes of a piece of work.

    Args:
        operations: additions and multiplications, a number ≥ 0.
        bytes: bytes that move between processor and memory, a number ≥ 0.
        parameters: weights involved.
        parts: ``{name: Cost}`` whose sums these are, perhaps empty.

    Raises:
        TypeError, ValueError: a value that is no number ≥ 0.
    """

    operations: float
    bytes: float
    parameters: int = 0
    parts: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in ("operations", "bytes", "parameters"):
            positive_number(getattr(self, name), name, zero=True)
        object.__setattr__(self, "parts", dict(self.parts))

    @classmethod
    def of(cls, parts):
        """The sum of ``{name: Cost}``, which stay as its parts."""
        costs = list(parts.values())
        operations = sum(c.operations for c in costs)
        moved, parameters = sum(c.bytes for c in costs), sum(c.parameters for c in costs)
        return cls(operations, moved, parameters, parts)

    @property
    def intensity(self):
        """Operations a byte, the abscissa of a roofline; infinite without bytes."""
        if self.bytes:
            return self.operations / self.bytes
        return float("inf") if self.operations else 0.0

    def __str__(self):
        rows = [*self.parts.items(), ("in all" if self.parts else "cost", self)]
        width = max(len(name) for name, _ in rows)
        head = f"{'':{width}}  {'weights':>12}  {'operations':>10}  {'bytes':>9}  ops/byte"
        lines = [
            f"{name:{width}}  {c.parameters:12,}  {c.operations:10.3g}  {c.bytes:9.3g}"
            f"  {c.intensity:8.3g}"
            for name, c in rows
        ]
        return "\n".join([head, *lines])


def lstm_autoencoder_cost(
    vocabulary_size, units, embedding_size, code_size, batch, words, *, bytes_per_number=4
):
    """One training step of ``ae_lib.models.Seq2SeqAutoencoder``.

    What is counted stands at the head of this module. An LSTM keeps six values a unit and
    step for the backward pass: four gates, cell and output. The encoder takes ``words``
    steps, the decoder one more, that of <eos>.

    Args:
        vocabulary_size, units, embedding_size, code_size: as in the model.
        batch: sentences in a step.
        words: of each sentence, padding included, <eos> not.
        bytes_per_number: of weights, moments and results alike: 4 in float32.

    Returns:
        ``Cost`` with the parts "embedding", "encoder LSTM", "code", "decoder LSTM",
        "output softmax" and "Adam". ``parameters`` is the model's ``count_params()``.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1.

    Example:
        >>> cost = lstm_autoencoder_cost(1000, 64, 32, 48, batch=128, words=10)
        >>> cost.parameters
        109496
    """
    v, u, e, c, n, t = (
        as_size(value, name)
        for value, name in (
            (vocabulary_size, "vocabulary_size"),
            (units, "units"),
            (embedding_size, "embedding_size"),
            (code_size, "code_size"),
            (batch, "batch"),
            (words, "words"),
        )
    )
    b = as_size(bytes_per_number, "bytes_per_number")
    read, written = n * t, n * (t + 1)  # words in, words out
    lstm, matrices = 4 * u * (e + u + 1), 4 * u * (e + u)
    # From the state 2·u to the code c; from it to h, to c and to the four gates.
    code_weights = 2 * u * c + 2 * c * u + 4 * c * u
    parts = {
        "embedding": _lookup(v * e, (read + written) * e, b),
        "encoder LSTM": _part(lstm, matrices, read, 6 * u, b),
        "code": _part(code_weights + c + 2 * u, code_weights, n, c + 6 * u, b),
        "decoder LSTM": _part(lstm, matrices, written, 6 * u, b),
        "output softmax": _part(u * e + e + v, u * e + e * v, written, e + v, b, table=v * e),
    }
    return Cost.of({**parts, "Adam": _adam(parts, b)})


def transformer_cost(vocabulary_size, width, layers, heads, length, batch, *, bytes_per_number=4):
    """One training step of ``ae_lib.models.TransformerLM`` on rows of its full length.

    What is counted stands at the head of this module. Attention is counted over all pairs of
    positions, as dense products do it, though the causal mask throws half away. Kept for the
    backward pass, a layer and position: the normalised input, queries, keys and values,
    ``heads · length`` shares of attention, their mixture and the sum (a fused kernel keeps
    the shares out of memory); and for the feed-forward part the normalised input, its
    four-fold width before and after the activation, and the sum.

    Args:
        vocabulary_size, width, layers, heads, length: as in the model; ``length`` counts the
            position of <bos>, so the rows have length − 1 words.
        batch: rows in a step.
        bytes_per_number: of weights, moments and results alike: 4 in float32.

    Returns:
        ``Cost`` with the parts "embedding", "attention", "feed-forward", "output softmax"
        and "Adam". ``parameters`` is the model's ``count_params()``.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, heads that do not divide
            the width.
    """
    v, w, depth, h, t, n = (
        as_size(value, name)
        for value, name in (
            (vocabulary_size, "vocabulary_size"),
            (width, "width"),
            (layers, "layers"),
            (heads, "heads"),
            (length, "length"),
            (batch, "batch"),
        )
    )
    if w % h:
        raise ValueError(f"width: expected a multiple of heads, {h}, got {w}")
    b = as_size(bytes_per_number, "bytes_per_number")
    tokens, square = n * t, w * w
    # Scores and mixture: for each token, t products of vectors of size w, twice.
    attention = 4 * square + 2 * t * w
    parts = {
        "embedding": _lookup((v + t) * w, tokens * w, b),
        "attention": _part(
            depth * (4 * square + 6 * w), depth * attention, tokens, depth * (6 * w + h * t), b
        ),
        "feed-forward": _part(
            depth * (8 * square + 7 * w), depth * 8 * square, tokens, depth * 10 * w, b
        ),
        "output softmax": _part(2 * w, w * v, tokens, w + v, b, table=v * w),
    }
    return Cost.of({**parts, "Adam": _adam(parts, b)})


def _part(parameters, multiplied, tokens, kept, size, table=0):
    """A part whose products take ``multiplied`` multiply-adds a token, which keeps ``kept``
    values a token, with its own weights and perhaps another part's table."""
    numbers = 3 * (parameters + table) + 2 * tokens * kept
    return Cost(3 * 2 * multiplied * tokens, size * numbers, parameters)


def _lookup(parameters, values, size):
    """An embedding: rows read, written, read backward; their gradients added up."""
    return Cost(values, size * 3 * values, parameters)


def _adam(parts, size):
    weights = sum(part.parameters for part in parts.values())
    return Cost(ADAM_OPERATIONS * weights, 7 * size * weights)


@dataclass(frozen=True)
class Roofline:
    """What a machine can do at most: the two lines of a roofline.

    Source: Williams, Waterman & Patterson (2009).

    Args:
        operations_per_second: of matrix products.
        bytes_per_second: between processor and memory.

    Raises:
        TypeError, ValueError: a value that is no number > 0.
    """

    operations_per_second: float
    bytes_per_second: float

    def __post_init__(self):
        for name in ("operations_per_second", "bytes_per_second"):
            positive_number(getattr(self, name), name)

    @property
    def ridge(self):
        """The intensity, in operations a byte, above which arithmetic is the bound."""
        return self.operations_per_second / self.bytes_per_second

    def lower_bound_seconds(self, cost):
        """Seconds that a cost takes at least, bytes moving while the processor computes."""
        arithmetic = cost.operations / self.operations_per_second
        return max(arithmetic, cost.bytes / self.bytes_per_second)

    def bound(self, cost):
        """What sets the lower bound: "arithmetic" or "bytes"."""
        return "arithmetic" if cost.intensity >= self.ridge else "bytes"


def measure_roofline(dtype="float32", size=None, rounds=40, *, clock=time.perf_counter):
    """Measure this machine's roofline through the Keras backend, on its default device.

    In each round one product of two matrices (size, size), 2·size³ operations, and one copy
    of 4·size² numbers, each read once and written once (with its sign turned: no backend
    passes on the same memory for that); the fastest of the rounds counts, after one that
    does not. The two take turns: a copy that is repeated by itself comes ever more from a
    cache. On a CPU both are short, a few milliseconds, so that on a busy machine some rounds
    are free of other programs. In float32, TensorFlow and JAX let a recent GPU round the
    factors to tf32.

    Args:
        dtype: "float32", "bfloat16", "float16" or "float64" (JAX has the last only when
            it is enabled).
        size: side of the matrices; None: 8,192 on a GPU, and on a CPU 768 for the product and
            2,048 for the copy, which should not fit the processor's caches.
        rounds: how many count.
        clock: function that gives seconds.

    Returns:
        ``Roofline``.

    Raises:
        TypeError, ValueError: another dtype, a number that is no whole one ≥ 1, a clock that
            stood still.
    """
    import keras
    from keras import ops

    from ae_lib.training._setup import has_gpu

    if dtype not in _DTYPES:
        raise ValueError(f"dtype: got {brief(dtype)}; expected one of {', '.join(_DTYPES)}")
    if size is None:
        size, side = (8192, 8192) if has_gpu() else (768, 2048)
    else:
        size = side = as_size(size, "size")
    rounds = as_size(rounds, "rounds")
    # Random numbers: a GPU draws less power on equal ones, and is faster than on any data.
    entries = np.random.default_rng(0).standard_normal((size, size), "float32") / size**0.5
    square = ops.cast(ops.convert_to_tensor(entries), dtype)
    if (found := keras.backend.standardize_dtype(square.dtype)) != dtype:
        raise ValueError(f"dtype: the backend made {found} of {dtype}; enable it there first")
    line = ops.full((4 * side * side,), 1.0, dtype=dtype)
    work = {
        "product": (lambda: ops.matmul(square, square), 2 * size**3),
        "copy": (lambda: ops.negative(line), 2 * 4 * side**2 * _DTYPES[dtype]),
    }
    best = {name: float("inf") for name in work}
    for run, _ in work.values():
        _wait(run())
    for _ in range(rounds):
        for name, (run, _) in work.items():
            start = clock()
            _wait(run())
            best[name] = min(best[name], clock() - start)
    if min(best.values()) <= 0:
        raise ValueError(f"size: {size} is too small for this clock; give a larger one")
    return Roofline(*(amount / best[name] for name, (_, amount) in work.items()))


def _wait(result):
    """Return when a backend has really computed ``result``."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        result.block_until_ready()
    elif backend == "torch":
        if result.is_cuda:
            import torch

            torch.cuda.synchronize()
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.test.experimental.sync_devices()
