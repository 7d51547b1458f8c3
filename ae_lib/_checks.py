"""Checks of arguments: arrays that are what a function says it takes, or a clear error."""

from collections.abc import Iterator, Mapping, ValuesView
from reprlib import repr as short

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
    array = as_array(x, name)
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


def as_array(x, name):
    """``np.asarray`` of an iterator and of PyTorch's tensors too; bfloat16 becomes float32.

    Raises:
        TypeError: not an array; of rows of different lengths, the message says so.
    """
    x = list(x) if isinstance(x, (Iterator, ValuesView)) else x
    try:
        if hasattr(x, "detach"):  # PyTorch's: on a GPU, or with a gradient
            x = x.detach().cpu()
            x = x.float() if "bfloat16" in str(x.dtype) else x
        array = np.asarray(x)
        if array.dtype == object and array.ndim:  # rows of different lengths, for one
            array = np.asarray(array.tolist())
    except (TypeError, ValueError, RuntimeError) as error:
        found = type(x).__name__
        if "inhomogeneous" in str(error):
            found = "rows of different lengths; if they are ids, pad them: text.pad(rows)"
        raise TypeError(f"{name}: expected an array of numbers, got {found}") from error
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def as_list(values, name, what="items", text="one text"):
    """Return ``values`` as a list; refuse a single text, and tables and dicts.

    Going through a table gives the names of its columns, through a dict its keys.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name}: expected a list of {what}, got {text}")
    if isinstance(values, Mapping) or hasattr(values, "columns"):
        raise TypeError(
            f"{name}: expected a list of {what}, got {type(values).__name__}, which gives names "
            'and not what they stand for; take one column of it: df["column"]'
        )
    try:
        return list(values)
    except TypeError as error:
        found = type(values).__name__
        raise TypeError(f"{name}: expected a list of {what}, got {found}") from error


def as_whole(values, name, *, ndim=1, low=-(2**31), high=2**31 - 1, hint=""):
    """Return ``values`` as int32, checked before they are cast.

    Args:
        values: whole numbers; any iterable.
        ndim: number of axes; None: any, but at least one.
        low, high: inclusive range of the values.
        hint: what the message about the axes says besides.

    Raises:
        TypeError: not whole numbers.
        ValueError: another number of axes, or out of range.
    """
    array = as_array(values, name)
    if array.dtype.kind not in "iu" and (array.size or array.dtype.kind != "f"):
        raise TypeError(f"{name}: expected whole numbers, got dtype {array.dtype}{hint}")
    if array.ndim != ndim if ndim else not array.ndim:
        wanted = {1: "(n,)", 2: "(n, T)"}.get(ndim, "(n, …)")
        raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}{hint}")
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        found = f"{array.min()}…{array.max()}"
        raise ValueError(f"{name}: expected {low}…{high}, got {found}")
    return array.astype("int32")


def _fits(found, wanted):
    return len(found) == len(wanted) and all(
        w is None or f == w for f, w in zip(found, wanted, strict=True)
    )


def sizes(values, name, *, least=1):
    """Return ``values`` as a tuple of whole numbers of at least ``least``."""
    if isinstance(values, str) or not np.iterable(values):
        raise TypeError(f"{name}: expected several whole numbers in brackets, got {short(values)}")
    return tuple(positive_int(value, name, least=least) for value in values)


def positive_int(value, name, *, least=1):
    """Return ``value`` as int if it is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected a whole number, got {short(value)}")
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
        raise TypeError(f"{name}: expected a number, got {short(value)}")
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return float("inf")


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
    array = as_whole(tokens, name, ndim=2, low=0, high=vocabulary_size - 1)
    if ((array[:, :-1] == pad) & (array[:, 1:] != pad)).any():
        raise ValueError(f"{name}: padding ({pad}) stands before a word; pad on the right")
    return array if array.shape[1] else np.full((len(array), 1), pad, "int32")
