"""What every model of sentences shares: tokens that are checked, framed, shifted and scored."""

import functools

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_tokens, to_array
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
        return as_tokens(tokens, name, self.vocabulary_size, PAD)

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
        flat = super().check_tokens(array.reshape(-1, array.shape[2]), name)
        return flat.reshape(-1, 2, flat.shape[1])

    def check_one(self, tokens, name="tokens"):
        """Return one version, int32 (n, T), or say what is wrong with it."""
        return super().check_tokens(tokens, name)
