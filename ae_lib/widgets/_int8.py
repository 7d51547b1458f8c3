"""A model of text in 8-bit numbers: what the browser is given; an autoencoder's sums in NumPy.

One block of bytes: the length of a JSON header (4 bytes, little-endian), the header, then
the arrays where the header says they are. A matrix is stored row by row, one row for each
value that it puts out, as int8 and a float32 scale a row; vectors are float32. The matrices of
a translator and of an LSTM language model have the steps of a file of 8 bits: of a model from
such a file the copy is exact.
"""

import hashlib
import io
import json
import zipfile

import numpy as np

from ae_lib._files import column_steps

FORMAT = "ae-lib text autoencoder int8 1"
TRANSLATOR = "ae-lib translator int8 1"
LANGUAGE_MODEL = "ae-lib language model int8 1"
MAX_LENGTH = 48
_PAD, _BOS, _EOS = 0, 2, 3
# Name by ``named_weights``: whether its rows, turned, are what the browser multiplies by.
_MATRICES = {
    "embedding": False,  # a row is a word
    "encoder.kernel": True,
    "encoder.recurrent_kernel": True,
    "to_code.kernel": True,
    "to_h.kernel": True,
    "to_c.kernel": True,
    "to_gates.kernel": True,
    "decoder.kernel": True,
    "decoder.recurrent_kernel": True,
    "to_word.kernel": True,
}
_VECTORS = (
    "word_bias", "encoder.bias", "to_code.bias", "to_h.bias", "to_c.bias", "decoder.bias",
    "to_word.bias",
)  # fmt: skip
# Of a translator: the names for each attention that the page computes.
_DENSE, _LSTM = ("kernel", "bias"), ("kernel", "recurrent_kernel", "bias")
_PARTS = {"to_h": _DENSE, "to_c": _DENSE, "to_word": _DENSE}
_PARTS |= dict.fromkeys(("forwards", "backwards", "asker", "writer"), _LSTM)
_DOT = {"embedding", "word_bias", *(f"{part}.{w}" for part in _PARTS for w in _PARTS[part])}
_GENERAL = _DOT | {"to_key.kernel"}
ATTENTIONS = {
    "dot": _DOT,
    "general": _GENERAL,
    "additive": _GENERAL | {"to_query.kernel", "to_score"},
}
_LANGUAGE = {"embedding", "word_bias", "to_word.kernel", "to_word.bias"}
_LANGUAGE |= {f"lstm.{weight}" for weight in _LSTM}


