"""What every model of sentences shares: tokens that are checked, framed, shifted and scored."""

import functools

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_size, as_tokens, to_array
from ae_lib.models._lstm import LSTM, log_normaliser, product, split_policy
from ae_lib.text import BOS, EOS, PAD


def _checking(name):
    """``keras.Model``'s method of that name, its data checked first."""
    theirs = getattr(keras.Model, name)

    @functools.wraps(theirs)
    def method(self, x=None, *args, **options):
        for weights in ("sample_weight", "class_weight"):
            if options.get(weights) is not None:
                raise ValueError(f"{weights}: every token counts alike; leave it out")
        x = self._checked(x, options.get("y", args[0] if args else None))
        if isinstance(held_out := options.get("validation_data"), (tuple, list)):
            self._checked(*held_out[:2], name="validation_data")
        return theirs(self, x, *args, **options)

    return method


class _Batches(keras.utils.PyDataset):
    """Another's batches, each checked when it is read."""

    def __init__(self, dataset, check):
        super().__init__(dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size)
        self.dataset, self.check = dataset, check
        self.on_epoch_begin, self.on_epoch_end = dataset.on_epoch_begin, dataset.on_epoch_end

    num_batches = property(lambda self: self.dataset.num_batches)

    def __getitem__(self, i):
        batch = self.dataset[i]
        x = batch[0] if isinstance(batch, tuple) else batch
        self.check(x, f"batch {i}")
        return batch


class TokenModel(keras.Model):
    """A model of sentences, int (n, T) ids of words, right-padded with 0, without <bos>, <eos>.

    A subclass has ``vocabulary_size``; its ``call`` gives the logits (n, T + 1,
    vocabulary_size) of the words and <eos> from <bos> and the words before. Its loss is the
    masked mean over both, in nats per token.

    What it is trained on or called with is checked as in ``check_tokens``: arrays, lists and
    the batches of a ``PyDataset``; other sources (``tf.data``, generators) are not.
    """

    fit, evaluate, predict = map(_checking, ("fit", "evaluate", "predict"))
    train_on_batch, test_on_batch, predict_on_batch = map(
        _checking, ("train_on_batch", "test_on_batch", "predict_on_batch")
    )

    def __call__(self, *inputs, **options):
        if inputs and isinstance(inputs[0], (np.ndarray, list, tuple)):  # not inside a graph
            self.check_tokens(inputs[0])
        return super().__call__(*inputs, **options)

    def build(self, input_shape=None):
        """Nothing to do: the parts come built."""

    def decoder_input(self, tokens, training=None):
        """<bos> and the words: what the model sees at each step, (n, T + 1)."""
        first = ops.full((ops.shape(tokens)[0], 1), BOS, dtype="int32")
        return ops.concatenate([first, ops.cast(tokens, "int32")], axis=1)

    def decoder_target(self, tokens):
        """The words and <eos>: what the model should write at each step, (n, T + 1)."""
        before = TokenModel.decoder_input(self, tokens)
        padded = ops.concatenate([before[:, 1:], ops.zeros_like(before[:, :1])], axis=1)
        return ops.where((padded == PAD) & (before != PAD), EOS, padded)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=False):
        """Cross-entropy in nats per token, the mean over words and <eos>, padding left out.

        Args:
            x: tokens (n, T).
            y_pred: what ``call`` gave for them, with the same ``training``.
        """
        target = self.decoder_target(x)
        nats = self.token_nats(target, y_pred, training)
        weight = ops.cast(target != PAD, nats.dtype)
        return ops.sum(nats * weight) / ops.maximum(ops.sum(weight), 1)

    def token_nats(self, target, y_pred, training=False):
        """Cross-entropy of each token in nats, (n, T + 1); any number where it is padding."""
        return ops.sparse_categorical_crossentropy(target, y_pred, from_logits=True)

    def check_tokens(self, tokens, name="tokens"):
        """Return ``tokens`` as int32 (n, T), T ≥ 1, or say what is wrong with them.

        Raises:
            TypeError: not whole numbers.
            ValueError: not two axes, an id outside the vocabulary, padding before a word.
        """
        return as_tokens(tokens, name, self.vocabulary_size)

    def check_input(self, x, name="x"):
        """``check_tokens``, as ``training.fit`` calls it."""
        return self.check_tokens(x, name)

    def _checked(self, x, y=None, name="x"):
        """``x``, if it is fit to train on: a list as an array, all else as it came."""
        if isinstance(x, keras.utils.PyDataset):
            return _Batches(x, self.check_tokens)
        if not (isinstance(x, (list, tuple)) or hasattr(x, "__array__")):
            return x
        tokens = self.check_tokens(x, name)
        y = None if y is None or y is x else to_array(y, "y")
        if y is not None and y.ndim and not np.array_equal(y, tokens):
            raise ValueError(f"{name}: its targets are the tokens themselves; give no other y")
        return x if hasattr(x, "__array__") else tokens


