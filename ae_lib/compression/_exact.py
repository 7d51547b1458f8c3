"""An LSTM language model in whole numbers: the same to the last bit on every machine.

Floating-point sums depend on their order, and so on the machine; whole numbers below 2^24 are
exact in float32, in any order. So the matrices are whole numbers from −63 to 63, column by
column times a power of two, as in a file of 8 bits, and so is what they multiply. Between the
products stand single additions, products and roundings of float64, which IEEE 754 fixes to the
last bit, and tables in place of exp and tanh, whose last bit it leaves open.
"""

import numpy as np

from ae_lib._files import column_steps

_STATE = 2.0**-7  # step of the LSTM's outputs, in −1…1
_VECTOR, _MOST = 2.0**-12, 1023  # step and largest multiple of what the embedding multiplies
_FINE = 2.0**-12  # step of cells, biases, logits
_PER = 128  # entries of a table for a change of 1 in its argument
_REACH = 12  # a sigmoid's table ends where it is 0 or 1 within its own step


def _rounded(x, step=_FINE):
    return np.rint(x / step) * step


_SIGMOID = _rounded(
    1 / (1 + np.exp(-np.arange(-_REACH * _PER, _REACH * _PER + 1) / _PER)), 2.0**-15
)


def _sigmoid(x):
    at = np.rint(np.clip(x, -_REACH, _REACH) * _PER).astype("int32")
    return _SIGMOID[at + _REACH * _PER]


def _tanh(x):
    return 2 * _sigmoid(2 * x) - 1


class ExactLM:
    """The logits of a ``LanguageModel`` of a ``RecurrentLM``, in whole numbers.

    Args:
        language_model: ``ae_lib.pretrained("language-model")`` or another with an LSTM; from a
            file of 8 bits its matrices are taken as they are, of any other rounded.
        matmul: what multiplies two float32 matrices, an array or a tensor; None: NumPy's.
            Any engine gives the same logits, ``keras.ops.matmul`` on all three among them.

    Raises:
        TypeError: another model.
        ValueError: weights that are NaN or infinite, or so large that a sum would be inexact.
    """

    def __init__(self, language_model, matmul=None):
        from keras.ops import convert_to_numpy

        from ae_lib.models import RecurrentLM
        from ae_lib.text_models import named_weights

        model = getattr(language_model, "model", None)
        if not isinstance(model, RecurrentLM):
            got = type(language_model if model is None else model).__name__
            raise TypeError(f"language_model: expected one with a RecurrentLM, got {got}")
        w = {k: convert_to_numpy(v).astype("float64") for k, v in named_weights(model).items()}
        if not all(np.isfinite(array).all() for array in w.values()):
            raise ValueError("language_model: some weights are NaN or infinite")
        self.vocabulary, self.units = language_model.vocabulary, model.units
        self._matmul = matmul or np.matmul
        table, table_step = _whole(w["embedding"])
        kernel, kernel_step = _whole(w["lstm.kernel"])
        # A word's share of the gates: with steps that are powers of two, exact in float64.
        self._inputs = (table * table_step).astype("float64") @ (kernel * kernel_step)
        self._inputs = _rounded(self._inputs + w["lstm.bias"]).astype("float32")
        self._recurrent, step = _whole(w["lstm.recurrent_kernel"])
        self._recurrent_step = step * _STATE
        self._to_word, step = _whole(w["to_word.kernel"])
        # The table's own steps go into the vector that it multiplies.
        self._to_word_step = step * _STATE * table_step / _VECTOR
        self._to_word_bias = _rounded(w["to_word.bias"] * table_step / _VECTOR)
        self._table = np.ascontiguousarray(table.T)
        self._word_bias = _rounded(w["word_bias"])
        sums = np.abs(self._recurrent).sum(0).max() * 128, np.abs(table).sum(1).max() * _MOST
        if max(sums) >= 2**24:
            raise ValueError(
                f"language_model: sums up to {max(sums):,.0f} are not exact in float32"
            )

    def start(self, n):
        """The state before the first word of n sentences: outputs, whole numbers, and cells."""
        return np.zeros((n, self.units), "float32"), np.zeros((n, self.units))

    def step(self, state, words):
        """One word more.

        Args:
            state: from ``start`` or the step before, (n, units) each.
            words: int (n,), the words before; <bos> at first.

        Returns:
            ``(logits, state)``: float64 (n, V), multiples of 2^−12, and the state after.
        """
        h, c = state
        z = self._product(h, self._recurrent) * self._recurrent_step + self._inputs[words]
        i, f, g, o = np.split(z, 4, axis=1)
        c = _rounded(_sigmoid(f) * c + _sigmoid(i) * _tanh(g))
        h = np.rint(_sigmoid(o) * _tanh(c) / _STATE).astype("float32")
        vector = self._product(h, self._to_word) * self._to_word_step + self._to_word_bias
        vector = np.clip(np.rint(vector), -_MOST, _MOST).astype("float32")
        logits = self._product(vector, self._table) * _VECTOR + self._word_bias
        return logits, (h, c)

    def _product(self, a, b):
        return np.asarray(self._matmul(a, b)).astype("float64")


def _whole(matrix):
    """A matrix as whole numbers, float32, and each column's step, float64."""
    step = column_steps(matrix)
    return np.rint(matrix / step).astype("float32"), step
