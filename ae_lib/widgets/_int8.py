"""A text autoencoder in 8-bit numbers: what the browser is given, and its sums in NumPy.

One block of bytes: the length of a JSON header (4 bytes, little-endian), the header, then
the arrays where the header says they are. A matrix is stored row by row, one row for each
value that it puts out, as int8 and a float32 scale a row; vectors are float32.
"""

import hashlib
import io
import json
import zipfile

import numpy as np

FORMAT = "ae-lib text autoencoder int8 1"
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


def pack(weights, vocabulary):
    """The bytes for the browser.

    Args:
        weights: arrays by the names of ``ae_lib.text_models.named_weights``.
        vocabulary: record of the ``ae_lib.text.Vocabulary``, a dict (``to_record``).

    Returns:
        bytes, the same for the same arguments.

    Raises:
        ValueError: a weight is missing, unknown, NaN or of a shape that fits no other.
    """
    weights = {name: np.asarray(array, "float32") for name, array in weights.items()}
    weights.pop("beta", None)  # of a SentenceVAE, whose codes' means alone are kept
    if wrong := set(weights) ^ {*_MATRICES, *_VECTORS}:
        raise ValueError(f"weights: missing or unknown: {', '.join(sorted(wrong))}")
    size = len(weights["to_h.kernel"])
    for name in ("to_code.kernel", "to_code.bias"):
        if weights[name].shape[-1] == 2 * size:
            weights[name] = weights[name][..., :size]
    _check_shapes(weights, len(vocabulary["tokens"]))
    parts, entries, at = [], {}, 0
    arrays = {name: weights[name] for name in _VECTORS}
    for name, turned in _MATRICES.items():
        try:
            rows, scale = quantise(weights[name].T if turned else weights[name])
        except ValueError as error:
            raise ValueError(f"weights: {name}: {error}") from None
        arrays[name + ".scale"], arrays[name] = scale, rows
    # float32 first: each array stands at a multiple of its own width.
    for name in sorted(arrays, key=lambda name: arrays[name].dtype == np.int8):
        array = arrays[name]
        if not np.isfinite(array).all():
            raise ValueError(f"weights: {name}: some values are NaN or infinite")
        kind = "int8" if array.dtype == np.int8 else "float32"
        entries[name] = {"kind": kind, "shape": list(array.shape), "at": at}
        parts.append(array.astype("<f4" if kind == "float32" else "i1").tobytes())
        at += len(parts[-1])
    header = {"format": FORMAT, "bytes": at, "arrays": entries}
    header |= {name: vocabulary[name] for name in ("tokens", "names")}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(raw):
    """Header and arrays of what ``pack`` made; the matrices as in the model, float32.

    Raises:
        ValueError: cut short, or something else.
    """
    size = 4 + int.from_bytes(raw[:4], "little")
    try:
        header = json.loads(raw[4:size])
        right = header["format"] == FORMAT and len(raw) == size + header["bytes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"raw: not a packed text autoencoder ({error})") from None
    if not right:
        raise ValueError(f"raw: {len(raw):,} bytes are not a whole {FORMAT!r}")
    stored = {}
    for name, entry in header["arrays"].items():
        kind = "<f4" if entry["kind"] == "float32" else "i1"
        count, start = int(np.prod(entry["shape"])), size + entry["at"]
        stored[name] = np.frombuffer(raw, kind, count, start).reshape(entry["shape"])
    arrays = {name: stored[name] for name in _VECTORS}
    for name, turned in _MATRICES.items():
        matrix = stored[name].astype("float32") * stored[name + ".scale"][:, None]
        arrays[name] = np.ascontiguousarray(matrix.T) if turned else matrix
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
    """The bytes for the browser, of a file of a ``TextAutoencoder`` or ``TextVAE``, without Keras.

    Raises:
        ValueError: no such file, damaged, or another model.
    """
    import h5py

    known, weights = {*_MATRICES, *_VECTORS}, {}

    def take(path, group):  # Keras notes there whose weights these are, and keeps their order
        if layer := group.attrs.get("name"):
            kinds = (f"{layer}.{kind}" for kind in ("kernel", "recurrent_kernel", "bias"))
            names = [name for name in kinds if name in known]
            names = ["embedding", "word_bias"] if path == "vars" else names
            weights.update({n: group[str(i)][()] for i, n in enumerate(names)})

    try:
        with zipfile.ZipFile(path) as archive:
            vocabulary = json.loads(archive.read("ae_lib.json"))["vocabularies"]["vocabulary"]
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as stored:
                stored.visititems(take)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: not a whole TextAutoencoder ({error})") from error
    return pack(weights, vocabulary)


def pack_model(autoencoder):
    """The bytes for the browser, of an ``ae_lib.text_models.TextAutoencoder``."""
    from keras.ops import convert_to_numpy

    from ae_lib.text_models import named_weights

    weights = {k: convert_to_numpy(w) for k, w in named_weights(autoencoder.model).items()}
    return pack(weights, autoencoder.vocabulary.to_record())


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
