"""From a code to words: greedy, sampling, beam; batched, with the state kept, compiled.

All take a *writer*: an object with

* ``start(codes)``: the state before the first word, a tuple of tensors (n, …);
* ``step(tokens, state)``: from the words before, int (n,), the pair ``(logits, state)``
  with float logits (n, V) for the next words;

such as ``ae_lib.models.Seq2SeqAutoencoder``. They return ids up to and including <eos>,
right-padded with 0. <pad> and <bos> are never chosen.
"""

import math

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, positive_int
from ae_lib.text import BOS, EOS, PAD

MAX_LENGTH = 48
_NEVER = -1e9


def greedy(writer, codes, *, max_length=MAX_LENGTH, batch_size=512, compiled=True):
    """The most probable next word, again and again.

    Args:
        writer: see this module.
        codes: float (n, d).
        max_length: tokens at most, <eos> included.
        batch_size: sentences written side by side.
        compiled: whether the loop is one compiled function of the backend, which ends when
            all sentences have; False: a Python loop, the same tokens, for poking at.

    Returns:
        int32 (n, L), L ≤ max_length, as long as the longest result.

    Raises:
        TypeError, ValueError: codes that are no finite numbers (n, d), sizes below 1.
    """
    return _write(writer, codes, max_length, batch_size, compiled)


