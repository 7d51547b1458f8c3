"""What every model of sentences shares: tokens that are checked, framed, shifted and scored."""

import keras
from keras import ops

from ae_lib._checks import as_tokens
from ae_lib.text import BOS, EOS, PAD


class TokenModel(keras.Model):
    """A model of sentences, int (n, T) ids of words, right-padded with 0, without <bos>, <eos>.

    A subclass has ``vocabulary_size``; its ``call`` gives the logits (n, T + 1,
    vocabulary_size) of the words and <eos> from <bos> and the words before. Its loss is the
    masked mean over both, in nats per token.
    """

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
        weight = ops.cast(target != PAD, "float32")
        return ops.sum(nats * weight) / ops.sum(weight)

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
