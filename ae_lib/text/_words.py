"""Normalising text, and splitting it into words so that joining them gives it back exactly."""

import re
import unicodedata

from ae_lib._checks import as_list

LOWER, NO_SPACE, SPACE = "<lower>", "<glue>", "<space>"
MARKERS = (LOWER, NO_SPACE, SPACE)

_QUOTES = dict.fromkeys("‘’‚‛ʼ＇", "'") | dict.fromkeys("“”„‟＂", '"')
_HYPHENS = dict.fromkeys("\u2010\u2011\ufe63\uff0d", "-")
_REPLACED = str.maketrans(_QUOTES | _HYPHENS | {"…": "..."})
# Zero-width joiner and non-joiner carry meaning in emoji, Persian and Indic scripts.
_KEPT_FORMAT = "\u200c\u200d"
# What shows nothing where it stands alone: joiners, fillers, variation selectors.
_ALONE = re.compile(
    "(?<![^ ])[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2065\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]+(?![^ ])"
)

_MARK = "\u0300"  # stands for every mark and joiner while words are looked for
_REST = rf"(?:[^\W_]|{_MARK})*"
_WORD = rf"[^\W_]{_REST}"
_TOKEN = re.compile(
    r"(?:[^\W\d_]\.){2,}"  # p.m.  U.S.
    r"|(?:Mr|Mrs|Ms|Dr|St|Jr)\."
    rf"|\d+(?:[.,:]\d+)+{_REST}"  # 2:30  10,000  7.5km
    rf"|{_WORD}(?:'{_WORD})*"
    r"|\.{2,}"
    r"|[^ ]"
)
_SUFFIX = re.compile(r"n't|'(?:s|m|re|ve|ll|d)", re.IGNORECASE)
_SUFFIXES_BACKWARDS = re.compile(r"(?:(?:t'n|(?:[smd]|er|ev|ll)')(?=.))*", re.IGNORECASE)
_NO_SPACE_BEFORE = set(".,?!;:%)]}'-/")
_NO_SPACE_AFTER = set("-/([{$€£#")


