"""The models' equations in NumPy, float64 unless told otherwise: what a GPU must agree with."""

import numpy as np

BOS, EOS = 2, 3


def seq2seq_loss(w, tokens, dtype="float64"):
    """Loss of ``ae_lib.models.Seq2SeqAutoencoder``, nats per token.

    Args:
        w: ``{name: array}``, names as in ``ae_lib.text_models.named_weights``; without
            "to_gates.kernel" the code has no share in the gates.
        tokens: int (n, T), no padding.
        dtype: of the arithmetic; the mean is float64.
    """
    w = {name: np.asarray(value, dtype) for name, value in w.items()}
    table = w["embedding"]
    h, c = lstm(w, "encoder", table[tokens[:, ::-1]])[1:]
    code = np.concatenate([h, c], axis=1) @ w["to_code.kernel"] + w["to_code.bias"]
    h = np.tanh(code @ w["to_h.kernel"] + w["to_h.bias"])
    c = code @ w["to_c.kernel"] + w["to_c.bias"]
    gates = code @ w["to_gates.kernel"] if "to_gates.kernel" in w else 0
    seen = np.pad(tokens, ((0, 0), (1, 0)), constant_values=BOS)
    said = np.pad(tokens, ((0, 0), (0, 1)), constant_values=EOS)
    outputs = lstm(w, "decoder", table[seen], h, c, gates)[0]
    total = 0.0
    for t in range(said.shape[1]):  # one step's logits at a time
        vectors = outputs[:, t] @ w["to_word.kernel"] + w["to_word.bias"]
        total += _nats(vectors @ table.T + w["word_bias"], said[:, t]).sum()
    return total / said.size


def lstm(w, name, x, h=None, c=None, gates=0, mask=None, activation=np.tanh):
    """An LSTM over whole sequences.

    Args:
        w: holds ``name``.kernel, .recurrent_kernel and .bias, gates in Keras's order.
        x: (n, T, inputs).
        h, c: (n, units); None: zeros.
        gates: added to all gates' inputs, (n, 4·units) or a number.
        mask: (n, T) of booleans; where False the state stays.
        activation: of the candidate and the cell.

    Returns:
        ``(outputs, h, c)``: (n, T, units), (n, units), (n, units).
    """
    recurrent = w[f"{name}.recurrent_kernel"]
    if h is None:
        h = c = np.zeros((len(x), len(recurrent)), x.dtype)
    outputs = []
    for t in range(x.shape[1]):
        z = x[:, t] @ w[f"{name}.kernel"] + w[f"{name}.bias"] + gates + h @ recurrent
        i, f, g, o = np.split(z, 4, axis=1)
        new_c = _sigmoid(f) * c + _sigmoid(i) * activation(g)
        new_h = _sigmoid(o) * activation(new_c)
        keep = np.ones((len(x), 1), bool) if mask is None else mask[:, t : t + 1]
        h, c = np.where(keep, new_h, h), np.where(keep, new_c, c)
        outputs.append(h)
    return np.stack(outputs, axis=1), h, c


def transformer_loss(w, heads, tokens):
    """Loss of ``ae_lib.models.TransformerLM``, nats per token, in float64.

    Args:
        w: the arrays in the order of ``model.weights``.
        heads: attention heads.
        tokens: int (n, T), no padding.
    """
    table, positions, *rest = (np.asarray(value, "float64") for value in w)
    *rest, gamma, beta = rest
    seen = np.pad(tokens, ((0, 0), (1, 0)), constant_values=BOS)
    said = np.pad(tokens, ((0, 0), (0, 1)), constant_values=EOS)
    n, steps = seen.shape
    x = table[seen] + positions[:steps]
    future = np.triu(np.full((steps, steps), -np.inf), 1)
    for i in range(0, len(rest), 12):
        g1, b1, qkv_k, qkv_b, out_k, out_b, g2, b2, wide_k, wide_b, slim_k, slim_b = rest[i:][:12]
        qkv = _normalised(x, g1, b1) @ qkv_k + qkv_b
        q, k, v = (
            part.reshape(n, steps, heads, -1).transpose(0, 2, 1, 3)
            for part in np.split(qkv, 3, axis=-1)
        )
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]) + future
        share = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = share / share.sum(-1, keepdims=True) @ v
        x = x + mixed.transpose(0, 2, 1, 3).reshape(x.shape) @ out_k + out_b
        x = x + _gelu(_normalised(x, g2, b2) @ wide_k + wide_b) @ slim_k + slim_b
    logits = _normalised(x, gamma, beta) @ table.T
    return _nats(logits.reshape(-1, len(table)), said.reshape(-1)).mean()


def greedy(w, codes, steps):
    """Greedy decoding of ``Seq2SeqAutoencoder``: int (n, steps), 0 after <eos>."""
    w = {name: np.asarray(value, "float64") for name, value in w.items()}
    codes = np.asarray(codes, "float64")
    h = np.tanh(codes @ w["to_h.kernel"] + w["to_h.bias"])
    c = codes @ w["to_c.kernel"] + w["to_c.bias"]
    gates = codes @ w["to_gates.kernel"]
    last, words = np.full(len(codes), BOS), np.zeros((len(codes), steps), "int32")
    for t in range(steps):
        _, h, c = lstm(w, "decoder", w["embedding"][last][:, None], h, c, gates)
        logits = (h @ w["to_word.kernel"] + w["to_word.bias"]) @ w["embedding"].T + w["word_bias"]
        logits[:, [0, BOS]] = -np.inf
        last = np.where((last == EOS) | (last == 0), 0, logits.argmax(1))
        words[:, t] = last
    return words


def _nats(logits, said):
    """Cross-entropy of each row."""
    top = logits.max(-1)
    total = np.log(np.exp(logits - top[:, None]).sum(-1)) + top
    return (total - np.take_along_axis(logits, said[:, None], -1)[:, 0]).astype("float64")


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def _normalised(x, gamma, beta):
    spread = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return gamma * (x - x.mean(-1, keepdims=True)) / spread + beta


def _gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
