"""One sentence in four kinds of tokens: characters, bytes, words, pieces of words."""

import json

from ae_lib import text
from ae_lib.widgets._explorer import SentenceExplorer
from ae_lib.widgets._int8 import merges_of
from ae_lib.widgets._static import as_name, base64_text, payload_text

_CHARACTERS = 120  # of a sentence
_PAYLOAD = 60_000  # bytes of the vocabularies in the page


class Tokenisers(SentenceExplorer):
    """Explorer of four tokenisers, live in a notebook and in the published page.

    The reader writes or picks a sentence and sees its tokens and their ids in four ways: as
    characters, as bytes of UTF-8 (whose ids are their values), as words, and as pieces of words.
    Beside them stand the number of tokens, the mean number of characters in a token, and the
    tokens that the vocabulary does not have. All is computed in the browser, with the results of
    ``ae_lib.text``. Each way reads the normalised sentence.

    Args:
        characters: an ``ae_lib.text.Characters``.
        words: an ``ae_lib.text.Vocabulary``. The page carries all its words: of 2,000 it has
            about 20 kB, and the four ways together may have 60.
        pieces: an ``ae_lib.text.Subwords``.
        sentences: list of sentences to pick from, of at most 120 characters each; the first is
            shown at first.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        sentence: str; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> from ae_lib import text
        >>> kinds = text.Characters, text.Vocabulary
        >>> ways = [kind.build(["Tom is here."]) for kind in kinds]
        >>> Tokenisers(*ways, text.Subwords.build(["Tom is here."], 270), ["Tom!"])
        <Tokenisers 'tokenisers': 'Tom!' has 4 tokens as characters, 4 as bytes, ...>
    """

    _kind, _most = "tokenisers", _CHARACTERS

    def __init__(self, characters, words, pieces, sentences, *, name="tokenisers"):
        self._name = as_name(name, "tokenisers")
        self._ways = {
            "characters": _as_kind(characters, "characters", text.Characters),
            "words": _as_kind(words, "words", text.Vocabulary),
            "pieces": _as_kind(pieces, "pieces", text.Subwords),
        }
        sentences = self._as_sentences(sentences)
        payload = payload_text(
            {
                "name": name,
                "sentences": list(dict.fromkeys(sentences)),
                "most": _CHARACTERS,
                "characters": characters.tokens,
                "words": words.tokens,
                "names": sorted(words.names),
                "merges": base64_text(merges_of(pieces.to_record()).astype("<u2").tobytes()),
            }
        )
        if len(payload) > _PAYLOAD:
            raise ValueError(
                f"words: the vocabularies have {len(payload):,} bytes in the page, expected at "
                f"most {_PAYLOAD:,}; build smaller ones, such as Vocabulary.build(texts, 2000)"
            )
        super().__init__(sentence=sentences[0], payload=payload)

    def _description(self):
        first, counts = self._first()
        return f"a sentence in four kinds of tokens. “{first}” has {counts}."

    def __repr__(self):
        first, counts = self._first()
        return f"<Tokenisers {self._name!r}: {first!r} has {counts}>"

    def _first(self):
        """The first sentence, and in words how many tokens of each kind it has."""
        first = json.loads(self.payload)["sentences"][0]
        characters, *others = ((kind, len(way.split(first))) for kind, way in self._ways.items())
        counts = [characters, ("bytes", len(text.normalise(first).encode())), *others]
        said = [f"{count} as {kind}" for kind, count in counts]
        return first, ", ".join([said[0].replace(" as", " tokens as"), *said[1:]])


def _as_kind(way, name, kind):
    if not isinstance(way, kind):
        raise TypeError(f"{name}: expected a text.{kind.__name__}, got {type(way).__name__}")
    return way
