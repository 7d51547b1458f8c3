"""What comes in, read as something that can be compared.

A reader is called with the answer and with what it is, for the message; it raises ``Wrong`` if it
cannot read the answer. One that reads words or letters has them as ``options`` or ``letters``, for
a page's fields.
"""

import reprlib

import numpy as np


class Wrong(Exception):
    """The answer is wrong: the mistake, named; and the slip, if it is a known one."""

    def __init__(self, message, slip=None):
        super().__init__(message)
        self.slip = slip


def kind_of(answer):
    """The answer's type, and its shape if it has one; whatever the answer is."""
    try:
        return f"{type(answer).__name__} of shape {tuple(answer.shape)}"
    except Exception:
        return type(answer).__name__


def number(answer, what="the answer"):
    """The answer as one float."""
    value = array(answer, what, "a number")
    if value.size != 1:
        raise Wrong(f"Expected {what} as one number, got shape {value.shape}.")
    return float(value.reshape(()))


def array(answer, what="the answer", kind="an array of numbers"):
    """The answer as a float64 array."""
    try:
        return np.asarray(answer, dtype="float64")
    except (TypeError, ValueError):
        raise Wrong(f"Expected {what} as {kind}, got {kind_of(answer)}.") from None


def truth(answer, what="the answer"):
    """The answer as True or False; 1 and 0 will do."""
    if getattr(answer, "shape", ()) == () and answer in (0, 1):
        return bool(answer)
    raise Wrong(f"Return True or False, {what}; got {type(answer).__name__}.")


def word(*options):
    """Reads one of these words, in any case; 10.0 is the word "10"."""

    def read(answer, what="the answer"):
        value = f"{answer:g}" if isinstance(answer, float) else str(answer)
        value = value.strip().lower()
        if value not in options:
            known = ", ".join(repr(o) for o in options)
            raise Wrong(f"Expected {what} as one of {known}, got {reprlib.repr(answer)}.")
        return value

    read.options = options
    return read


def words(keys, *options):
    """Reads a dict that gives one of these words to each key; keys in any case."""
    choose = word(*options)

    def read(answer, what="the answer"):
        if not isinstance(answer, dict):
            shown = f'{{"{keys[0]}": "{options[0]}", …}}'
            raise Wrong(f"Answer with a dictionary such as {shown}, got {type(answer).__name__}.")
        given = {str(key).strip().lower(): value for key, value in answer.items()}
        for key in keys:
            if given.get(key.lower()) is None or given[key.lower()] is ...:
                raise Wrong(f"{key} has no answer yet.")
        return {key: choose(given[key.lower()], key) for key in keys}

    read.keys, read.options = keys, options
    return read


def letters(options, least=1):
    """Reads a set of at least so many letters, a string or a collection, as a sorted string."""

    def read(answer, what="the answer"):
        kinds = (str, tuple, list, set, frozenset, np.ndarray)
        text = "".join(map(str, answer)).lower() if isinstance(answer, kinds) else "?"
        found = "".join(sorted({c for c in text if not c.isspace() and c not in ",;()[]'\""}))
        if not set(found) <= set(options) or len(found) < least:
            none = "" if least else '; "" for none'
            raise Wrong(
                f"Give {what} as letters from {options[0]} to {options[-1]}, such as 'ab'{none}."
            )
        return found

    read.letters = options
    return read