def normalise(text):
    """One spelling for what looks the same. Applying it twice changes nothing more.

    In this order: lone surrogates become U+FFFD; every kind of white space (no-break,
    thin, tab, line end) becomes a space; invisible control and format characters (soft
    hyphen, zero-width space, byte-order mark, direction marks) go, but for U+200C and
    U+200D, which emoji and some scripts need; curly quotes become ``'`` and ``"``,
    non-breaking hyphens ``-``, the ellipsis three dots; letters are composed (Unicode NFC);
    joiners, fillers and other signs that show nothing go where no other sign is beside
    them; runs of spaces shrink to one and those at the ends go. Case, accents, dashes, emoji
    and every other character stay.

    Args:
        text: str, any Unicode.

    Returns:
        str; the empty string if nothing visible is left.

    Raises:
        TypeError: ``text`` is not a string.

    Example:
        >>> normalise("I\u2019m\u00a0 here\u2026")
        "I'm here..."
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected one string, got {type(text).__name__}")
    if not text.isprintable():
        text = "".join(map(_visible, text))
    if not text.isascii():
        text = _ALONE.sub("", unicodedata.normalize("NFC", text.translate(_REPLACED)))
    return " ".join(text.split())


def _visible(character):
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return "" if category in ("Cc", "Cf") and character not in _KEPT_FORMAT else character


def split_words(text, names=frozenset()):
    """Split into words and punctuation such that ``join_words`` gives the text back.

    What is usual costs no token: one space between words, none before ``. , ? ! ; :``
    and the like, none around a hyphen, quotation marks in pairs, a capital where a
    sentence begins. What is not usual is said by a marker before the token:
    ``<space>`` and ``<glue>`` (there is a space, or none, against the rule) and
    ``<lower>`` (a sentence that begins small). No text can produce a marker, since
    ``<`` is always a token of its own.

    The first word of a sentence is written small, as it would be elsewhere, unless it
    is ``I``, has further capitals (``TV``) or is in ``names``. Accents, vowel signs and
    joiners belong to the letter before them, as in Unicode's UAX 29. Contractions give their
    suffix away: ``do|n't``, ``Tom|'s``, ``I|'m``, as in the Penn Treebank (Marcus et
    al. 1993).

    Args:
        text: str; it is normalised first.
        names: set of words that keep their capital at the start of a sentence;
            ``Vocabulary`` learns them from its corpus.

    Returns:
        list of str. ``join_words(split_words(text)) == normalise(text)`` for every text.

    Raises:
        TypeError: ``text`` is not a string, or ``names`` is one.

    Example:
        >>> split_words("Don't tell Tom's dog.")
        ['do', "n't", 'tell', 'Tom', "'s", 'dog', '.']
    """
    if isinstance(names, str):
        raise TypeError("names: expected a set of words, got one text; write {name}")
    result = []
    for token, spaced, usual, start in pieces(normalise(text)):
        if spaced != usual:
            result.append(SPACE if spaced else NO_SPACE)
        if start:
            small = token[0].lower() + token[1:]
            kept = token == "I" or token in names or token[1:] != token[1:].lower()
            if token[0].isalpha() and not kept and token[-1:] != "." and _capital(small) == token:
                token = small
            elif _capital(token) != token:
                result.append(LOWER)
        result.append(token)
    return result


def join_words(tokens):
    """The text that ``split_words`` made these tokens of.

    Any list of tokens is taken, a model's nonsense included: markers that have nothing
    to mark are ignored.

    Args:
        tokens: list of str.

    Returns:
        str.

    Raises:
        TypeError: ``tokens`` is one string, or holds something that is not a string.

    Example:
        >>> join_words(["I", "'m", "here", ",", "Tom", "."])
        "I'm here, Tom."
    """
    tokens = as_list(tokens, "tokens", "words", "one string; split it first")
    text, state, space, lower = [], _State(), None, False
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"tokens: expected words, got {type(token).__name__}")
        if token in (SPACE, NO_SPACE):
            space = token == SPACE
        elif token == LOWER:
            lower = True
        elif token:
            usual, start = state.step(token)
            if text and (usual if space is None else space):
                text.append(" ")
            text.append(_capital(token) if start and not lower else token)
            space, lower = None, False
    return "".join(text)


def pieces(text):
    """Walk through a normalised text.

    Yields:
        ``(token, spaced, usual, start)``: a token as it stands, whether a space is
        before it, whether the rules expect one, and whether a sentence begins with it.
    """
    state = _State()
    for i, chunk in enumerate(text.split(" ")):
        spaced = i > 0
        for match in _TOKEN.finditer(chunk if chunk.isascii() else _plain(chunk)):
            for token in _contraction(chunk[match.start() : match.end()]):
                usual, start = state.step(token)
                yield token, spaced, usual, start
                spaced = False


def _contraction(word):
    """``don't`` → ``do``, ``n't``; most words give themselves."""
    if "'" not in word:
        return [word]
    stem = len(word) - _SUFFIXES_BACKWARDS.match(word[::-1]).end()
    return [word[:stem], *_SUFFIX.findall(word[stem:])]


def _plain(chunk):
    """The chunk, its marks and joiners as one and the same mark; as long as it was."""
    marks = (unicodedata.category(c)[0] == "M" or c in _KEPT_FORMAT for c in chunk)
    return "".join(_MARK if mark else c for c, mark in zip(chunk, marks, strict=True))


def _capital(token):
    return token[0].upper() + token[1:]


class _State:
    """What the rules need to remember of the tokens so far."""

    def __init__(self):
        self.before = None
        self.start = True
        self.quoted = False

    def step(self, token):
        """``(is a space usual before this token, does a sentence begin with it)``."""
        before, start, quoted = self.before, self.start, self.quoted
        if before is None or before in _NO_SPACE_AFTER or (before == '"' and quoted):
            space = False
        elif token == '"':
            space = not quoted
        else:
            space = token[0] not in _NO_SPACE_BEFORE and token.lower() != "n't"
        self.before = token
        self.quoted = quoted != (token == '"')
        if token in (".", "?", "!"):
            self.start = True
        elif token[0].isalnum() or (token[0] == "<" and len(token) > 1):
            self.start = False
        return space, start
