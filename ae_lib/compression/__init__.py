"""Compression without loss by the book's language models, and by one that learns while it codes.

An archive is: four letters, the model's number, four bytes of its digest; chunks of up to
65,536 bytes of data, each with its length, that of what stands for it, a checksum of all so
far; a zero.
"""

import functools
import hashlib
import lzma
import math
import zlib
from io import BytesIO

from ae_lib._checks import brief
from ae_lib._files import as_path, whole_file
from ae_lib.compression._coder import Decoder, Encoder
from ae_lib.compression._exact import ExactLM
from ae_lib.compression._online import Online
from ae_lib.compression._pieces import Logarithms, Pieces

__all__ = [
    "MODELS", "Decoder", "Encoder", "ExactLM", "Meter", "Online", "Pieces",
    "bits", "compress", "compress_file", "decompress", "decompress_file", "pieces",
]  # fmt: skip

MODELS = ("language-model", "mixture", "online")
CHUNK = 1 << 16  # bytes of data that are coded as one
_MAGIC = b"AEC1"
_BY_MODEL, _BY_LZMA, _AS_IS = range(3)
_LZMA = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 9}]}
_SHARES = 157 / 256, 99 / 256  # of the LSTM and the 5-gram: python -m benchmarks.compression fit
_FOREIGN = 0.6  # pieces a byte: above, what is coded is not the language model's kind of text


def compress(data, model="language-model"):
    """Bytes in fewer bytes, from which ``decompress`` makes the same bytes on any machine.

    Args:
        data: bytes, of any kind. The language models are made for English sentences, one a
            line; what they would make longer is stored by LZMA, or as it is.
        model: one of ``MODELS``. "language-model": ``ae_lib.pretrained("language-model")`` in
            whole numbers (``ExactLM``). "mixture": the same with a Kneser–Ney 5-gram of the
            training sentences, their logarithms added in fixed shares. "online": ``Online``,
            which knows nothing at first, and learns while it codes.

    Returns:
        bytes; at most 20 more than ``data`` a 65,536.

    Raises:
        TypeError: ``data`` is not bytes.
        ValueError: no such model.

    Example:
        >>> archive = compress(b"to be or not to be, to be or not", model="online")
        >>> decompress(archive)
        b'to be or not to be, to be or not'
    """
    out = BytesIO()
    _write(BytesIO(_as_bytes(data)), out, _number(model))
    return out.getvalue()


def decompress(blob):
    """The bytes that ``compress`` was given.

    Raises:
        TypeError: ``blob`` is not bytes.
        ValueError: it is no archive, cut short, damaged, or of a model that is not this one.
    """
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise TypeError(f"blob: expected bytes, got {type(blob).__name__}")
    out = BytesIO()
    _read(BytesIO(blob), out)
    return out.getvalue()


def bits(data, model="language-model"):
    """What a perfect coder would need with a model's probabilities.

    Args, errors: as for ``compress``; LZMA is not asked.

    Returns:
        float, in bits, for all the data; divide by ``len(data)`` for bits per byte.
    """
    data, meter, coder = _as_bytes(data), Meter(), _model(_number(model))
    for start in range(0, len(data), CHUNK):
        chunk = data[start : start + CHUNK]
        coder.code(meter, len(chunk), chunk)
    return meter.bits


def compress_file(source, target, model="language-model", progress=None):
    """As ``compress``, from a file to a file, in memory that does not grow with either.

    Args:
        source, target: paths; ``target`` is written whole or not at all.
        progress: called with the bytes read so far, after each chunk; None: nobody.

    Raises:
        OSError: a file that cannot be read or written.
        ValueError: no such model.
    """
    number = _number(model)
    with as_path(source).open("rb") as stream, whole_file(target) as out:
        _write(stream, out, number, progress)


def decompress_file(source, target, progress=None):
    """As ``decompress``, from a file to a file; arguments as for ``compress_file``."""
    with as_path(source).open("rb") as stream, whole_file(target) as out:
        _read(stream, out, progress)


class Meter:
    """In the place of an ``Encoder``: adds what a perfect coder would need, in ``bits``."""

    def __init__(self):
        self.bits = 0.0

    def encode(self, start, size, bits):
        """Count a symbol; its arguments are those of ``Encoder.encode``."""
        self.bits += bits - math.log2(size)


def _as_bytes(data):
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    hint = "; encode it: text.encode()" if isinstance(data, str) else ""
    raise TypeError(f"data: expected bytes, got {type(data).__name__}{hint}")


def _number(model):
    if model not in MODELS:
        raise ValueError(f"model: got {brief(model)}; choose one of {', '.join(MODELS)}")
    return MODELS.index(model)


def _model(number):
    return Online() if MODELS[number] == "online" else pieces(MODELS[number])


