"""The straight line between the codes of two sentences, and what its places decode to."""

import itertools

import numpy as np
import traitlets

from ae_lib import text
from ae_lib._checks import share
from ae_lib.widgets._explorer import Explorer
from ae_lib.widgets._int8 import Int8Model, fingerprint, pack_file, pack_model
from ae_lib.widgets._static import as_name, payload_text

# The shipped model's name, and the file that book/_ext/ae_weights.py puts beside the pages.
SHIPPED, PAGE_FILE = "text-autoencoder", "text_autoencoder.js"
_POSITIONS = 11  # as in sentence_path.js
_LONGEST = 100
_EXAMPLES = 24


class PathExplorer(Explorer):
    """What the explorers of a line of codes share; ``sentence_path.js`` shows each of them."""

    _kind = "sentence-path"

    def _description(self):
        met = " → ".join(f"“{s}”" for s, _ in itertools.groupby(self._path))
        return f"{self._about}, and what its places decode to: {met}."

    def __repr__(self):
        met = len(list(itertools.groupby(self._path)))
        first, second = self._path[0], self._path[-1]
        return f"<{type(self).__name__} {self._name!r}: {met} sentences, {first!r} to {second!r}>"

    def _answer(self, _, message, __):
        """The browser asks for the weights; they are no trait, so no notebook stores them."""
        if isinstance(message, dict) and message.get("kind") == "weights":
            self.send({"kind": "weights"}, buffers=[self._raw])

    def _as_sentence(self, sentence, name):
        if not isinstance(sentence, str):
            raise TypeError(f"{name}: expected a sentence, got {type(sentence).__name__}")
        if not text.normalise(sentence):
            raise ValueError(f"{name}: empty; expected a sentence")
        if (count := len(self._vocabulary.encode(sentence))) > _LONGEST:
            raise ValueError(f"{name}: expected at most {_LONGEST} words and marks, got {count:,}")
        return sentence

    def _as_examples(self, examples, name="examples"):
        if examples is None:
            from ae_lib import data

            examples = (s for s in data.load_sentences("validation") if self._vocabulary.covers(s))
            return list(itertools.islice(examples, _EXAMPLES))
        examples = text.as_texts(examples, name)
        return [self._as_sentence(s, f"{name}[{i}]") for i, s in enumerate(examples)]


class SentencePath(PathExplorer):
    """Explorer of the line between two sentences, live in a notebook and in the published page.

    The reader writes or picks two sentences; their codes a and b, the places
    z = (1 − t) a + t b between them and the sentences these decode to (greedily) are
    computed in the reader's browser, by a copy of the model with 8-bit weights, about 7 MB,
    which comes when it is asked for. Before, eleven places computed here are shown. In the
    published page that copy is the shipped model's: an explorer of another model stays there
    as it is stored, without a way to try other sentences.

    Args:
        autoencoder: ``ae_lib.pretrained("text-autoencoder")`` or another
            ``ae_lib.text_models.TextAutoencoder``.
        first, second: the two sentences, at most 100 words and marks each.
        examples: list of sentences to pick from; None: 24 validation sentences.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.
        t: the place shown at first, in [0, 1].

    Attributes:
        first, second: the sentences; set them, or ``observe`` them.
        t: the place, a float in [0, 1]; likewise.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> import ae_lib
        >>> model = ae_lib.pretrained("text-autoencoder")
        >>> explorer = SentencePath(model, "I like tea.", "Where is the station?")
        >>> explorer.t = 0.3
    """

    _about = "the line between the codes of two sentences"
    first = traitlets.Unicode().tag(sync=True)
    second = traitlets.Unicode().tag(sync=True)
    t = traitlets.Float().tag(sync=True)

    def __init__(self, autoencoder, first, second, *, examples=None, name="sentence-path", t=0.5):
        self._vocabulary = _as_autoencoder(autoencoder).vocabulary
        name = as_name(name, "sentence-path")
        ends = [self._as_sentence(first, "first"), self._as_sentence(second, "second")]
        t, examples = share(t, "t"), self._as_examples(examples)
        self._raw = pack_model(autoencoder)
        model = Int8Model(self._raw)
        a, b = (model.encode(self._vocabulary.encode(end)) for end in ends)
        path = decoded(model, self._vocabulary, a, b, np.linspace(0, 1, _POSITIONS))
        self._name, self._path = name, path
        payload = payload_text(
            {
                "name": name,
                "first": ends[0],
                "second": ends[1],
                "t": t,
                "path": path,
                "unknown": [unknown_words(self._vocabulary, end) for end in ends],
                "examples": examples,
                "bytes": len(self._raw),
                "weights": beside_the_page(self._raw, SHIPPED, PAGE_FILE),
            }
        )
        super().__init__(first=ends[0], second=ends[1], t=t, payload=payload)
        self.on_msg(self._answer)

    @traitlets.validate("first", "second")
    def _readable(self, proposal):
        try:
            return self._as_sentence(proposal.value, proposal.trait.name)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.validate("t")
    def _on_the_line(self, proposal):
        try:
            return share(proposal.value, "t")
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None


def _as_autoencoder(autoencoder):
    from ae_lib.text_models import TextAutoencoder

    if not isinstance(autoencoder, TextAutoencoder):
        raise TypeError(
            'autoencoder: expected ae_lib.pretrained("text-autoencoder") or another '
            f"TextAutoencoder, got {type(autoencoder).__name__}"
        )
    return autoencoder


def decoded(model, vocabulary, a, b, places):
    """The sentences at places of the line on which code ``a`` is at 0, ``b`` at 1."""
    return [vocabulary.decode(model.decode((1 - t) * a + t * b)) for t in places]


def unknown_words(vocabulary, sentence):
    """The sentence's different words that the vocabulary does not have, as written."""
    pairs = zip(vocabulary.split(sentence), vocabulary.encode(sentence), strict=True)
    unknown = dict.fromkeys(token for token, i in pairs if i == text.UNK)
    return [t if t in sentence else t[0].upper() + t[1:] for t in unknown]


def beside_the_page(raw, name, file):
    """Where a page finds these weights: the shipped model's have a file there, else None."""
    from ae_lib import text_models

    try:
        shipped = pack_file(text_models.shipped_file(name))
    except ValueError:  # none, or no whole one
        return None
    if shipped != raw:
        return None
    return {"name": name, "file": file, "version": fingerprint(raw)}