def quantise(rows):
    """Each row as whole numbers from -127 to 127 times a scale of its own.

    Args:
        rows: float (n, m).

    Returns:
        ``(int8 (n, m), float32 (n,))``; their product is within half a scale of ``rows``.

    Raises:
        ValueError: not two axes, NaN or infinite.
    """
    rows = np.asarray(rows, "float32")
    if rows.ndim != 2:
        raise ValueError(f"rows: expected two axes, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("rows: some values are NaN or infinite")
    scale = (np.abs(rows).max(axis=1, initial=0) / np.float32(127)).astype("float32")
    scale[scale == 0] = 1
    return np.clip(np.rint(rows / scale[:, None]), -127, 127).astype("int8"), scale


def pack(weights, vocabulary, attention=None):
    """The bytes for the browser.

    Args:
        weights: arrays by the names of ``ae_lib.text_models.named_weights``.
        vocabulary: record of the model's vocabulary, a dict (``to_record``).
        attention: of a translator, one of ``ATTENTIONS``; None: an autoencoder, or, by the
            names of its weights, an LSTM language model.

    Returns:
        bytes, the same for the same arguments.

    Raises:
        ValueError: a weight is missing, unknown, NaN or of a shape that fits no other.
    """
    weights = {name: np.asarray(array, "float32") for name, array in weights.items()}
    if attention is not None:
        wanted = ATTENTIONS.get(attention, set())
        return _pack_exact(TRANSLATOR, weights, vocabulary, wanted, attention=attention)
    if "lstm.kernel" in weights:
        return _pack_exact(LANGUAGE_MODEL, weights, vocabulary, _LANGUAGE)
    weights.pop("beta", None)  # of a SentenceVAE, whose codes' means alone are kept
    if wrong := set(weights) ^ {*_MATRICES, *_VECTORS}:
        raise ValueError(f"weights: missing or unknown: {', '.join(sorted(wrong))}")
    size = len(weights["to_h.kernel"])
    for name in ("to_code.kernel", "to_code.bias"):
        if weights[name].shape[-1] == 2 * size:
            weights[name] = weights[name][..., :size]
    _check_shapes(weights, len(vocabulary["tokens"]))
    arrays = {name: weights[name] for name in _VECTORS}
    for name, turned in _MATRICES.items():
        try:
            rows, scale = quantise(weights[name].T if turned else weights[name])
        except ValueError as error:
            raise ValueError(f"weights: {name}: {error}") from None
        arrays[name + ".scale"], arrays[name] = scale, rows
    return _block(FORMAT, arrays, {name: vocabulary[name] for name in ("tokens", "names")})


def _pack_exact(kind, weights, vocabulary, wanted, **more):
    if wrong := set(weights) ^ wanted:
        raise ValueError(f"weights: missing or unknown: {', '.join(sorted(wrong))}")
    arrays = {"merges": merges_of(vocabulary).astype("uint16")}
    for name in sorted(weights):
        array = _finite(weights[name], name)
        if array.ndim == 2:  # as text_models writes it to a file of 8 bits
            scale = column_steps(array).astype("float32")
            rows = np.rint(array / scale).astype("int8")
            arrays[name + ".scale"], array = scale, rows if name == "embedding" else rows.T
        arrays[name] = array
    return _block(kind, arrays, more)


def merges_of(vocabulary):
    """The pairs of pieces that are joined, in order, by their numbers without specials, (m, 2).

    ``vocabulary`` is the record of a ``Subwords``.
    """
    stored = json.loads(vocabulary["model"])["model"]
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in stored["merges"]]
    ids = stored["vocab"]
    return np.array([[ids[a], ids[b]] for a, b in pairs]).reshape(-1, 2)


def _block(kind, arrays, more):
    """The block of bytes: see this module."""
    parts, entries, at = [], {}, 0
    # float32 first: each array stands at a multiple of its own width.
    for name in sorted(arrays, key=lambda name: -arrays[name].itemsize):
        array = _finite(arrays[name], name)
        entries[name] = {"kind": str(array.dtype), "shape": list(array.shape), "at": at}
        parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
        at += len(parts[-1])
    header = {"format": kind, "bytes": at, "arrays": entries, **more}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def _finite(array, name):
    if not np.isfinite(array).all():
        raise ValueError(f"weights: {name}: some values are NaN or infinite")
    return array


