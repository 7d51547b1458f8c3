"""Sentences of two other kinds: speeches of presidents, and a novel of 1851.

Sources: State of the Union speeches since 1940, from The American Presidency Project; *Moby Dick*
by Herman Melville. Both are in the public domain.
"""

from ae_lib._checks import brief
from ae_lib.data._files import read_npz
from ae_lib.data.sentences import PARTS

PROSE = "prose.npz"
KINDS = ("speeches", "moby_dick")
BYTES = {"train": 320_000, "validation": 32_000, "test": 64_000}  # at most, line ends included


def load_prose(kind, split="train"):
    """Load sentences of a speech or a novel, in their order.

    Each part has whole speeches or chapters, and the last of them up to where the part ends;
    no speech or chapter is in two parts. Left out are sentences of fewer than three words,
    headings, and notes in brackets.

    Args:
        kind: ``"speeches"`` or ``"moby_dick"``.
        split: ``"train"``, ``"validation"`` or ``"test"``: 320,000, 32,000 and 64,000 bytes, or
            a sentence less.

    Returns:
        list of str, normalised (``text.normalise``).

    Raises:
        ValueError: another kind or split.
        DataError: (an OSError) the file is missing or damaged.

    Example:
        >>> len(load_prose("moby_dick")) > 1000
        True
    """
    for value, name, known in ((kind, "kind", KINDS), (split, "split", PARTS)):
        if value not in known:
            raise ValueError(
                f"{name}: got {brief(value)}; choose one of {', '.join(map(repr, known))}"
            )
    return read_npz(PROSE)[f"{kind}_{split}"].tobytes().decode().split("\n")
