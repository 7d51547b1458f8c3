"""An LSTM language model: each word from the words before it, which one state remembers."""

import keras
from keras import layers, ops

from ae_lib._checks import as_size, share
from ae_lib.models._tokens import TiedModel


@keras.saving.register_keras_serializable("ae_lib")
class RecurrentLM(TiedModel):
    """One LSTM between two uses of one embedding.

    Source: Mikolov et al. (2010) with the cell of Hochreiter & Schmidhuber (1997); one table
    for reading and for writing, as in Press & Wolf (2017); dropout before and after the
    recurrence, as in Zaremba et al. (2014); weight dropout as in Merity et al. (2018).

    Args:
        vocabulary_size: ids are 0…vocabulary_size − 1; 0 <pad>, 1 <unk>, 2 <bos>, 3 <eos>.
        units: size of the LSTM's state.
        embedding_size: size of a word's vector.
        dropout: share of the values of word vectors and of the LSTM's outputs that training
            drops, in [0, 1).
        weight_dropout: share of the recurrent weights that training drops in a step, in [0, 1).
        locked: whether a sentence's words all lose the same values (Gal & Ghahramani 2016).
        matmul_dtype: "bfloat16" for faster matrix products where the processor has them;
            None: full precision.
        dtype: a Keras policy; of one with 16 bits the 16-bit type becomes ``matmul_dtype``,
            and everything else is float32.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, a share out of range.

    It takes and gives what ``TransformerLM`` does; a sentence may be of any length. With V
    words, vectors of E and U units it has V·(E + 1) + 4·U·(E + U + 1) + (U + 1)·E weights.

    Example:
        >>> model = RecurrentLM(1000, units=64, embedding_size=32)
        >>> tuple(model(np.array([[7, 8, 9, 0]])).shape)
        (1, 5, 1000)
    """

    def __init__(
        self,
        vocabulary_size,
        units=512,
        embedding_size=256,
        dropout=0.0,
        weight_dropout=0.0,
        locked=False,
        matmul_dtype=None,
        dtype=None,
        **options,
    ):
        super().__init__(vocabulary_size, units, embedding_size, matmul_dtype, dtype, **options)
        self.dropout = share(dropout, "dropout", one=False)
        self.lstm = self._lstm(units, embedding_size, "lstm")
        self._output()
        self.weight_dropout = share(weight_dropout, "weight_dropout", one=False)
        self.locked, policy = bool(locked), self.dtype_policy
        shape = (None, 1, None) if locked else None
        self.drop = layers.Dropout(dropout, noise_shape=shape, dtype=policy, name="drop")
        self.weight_drop = layers.Dropout(weight_dropout, dtype=policy, name="weight_drop")

    # Inside the graph

    def call(self, tokens, training=None):
        """Logits of each next word, float32 (n, T + 1, vocabulary_size)."""
        seen = self.decoder_input(tokens)
        recurrent = ops.convert_to_tensor(self.lstm.recurrent_kernel)
        recurrent = self.weight_drop(recurrent, training=training)
        seen = self.drop(self.embed(seen), training=training)
        outputs = self.lstm(seen, recurrent=recurrent)[0]
        return self.logits(self.drop(outputs, training=training))

    def initial_state(self, n):
        """The state before the first word of ``n`` sentences: see ``ae_lib.decoding``."""
        zeros = ops.zeros((n, self.units), dtype=self.compute_dtype)
        return zeros, zeros

    def step(self, state, tokens):
        """Write one word: ``(logits, state)``; see ``ae_lib.decoding``."""
        h, c = self.lstm.step(self.lstm.project(self.embed(tokens)), *state)
        return self.logits(h), (h, c)

    def check_conditioning(self, n):
        """Return the number of sentences to write, or say that it is none."""
        return as_size(n, "conditioning, the number of sentences to write")

    def get_config(self):
        own = ("dropout", "weight_dropout", "locked")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
