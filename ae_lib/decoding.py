"""From a model to words: greedy, sampling, beam; batched, with the state kept, compiled.

All take a *model*: an object with

* ``initial_state(conditioning)``: the state before the first word;
* ``step(state, tokens)``: from the words before, int (n,), <bos> at first, the pair
  ``(logits, state)`` with float logits (n, V) for the next words.

The *conditioning* is what the words depend on: codes (n, d), or any tree of arrays (tuples,
lists, dicts), an encoder's states (n, T, d) and their mask, say. A language model depends on
nothing: its conditioning is n, how many sentences to write. The *state* is any tree of
tensors whose shapes stay the same from step to step. The first axis of every array counts the
sentences. ``ae_lib.models.Seq2SeqAutoencoder`` and ``TransformerLM`` are such models.

A model may also have ``check_conditioning(conditioning)``, which returns it or says what is
wrong with it, and ``length``, the steps that it can take at most. With ``decodes_by_xla`` set
True XLA compiles the loop on TensorFlow, as it always does on JAX. That pays for a Transformer,
whose step is many small operations; Keras refuses it, with a warning, where operations are to be
deterministic (``training.set_seed``).

What comes back are ids up to and including <eos>, right-padded with 0. <pad> and <bos> are
never chosen.
"""

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, as_size, as_whole, positive_number, to_array
from ae_lib.models._blocks import writes_by_xla
from ae_lib.text import BOS, EOS, PAD

MAX_LENGTH = 48
_EXTREME = 1e30  # of a temperature, both ways: float32 has its reciprocal too


def greedy(model, conditioning, *, max_length=MAX_LENGTH, batch_size=512, compiled=True):
    """The most probable next word, again and again.

    Args:
        model, conditioning: see this module.
        max_length: tokens at most, <eos> included.
        batch_size: sentences written side by side.
        compiled: whether the loop is one compiled function of the backend, which ends when
            all sentences have; False: a Python loop, the same tokens, for poking at.

    Returns:
        int32 (n, L), L ≤ max_length, as long as the longest result.

    Raises:
        TypeError, ValueError: conditioning that is no whole number and no tree of arrays of
            finite numbers with one first axis; sizes below 1; a max_length beyond the
            model's length.
    """
    return _write(model, conditioning, max_length, batch_size, compiled)


