"""Transformers of one kind of block, told apart by what sees what.

* ``TransformerLM``, a decoder: each word sees those before it (GPT).
* ``MaskedLM``, an encoder: each word sees all, and some are hidden (BERT).
* ``TransformerSeq2Seq``, both: the words that are written see those before them and all that
  was read (the Transformer of 2017; BART, if what is read is a damaged copy).
"""

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_size, share
from ae_lib.models._blocks import STDDEV, Block, dropout_layer, norm, normal, writes_by_xla
from ae_lib.models._tokens import PairModel, TokenModel
from ae_lib.text import EOS, PAD


class _Transformer(TokenModel):
    """What the three share: two tables, a stack of blocks, a last normalisation.

    Source: Vaswani et al. (2017); Radford et al. (2019): normalisation before each part and at
    the end, GELU, learned positions, a feed-forward part four times as wide, and first weights
    N(0, 0.02²), those that write to the residual stream divided by √(2 · layers). The output's
    table is the embedding (Press & Wolf 2017). Dropout acts on the embedded words and on each
    part's output, not on the attention's weights, which fused kernels never write down.
    """

    crossing = False  # whether the blocks look at what was read, too

    def __init__(
        self, vocabulary_size, width=256, layers=4, heads=4, length=64, dropout=0.0, **options
    ):
        super().__init__(**options)
        self.vocabulary_size = as_size(vocabulary_size, "vocabulary_size", least=EOS + 1)
        self.width = as_size(width, "width")
        self.depth = as_size(layers, "layers")  # Keras keeps the name "layers" to itself
        self.heads = as_size(heads, "heads")
        self.length = as_size(length, "length", least=2)
        if width % heads:
            raise ValueError(f"width: expected a multiple of heads, {heads}, got {width}")
        self.dropout = share(dropout, "dropout", one=False)
        for name, size in (("embedding", vocabulary_size), ("positions", length)):
            weight = self.add_weight(shape=(size, width), initializer=normal(), name=name)
            setattr(self, name, weight)
        self.drop = dropout_layer(dropout, self.dtype_policy, "drop")
        self.blocks, self.norm = self._stack("block", self.crossing), self._last_norm("norm")
        self.built = True

    def _stack(self, name, crossing=False):
        sizes = {"width": self.width, "heads": self.heads, "dropout": self.dropout}
        sizes |= {"dtype": self.dtype_policy, "crossing": crossing}
        sizes["stddev"] = STDDEV / np.sqrt(2 * self.depth)
        return [Block(**sizes, name=f"{name}_{i}") for i in range(self.depth)]

    def _last_norm(self, name):
        return norm(self.width, self.dtype_policy, name)

    def embed(self, tokens, training=None):
        """Words and their places: int (n, T) → (n, T, width)."""
        table, here = (ops.cast(w, self.compute_dtype) for w in (self.embedding, self.positions))
        x = ops.take(table, tokens, axis=0) + here[: ops.shape(tokens)[1]]
        return self.drop(x, training=training)

    def logits(self, states):
        """Scores of all words: (…, width) → float32 (…, vocabulary_size)."""
        table = ops.cast(self.embedding, self.compute_dtype)
        return ops.cast(ops.matmul(states, ops.transpose(table)), "float32")

    def check_tokens(self, tokens, name="tokens"):
        """Return ``tokens`` as whole numbers of the model's shape, or say what is wrong.

        Raises:
            TypeError: not whole numbers.
            ValueError: another number of axes, too long, an id outside the vocabulary, padding
                before a word.
        """
        array = super().check_tokens(tokens, name)
        self._check_length(array.shape[-1], name)
        return array

    def _check_length(self, words, name):
        if words is not None and words >= self.length:
            raise ValueError(
                f"{name}: expected at most {self.length - 1} words a row (length={self.length}, "
                f"one position being that of <bos>), got {words}; cut them, or make the "
                "model longer"
            )

    def get_config(self):
        names = ("vocabulary_size", "width", "heads", "length", "dropout")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, "layers": self.depth}


