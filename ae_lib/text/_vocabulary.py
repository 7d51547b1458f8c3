"""Texts to lists of whole numbers and back: by words, by characters, by pieces of words."""

import hashlib
import json
from collections import Counter

from ae_lib._checks import as_list, as_size, as_whole, brief
from ae_lib._files import DataError, as_path, whole_file
from ae_lib.text._words import MARKERS, join_words, normalise, pieces, split_words

PAD, UNK, BOS, EOS = range(4)
SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
_FORMAT = "ae-lib vocabulary 1"


class _Tokens:
    """What the three vocabularies share; ``tokens[i]`` is the token of id ``i``."""

    kind = None

    def __init__(self, tokens, **extra):
        self.tokens = as_texts(tokens, "tokens")
        self._extra = extra
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self):
        return len(self.tokens)

    def __repr__(self):
        return f"<{type(self).__name__}: {len(self):,} {self.kind}>"

    def split(self, text):
        """The tokens of a text, list of str; those outside the vocabulary included."""
        raise NotImplementedError

    def join(self, tokens):
        """The text of a list of tokens."""
        raise NotImplementedError

    def encode(self, text):
        """The ids of a text's tokens, list of int, without ``<bos>`` and ``<eos>``.

        Raises:
            TypeError: ``text`` is not one string.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"text: expected one string, got {type(text).__name__}; "
                "encode_all takes a list of them"
            )
        return [self._ids.get(token, UNK) for token in self.split(text)]

    def decode(self, ids):
        """The text of a sequence of ids.

        ``<pad>`` and ``<bos>`` are passed over, the first ``<eos>`` ends the text, an
        unknown word reads ``<unk>``. ``decode(encode(text)) == normalise(text)`` for
        every text without unknown tokens.

        Args:
            ids: whole numbers, one axis.

        Raises:
            TypeError: ``ids`` are not whole numbers.
            ValueError: more than one axis, or an id outside the vocabulary.
        """
        return self.join([self.tokens[i] for i in self._content(ids)])

    def encode_all(self, texts):
        """The ids of each text: a list of lists. TypeError if given one string."""
        return [self.encode(text) for text in as_texts(texts, "texts")]

    def decode_all(self, rows):
        """The text of each row of ids: a list of str."""
        return [self.decode(row) for row in as_list(rows, "rows", "rows of ids")]

    def unknown_rate(self, texts):
        """Share of the texts' tokens that this vocabulary does not have, in [0, 1]."""
        counts = Counter(i == UNK for ids in self.encode_all(texts) for i in ids)
        return counts[True] / max(1, counts.total())

    def covers(self, text):
        """Whether every token of the text is in the vocabulary."""
        return UNK not in self.encode(text)

    @property
    def fingerprint(self):
        """SHA-256 of all that decides an id, in hexadecimal: a model's proof of its own."""
        return hashlib.sha256(_canonical(self._content_record()).encode()).hexdigest()

    def save(self, path):
        """Write as JSON; the file is whole or left as it was.

        Raises:
            DataError: (an OSError) the file cannot be written.
        """
        record = {"format": _FORMAT, "fingerprint": self.fingerprint, **self._content_record()}
        with whole_file(path) as stream:
            stream.write((json.dumps(record, ensure_ascii=False, indent=0) + "\n").encode())

    @classmethod
    def load(cls, path):
        """Read what ``save`` wrote.

        Raises:
            DataError: (an OSError) no such file, damaged, or of another kind of vocabulary.
        """
        path = as_path(path)
        name = path.name
        try:
            record = json.loads(path.read_text("utf8"))
        except OSError as error:
            raise DataError(f"{name}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise DataError(f"{name}: damaged: not whole JSON ({error})") from error
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise DataError(f"{name}: not a vocabulary of this library ({_FORMAT!r} is missing)")
        return cls.from_record(record, name)

    def to_record(self):
        """All of it as plain data, for keeping inside another file; see ``from_record``."""
        return {**self._content_record(), "fingerprint": self.fingerprint}

    @classmethod
    def from_record(cls, record, name="vocabulary"):
        """Make a vocabulary of what ``to_record`` gave.

        Raises:
            DataError: (an OSError) another kind of vocabulary, or damaged.
        """
        if record.get("kind") != cls.kind:
            raise DataError(
                f"{name}: holds {record.get('kind')!r}, expected {cls.kind!r}; "
                "load it with the class that saved it"
            )
        extra = {k: v for k, v in record.items() if k not in ("format", "kind", "fingerprint")}
        try:
            made = cls(**extra)
        except Exception as error:
            raise DataError(f"{name}: damaged: {error}") from error
        if made.fingerprint != record.get("fingerprint"):
            raise DataError(f"{name}: damaged: its content has another fingerprint")
        return made

    def _content_record(self):
        return {"kind": self.kind, "tokens": self.tokens, **self._extra}

    def _content(self, ids):
        """The ids that say something, checked."""
        top, hint = len(self) - 1, "; decode_all takes a batch"
        ids = as_whole(ids, "ids", low=0, high=top, hint=hint).tolist()
        if EOS in ids:
            ids = ids[: ids.index(EOS)]
        return [i for i in ids if i not in (PAD, BOS)]


class Vocabulary(_Tokens):
    """Words and punctuation, the most frequent first, after special tokens and markers.

    Ids 0…3 are ``<pad>``, ``<unk>``, ``<bos>``, ``<eos>``; 4…6 the markers of
    ``split_words``. ``names`` are the words that keep their capital at the start of a
    sentence.

    Example:
        >>> vocabulary = Vocabulary.build(["Tom is here.", "I see Tom."])
        >>> vocabulary.decode(vocabulary.encode("Is Tom here?"))
        'Is Tom here <unk>'
    """

    kind = "words"

    def __init__(self, tokens, names=()):
        names = as_texts(names, "names")
        super().__init__(tokens, names=sorted(names))
        _check_tokens(self.tokens, (*SPECIALS, *MARKERS))
        self.names = frozenset(names)

    @classmethod
    def build(cls, texts, size=None, *, min_count=1):
        """Count the words of a corpus and keep the most frequent.

        Args:
            texts: list of str; of the training part alone.
            size: entries at most, special tokens and markers included; None: no limit.
            min_count: rarer words are left out.

        Raises:
            TypeError: ``texts`` is one string, or holds something else than strings.
            ValueError: no texts, or a ``size`` too small for one word.
        """
        texts = _corpus(texts)
        names = _names(texts)
        counts = Counter(token for text in texts for token in split_words(text, names))
        tokens = _most_frequent(counts, (*SPECIALS, *MARKERS), size, min_count)
        return cls(tokens, names.intersection(tokens))

    def split(self, text):
        """The words of a text, as ``split_words`` with this vocabulary's names."""
        return split_words(text, self.names)

    def join(self, tokens):
        """The text of a list of words, as ``join_words``."""
        return join_words(tokens)


class Characters(_Tokens):
    """Single characters, the most frequent first, after the special tokens."""

    kind = "characters"

    def __init__(self, tokens):
        super().__init__(tokens)
        _check_tokens(self.tokens, SPECIALS)

    @classmethod
    def build(cls, texts, size=None, *, min_count=1):
        """Count the characters of a corpus; arguments and errors as ``Vocabulary.build``."""
        counts = Counter(character for text in _corpus(texts) for character in normalise(text))
        return cls(_most_frequent(counts, SPECIALS, size, min_count))

    def split(self, text):
        """The characters of a normalised text."""
        return list(normalise(text))

    def join(self, tokens):
        """The characters, side by side."""
        return "".join(tokens)


# How the library writes bytes, as Radford et al. (2019): one that shows as itself, the others,
# in order, from U+0100 on.
_SHOWN = [*range(33, 127), *range(161, 173), *range(174, 256)]
_LETTERS = {b: chr(b) for b in _SHOWN}
_LETTERS |= {b: chr(256 + i) for i, b in enumerate(sorted(set(range(256)) - set(_SHOWN)))}
_BYTES = {letter: b for b, letter in _LETTERS.items()}


class Subwords(_Tokens):
    """Byte pair encoding over UTF-8 bytes: nothing is ever unknown.

    Source: Sennrich et al. (2016) on characters; over bytes as in Radford et al. (2019).
    The work is done by the library ``tokenizers``; its ids are moved up by four, behind
    the special tokens, so that no text can imitate one of those.
    """

    kind = "subwords"

    def __init__(self, model):
        from tokenizers import Tokenizer

        self._bpe = Tokenizer.from_str(model)
        ids = self._bpe.get_vocab()
        super().__init__([*SPECIALS, *sorted(ids, key=ids.get)], model=model)

    @classmethod
    def build(cls, texts, size):
        """Learn the merges that shorten a corpus most.

        Args:
            texts: list of str; of the training part alone.
            size: entries at most, the special tokens and the 256 bytes included.

        Raises:
            TypeError: ``texts`` is one string, or holds something else than strings.
            ValueError: no texts, or a ``size`` below 260.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        as_size(size, "size", least=len(SPECIALS) + 256)
        bpe = Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size - len(SPECIALS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        bpe.train_from_iterator(map(normalise, _corpus(texts)), trainer)
        return cls(bpe.to_str())

    def split(self, text):
        """The pieces of a text; a space is written ``Ġ``, as is the custom."""
        return self._bpe.encode(normalise(text)).tokens

    def join(self, tokens):
        """The text of a list of pieces; bytes that are no UTF-8 read U+FFFD."""
        ids, text = [], ""
        for token in tokens:
            if token in SPECIALS:
                text, ids = text + self._bpe.decode(ids) + token, []
            else:
                ids.append(self._ids[token] - len(SPECIALS))
        return text + self._bpe.decode(ids)

    def encode_bytes(self, raw):
        """The ids of bytes as they are, list of int: nothing is normalised, and nothing lost.

        What is no UTF-8 has the pieces of its single bytes.

        Raises:
            TypeError: ``raw`` is not bytes.
        """
        if not isinstance(raw, bytes):
            raise TypeError(f"raw: expected bytes, got {type(raw).__name__}")
        try:
            ids = [i + len(SPECIALS) for i in self._bpe.encode(raw.decode()).ids]
        except UnicodeDecodeError:
            ids = []
        return ids if self.decode_bytes(ids) == raw else [self._ids[_LETTERS[b]] for b in raw]

    def decode_bytes(self, ids):
        """The bytes that ids of pieces stand for.

        Raises:
            ValueError: one is a special token's, or outside the vocabulary.
        """
        if wrong := [i for i in ids if not len(SPECIALS) <= i < len(self)]:
            raise ValueError(f"ids: {brief(wrong[0])} is no piece of this vocabulary")
        return bytes(_BYTES[letter] for i in ids for letter in self.tokens[i])

    def _content_record(self):
        return {"kind": self.kind, **self._extra}


def as_texts(texts, name):
    """Return ``texts`` as a list if it is one of strings; refuse a single string and a table."""
    texts = as_list(texts, name, "texts", "one; write [text]")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name}: expected texts, but item {i} is {type(text).__name__}")
    return texts


def _corpus(texts):
    texts = as_texts(texts, "texts")
    if not texts:
        raise ValueError("texts: empty; a vocabulary is made of at least one text")
    return texts


def _names(texts):
    """Words that are mostly written with a capital inside sentences."""
    inside = Counter(
        token
        for text in texts
        for token, _, _, start in pieces(normalise(text))
        if not start and token[0].isalpha()
    )
    return frozenset(
        token
        for token, count in inside.items()
        if token[0].isupper()
        and token != "I"
        and token[1:] == token[1:].lower()  # more capitals are kept anyway
        and count > inside[token[0].lower() + token[1:]]
    )


def _most_frequent(counts, first, size, min_count):
    """Special tokens, then the most frequent others; ties in alphabetical order."""
    as_size(min_count, "min_count")
    for token in first:
        counts.pop(token, None)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    ranked = [token for token in ranked if counts[token] >= min_count]
    if size is not None:
        ranked = ranked[: as_size(size, "size", least=len(first) + 1) - len(first)]
    return [*first, *ranked]


def _check_tokens(tokens, first):
    if tuple(tokens[: len(first)]) != tuple(first):
        raise ValueError(f"tokens: expected {', '.join(first)} at the start")
    if len(set(tokens)) != len(tokens) or not all(isinstance(t, str) and t for t in tokens):
        raise ValueError("tokens: expected different words, none empty")


def _canonical(record):
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