def unpack(raw):
    """Header and arrays of what ``pack`` made; the matrices as in the model, float32.

    Raises:
        ValueError: cut short, or something else.
    """
    size = 4 + int.from_bytes(raw[:4], "little")
    try:
        header = json.loads(raw[4:size])
        known = header["format"] in (FORMAT, TRANSLATOR, LANGUAGE_MODEL)
        right = known and len(raw) == size + header["bytes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"raw: not a packed model of text ({error})") from None
    if not right:
        raise ValueError(f"raw: {len(raw):,} bytes are not a whole packed model of text")
    stored, arrays = {}, {}
    for name, entry in header["arrays"].items():
        kind = np.dtype(entry["kind"]).newbyteorder("<")
        count, start = int(np.prod(entry["shape"])), size + entry["at"]
        stored[name] = np.frombuffer(raw, kind, count, start).reshape(entry["shape"])
    by_column = header["format"] != FORMAT  # the table, where a row is a word
    for name, array in stored.items():
        if (scale := stored.get(name + ".scale")) is None:
            arrays |= {} if name.endswith(".scale") else {name: array}
        elif name == "embedding":
            arrays[name] = array * (scale if by_column else scale[:, None])
        else:
            arrays[name] = np.ascontiguousarray((array * scale[:, None]).T)
    return header, arrays


def fingerprint(raw):
    """Sixteen hexadecimal digits that tell one packed model from another."""
    return hashlib.sha256(raw).hexdigest()[:16]


def page_script(name, raw):
    """A script that puts the bytes where an explorer on the same page finds them."""
    import base64

    text = base64.b64encode(raw).decode("ascii")
    return f'(window.aeWeights ??= {{}})["{name}"] = "{text}";\n'


def pack_file(path):
    """The bytes for the browser, of a file of one of the models of ``pack_model``, without Keras.

    Raises:
        ValueError: no such file, damaged, or another model.
    """
    import h5py

    known, weights = {*_MATRICES, *_VECTORS, *ATTENTIONS["additive"], *_LANGUAGE}, {}

    def take(path, group):  # Keras notes there whose weights these are, and keeps their order
        if layer := group.attrs.get("name"):
            names = [name for name in (f"{layer}.{kind}" for kind in _LSTM) if name in known]
            if path == "vars":
                score = ["to_score"] if attention == "additive" else []
                names = ["embedding", *score, "word_bias"]
            weights.update({n: group[str(i)][()] for i, n in enumerate(names)})

    try:
        with zipfile.ZipFile(path) as archive:
            vocabulary = json.loads(archive.read("ae_lib.json"))["vocabularies"]["vocabulary"]
            config = json.loads(archive.read("config.json"))["config"]
            attention = config.get("attention")
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as stored:
                stored.visititems(take)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: not a whole TextAutoencoder ({error})") from error
    return pack(weights, vocabulary, attention)


def pack_model(model):
    """The bytes for the browser, of a model of text: an autoencoder, translator, LSTM."""
    from keras.ops import convert_to_numpy

    from ae_lib.text_models import named_weights

    weights = {k: convert_to_numpy(w) for k, w in named_weights(model.model).items()}
    return pack(weights, model.vocabulary.to_record(), getattr(model.model, "attention", None))


class Int8Model:
    """Greedy coding and decoding with the packed weights, one sentence at a time.

    Args:
        raw: what ``pack`` gave.
    """

    def __init__(self, raw):
        self.header, self._w = unpack(raw)
        self.code_size = len(self._w["to_code.bias"])

    def encode(self, ids):
        """The code, float32 (d,), of a list of word ids; of an empty one, too."""
        w = self._w
        h = c = np.zeros(len(w["encoder.recurrent_kernel"]), "float32")
        for word in reversed(ids):
            h, c = _cell(self._inputs("encoder", word, h), c)
        return np.concatenate([h, c]) @ w["to_code.kernel"] + w["to_code.bias"]

    def decode(self, code, max_length=MAX_LENGTH):
        """The ids, without the end, that the code (d,) decodes to."""
        w = self._w
        h = np.tanh(code @ w["to_h.kernel"] + w["to_h.bias"])
        c = code @ w["to_c.kernel"] + w["to_c.bias"]
        gates = code @ w["to_gates.kernel"]
        word, ids = _BOS, []
        for _ in range(max_length):
            h, c = _cell(self._inputs("decoder", word, h) + gates, c)
            logits = w["embedding"] @ (h @ w["to_word.kernel"] + w["to_word.bias"])
            logits += w["word_bias"]
            logits[[_PAD, _BOS]] = -np.inf
            word = int(logits.argmax())
            if word == _EOS:
                break
            ids.append(word)
        return ids

    def _inputs(self, part, word, h):
        w = self._w
        x = w["embedding"][word] @ w[part + ".kernel"] + h @ w[part + ".recurrent_kernel"]
        return x + w[part + ".bias"]


def _cell(s, c):
    i, f, g, o = np.split(s, 4)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def _sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _check_shapes(weights, words):
    e, u = weights["to_word.kernel"].shape[::-1]
    d = len(weights["to_code.bias"])
    wanted = {"embedding": (words, e), "word_bias": (words,)}
    wanted |= {"to_code.kernel": (2 * u, d), "to_word.bias": (e,), "to_gates.kernel": (d, 4 * u)}
    wanted |= {f"{part}.kernel": (d, u) for part in ("to_h", "to_c")}
    wanted |= {f"{part}.bias": (u,) for part in ("to_h", "to_c")}
    for part in ("encoder", "decoder"):
        wanted |= {f"{part}.kernel": (e, 4 * u), f"{part}.bias": (4 * u,)}
        wanted[f"{part}.recurrent_kernel"] = (u, 4 * u)
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise ValueError(f"weights: {name}: expected {shape}, got {weights[name].shape}")