def sample(
    writer,
    codes,
    *,
    temperature=1.0,
    top_k=None,
    top_p=None,
    seed=0,
    max_length=MAX_LENGTH,
    batch_size=512,
    compiled=True,
):
    """Draw each next word from the model's distribution, sharpened or cut.

    Args:
        writer, codes, max_length, batch_size, compiled: as for ``greedy``.
        temperature: > 0; divides the logits. Below 1: bolder; towards 0: greedy.
        top_k: draw among the k most probable words (Fan et al. 2018); None: all.
        top_p: draw among the fewest words whose probabilities sum to at least this, in
            (0, 1] (Holtzman et al. 2020, nucleus sampling); None: all. With both, top_k
            first.
        seed: int ≥ 0; the random numbers are NumPy's, the same on every backend.

    Returns:
        int32 (n, L).

    Raises:
        TypeError, ValueError: as for ``greedy``; temperature not positive, top_k below 1,
            top_p outside (0, 1].
    """
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float, np.number)):
        raise TypeError(f"temperature: expected a number, got {temperature!r}")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(
            f"temperature: expected a positive number, got {temperature}; "
            "greedy() is the limit at 0"
        )
    if top_k is not None:
        top_k = positive_int(top_k, "top_k")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p: expected a number in (0, 1], got {top_p}")
    rng = np.random.default_rng(positive_int(seed, "seed", least=0))
    draw = {"rng": rng, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    return _write(writer, codes, max_length, batch_size, compiled, draw)


def beam(
    writer, codes, *, width=4, length_penalty=0.6, max_length=MAX_LENGTH, return_scores=False
):
    """The best sentence that a beam search finds, all sentences and beams in one batch.

    Source: Wu et al. (2016), eq. 14: a sentence of L tokens, <eos> included, scores its log
    probability over ((5 + L) / 6) ** length_penalty. A sentence is finished when its <eos>
    is among the ``width`` best continuations, or when it fills ``max_length``; the search
    ends when no unfinished one can beat the best finished one. With a width of V **
    (max_length − 1) it is exhaustive search.

    Args:
        writer, codes: as for ``greedy``.
        width: hypotheses kept for each sentence, at least 1; 1 with penalty 0 is greedy.
        length_penalty: ≥ 0; 0: plain log probability, which prefers short sentences.
        max_length: tokens at most, <eos> included.
        return_scores: give the scores too.

    Returns:
        int32 (n, L); with ``return_scores`` also float32 (n,), in nats, normalised.

    Raises:
        TypeError, ValueError: as for ``greedy``; width below 1, a negative penalty.
    """
    codes, width = as_batch(codes, "codes", ndim=2), positive_int(width, "width")
    max_length = positive_int(max_length, "max_length")
    if not length_penalty >= 0:
        raise ValueError(f"length_penalty: expected a number of at least 0, got {length_penalty}")
    n = len(codes)
    norm = ((5 + np.arange(1, max_length + 1)) / 6) ** length_penalty
    state = writer.start(ops.convert_to_tensor(np.repeat(codes, width, axis=0)))
    alive = np.full((n, width), -np.inf)
    alive[:, 0] = 0  # the beams of one sentence start alike: one of them counts
    words = np.zeros((n, width, max_length), "int32")
    last = np.full(n * width, BOS, "int32")
    best, best_words = np.full(n, -np.inf), np.zeros((n, max_length), "int32")
    for t in range(max_length):
        logits, state = writer.step(ops.convert_to_tensor(last), state)
        logp = ops.convert_to_numpy(ops.log_softmax(_allowed(logits))).astype("float64")
        scores = alive[:, :, None] + logp.reshape(n, width, -1)
        flat = scores.reshape(n, -1)
        count = min(2 * width, flat.shape[1])  # enough if half of them end
        top = np.argpartition(-flat, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(flat, top, 1), axis=1, kind="stable")
        top = np.take_along_axis(top, order, 1)
        value = np.take_along_axis(flat, top, 1)
        ends = top % scores.shape[2] == EOS
        # Among the best: sentences that end here, by <eos> or because there is no more room.
        done = (ends | (t == max_length - 1)) & (np.arange(count) < width)
        ended = np.where(done, value / norm[t], -np.inf)
        found = ended.argmax(1)
        better = np.flatnonzero(ended.max(1) > best)
        parent, token = np.divmod(top[better, found[better]], scores.shape[2])
        best_words[better] = words[better, parent]
        best_words[better, t] = token
        best[better] = ended.max(1)[better]
        # The best of the others go on.
        others = np.argsort(ends, axis=1, kind="stable")[:, :width]
        top = np.take_along_axis(top, others, 1)
        alive = np.take_along_axis(np.where(ends, -np.inf, value), others, 1)
        if t == max_length - 1 or (alive[:, 0] / norm[-1] <= best).all():
            break
        parents, tokens = np.divmod(top, scores.shape[2])
        words = np.take_along_axis(words, parents[:, :, None], 1)
        words[:, :, t] = tokens
        last = tokens.reshape(-1).astype("int32")
        rows = (np.arange(n)[:, None] * width + parents).reshape(-1)
        state = tuple(ops.take(part, rows, axis=0) for part in state)
    best_words = _trim(best_words)
    return (best_words, best.astype("float32")) if return_scores else best_words


def _write(writer, codes, max_length, batch_size, compiled, draw=None):
    """Greedy (no ``draw``) or sampled words for all codes, batch after batch."""
    codes = as_batch(codes, "codes", ndim=2)
    batch_size = positive_int(batch_size, "batch_size")
    max_length = positive_int(max_length, "max_length")
    loop = _loop_of(writer, max_length, draw and (draw["top_k"], draw["top_p"] is not None))
    rows = []
    for start in range(0, len(codes), batch_size):
        batch = codes[start : start + batch_size]
        inputs = [batch]
        if draw:
            inputs.append(draw["rng"].random((len(batch), max_length), "float32"))
            settings = (draw["temperature"], draw["top_p"] or 1.0)
            inputs.append(np.tile(np.array(settings, "float32"), (len(batch), 1)))
        # A few sizes of batch, so that a few are compiled.
        size = min(batch_size, 1 << (len(batch) - 1).bit_length())
        inputs = [np.concatenate([x, np.repeat(x[-1:], size - len(x), 0)]) for x in inputs]
        run = loop.predict_on_batch if compiled else loop.in_python
        rows.append(np.asarray(run(inputs))[: len(batch)])
    return _trim(np.concatenate(rows))


def _loop_of(writer, max_length, draw):
    """The writer's compiled loop of these settings, kept with the writer."""
    loops = writer.__dict__.get("_loops")
    if loops is None:
        loops = {}
        object.__setattr__(writer, "_loops", loops)  # past Keras: no layer of the model
    key = (max_length, draw)
    if key not in loops:
        loops[key] = _Loop(writer, max_length, draw)
    return loops[key]


class _Loop(keras.Model):
    """Codes to words in one call, which Keras compiles as it does any model's."""

    def __init__(self, writer, max_length, draw):
        super().__init__(name="loop")
        self.writer, self.max_length, self.draw = writer, max_length, draw
        self.built = True
        # XLA's matrix products on a CPU are slower than TensorFlow's own.
        self.compile(jit_compile=keras.backend.backend() == "jax")

    def build(self, input_shape=None):
        pass

    def _first(self, inputs):
        n = ops.shape(inputs[0])[0]
        words = ops.zeros((n, self.max_length), dtype="int32")
        last = ops.full((n,), BOS, dtype="int32")
        return 0, words, last, self.writer.start(ops.convert_to_tensor(inputs[0]))

    def _next(self, t, words, last, state, inputs):
        logits, state = self.writer.step(last, state)
        choice = self._choose(_allowed(logits), t, inputs)
        ended = (last == EOS) | (last == PAD)
        choice = ops.where(ended, PAD, choice)
        here = ops.arange(self.max_length) == t
        return t + 1, ops.where(here, choice[:, None], words), choice, state

    def _choose(self, logits, t, inputs):
        if self.draw is None:
            return ops.cast(ops.argmax(logits, axis=-1), "int32")
        chance = ops.take(inputs[1], t, axis=1)[:, None]
        logits = logits / inputs[2][:, :1]
        k, nucleus = self.draw
        ids = None
        if k is not None or nucleus:  # sorted, the most probable first
            logits, ids = ops.top_k(logits, min(k or logits.shape[-1], logits.shape[-1]))
        p = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
        if nucleus:
            p = ops.where(ops.cumsum(p, axis=-1) - p < inputs[2][:, 1:], p, 0.0)
        summed = ops.cumsum(p, axis=-1)
        drawn = ops.sum(ops.cast(summed <= chance * summed[:, -1:], "int32"), axis=-1)
        drawn = ops.minimum(drawn, ops.sum(ops.cast(summed < summed[:, -1:], "int32"), axis=-1))
        if ids is None:
            return drawn
        return ops.cast(ops.take_along_axis(ids, drawn[:, None], axis=-1)[:, 0], "int32")

    def call(self, inputs):
        def go_on(t, words, last, state):
            return ops.any((last != EOS) & (last != PAD))

        def body(t, words, last, state):
            return self._next(t, words, last, state, inputs)

        first = self._first(inputs)
        return ops.while_loop(go_on, body, first, maximum_iterations=self.max_length)[1]

    def in_python(self, inputs):
        """The same, word by word in Python."""
        inputs = [ops.convert_to_tensor(x) for x in inputs]
        now = self._first(inputs)
        for _ in range(self.max_length):
            now = self._next(*now, inputs)
            if not bool(ops.any((now[2] != EOS) & (now[2] != PAD))):
                break
        return ops.convert_to_numpy(now[1])


def _allowed(logits):
    """The logits, those of <pad> and <bos> out of the question."""
    ids = ops.arange(logits.shape[-1])
    return ops.where((ids == PAD) | (ids == BOS), _NEVER, logits)


def _trim(words):
    """Without the columns that are all padding; at least one is left."""
    used = np.flatnonzero((words != PAD).any(0))
    return words[:, : (used[-1] + 1 if len(used) else 1)].astype("int32")