class TiedModel(TokenModel):
    """A recurrent model whose table of word vectors serves reading and writing.

    Source: Press & Wolf (2017). With V words, vectors of E and U units the table, the way to it
    and a bias a word are V·(E + 1) + (U + 1)·E weights. A subclass calls ``_output`` last.
    """

    def __init__(
        self, vocabulary_size, units, embedding_size, matmul_dtype=None, dtype=None, **options
    ):
        policy, matmul_dtype = split_policy(dtype, matmul_dtype)
        super().__init__(dtype=policy, **options)
        self.vocabulary_size = as_size(vocabulary_size, "vocabulary_size", least=EOS + 1)
        self.units = as_size(units, "units")
        self.embedding_size = as_size(embedding_size, "embedding_size")
        self.matmul_dtype = matmul_dtype
        self.embedding = self.add_weight(
            shape=(vocabulary_size, embedding_size),
            initializer=keras.initializers.RandomNormal(stddev=embedding_size**-0.5),
            name="embedding",
        )
        self._steps = {}  # a compiled training step for each length

    def _lstm(self, units, inputs, name):
        layer = LSTM(units, name=name, matmul_dtype=self.matmul_dtype, dtype=self.dtype_policy)
        layer.build((None, None, inputs))
        return layer

    def _dense(self, size, inputs, name, **options):
        layer = keras.layers.Dense(size, name=name, dtype=self.dtype_policy, **options)
        layer.build((None, inputs))
        return layer

    def _output(self):
        """The way from a state to the scores of all words; the model is complete."""
        self.to_word = self._dense(self.embedding_size, self.units, "to_word")
        self.word_bias = self.add_weight(
            shape=(self.vocabulary_size,), initializer="zeros", name="word_bias"
        )
        self.built = True

    def embed(self, tokens):
        """Word vectors: int (…) → float32 (…, embedding_size)."""
        return ops.take(self.embedding, tokens, axis=0)

    def logits(self, h):
        """Scores of all words: (…, units) → float32 (…, vocabulary_size)."""
        flat = ops.reshape(self.to_word(h), (-1, self.embedding_size))
        scores = product(flat, ops.transpose(self.embedding), self.matmul_dtype) + self.word_bias
        return ops.reshape(scores, (*ops.shape(h)[:-1], self.vocabulary_size))

    def output_nats(self, target, outputs, smoothing=0.0):
        """Cross-entropy of each token, (n, T), from what ``logits`` takes, (n, T, units).

        Neither the logits nor their gradient are written to memory at once. With ``smoothing``,
        in [0, 1), that share of the target is spread evenly over all words (Szegedy et al. 2016).
        """
        flat, bias = ops.reshape(target, (-1,)), self.word_bias
        vectors = ops.reshape(self.to_word(outputs), (-1, self.embedding_size))
        score = ops.sum(vectors * self.embed(flat), axis=-1) + ops.take(bias, flat)
        if smoothing:
            even = ops.matmul(vectors, ops.mean(self.embedding, axis=0)) + ops.mean(bias)
            score = (1 - smoothing) * score + smoothing * even
        nats = log_normaliser(vectors, self.embedding, bias, self.matmul_dtype) - score
        return ops.reshape(nats, ops.shape(target))

    def compile(self, optimizer="rmsprop", **options):
        """``keras.Model.compile``; where products are float16 the optimizer scales the loss."""
        optimizer = keras.optimizers.get(optimizer)
        scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if self.matmul_dtype == "float16" and not scales:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        super().compile(optimizer, **options)

    def compile_from_config(self, config):
        """Compile as a saved model was; Keras asks for it where ``compile`` is our own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def train_on_batch(self, x, *args, **options):
        """One step on a batch (…, T), compiled once for each length T: see ``keras.Model``."""
        x = self._checked(x)
        length = x.shape[-1]
        if self.train_function is None:  # compiled anew
            self._steps = {}
        if length not in self._steps:
            self.make_train_function(force=True)
            self._steps[length] = self.train_function
        self.train_function = self._steps[length]
        return super().train_on_batch(x, *args, **options)

    def get_config(self):
        names = ("vocabulary_size", "units", "embedding_size", "matmul_dtype")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class PairModel(TokenModel):
    """A model of two versions of each sentence, int (n, 2, T): what it sees, what should be."""

    def check_tokens(self, tokens, name="tokens"):
        """Return ``tokens`` as int32 (n, 2, T), T ≥ 1, or say what is wrong with them.

        Raises:
            TypeError: not whole numbers.
            ValueError: not three axes, the second of 2; each version as for ``TokenModel``.
        """
        array = to_array(tokens, name, "whole numbers")
        if array.ndim != 3 or array.shape[1] != 2:
            raise ValueError(
                f"{name}: expected shape (n, 2, T), what is seen and what should be, got "
                f"{array.shape}; make it by text.pairs(seen, tokens)"
            )
        flat = super().check_tokens(array.reshape(2 * len(array), array.shape[2]), name)
        return flat.reshape(len(array), 2, flat.shape[1])

    def check_one(self, tokens, name="tokens"):
        """Return one version, int32 (n, T), or say what is wrong with it."""
        return super().check_tokens(tokens, name)
