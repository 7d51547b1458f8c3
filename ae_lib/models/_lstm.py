"""The LSTM, fast on a CPU: one matrix product for all inputs, one for all weight gradients."""

import keras
from keras import ops

from ae_lib._checks import as_size

UNROLL = 64  # longer sequences run in a loop of the backend: no graph of 10,000 cells


def split_policy(dtype, matmul_dtype):
    """A Keras policy of 16 bits, for what multiplies in 16 bits and does all else in 32.

    Args:
        dtype: a policy or its name; None: the global one.
        matmul_dtype: what was asked for besides; it goes before the policy's.

    Returns:
        ``(dtype, matmul_dtype)``: float32 and the policy's 16-bit type; or both as they came.
    """
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    if policy.compute_dtype not in ("float16", "bfloat16"):
        return policy, matmul_dtype
    return "float32", matmul_dtype or policy.compute_dtype


def product(a, b, dtype=None):
    """``a @ b``, its factors rounded to ``dtype`` first if one is given."""
    if dtype is None:
        return ops.matmul(a, b)
    return ops.cast(ops.matmul(ops.cast(a, dtype), ops.cast(b, dtype)), "float32")


def log_normaliser(vectors, table, bias, dtype=None):
    """log Σ_v exp(vectors · table_v + bias_v): what a softmax over a vocabulary divides by.

    The gradient is by hand, in two matrix products with exp(logits): the softmax itself, its
    difference from the target, and their products with the gradient from above are never
    written to memory, where each would be as large as the logits.

    Args:
        vectors: (n, e).
        table: (V, e).
        bias: (V,).
        dtype: precision of the matrix products' factors; None: that of the arguments.

    Returns:
        (n,), in nats.
    """

    @ops.custom_gradient
    def normaliser(vectors, table, bias):
        logits = product(vectors, ops.transpose(table), dtype) + bias
        top = ops.max(logits, axis=-1, keepdims=True)
        powers = ops.exp(logits - top)
        total = ops.sum(powers, axis=-1, keepdims=True)

        def gradient(*received, upstream=None):
            share = (received[0] if upstream is None else upstream)[:, None] / total
            across = ops.transpose(powers)
            to_vectors = share * product(powers, table, dtype)
            to_table = product(across, vectors * share, dtype)
            return to_vectors, to_table, ops.matmul(across, share)[:, 0]

        return (ops.log(total) + top)[:, 0], gradient

    return normaliser(vectors, _tensor(table), _tensor(bias))


def _tensor(weight):
    """A weight's value: hand-made gradients on TensorFlow are of tensors alone."""
    return ops.reshape(weight, weight.shape)


def cell(z, c):
    """One LSTM step from its summed inputs.

    Args:
        z: (batch, 4·units), input, forget, candidate and output, in Keras's order.
        c: (batch, units), the cell before.

    Returns:
        ``(h, c, parts)``: output and cell (batch, units); parts as the tuple
        (i, f, g, o, tanh(c)).
    """
    units = c.shape[-1]
    i, f = ops.split(ops.sigmoid(z[:, : 2 * units]), 2, axis=1)
    g = ops.tanh(z[:, 2 * units : 3 * units])
    o = ops.sigmoid(z[:, 3 * units :])
    c = f * c + i * g
    bent = ops.tanh(c)
    return o * bent, c, (i, f, g, o, bent)


def run(z, h, c, recurrent, mask=None, dtype=None):
    """All steps of an LSTM whose input products are done.

    Args:
        z: (time, batch, 4·units) = x W + b, time first.
        h, c: (batch, units), the state before the first step.
        recurrent: (units, 4·units).
        mask: (time, batch, 1) of ones and zeros; at a zero the state stays. None: all ones.
        dtype: precision of the matrix products' factors; None: that of the arguments.

    Returns:
        ``(outputs, h, c)``: (time, batch, units) and the state after the last step.
    """
    recurrent = _tensor(recurrent)
    if z.shape[0] is None or z.shape[0] > UNROLL:
        return _loop(z, h, c, recurrent, mask, dtype)
    units, arguments = recurrent.shape[0], (z, h, c, recurrent)
    # Time and units are static; a batch may be of any size.
    steps = _unrolled(z.shape[0], units, mask is not None, dtype)
    both = steps(*arguments) if mask is None else steps(*arguments, mask)
    return both[:-1], both[-2], both[-1]


def _keep(new, old, m):
    return old + m * (new - old)


def _loop(z, h, c, recurrent, mask, dtype):
    width = 4 * recurrent.shape[0]

    def step(state, inputs):
        h, c = state
        new_h, new_c, _ = cell(inputs[:, :width] + product(h, recurrent, dtype), c)
        if mask is not None:
            m = inputs[:, width:]
            new_h, new_c = _keep(new_h, h, m), _keep(new_c, c, m)
        return (new_h, new_c), (new_h, new_c)  # Keras's scan on TensorFlow wants one structure

    # One array: of two, Keras's scan on TensorFlow wants to know the length.
    both = z if mask is None else ops.concatenate([z, mask], axis=-1)
    (h, c), (outputs, _) = ops.scan(step, (h, c), both)
    return outputs, h, c


