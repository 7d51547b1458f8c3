"""What can be read off an English sentence without understanding it."""

import re

from ae_lib.text._words import normalise

_NEGATION = re.compile(r"n't\b|\b(?:not|never|no|nobody|nothing|none|cannot|nor)\b", re.I)
# Frequent irregular forms that are past alone ("put" and "read" are not), and -ed.
_PAST = re.compile(
    r"\b(?:was|were|did|had|went|came|said|told|saw|made|took|got|gave|knew|thought|felt|left|kept"
    r"|found|lost|met|wrote|spoke|broke|bought|brought|ate|drank|ran|sat|stood|slept|died"
    r"|fell|grew|heard|held|began|(?!hundred)[a-z]+[^\We]ed)(?:n't)?\b",  # not "need", "bed"
    re.I,
)


def attributes(sentence):
    """Attributes of an English sentence, by rules that look at its words alone.

    Args:
        sentence: str.

    Returns:
        dict: ``question`` (ends in a question mark), ``negation`` (has a word of negation),
        ``past`` (has one of the frequent past forms; names and adjectives in -ed count too):
        bool; ``words``: int, separated by spaces.

    Raises:
        TypeError: no string.

    Example:
        >>> attributes("Didn't you see Tom?")
        {'question': True, 'negation': True, 'past': True, 'words': 4}
    """
    if not isinstance(sentence, str):
        raise TypeError(f"sentence: expected a string, got {type(sentence).__name__}")
    sentence = normalise(sentence)
    return {
        "question": sentence.endswith("?"),
        "negation": bool(_NEGATION.search(sentence)),
        "past": bool(_PAST.search(sentence)),
        "words": len(sentence.split()),
    }
