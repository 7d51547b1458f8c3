"""The block of which Transformers are built, and the layers that it is made of."""

import keras
from keras import layers, ops

STDDEV = 0.02  # of all first weights, as in GPT-2
_EPSILON = 1e-5
_UNSEEN = -1e9  # the score of a place that is not seen


class Block(layers.Layer):
    """Attention and feed-forward, each after a normalisation and added to what came in.

    With ``crossing``, attention to what was read comes between the two.
    """

    def __init__(self, width, heads, dropout, stddev, crossing=False, **options):
        super().__init__(**options)
        self.width, self.heads = width, heads
        policy = self.dtype_policy

        def named(part):  # on PyTorch Keras knows a weight by its path: no two may share one
            return f"{self.name}_{part}"

        def dense(part, inputs, outputs, stddev=STDDEV):
            layer = layers.Dense(
                outputs, kernel_initializer=normal(stddev), dtype=policy, name=named(part)
            )
            layer.build((None, inputs))
            return layer

        self.norm_1 = norm(width, policy, named("norm_1"))
        self.to_qkv = dense("to_qkv", width, 3 * width)
        self.from_heads = dense("from_heads", width, width, stddev)
        self.norm_2 = norm(width, policy, named("norm_2"))
        self.widen = dense("widen", width, 4 * width)
        self.narrow = dense("narrow", 4 * width, width, stddev)
        self.drop_1 = dropout_layer(dropout, policy, named("drop_1"))
        self.drop_2 = dropout_layer(dropout, policy, named("drop_2"))
        if crossing:
            self.norm_3 = norm(width, policy, named("norm_3"))
            self.to_q = dense("to_q", width, width)
            self.to_kv = dense("to_kv", width, 2 * width)
            self.from_memory = dense("from_memory", width, width, stddev)
            self.drop_3 = dropout_layer(dropout, policy, named("drop_3"))
        self.built = True

    def call(self, x, sees=None, memory=None, training=None):
        """All positions at once, x (n, positions, width).

        Args:
            sees: booleans that broadcast to (n, heads, positions, positions seen); None: each
                position sees those up to its own.
            memory: of ``memory``, and the booleans (n, 1, 1, T) of what is there; None: no
                attention to what was read.
        """
        query, key, value = self.query_key_value(x)
        causal = sees is None
        mixed = ops.dot_product_attention(query, key, value, mask=sees, is_causal=causal)
        return self.finish(x, mixed, memory, training)

    def step(self, x, cache, position, memory=None, in_place=False):
        """One position, x (n, 1, width), after those in the cache.

        Args:
            cache: keys and values, each (n, heads, length, width / heads).
            position: int (n,).
            in_place: write to one place of the cache alone, the first sentence's. XLA does that
                without a copy; elsewhere choosing between the old and the new is faster.
        """
        query, *new = (ops.transpose(part, (0, 2, 1, 3)) for part in self.query_key_value(x))
        places, position = ops.arange(cache[0].shape[2], dtype="int32"), position[:, None]
        here = (places == position)[:, None, :, None]
        key, value = cache = tuple(
            ops.slice_update(old, (0, 0, position[0, 0], 0), part) if in_place
            else ops.where(here, part, old) for old, part in zip(cache, new, strict=True)
        )  # fmt: skip
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * query.shape[-1] ** -0.5
        seen = (places <= position)[:, None, None]
        weights = ops.softmax(ops.where(seen, ops.cast(scores, "float32"), _UNSEEN))
        mixed = ops.matmul(ops.cast(weights, value.dtype), value)
        return self.finish(x, ops.transpose(mixed, (0, 2, 1, 3)), memory), cache

    def query_key_value(self, x):
        """Three arrays (n, positions, heads, width / heads)."""
        return self._split(self.to_qkv(self.norm_1(x)), 3)

    def memory(self, states):
        """Keys and values (n, T, heads, width / heads) of what was read."""
        return self._split(self.to_kv(states), 2)

    def _split(self, x, count):
        shape = (*ops.shape(x)[:2], self.heads, self.width // self.heads)
        return [ops.reshape(part, shape) for part in ops.split(x, count, axis=-1)]

    def finish(self, x, mixed, memory=None, training=None):
        """What follows the attention's sums (n, positions, heads, width / heads)."""
        mixed = self.from_heads(ops.reshape(mixed, ops.shape(x)))
        x = x + self.drop_1(mixed, training=training)
        if memory is not None:
            key, value, there = memory
            (query,) = self._split(self.to_q(self.norm_3(x)), 1)
            mixed = ops.dot_product_attention(query, key, value, mask=there)
            mixed = self.from_memory(ops.reshape(mixed, ops.shape(x)))
            x = x + self.drop_3(mixed, training=training)
        wide = ops.gelu(self.widen(self.norm_2(x)), approximate=True)
        return x + self.drop_2(self.narrow(wide), training=training)


def normal(stddev=STDDEV):
    """A fresh initializer: one that is used twice gives the same numbers twice."""
    return keras.initializers.RandomNormal(stddev=stddev)


def norm(width, policy, name):
    """A layer normalisation, built for vectors of that width."""
    layer = layers.LayerNormalization(epsilon=_EPSILON, dtype=policy, name=name)
    layer.build((None, None, width))
    return layer


def dropout_layer(rate, policy, name):
    """A dropout layer, built."""
    layer = layers.Dropout(rate, dtype=policy, name=name)
    layer.build((None, None, None))
    return layer


def writes_by_xla(model):
    """Whether XLA compiles the loop in which ``ae_lib.decoding`` writes; see there."""
    backend = keras.backend.backend()
    wanted = getattr(model, "decodes_by_xla", False)
    return backend == "jax" or (backend == "tensorflow" and bool(wanted))
