"""From one sentence to another: two LSTMs that read, two that write, attention between."""

import keras
import numpy as np
from keras import layers, ops

from ae_lib._checks import as_size, share
from ae_lib.models._tokens import PairModel, TiedModel
from ae_lib.text import PAD

ATTENTIONS = ("dot", "general", "additive", "mean", "last")
_FAR = -1e9  # added to a score: no attention


@keras.saving.register_keras_serializable("ae_lib")
class AttentionSeq2Seq(PairModel, TiedModel):
    """An encoder that keeps a vector for each word, and a decoder that looks among them.

    Two LSTMs read the sentence, one from each end; a word's vector is what both have when they
    reach it (Bahdanau et al. 2015). The decoder's first LSTM reads the words written so far, and
    its output asks; the answer, a mean of the encoder's vectors with weights, goes with the
    question into a second LSTM, which writes (as in Wu et al. 2016). No step's question waits
    for an answer, so in training all are asked at once.

    Args:
        vocabulary_size: ids are 0…vocabulary_size − 1; 0 <pad>, 1 <unk>, 2 <bos>, 3 <eos>; of
            both sentences, which share one table.
        units: size of the decoder's states and of the encoder's vectors, even.
        embedding_size: size of a word's vector in the table.
        attention: the score of a question q and a vector h, of which a softmax makes weights:

            * "dot", qᵀh, and "general", qᵀWh (Luong et al. 2015);
            * "additive", vᵀtanh(Wh + Uq) (Bahdanau et al. 2015);
            * "mean", 0: equal weights; and "last", none: the answer is always one vector, what
              either LSTM has at its end (Cho et al. 2014). Both as heavy as "dot".
        dropout: share of values that training drops, of word vectors, encoder's vectors and
            the decoder's outputs, in [0, 1).
        smoothing: share of the target that training spreads over all words, in [0, 1).
        matmul_dtype, dtype: as for ``Seq2SeqAutoencoder``.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, odd units, another
            attention, a share out of range.

    Input: int (n, 2, T), of ``text.pairs``: what is read, and what is to be written; both
    without <bos> and <eos>. Called, it gives the teacher-forced logits float32
    (n, T + 1, vocabulary_size), the last that of <eos>; its loss, in nats per token, is the mean
    over words and <eos>. For ``ae_lib.decoding`` the conditioning is what is read, int (n, T).

    Example:
        >>> model = AttentionSeq2Seq(1000, units=64, embedding_size=32)
        >>> tuple(model(np.array([[[7, 8, 0], [7, 8, 9]]])).shape)
        (1, 4, 1000)
    """

    def __init__(
        self,
        vocabulary_size,
        units=512,
        embedding_size=256,
        attention="general",
        dropout=0.0,
        smoothing=0.0,
        matmul_dtype=None,
        dtype=None,
        **options,
    ):
        super().__init__(vocabulary_size, units, embedding_size, matmul_dtype, dtype, **options)
        if attention not in ATTENTIONS:
            known = ", ".join(map(repr, ATTENTIONS))
            raise ValueError(f"attention: expected one of {known}, got {attention!r}")
        if as_size(units, "units") % 2:
            raise ValueError(f"units: half of them read from each end; expected an even number, "
                             f"got {units}")  # fmt: skip
        self.attention = attention
        self.dropout = share(dropout, "dropout", one=False)
        self.smoothing = share(smoothing, "smoothing", one=False)
        self.forwards = self._lstm(units // 2, embedding_size, "forwards")
        self.backwards = self._lstm(units // 2, embedding_size, "backwards")
        self.to_h = self._dense(units, units, "to_h", activation="tanh")
        self.to_c = self._dense(units, units, "to_c")
        self.asker = self._lstm(units, embedding_size, "asker")
        if attention in ("general", "additive"):
            self.to_key = self._dense(units, units, "to_key", use_bias=False)
        if attention == "additive":
            self.to_query = self._dense(units, units, "to_query", use_bias=False)
            self.to_score = self.add_weight(
                shape=(units,), initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
                name="to_score",
            )  # fmt: skip
        self.writer = self._lstm(units, 2 * units, "writer")
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy, name="drop")
        self.drop.build((None, None, None))
        self._output()

    # Inside the graph

    def read(self, tokens, training=None):
        """The encoder: what it keeps of sentences int (n, T).

        Returns:
            ``(memory, first)``: the values (n, T, units), the keys likewise and the scores'
            addend (n, T), far below 0 where there is no word; the decoder's first ``(h, c)``.
        """
        x = self.drop(self.embed(ops.transpose(tokens)), training=training)  # (T, n, embedding)
        there = ops.cast(ops.transpose(tokens) != PAD, self.compute_dtype)[:, :, None]
        zeros = ops.zeros((ops.shape(tokens)[0], self.units // 2), dtype=self.compute_dtype)
        outputs, last, _ = self.forwards.run(self.forwards.project(x), zeros, zeros, there)
        x, backwards = ops.flip(x, axis=0), self.backwards
        back, first, _ = backwards.run(backwards.project(x), zeros, zeros, ops.flip(there, axis=0))
        values = ops.concatenate([outputs, ops.flip(back, axis=0)], axis=-1) * there
        values = self.drop(ops.transpose(values, (1, 0, 2)), training=training)
        ends = self.drop(ops.concatenate([last, first], axis=-1), training=training)
        there = ops.transpose(there[:, :, 0])
        if self.attention == "last":
            values, there = ends[:, None], ops.ones_like(there[:, :1])
        keys = self.to_key(values) if self.attention in ("general", "additive") else values
        return (values, keys, (1 - there) * _FAR), (self.to_h(ends), self.to_c(ends))

    def weights_of(self, questions, memory):
        """The attention's weights, (n, S, T), of questions (n, S, units); a row sums to 1."""
        _, keys, far = memory
        if self.attention == "additive":
            both = ops.tanh(keys[:, None] + self.to_query(questions)[:, :, None])
            scores = ops.sum(both * self.to_score, axis=-1)
        else:
            scores = ops.matmul(questions, ops.transpose(keys, (0, 2, 1)))
        if self.attention == "mean":
            scores = ops.zeros_like(scores)
        scores = scores + far[:, None]
        powers = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        return powers / ops.sum(powers, axis=-1, keepdims=True)

    def answers(self, questions, memory):
        """What the writer reads, (n, S, 2 · units): the questions, and a mean of values each."""
        found = ops.matmul(self.weights_of(questions, memory), memory[0])
        return ops.concatenate([questions, found], axis=-1)

    def questions(self, first, tokens, training=None):
        """The first LSTM's outputs (n, T + 1, units) for <bos> and the words int (n, T)."""
        seen = self.drop(self.embed(ops.transpose(self.decoder_input(tokens))), training=training)
        return ops.transpose(self.asker.run(self.asker.project(seen), *first)[0], (1, 0, 2))

    def call(self, pairs, training=None):
        """Teacher-forced logits, (n, T + 1, vocabulary_size).

        With ``training=True`` the decoder's outputs (n, T + 1, units) instead, see
        ``Seq2SeqAutoencoder``.
        """
        memory, first = self.read(pairs[:, 0], training)
        both = self.answers(self.questions(first, pairs[:, 1], training), memory)
        z = self.writer.project(ops.transpose(self.drop(both, training=training), (1, 0, 2)))
        zeros = ops.zeros_like(first[0])
        outputs = ops.transpose(self.writer.run(z, zeros, zeros)[0], (1, 0, 2))
        outputs = self.drop(outputs, training=training)
        return outputs if training else self.logits(outputs)

    def decoder_target(self, pairs):
        """The words that are to be written and <eos>: (n, T + 1)."""
        return super().decoder_target(pairs[:, 1])

    def token_nats(self, target, y_pred, training=False):
        """Cross-entropy of each token; in training from the decoder's outputs, see ``call``."""
        if not training:
            return super().token_nats(target, y_pred)
        return self.output_nats(target, y_pred, self.smoothing)

    def initial_state(self, tokens):
        """The state before the first word, from what is read, int (n, T)."""
        memory, first = self.read(ops.cast(tokens, "int32"))
        zeros = ops.zeros_like(first[0])
        return memory, first, (zeros, zeros)

    def step(self, state, tokens):
        """Write one word: ``(logits, state)``; see ``ae_lib.decoding``."""
        memory, asking, writing = state
        asking = self.asker.step(self.asker.project(self.embed(tokens)), *asking)
        both = self.answers(asking[0][:, None], memory)[:, 0]
        writing = self.writer.step(self.writer.project(both), *writing)
        return self.logits(writing[0]), (memory, asking, writing)

    # From and to NumPy

    def align(self, pairs):
        """The attention's weights of each step, <eos>'s the last: float32 (n, T + 1, T) array.

        With the attention "last" there is one vector to look at: (n, T + 1, 1), all ones.

        Args:
            pairs: int (n, 2, T), of ``text.pairs``.

        Raises:
            TypeError, ValueError: as ``check_tokens``.
        """
        pairs = self.check_tokens(pairs)
        memory, first = self.read(pairs[:, 0])
        weights = self.weights_of(self.questions(first, pairs[:, 1]), memory)
        return np.asarray(ops.convert_to_numpy(weights), "float32")

    def check_conditioning(self, tokens):
        """Return what is to be read as int32 (n, T), or say what is wrong with it."""
        return self.check_one(tokens, "conditioning")

    def get_config(self):
        names = ("attention", "dropout", "smoothing")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
