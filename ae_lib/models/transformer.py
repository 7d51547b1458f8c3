"""A decoder-only Transformer language model: each word from the words before it, no code."""

import keras
import numpy as np
from keras import layers, ops

from ae_lib._checks import as_size, share
from ae_lib.models._tokens import TokenModel
from ae_lib.text import EOS

_STDDEV = 0.02  # of all first weights, as in GPT-2
_EPSILON = 1e-5


@keras.saving.register_keras_serializable("ae_lib")
class TransformerLM(TokenModel):
    """A decoder-only Transformer in the manner of GPT-2.

    Source: Vaswani et al. (2017), the decoder without its view of an encoder; Radford et al.
    (2019): normalisation before each part and at the end, GELU, learned positions, a
    feed-forward part four times as wide, and first weights N(0, 0.02²), those that write to
    the residual stream divided by √(2 · layers). The output's table is the embedding (Press
    & Wolf 2017). Dropout acts on the embedded words and on each part's output, not on the
    attention's weights, which fused kernels never write down.

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
            weight = self.add_weight(shape=(size, width), initializer=_normal(), name=name)
            setattr(self, name, weight)
        sizes = {"width": width, "heads": heads, "dropout": dropout, "dtype": self.dtype_policy}
        stddev = _STDDEV / np.sqrt(2 * layers)
        self.drop = _dropout(dropout, self.dtype_policy, "drop")
        self.blocks = [_Block(**sizes, stddev=stddev, name=f"block_{i}") for i in range(layers)]
        self.norm = _norm(width, self.dtype_policy, "norm")
        self.built = True

    # Inside the graph

    def call(self, tokens, training=None):
        """Logits of each next word, float32 (n, T + 1, vocabulary_size).

        Raises:
            ValueError: more words than the model has positions for.
        """
        seen = self.decoder_input(tokens)
        self._check_length(seen.shape[1], "tokens")
        table = ops.cast(self.embedding, self.compute_dtype)
        here = ops.cast(self.positions, self.compute_dtype)[: ops.shape(seen)[1]]
        x = self.drop(ops.take(table, seen, axis=0) + here, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return ops.cast(ops.matmul(self.norm(x), ops.transpose(table)), "float32")

    def initial_state(self, n):
        """The state before the first word of ``n`` sentences: see ``ae_lib.decoding``.

        A cache of each block's keys and values, as long as there are positions.
        """
        shape = (n, self.length, self.heads, self.width // self.heads)
        empty = ops.zeros(shape, dtype=self.compute_dtype)
        return ops.zeros((n,), dtype="int32"), [(empty, empty) for _ in self.blocks]

    def step(self, state, tokens):
        """Write one word.

        Args:
            state: from ``initial_state`` or the step before.
            tokens: int (n,), the word before; <bos> at first.

        Returns:
            ``(logits, state)``: float32 (n, vocabulary_size), and the state after.
        """
        position, caches = state
        table = ops.cast(self.embedding, self.compute_dtype)
        here = ops.cast(self.positions, self.compute_dtype)
        x = (ops.take(table, tokens, axis=0) + ops.take(here, position, axis=0))[:, None]
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, position)
            after.append(cache)
        logits = ops.matmul(self.norm(x)[:, 0], ops.transpose(table))
        return ops.cast(logits, "float32"), (position + 1, after)

    def check_conditioning(self, n):
        """Return the number of sentences to write, or say that it is none."""
        return as_size(n, "conditioning, the number of sentences to write")

    # From NumPy

    def check_tokens(self, tokens, name="tokens"):
        """Return ``tokens`` as int32 (n, T), T ≥ 1, or say what is wrong with them.

        Raises:
            TypeError: not whole numbers.
            ValueError: not two axes, too long, an id outside the vocabulary, padding before
                a word.
        """
        array = super().check_tokens(tokens, name)
        self._check_length(array.shape[1] + 1, name)
        return array

    def _check_length(self, positions, name):
        if positions is not None and positions > self.length:
            raise ValueError(
                f"{name}: expected at most {self.length - 1} words a row (length={self.length}, "
                f"one position being that of <bos>), got {positions - 1}; cut them, or make the "
                "model longer"
            )

    def get_config(self):
        names = ("vocabulary_size", "width", "heads", "length", "dropout")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, "layers": self.depth}


class _Block(layers.Layer):
    """Attention and feed-forward, each after a normalisation and added to what came in."""

    def __init__(self, width, heads, dropout, stddev, **options):
        super().__init__(**options)
        self.width, self.heads = width, heads
        policy = self.dtype_policy

        def named(part):  # on PyTorch Keras knows a weight by its path: no two may share one
            return f"{self.name}_{part}"

        def dense(part, inputs, outputs, stddev=_STDDEV):
            layer = layers.Dense(
                outputs, kernel_initializer=_normal(stddev), dtype=policy, name=named(part)
            )
            layer.build((None, inputs))
            return layer

        self.norm_1 = _norm(width, policy, named("norm_1"))
        self.to_qkv = dense("to_qkv", width, 3 * width)
        self.from_heads = dense("from_heads", width, width, stddev)
        self.norm_2 = _norm(width, policy, named("norm_2"))
        self.widen = dense("widen", width, 4 * width)
        self.narrow = dense("narrow", 4 * width, width, stddev)
        self.drop_1 = _dropout(dropout, policy, named("drop_1"))
        self.drop_2 = _dropout(dropout, policy, named("drop_2"))
        self.built = True

    def call(self, x, sees=None, training=None):
        """Each position sees those up to its own, or those that ``sees`` says.

        sees: booleans that broadcast to (n, heads, positions, positions seen).
        """
        query, key, value = self.query_key_value(x)
        causal = sees is None
        mixed = ops.dot_product_attention(query, key, value, mask=sees, is_causal=causal)
        return self.finish(x, mixed, training)

    def step(self, x, cache, position):
        """One position, x (n, 1, width), after those whose keys and values are in the cache."""
        query, *new = self.query_key_value(x)
        places, position = ops.arange(cache[0].shape[1], dtype="int32"), position[:, None]
        here = (places == position)[:, :, None, None]
        cache = tuple(ops.where(here, a, b) for a, b in zip(new, cache, strict=True))
        seen = (places <= position)[:, None, None]
        return self.finish(x, ops.dot_product_attention(query, *cache, mask=seen)), cache

    def query_key_value(self, x):
        """Three arrays (n, positions, heads, width / heads)."""
        shape = (*ops.shape(x)[:2], self.heads, self.width // self.heads)
        return [ops.reshape(a, shape) for a in ops.split(self.to_qkv(self.norm_1(x)), 3, axis=-1)]

    def finish(self, x, mixed, training=None):
        """What follows the attention's sums (n, positions, heads, width / heads)."""
        mixed = self.from_heads(ops.reshape(mixed, ops.shape(x)))
        x = x + self.drop_1(mixed, training=training)
        wide = ops.gelu(self.widen(self.norm_2(x)), approximate=True)
        return x + self.drop_2(self.narrow(wide), training=training)


def _normal(stddev=_STDDEV):
    """A fresh initializer: one that is used twice gives the same numbers twice."""
    return keras.initializers.RandomNormal(stddev=stddev)


def _norm(width, policy, name):
    layer = layers.LayerNormalization(epsilon=_EPSILON, dtype=policy, name=name)
    layer.build((None, None, width))
    return layer


def _dropout(rate, policy, name):
    layer = layers.Dropout(rate, dtype=policy, name=name)
    layer.build((None, None, None))
    return layer