def _unrolled(time, units, masked, dtype):
    """The steps written out, with their gradient by hand.

    Backpropagation by the backend computes every step's derivatives in small pieces and adds
    up one product for the recurrent weights per step. Here what does not depend on the
    gradient from above is computed for all steps at once, and so is that product.
    """

    @ops.custom_gradient
    def steps(z, h0, c0, recurrent, mask=None):
        h, c = h0, c0
        outputs, cells, parts = [h0], [c0], []
        inputs = ops.unstack(z, time)
        keeps = ops.unstack(mask, time) if masked else None
        for t in range(time):
            new_h, new_c, part = cell(inputs[t] + product(h, recurrent, dtype), c)
            parts.append(part)
            h = _keep(new_h, h, keeps[t]) if masked else new_h
            c = _keep(new_c, c, keeps[t]) if masked else new_c
            outputs.append(h)
            cells.append(c)

        def gradient(*received, upstream=None):
            above = ops.unstack(received[0] if upstream is None else upstream, time + 1)
            i, f, g, o, bent = (ops.stack(part) for part in zip(*parts, strict=True))
            before = ops.stack(cells[:-1])
            slopes = [g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), bent * o * (1 - o)]
            slopes = ops.unstack(ops.concatenate(slopes, axis=2), time)
            through = ops.unstack(o * (1 - bent * bent), time)  # from h to c
            back = ops.transpose(recurrent)
            dh, dc, dz = above[time - 1], above[time], [None] * time
            for t in reversed(range(time)):
                if masked:
                    skip_h, skip_c = dh * (1 - keeps[t]), dc * (1 - keeps[t])
                    dh, dc = dh * keeps[t], dc * keeps[t]
                dc = dc + dh * through[t]
                dz[t] = ops.concatenate([dc, dc, dc, dh], axis=1) * slopes[t]
                dh, dc = product(dz[t], back, dtype), dc * parts[t][1]
                if masked:
                    dh, dc = dh + skip_h, dc + skip_c
                if t:
                    dh = dh + above[t - 1]
            dz = ops.stack(dz)
            states = ops.transpose(ops.reshape(ops.stack(outputs[:-1]), (-1, units)))
            dw = product(states, ops.reshape(dz, (-1, 4 * units)), dtype)
            gradients = (dz, dh, dc, dw)
            return (*gradients, ops.zeros_like(mask)) if masked else gradients

        return ops.stack([*outputs[1:], c]), gradient

    return steps


@keras.saving.register_keras_serializable("ae_lib")
class LSTM(keras.layers.Layer):
    """``keras.layers.LSTM``, the same numbers from the same weights, in less time.

    Source: Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    The inputs' products of all steps are one matrix product before the recurrence, and the
    recurrent weights' gradient is one matrix product after it.

    Args:
        units: size of the state, at least 1.
        matmul_dtype: "bfloat16" rounds the factors of matrix products, which halves their
            time on processors that have the instructions; None: full precision.
        dtype: a Keras policy; of one with 16 bits, "mixed_bfloat16" say, the 16-bit type
            becomes ``matmul_dtype``, and everything else is float32.

    Weights, in Keras's order: ``kernel`` (inputs, 4·units), ``recurrent_kernel``
    (units, 4·units), ``bias`` (4·units,); the four blocks are input, forget, candidate,
    output.

    Raises:
        TypeError, ValueError: ``units`` is no whole number ≥ 1.

    Example:
        >>> outputs, h, c = LSTM(32)(keras.random.normal((2, 7, 5)))
        >>> tuple(outputs.shape)
        (2, 7, 32)
    """

    def __init__(self, units, matmul_dtype=None, dtype=None, **options):
        dtype, matmul_dtype = split_policy(dtype, matmul_dtype)
        super().__init__(dtype=dtype, **options)
        self.units = as_size(units, "units")
        self.matmul_dtype = matmul_dtype
        self.supports_masking = True

    def build(self, input_shape):
        shape = (input_shape[-1], 4 * self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 4 * self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=shape[1:], initializer=self._bias, name="bias")

    def _bias(self, shape, dtype=None):
        """Zeros, and ones for the forget gate (Jozefowicz et al. 2015)."""
        block = ops.arange(shape[0]) // self.units
        return ops.cast(block == 1, dtype or "float32")

    def project(self, x):
        """x W + b for all steps at once: (…, inputs) → (…, 4·units)."""
        flat = product(ops.reshape(x, (-1, x.shape[-1])), self.kernel, self.matmul_dtype)
        return ops.reshape(flat + self.bias, (*ops.shape(x)[:-1], 4 * self.units))

    def run(self, z, h, c, mask=None, recurrent=None):
        """The recurrence over projected inputs, time first; see ``run`` of this module."""
        recurrent = self.recurrent_kernel if recurrent is None else recurrent
        return run(z, h, c, recurrent, mask, self.matmul_dtype)

    def step(self, z, h, c):
        """One step from a projected input (batch, 4·units): ``(h, c)``."""
        return cell(z + product(h, self.recurrent_kernel, self.matmul_dtype), c)[:2]

    def call(self, x, mask=None, initial_state=None, recurrent=None):
        """Run over whole sequences.

        Args:
            x: (batch, time, inputs).
            mask: (batch, time) of booleans; where False the state stays. None: all True.
            initial_state: ``(h, c)``, each (batch, units); None: zeros.
            recurrent: (units, 4·units), in place of ``recurrent_kernel``; None: that one.

        Returns:
            ``(outputs, h, c)``: (batch, time, units), (batch, units), (batch, units).
        """
        if initial_state is None:
            zeros = ops.zeros((ops.shape(x)[0], self.units), dtype=self.compute_dtype)
            initial_state = (zeros, zeros)
        if mask is not None:
            mask = ops.cast(ops.transpose(mask), self.compute_dtype)[:, :, None]
        z = self.project(ops.transpose(x, (1, 0, 2)))
        outputs, h, c = self.run(z, *initial_state, mask, recurrent)
        return ops.transpose(outputs, (1, 0, 2)), h, c

    def get_config(self):
        config = {"units": self.units, "matmul_dtype": self.matmul_dtype}
        return {**super().get_config(), **config}
