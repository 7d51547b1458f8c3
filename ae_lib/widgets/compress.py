"""A text and its archive, compressed by a language model in the reader's browser."""

import json
import math

import traitlets

from ae_lib._checks import brief
from ae_lib.widgets._explorer import Explorer
from ae_lib.widgets._int8 import pack_file
from ae_lib.widgets._static import as_name, payload_text
from ae_lib.widgets.sentence_path import PathExplorer, beside_the_page

# The shipped model's name, and its file beside the pages.
SHIPPED, PAGE_FILE = "language-model", "language_model.js"
_BYTES = 2000


class Compress(Explorer):
    """Explorer of lossless compression, live in a notebook and in the published page.

    The reader writes a text and sees its archive, byte for byte that of
    ``ae_lib.compression.compress`` with the model "language-model", the bits of each piece, and
    the text restored from the archive, which can be changed before. All is computed in the
    browser, in whole numbers, with an exact copy of the model's 8-bit weights, which comes when
    it is asked for. Before it has come, the archive of ``text``, made here, is shown. The
    browser has no LZMA: what Python would store by it is stored there by the model or as it is.

    Args:
        text: str of at most 2,000 bytes in UTF-8; English sentences, one a line, suit the model.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        text: str; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> explorer = Compress("Tom is here.")
        >>> explorer.text
        'Tom is here.'
    """

    _kind = "compress"
    _answer = PathExplorer._answer  # the browser asks for the weights
    text = traitlets.Unicode().tag(sync=True)

    def __init__(self, text, *, name="compress"):
        from ae_lib import compression, text_models

        self._name = as_name(name, "compress")
        raw = _as_bytes(text)
        self._raw = pack_file(text_models.shipped_file(SHIPPED))
        archive = compression.compress(raw, SHIPPED)
        stored = {"text": text, "archive": archive.hex(), "lines": _lines(raw)}
        payload = payload_text(
            {
                "name": name,
                "stored": stored,
                "head": compression.compress(b"", SHIPPED)[:-1].hex(),
                "most": _BYTES,
                "bytes": len(self._raw),
                "weights": beside_the_page(self._raw, SHIPPED, PAGE_FILE),
            }
        )
        super().__init__(text=text, payload=payload)
        self.on_msg(self._answer)

    @traitlets.validate("text")
    def _writable(self, proposal):
        try:
            _as_bytes(proposal.value)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return proposal.value

    def _description(self):
        before, after = self._sizes()
        return (
            "a text, its archive and the bits of each piece of the text. "
            f"The text has {before:,} bytes, its archive {after:,}."
        )

    def __repr__(self):
        before, after = self._sizes()
        return f"<Compress {self._name!r}: {before:,} bytes of text, {after:,} of its archive>"

    def _sizes(self):
        stored = json.loads(self.payload)["stored"]
        return len(stored["text"].encode()), len(stored["archive"]) // 2


def _as_bytes(text):
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string, got {type(text).__name__}")
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text: {brief(text)} is no Unicode text ({error.reason})") from None
    if len(raw) > _BYTES:
        raise ValueError(f"text: expected at most {_BYTES:,} bytes in UTF-8, got {len(raw):,}")
    return raw


class _Recorder:
    """In the place of an encoder: the bits of each symbol."""

    def __init__(self):
        self.bits = []

    def encode(self, start, size, bits):
        self.bits.append(round(bits - math.log2(size), 2))


def _lines(raw):
    """Of each line, its pieces and their bits, ready for JSON; None among the pieces is <eos>."""
    from ae_lib.compression import pieces

    coder, found = pieces(SHIPPED), []
    for line in raw.split(b"\n"):
        coder.code(recorder := _Recorder(), len(line), line)
        ids, decode = coder.vocabulary.encode_bytes(line), coder.vocabulary.decode_bytes
        texts = [*(decode([i]).decode("utf8", "replace") for i in ids), None]
        _, *bits = recorder.bits  # the number of lines comes first
        found.append([list(pair) for pair in zip(texts, bits, strict=True)])
    return found