@functools.cache
def pieces(model="language-model"):
    """The coder of pieces of words that a model, "language-model" or "mixture", stands for.

    Returns:
        an object whose ``code(coder, length, raw)`` writes ``raw`` with an ``Encoder``, counts
        its bits with a ``Meter``, or, without ``raw``, reads ``length`` bytes of a ``Decoder``.

    Raises:
        ValueError: another name.
    """
    from ae_lib.data import load_sentences
    from ae_lib.ngrams import KneserNey
    from ae_lib.text_models import pretrained

    if model not in MODELS[:2]:
        raise ValueError(f"model: got {brief(model)}; choose one of {', '.join(MODELS[:2])}")
    language_model = pretrained("language-model")
    models, words = [ExactLM(language_model)], language_model.vocabulary
    if model == "mixture":
        sentences = load_sentences("train", size="full")
        models.append(Logarithms(KneserNey(words, order=5).fit(sentences)))
    return Pieces(words, models, _SHARES if model == "mixture" else (1,))


def _digest(number):
    """Four bytes that change with the model."""
    from ae_lib.text_models import record

    what = f"1 {MODELS[number]} {_SHARES}"
    if MODELS[number] != "online":
        what += record("language-model")["sha256"]
    return hashlib.sha256(what.encode()).digest()[:4]


def _write(stream, out, number, progress=None):
    head = _MAGIC + bytes([number]) + _digest(number)
    out.write(head)
    check, model, done = zlib.crc32(head), None, 0
    while chunk := stream.read(CHUNK):
        model = model or _model(number)
        kind, payload = _packed(model, chunk)
        part = _varint(len(chunk)) + _varint(3 * len(payload) + kind) + payload
        check = zlib.crc32(chunk, zlib.crc32(part, check))
        out.write(part + check.to_bytes(4, "little"))
        done += len(chunk)
        if progress:
            progress(done)
    out.write(_varint(0))


def _packed(model, chunk):
    """How a chunk is stored, and what stands for it: the shortest of what was tried."""
    found = [(_AS_IS, chunk)]
    foreign = isinstance(model, Pieces) and model.pieces_per_byte(chunk) > _FOREIGN
    if not foreign:
        encoder = Encoder()
        model.code(encoder, len(chunk), chunk)
        found.append((_BY_MODEL, encoder.finish()))
    if isinstance(model, Pieces):
        found.append((_BY_LZMA, lzma.compress(chunk, **_LZMA)))
    return min(found, key=lambda pair: len(pair[1]))


def _read(stream, out, progress=None):
    head = stream.read(len(_MAGIC) + 5)
    if head[: len(_MAGIC)] != _MAGIC:
        raise ValueError("blob: no archive of ae_lib.compression: its first bytes are others")
    if len(head) < len(_MAGIC) + 5:
        raise ValueError("blob: cut short")
    number = head[len(_MAGIC)]
    if number >= len(MODELS) or head[-4:] != _digest(number):
        name = MODELS[number] if number < len(MODELS) else f"number {number}"
        raise ValueError(
            f"blob: written with another model than this version's ({name}, digest "
            f"{head[-4:].hex()}), or damaged; take the version of ae_lib that wrote it"
        )
    check, model, done = zlib.crc32(head), None, 0
    while length := _read_varint(stream):
        both = _read_varint(stream)
        size, kind = divmod(both, 3)
        if length > CHUNK or size > CHUNK:
            raise ValueError(f"blob: damaged: a chunk of {max(length, size):,} bytes")
        payload = stream.read(size)
        stored = stream.read(4)
        if len(payload) < size or len(stored) < 4:
            raise ValueError("blob: cut short")
        check = zlib.crc32(_varint(length) + _varint(both) + payload, check)
        model = model or _model(number)
        chunk = _unpacked(model, kind, payload, length)
        check = zlib.crc32(chunk, check)
        if check != int.from_bytes(stored, "little"):
            raise ValueError("blob: damaged: a checksum does not fit")
        out.write(chunk)
        done += length
        if progress:
            progress(done)
    if stream.read(1):
        raise ValueError("blob: damaged: there is more behind its end")


def _unpacked(model, kind, payload, length):
    try:
        if kind == _BY_MODEL:
            return model.code(Decoder(payload), length)
        return payload if kind == _AS_IS else lzma.decompress(payload, **_LZMA)
    except (ValueError, lzma.LZMAError) as error:
        raise ValueError(f"blob: damaged ({error})") from error


def _varint(number):
    """A whole number in 7 bits a byte, the lowest first; all bytes but the last begin with 1."""
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _read_varint(stream):
    number = 0
    for place in range(0, 28, 7):
        if not (byte := stream.read(1)):
            raise ValueError("blob: cut short")
        number |= (byte[0] & 127) << place
        if byte[0] < 128:
            return number
    raise ValueError("blob: damaged: a length that cannot be")
