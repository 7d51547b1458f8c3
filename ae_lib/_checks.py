"""Checks at the door: arrays that are what a function says it takes, or a clear error."""

import numpy as np


def as_batch(x, name="x", *, shape=None, ndim=None, low=None, high=None):
    """Return ``x`` as a float32 array, or say what is wrong with it.

    Args:
        x: anything ``np.asarray`` takes.
        name: the argument's name, for the messages.
        shape: expected shape of one item, None for any length of that axis.
        ndim: expected number of axes, the first one counting items.
        low, high: inclusive range of the values.

    Raises:
        TypeError: not an array of numbers.
        ValueError: empty, wrong shape, NaN or infinity, or out of range.
    """
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged, or a tensor kept elsewhere
        raise TypeError(f"{name}: expected an array of numbers, got {type(x).__name__}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected an array of numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} axes, got shape {array.shape}")
    if shape is not None and not _fits(array.shape[1:], shape):
        wanted = ", ".join(str(n or "any") for n in shape)
        hint = ""
        if array.size and np.prod(array.shape[1:]) == np.prod([n or 0 for n in shape]):
            hint = f"; reshape it: {name}.reshape(-1, {wanted})"
        elif _fits(array.shape, shape):
            hint = f"; a single item needs a batch axis: {name}[None]"
        raise ValueError(f"{name}: expected shape (n, {wanted}), got {array.shape}{hint}")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with a batch axis, got the number {array}")
    if array.size == 0:
        raise ValueError(f"{name}: empty, shape {array.shape}; expected at least one item")
    with np.errstate(over="ignore"):  # beyond float32: reported as infinite just below
        array = array.astype("float32")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name}: {bad:,} of {array.size:,} values are NaN or infinite")
    least, most = float(array.min()), float(array.max())
    if (low is not None and least < low) or (high is not None and most > high):
        hint = "; divide by 255" if high == 1 and 1 < most <= 255 and least >= 0 else ""
        raise ValueError(
            f"{name}: expected values in [{low}, {high}], got [{least:.4g}, {most:.4g}]{hint}"
        )
    return array


def _fits(found, wanted):
    return len(found) == len(wanted) and all(
        w is None or f == w for f, w in zip(found, wanted, strict=True)
    )


def sizes(values, name, *, least=1):
    """Return ``values`` as a tuple of whole numbers of at least ``least``."""
    if isinstance(values, str) or not np.iterable(values):
        raise TypeError(f"{name}: expected several whole numbers in brackets, got {values!r}")
    return tuple(positive_int(value, name, least=least) for value in values)


def positive_int(value, name, *, least=1):
    """Return ``value`` as int if it is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return int(value)


def positive_number(value, name, *, zero=False):
    """Return ``value`` as float if it is a finite number above zero, or with ``zero`` at least."""
    found = _number(value, name)
    if not 0 <= found < float("inf") or not (zero or found):
        wanted = "≥ 0" if zero else "> 0"
        raise ValueError(f"{name}: expected a finite number {wanted}, got {value}")
    return found


def share(value, name, *, one=True):
    """Return ``value`` as float if it is a number in [0, 1], or without ``one`` in [0, 1)."""
    found = _number(value, name)
    if not 0 <= found <= 1 or not (one or found < 1):
        raise ValueError(f"{name}: expected a share in [0, 1{']' if one else ')'}, got {value}")
    return found


def _number(value, name):
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__float__") or np.ndim(value):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    return float(value)


def same_shape(a, b, names=("x", "reconstruction")):
    """Raise ValueError unless the two arrays have one shape."""
    if np.shape(a) != np.shape(b):
        raise ValueError(
            f"{names[1]}: expected the shape of {names[0]}, {np.shape(a)}, got {np.shape(b)}"
        )


def as_tokens(tokens, name, vocabulary_size, pad=0):
    """Return ``tokens`` as int32 (n, T), T ≥ 1, or say what is wrong with them.

    Raises:
        TypeError: not whole numbers.
        ValueError: not two axes, an id outside the vocabulary, padding before a word.
    """
    array = np.asarray(tokens)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape (n, T), got {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected whole numbers, got dtype {array.dtype}")
    array = array.astype("int32")
    if array.size and not 0 <= array.min() <= array.max() < vocabulary_size:
        found = f"{array.min()}…{array.max()}"
        raise ValueError(f"{name}: expected 0…{vocabulary_size - 1}, got {found}")
    if ((array[:, :-1] == pad) & (array[:, 1:] != pad)).any():
        raise ValueError(f"{name}: padding ({pad}) stands before a word; pad on the right")
    return array if array.shape[1] else np.full((len(array), 1), pad, "int32")