@keras.saving.register_keras_serializable("ae_lib")
class TransformerLM(_Transformer):
    """A decoder-only Transformer in the manner of GPT-2: no code, each word from those before.

    Args:
        vocabulary_size: ids are 0…vocabulary_size − 1; 0 <pad>, 1 <unk>, 2 <bos>, 3 <eos>.
        width: size of a word's vector all the way up, a multiple of ``heads``.
        layers: number of blocks, each attention and feed-forward.
        heads: attention heads in a block.
        length: positions, that of <bos> included: sentences of up to length − 1 words.
        dropout: share of values that training drops, in [0, 1).
        dtype: a Keras dtype policy; with "mixed_bfloat16" the products and the residual
            stream are bfloat16, the weights and the softmax float32.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, a width that the heads do
            not divide, a share out of range.
    Input everywhere: int (n, T) ids of words, right-padded with 0, without <bos> and <eos>,
    T < length. The model adds these itself. Called, it gives the logits float32
    (n, T + 1, vocabulary_size) of each next word, the last that of <eos>; its loss, in nats
    per token, is the mean over words and <eos>, padding left out. Train it with
    ``compile(optimizer)`` and ``fit(tokens)``.

    With V words, width W, L layers and P positions it has
    (V + P)·W + L·(12·W² + 13·W) + 2·W weights.

    Example:
        >>> model = TransformerLM(1000, width=64, layers=2, heads=4, length=16)
        >>> tuple(model(np.array([[7, 8, 9, 0]])).shape)
        (1, 5, 1000)
    """

    # Inside the graph

    def call(self, tokens, training=None):
        """Logits of each next word, float32 (n, T + 1, vocabulary_size).

        Raises:
            ValueError: more words than the model has positions for.
        """
        return self.logits(self.states(tokens, training))

    def states(self, tokens, training=None):
        """What the model makes of <bos> and each word: (n, T + 1, width), after the last norm."""
        seen = self.decoder_input(tokens)
        self._check_length(tokens.shape[1], "tokens")
        x = self.embed(seen, training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.norm(x)

    def initial_state(self, n):
        """The state before the first word of ``n`` sentences: see ``ae_lib.decoding``.

        A cache of each block's keys and values, as long as there are positions. All sentences are
        written side by side: at each step all have equally many words.
        """
        return _no_words(self, n)

    def step(self, state, tokens):
        """Write one word.

        Args:
            state: from ``initial_state`` or the step before.
            tokens: int (n,), the word before; <bos> at first.

        Returns:
            ``(logits, state)``: float32 (n, vocabulary_size), and the state after.
        """
        return _step(self, state, tokens, [None] * self.depth)

    def check_conditioning(self, n):
        """Return the number of sentences to write, or say that it is none."""
        return as_size(n, "conditioning, the number of sentences to write")


@keras.saving.register_keras_serializable("ae_lib")
class MaskedLM(PairModel, _Transformer):
    """An encoder-only Transformer that guesses hidden words from all the others, as BERT does.

    Source: Devlin et al. (2019), without their second task, and without their words that are
    to be guessed though they are there.

    Args and errors as for ``TransformerLM``.

    Input: int (n, 2, T), of ``text.pairs``: the words as the model sees them, some hidden
    (``text.hidden``), and as they are; without <bos> and <eos>, T < length. Called, it gives
    the logits float32 (n, T, vocabulary_size) of the word in each place; its loss, in nats a
    hidden word, is the mean over the places where the two differ, 0 if there are none.
    As many weights as ``TransformerLM``.

    Example:
        >>> model = MaskedLM(1000, width=64, layers=2, heads=4, length=16)
        >>> tuple(model(np.array([[[7, 1, 9, 0], [7, 8, 9, 0]]])).shape)
        (1, 4, 1000)
    """

    def call(self, pairs, training=None):
        """Logits of the word in each place, float32 (n, T, vocabulary_size)."""
        return self.logits(self.states(pairs[:, 0], training))

    def states(self, tokens, training=None):
        """What the model makes of each word: (n, T, width), after the last normalisation."""
        self._check_length(tokens.shape[1], "tokens")
        return _read(self, self.blocks, self.norm, tokens, training)[0]

    def decoder_target(self, pairs):
        """The hidden words, 0 elsewhere: (n, T)."""
        return ops.where(pairs[:, 0] == pairs[:, 1], PAD, pairs[:, 1])


@keras.saving.register_keras_serializable("ae_lib")
class TransformerSeq2Seq(PairModel, _Transformer):
    """A Transformer that reads one sentence with an encoder and writes another with a decoder.

    Source: Vaswani et al. (2017). Where what is read is a damaged copy of what is to be
    written, it is the denoising autoencoder of Lewis et al. (2020), BART: one vector for each
    word that was read, and no single code.

    Args and errors as for ``TransformerLM``; ``layers`` blocks read, as many write.

    Input: int (n, 2, T), of ``text.pairs``: what is read, and what is to be written; both
    without <bos> and <eos>, T < length. Called, it gives the teacher-forced logits float32
    (n, T + 1, vocabulary_size), the last that of <eos>; its loss, in nats per token, is the
    mean over words and <eos>. For ``ae_lib.decoding`` the conditioning is what is read,
    int (n, T).

    With V words, width W, L layers and P positions it has
    (V + P)·W + L·(28·W² + 32·W) + 4·W weights.

    Example:
        >>> model = TransformerSeq2Seq(1000, width=64, layers=2, heads=4, length=16)
        >>> tuple(model(np.array([[[7, 8, 0], [7, 8, 9]]])).shape)
        (1, 4, 1000)
    """

    crossing = True

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.readers, self.read_norm = self._stack("reader"), self._last_norm("read_norm")

    def call(self, pairs, training=None):
        """Logits of each next word of the second sentences, (n, T + 1, vocabulary_size)."""
        memory = self._memory(pairs[:, 0], training)
        x = self.embed(self.decoder_input(pairs[:, 1]), training)
        for block, part in zip(self.blocks, memory, strict=True):
            x = block(x, memory=part, training=training)
        return self.logits(self.norm(x))

    def states(self, tokens, training=None):
        """What the encoder makes of each word: (n, T, width), after its last normalisation."""
        self._check_length(tokens.shape[1], "tokens")
        return _read(self, self.readers, self.read_norm, tokens, training)[0]

    def _memory(self, tokens, training=None):
        """For each block that writes: keys, values, and which of them there are."""
        self._check_length(tokens.shape[1], "tokens")
        x, there = _read(self, self.readers, self.read_norm, tokens, training)
        return [(*block.memory(x), there) for block in self.blocks]

    def decoder_target(self, pairs):
        """The words that are to be written and <eos>: (n, T + 1)."""
        return super().decoder_target(pairs[:, 1])

    def initial_state(self, tokens):
        """The state before the first word, from what is read, int (n, T).

        Each block's cache as in ``TransformerLM``, and its keys and values of what was read.
        """
        tokens = ops.cast(tokens, "int32")
        return _no_words(self, ops.shape(tokens)[0]), self._memory(tokens)

    def step(self, state, tokens):
        """Write one word; see ``ae_lib.decoding`` and ``TransformerLM.step``."""
        words, memory = state
        logits, words = _step(self, words, tokens, memory)
        return logits, (words, memory)

    def check_conditioning(self, tokens):
        """Return what is to be read as int32 (n, T), or say what is wrong with it."""
        return self.check_one(tokens, "conditioning")


def _read(model, blocks, norm, tokens, training):
    """An encoder: the states (n, T, width) and which words there are, (n, 1, 1, T)."""
    there = (tokens != PAD)[:, None, None]
    x = model.embed(tokens, training)
    for block in blocks:
        x = block(x, sees=there, training=training)
    return norm(x), there


def _no_words(model, n):
    """The state before the first of ``n`` sentences' words.

    The position int (n,), the same for all, and each block's empty cache: keys and values
    (n, heads, length, width / heads).
    """
    shape = (n, model.heads, model.length, model.width // model.heads)
    empty = ops.zeros(shape, dtype=model.compute_dtype)
    return ops.zeros((n,), dtype="int32"), [(empty, empty) for _ in model.blocks]


def _step(model, state, tokens, memory):
    """One word: the logits and the state after. All are at one position."""
    position, caches = state
    table, here = (ops.cast(w, model.compute_dtype) for w in (model.embedding, model.positions))
    x = (ops.take(table, tokens, axis=0) + ops.take(here, position, axis=0))[:, None]
    after = []
    for block, cache, part in zip(model.blocks, caches, memory, strict=True):
        x, cache = block.step(x, cache, position, part, writes_by_xla(model))
        after.append(cache)
    return model.logits(model.norm(x)[:, 0]), (position + 1, after)
