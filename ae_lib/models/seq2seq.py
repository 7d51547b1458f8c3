"""The sequence-to-sequence LSTM autoencoder: a sentence, one code, the sentence again."""

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, as_size, share
from ae_lib.models._lstm import UNROLL, product
from ae_lib.models._tokens import TiedModel
from ae_lib.text import PAD, UNK

_CLOSED = -1e9  # added to an input gate: nothing enters the cell


@keras.saving.register_keras_serializable("ae_lib")
class Seq2SeqAutoencoder(TiedModel):
    """An LSTM reads a sentence backwards into a code; another writes it from the code.

    Source: Sutskever, Vinyals & Le (2014), whose encoder reads backwards, with a single
    code of fixed size between the two as in Bowman et al. (2016), and one embedding for
    reading, writing and the output, as in Press & Wolf (2017).

    Args:
        vocabulary_size: ids are 0…vocabulary_size − 1; 0 <pad>, 1 <unk>, 2 <bos>, 3 <eos>.
        units: size of both LSTMs' states.
        embedding_size: size of a word's vector.
        code_size: values in a code, d.
        word_dropout: share of the decoder's input words that training replaces by <unk>,
            in [0, 1): the decoder must look at the code instead.
        matmul_dtype: "bfloat16" for faster matrix products where the processor has them;
            None: full precision.
        dtype: a Keras policy; of one with 16 bits, "mixed_bfloat16" say, the 16-bit type
            becomes ``matmul_dtype``, and everything else is float32. With products in
            float16 ``compile`` scales the loss, as Keras does for its own models.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, a share out of range.

    Input everywhere: int (n, T) ids of words, right-padded with 0, without <bos> and <eos>.
    The model adds these itself. Called, it gives the teacher-forced logits float32
    (n, T + 1, vocabulary_size), the last step being that of <eos>; its loss, in nats per
    token, is the masked mean over words and <eos>. Train it with ``compile(optimizer)`` and
    ``fit(tokens)``, or ``train_on_batch(tokens)`` with batches of several lengths.

    Example:
        >>> model = Seq2SeqAutoencoder(1000, units=64, embedding_size=32, code_size=48)
        >>> model.encode([[7, 8, 9, 0]]).shape
        (1, 48)
    """

    drop = None  # what a subclass does to the decoder's inputs and outputs: its dropout
    numbers_per_code = 1  # what the encoder gives for each of a code's

    def __init__(
        self,
        vocabulary_size,
        units=512,
        embedding_size=256,
        code_size=512,
        word_dropout=0.0,
        matmul_dtype=None,
        dtype=None,
        **options,
    ):
        super().__init__(vocabulary_size, units, embedding_size, matmul_dtype, dtype, **options)
        self.code_size = as_size(code_size, "code_size")
        self.word_dropout = share(word_dropout, "word_dropout", one=False)
        self.encoder = self._lstm(units, embedding_size, "encoder")
        self.to_code = self._dense(self.numbers_per_code * code_size, 2 * units, "to_code")
        self.to_h = self._dense(units, code_size, "to_h", activation="tanh")
        self.to_c = self._dense(units, code_size, "to_c")
        self.to_gates = self._dense(4 * units, code_size, "to_gates", use_bias=False)
        self.decoder = self._lstm(units, embedding_size, "decoder")
        self._seeds = keras.random.SeedGenerator(0)
        self._output()

    # Inside the graph

    def encode_states(self, tokens, h=None, c=None):
        """The encoder's state after reading the words, last word first.

        Args:
            tokens: (n, T), padded on the right; T ≥ 1.
            h, c: (n, units), the state left by the words that follow; None: zeros.

        Returns:
            ``(h, c)``, each (n, units).
        """
        if h is None:
            h = c = ops.zeros((ops.shape(tokens)[0], self.units), dtype=self.compute_dtype)
        backwards = ops.flip(ops.transpose(tokens), axis=0)  # (T, n): the padding comes first,
        z = self.encoder.project(self.embed(backwards))  # and a closed gate keeps zeros there
        padding = ops.cast(backwards == PAD, z.dtype)[:, :, None]
        gate = np.repeat(np.array([_CLOSED, 0], "float32"), [self.units, 3 * self.units])
        return self.encoder.run(z + padding * ops.cast(gate, z.dtype), h, c)[1:]

    def to_latent(self, h, c):
        """The code of an encoder's state: (n, code_size)."""
        return self.to_code(ops.concatenate([h, c], axis=-1))

    def initial_state(self, codes):
        """The decoder's state before the first word, from codes (n, code_size): for ``step``."""
        codes = ops.cast(codes, self.compute_dtype)
        gates = product(codes, self.to_gates.kernel, self.matmul_dtype)
        return self.to_h(codes), self.to_c(codes), gates

    def step(self, state, tokens):
        """Write one word; see ``ae_lib.decoding``.

        Args:
            state: from ``initial_state`` or the step before.
            tokens: int (n,), the word before; <bos> at first.

        Returns:
            ``(logits, state)``: float32 (n, vocabulary_size), and the state after.
        """
        h, c, gates = state
        h, c = self.decoder.step(self.decoder.project(self.embed(tokens)) + gates, h, c)
        return self.logits(h), (h, c, gates)

    def decoder_input(self, tokens, training=None):
        """<bos> and the words, some of them <unk> in training: (n, T + 1)."""
        tokens = super().decoder_input(tokens)
        if training and self.word_dropout:
            chance = keras.random.uniform(ops.shape(tokens), seed=self._seeds)
            tokens = ops.where(chance < self.word_dropout, UNK, tokens)
        return tokens

    def call(self, tokens, training=None):
        """Teacher-forced logits, (n, T + 1, vocabulary_size).

        With ``training=True`` the decoder's outputs (n, T + 1, units) instead: the loss makes
        do without an array of logits and its gradient.
        """
        outputs = self.outputs(self.to_latent(*self.encode_states(tokens)), tokens, training)
        return outputs if training else self.logits(outputs)

    def outputs(self, codes, tokens, training=None):
        """The decoder's outputs from codes and the words before each: (n, T + 1, units)."""
        h, c, gates = self.initial_state(codes)
        seen = self.embed(ops.transpose(self.decoder_input(tokens, training)))
        if self.drop is not None:
            seen = self.drop(seen, training=training)
        outputs = self.decoder.run(self.decoder.project(seen) + gates, h, c)[0]
        outputs = ops.transpose(outputs, (1, 0, 2))
        return outputs if self.drop is None else self.drop(outputs, training=training)

    def token_nats(self, target, y_pred, training=False):
        """Cross-entropy of each token; in training from the decoder's outputs, see ``call``."""
        if not training:
            return super().token_nats(target, y_pred)
        return self.output_nats(target, y_pred)

    # From and to NumPy

    def encode(self, tokens, batch_size=256):
        """Codes of sentences of any length.

        Args:
            tokens: int (n, T), padded on the right; a sentence may be empty.

        Returns:
            float32 (n, code_size) NumPy array.

        Raises:
            TypeError: not whole numbers.
            ValueError: not two axes, an id outside the vocabulary, padding before a word.
        """
        tokens = self.check_tokens(tokens)
        batch_size = as_size(batch_size, "batch_size")
        numbers = self.numbers_per_code * self.code_size
        codes = np.zeros((len(tokens), numbers), "float32")
        lengths = (tokens != PAD).sum(1)
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            h = c = None
            width = max(1, lengths[rows].max(initial=1))
            # Backwards, in pieces: the last words first.
            for end in range(width, 0, -UNROLL):
                h, c = self.encode_states(tokens[rows, max(0, end - UNROLL) : end], h, c)
            codes[rows] = ops.convert_to_numpy(self.to_latent(h, c))
        return codes

    def check_codes(self, codes, name="codes"):
        """Return ``codes`` as float32 (n, code_size), or say what is wrong with them."""
        return as_batch(codes, name, shape=(self.code_size,))

    check_conditioning = check_codes  # what ``ae_lib.decoding`` calls it

    def get_config(self):
        more = {name: getattr(self, name) for name in ("code_size", "word_dropout")}
        return {**super().get_config(), **more}