def sample(
    model,
    conditioning,
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
        model, conditioning, max_length, batch_size, compiled: as for ``greedy``.
        temperature: > 0; divides the logits. Below 1: bolder; towards 0: greedy;
            beyond all bounds: each word as likely as any other.
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
    temperature = positive_number(temperature, "temperature")
    top_k = None if top_k is None else as_size(top_k, "top_k")
    if top_p is not None and positive_number(top_p, "top_p") > 1:
        raise ValueError(f"top_p: expected a number in (0, 1], got {top_p}")
    rng = np.random.default_rng(as_size(seed, "seed", least=0))
    temperature = min(max(temperature, 1 / _EXTREME), _EXTREME)
    draw = {"rng": rng, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    return _write(model, conditioning, max_length, batch_size, compiled, draw)


def beam(
    model,
    conditioning,
    *,
    width=4,
    length_penalty=0.6,
    max_length=MAX_LENGTH,
    batch_size=256,
    return_scores=False,
):
    """The best sentence that a beam search finds, all beams of a batch side by side.

    Source: Wu et al. (2016), eq. 14: a sentence of L tokens, <eos> included, scores its log
    probability over ((5 + L) / 6) ** length_penalty. A sentence is finished when its <eos>
    is among the ``width`` best continuations, or when it fills ``max_length``; the search
    ends when no unfinished one can beat the best finished one. With a width of V **
    (max_length − 1) it is exhaustive search.

    Args:
        model, conditioning: as for ``greedy``.
        width: hypotheses kept for each sentence, at least 1; 1 with penalty 0 is greedy.
        length_penalty: ≥ 0; 0: plain log probability, which prefers short sentences.
        max_length: tokens at most, <eos> included.
        batch_size: sentences at a time; memory grows with batch_size · width · V.
        return_scores: give the scores too.

    Returns:
        int32 (n, L); with ``return_scores`` also float32 (n,), in nats, normalised.

    Raises:
        TypeError, ValueError: as for ``greedy``; width below 1, a negative penalty.
    """
    n, leaves, structure = _checked(model, conditioning)
    max_length, width = _within(model, max_length), as_size(width, "width")
    batch_size = as_size(batch_size, "batch_size")
    length_penalty = positive_number(length_penalty, "length_penalty", zero=True)
    norm = ((5 + np.arange(1, max_length + 1)) / 6) ** length_penalty
    found = []
    for start in range(0, n, batch_size):
        rows = [np.repeat(x[start : start + batch_size], width, axis=0) for x in leaves]
        found.append(_beam(model, _initial(model, rows, structure), width, norm))
    words, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return (_trim(words), scores.astype("float32")) if return_scores else _trim(words)


def _beam(model, state, width, norm):
    """Words (n, max_length) and scores (n,), from the state of n · width sentences."""
    n, max_length = len(keras.tree.flatten(state)[0]) // width, len(norm)
    alive = np.full((n, width), -np.inf)
    alive[:, 0] = 0  # the beams of one sentence start alike: one of them counts
    words = np.zeros((n, width, max_length), "int32")
    last = np.full(n * width, BOS, "int32")
    best, best_words = np.full(n, -np.inf), np.zeros((n, max_length), "int32")
    for t in range(max_length):
        logits, state = model.step(state, ops.convert_to_tensor(last))
        logp = ops.convert_to_numpy(ops.log_softmax(_allowed(ops.cast(logits, "float32")))).astype(
            "float64"
        )
        scores = alive[:, :, None] + logp.reshape(n, width, -1)
        flat = scores.reshape(n, -1)
        count = min(2 * width, flat.shape[1])  # enough if half of them end
        top = np.argpartition(-flat, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(flat, top, 1), axis=1, kind="stable")
        top = np.take_along_axis(top, order, 1)
        value = np.take_along_axis(flat, top, 1)
        ends = top % scores.shape[2] == EOS
        # Among the best: sentences that end here, by <eos> or because max_length is reached.
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
        state = keras.tree.map_structure(lambda x, rows=rows: ops.take(x, rows, axis=0), state)
    return best_words, best


def _checked(model, conditioning):
    """How many sentences, the arrays of the conditioning in a list, and their structure.

    A number of sentences becomes one array of that many rows, with the structure None.
    """
    if check := getattr(model, "check_conditioning", None):
        conditioning = check(conditioning)
    if isinstance(conditioning, (int, np.integer)):
        n = as_size(conditioning, "conditioning")
        return n, [np.zeros((n, 1), "float32")], None
    leaves = [_leaf(x) for x in keras.tree.flatten(conditioning)]
    lengths = {len(x) for x in leaves}
    if len(lengths) != 1 or 0 in lengths:
        shapes = ", ".join(str(x.shape) for x in leaves) or "no array"
        raise ValueError(
            f"conditioning: expected arrays with one first axis, of the sentences, got {shapes}"
        )
    return len(leaves[0]), leaves, keras.tree.map_structure(lambda _: 0, conditioning)


def _leaf(x):
    """An array of the conditioning, as float32, int32 or booleans."""
    array = to_array(x, "conditioning")
    if array.dtype.kind in "iu":
        return as_whole(array, "conditioning", ndim=None)
    return array if array.dtype.kind == "b" and array.ndim else as_batch(array, "conditioning")


def _within(model, max_length):
    """``max_length``, if the model can take as many steps."""
    max_length, length = as_size(max_length, "max_length"), getattr(model, "length", None)
    if length is not None and max_length > length:
        raise ValueError(
            f"max_length: expected at most {length}, the model's length, got {max_length}"
        )
    return max_length


def _initial(model, leaves, structure):
    """The model's state before the first word, from arrays or tensors as of ``_checked``."""
    if structure is None:
        return model.initial_state(ops.shape(leaves[0])[0])
    leaves = [ops.convert_to_tensor(x) for x in leaves]
    return model.initial_state(keras.tree.pack_sequence_as(structure, leaves))


def _write(model, conditioning, max_length, batch_size, compiled, draw=None):
    """Greedy (no ``draw``) or sampled words for all sentences, batch after batch."""
    n, leaves, structure = _checked(model, conditioning)
    batch_size = as_size(batch_size, "batch_size")
    max_length = _within(model, max_length)
    kind = draw and (draw["top_k"], draw["top_p"] is not None)
    loop = _loop_of(model, max_length, structure, kind)
    rows = []
    for start in range(0, n, batch_size):
        inputs = [x[start : start + batch_size] for x in leaves]
        count = len(inputs[0])
        if draw:
            inputs.append(draw["rng"].random((count, max_length), "float32"))
            settings = (draw["temperature"], draw["top_p"] or 1.0)
            inputs.append(np.tile(np.array(settings, "float32"), (count, 1)))
        # A few sizes of batch, so that a few are compiled.
        size = min(batch_size, 1 << (count - 1).bit_length())
        inputs = [np.concatenate([x, np.repeat(x[-1:], size - count, 0)]) for x in inputs]
        run = loop.compiled_by_backend if compiled else loop.in_python
        rows.append(np.asarray(run(inputs))[:count])
    return _trim(np.concatenate(rows))


def _loop_of(model, max_length, structure, draw):
    """The model's compiled loop of these settings, kept with the model."""
    loops = model.__dict__.get("_loops")
    if loops is None:
        loops = {}
        object.__setattr__(model, "_loops", loops)  # past Keras: no layer of the model
    key = (max_length, repr(structure), draw, writes_by_xla(model))
    if key not in loops:
        loops[key] = _Loop(model, max_length, structure, draw)
    return loops[key]


class _Loop(keras.Model):
    """Conditioning to words in one call, which Keras compiles as it does any model's."""

    def __init__(self, model, max_length, structure, draw):
        super().__init__(name="loop", dtype="float32")  # whatever the model's own precision
        self.model, self.max_length, self.draw = model, max_length, draw
        object.__setattr__(self, "structure", structure)  # past Keras, which wraps lists
        self.built = True
        # XLA's large products are slower on a CPU than TensorFlow's own.
        self.compile(jit_compile=writes_by_xla(model))
        self.by_jax = None

    def build(self, input_shape=None):
        pass

    def _first(self, inputs):
        n = ops.shape(inputs[0])[0]
        words = ops.zeros((n, self.max_length), dtype="int32")
        last = ops.full((n,), BOS, dtype="int32")
        leaves = inputs if self.draw is None else inputs[:-2]
        return 0, words, last, _initial(self.model, leaves, self.structure)

    def _next(self, t, words, last, state, inputs):
        logits, state = self.model.step(state, last)
        choice = self._choose(ops.cast(logits, "float32"), t, inputs)
        ended = (last == EOS) | (last == PAD)
        choice = ops.where(ended, PAD, choice)
        here = ops.arange(self.max_length, dtype="int32") == t
        return t + 1, ops.where(here, choice[:, None], words), choice, state

    def _choose(self, logits, t, inputs):
        logits = _allowed(logits)
        best = ops.cast(ops.argmax(logits, axis=-1), "int32")
        if self.draw is None:
            return best
        chances, settings = inputs[-2:]
        chance = ops.take(chances, t, axis=1)[:, None]
        logits = (logits - ops.max(logits, axis=-1, keepdims=True)) / settings[:, :1]
        k, nucleus = self.draw
        ids = None
        if k is not None or nucleus:  # sorted, the most probable first
            logits, ids = ops.top_k(logits, min(k or logits.shape[-1], logits.shape[-1]))
        p = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
        if nucleus:
            p = ops.where(ops.cumsum(p, axis=-1) - p < settings[:, 1:], p, 0.0)
        summed = ops.cumsum(p, axis=-1)
        drawn = ops.sum(ops.cast(summed <= chance * summed[:, -1:], "int32"), axis=-1)
        drawn = ops.minimum(drawn, ops.sum(ops.cast(summed < summed[:, -1:], "int32"), axis=-1))
        possible = ops.take_along_axis(p, drawn[:, None], axis=-1)[:, 0] > 0  # but for rounding
        if ids is not None:
            drawn = ops.cast(ops.take_along_axis(ids, drawn[:, None], axis=-1)[:, 0], "int32")
        return ops.where(possible, drawn, best)

    def call(self, inputs):
        def go_on(t, words, last, state):
            return ops.any((last != EOS) & (last != PAD))

        def body(t, words, last, state):
            return self._next(t, words, last, state, inputs)

        first = self._first(inputs)
        return ops.while_loop(go_on, body, first, maximum_iterations=self.max_length)[1]

    def compiled_by_backend(self, inputs):
        """The words. Keras on JAX gives the weights' memory away, which other threads read."""
        if keras.backend.backend() != "jax":
            return self.predict_on_batch(inputs)
        if self.by_jax is None:
            import jax

            self.by_jax = jax.jit(lambda weights, inputs: self.stateless_call(*weights, inputs)[0])
        kinds = (self.trainable_variables, self.non_trainable_variables)
        return self.by_jax([[v.value for v in kind] for kind in kinds], inputs)

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
    ids = ops.arange(logits.shape[-1], dtype="int32")
    return ops.where((ids == PAD) | (ids == BOS), -float("inf"), logits)


def _trim(words):
    """Without the columns that are all padding; at least one is left."""
    used = np.flatnonzero((words != PAD).any(0))
    return words[:, : (used[-1] + 1 if len(used) else 1)].astype("int32")
