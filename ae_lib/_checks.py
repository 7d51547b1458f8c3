"""Checks of arguments: arrays that are what a function says it takes, or a clear error."""

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from itertools import permutations
from numbers import Number

import numpy as np

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


def brief(value):
    """``repr(value)`` in one line of at most 80 characters, for messages."""
    value = value.item() if isinstance(value, np.generic) else value
    try:
        text = " ".join(_REPR.repr(value).split())
    except Exception:  # whatever stands behind it, the message must still come
        text = f"<{type(value).__name__}>"
    return shorten(text, 80)


def shorten(text, length=300):
    """A text cut to at most ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def to_array(x, name="x", wanted="an array of numbers"):
    """Return ``x``, an array, tensor, number or sequence of such, as a NumPy array; or TypeError.

    A dict, a set, a generator or a data set is none: NumPy would take it for one object.
    """
    if hasattr(x, "requires_grad"):  # PyTorch's: perhaps in training, on a GPU, in bfloat16
        x = x.detach().cpu()
        x = x.float() if x.is_floating_point() and x.element_size() < 4 else x
    if np.ma.is_masked(x):
        raise ValueError(f"{name}: masked values are no numbers; fill them: {name}.filled(0)")
    got = f"got {type(x).__name__}"
    readable = isinstance(x, (Sequence, Number)) or hasattr(x, "__array__")
    if not readable and not hasattr(x, "__array_interface__"):
        raise TypeError(f"{name}: expected {wanted}, {got}")
    try:
        array = np.asarray(x)
        if array.dtype == object and array.ndim:  # rows of different lengths, perhaps
            array = np.asarray(array.tolist())
    except (TypeError, ValueError, RuntimeError) as error:
        if hasattr(x, "_fields"):
            got += f" of {', '.join(x._fields)}; give one of these"
        elif "inhomogeneous" in str(error):
            got += " whose items differ in shape; if they are ids, pad them: text.pad(rows)"
        raise TypeError(f"{name}: expected {wanted}, {got}") from error
    if array.dtype.kind == "V" and np.can_cast(array.dtype, "float32"):  # bfloat16
        array = array.astype("float32")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected {wanted}, got dtype {shorten(str(array.dtype), 80)}")
    return array


def as_batch(x, name="x", *, shape=None, ndim=None, low=-math.inf, high=math.inf, dtype="float32"):
    """Return ``x`` as an array of ``dtype``, or say what is wrong with it.

    Args:
        x: anything ``to_array`` takes; it is returned itself if there is nothing to convert.
        name: the argument's name, for the messages.
        shape: expected shape of one item, None for any length of that axis.
        ndim: expected number of axes, the first one counting items.
        low, high: inclusive range of the values.
        dtype: float32 for models, float64 for what is computed here.

    Raises:
        TypeError: not an array of numbers.
        ValueError: empty, wrong shape, NaN or infinity, whole numbers too large for float64,
            or out of range.
    """
    array = to_array(x, name)
    whole = array.dtype.kind not in "f"
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} axes, got shape {array.shape}")
    if shape is not None and not _fits(array.shape[1:], shape):
        wanted = ", ".join(str(n or "any") for n in shape)
        hint = _shape_hint(array.shape, tuple(shape), name) if array.size else ""
        raise ValueError(f"{name}: expected shape (n, {wanted}), got {array.shape}{hint}")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with a batch axis, got the number {array}")
    if array.size == 0:
        raise ValueError(f"{name}: empty, shape {array.shape}; expected at least one item")
    with np.errstate(over="ignore"):  # beyond float32: reported as infinite just below
        array = array.astype(dtype, copy=False)
    if whole and dtype == "float64" and np.abs(array).max() >= 2**53:
        raise ValueError(f"{name}: whole numbers above 2**53 lose digits; subtract an offset")
    if not whole and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name}: {bad:,} of {array.size:,} values are NaN or infinite in {dtype}"
        )
    if low == -math.inf and high == math.inf:
        return array
    least, most = array.min(), array.max()
    if not low <= least <= most <= high:
        hint = "; divide by 255" if high == 1 and in_bytes(array) else ""
        if max(low - least, most - high) < 1e-3:
            hint = f"; if that is rounding: np.clip({name}, {low}, {high})"
        found = f"[{least!s}, {most!s}]"
        raise ValueError(f"{name}: expected values in [{low}, {high}], got {found}{hint}")
    return array


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
    values = list(values) if isinstance(values, (Iterator, ValuesView)) else values
    array = to_array(values, name, "whole numbers")
    if array.dtype.kind not in "iu" and (array.size or array.dtype.kind != "f"):
        raise TypeError(f"{name}: expected whole numbers, got dtype {array.dtype}{hint}")
    if array.ndim != ndim if ndim else not array.ndim:
        wanted = {1: "(n,)", 2: "(n, T)"}.get(ndim, "(n, …)")
        raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}{hint}")
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        found = f"{array.min()}…{array.max()}"
        raise ValueError(f"{name}: expected {low}…{high}, got {found}")
    return array.astype("int32")


def in_bytes(array):
    """Whether pictures look as if their values ran from 0 to 255, not from 0 to 1."""
    least, most = array.min(), array.max()
    return least >= 0 and 1 < most <= 255 and (most > 127 or bool((array == np.rint(array)).all()))


def _fits(found, wanted):
    return len(found) == len(wanted) and all(
        w is None or f == w for f, w in zip(found, wanted, strict=True)
    )


def _shape_hint(shape, wanted, name):
    """What to do with an array of another shape, where that is clear."""
    if _fits(shape, wanted):
        return f"; a single item needs a batch axis: {name}[None]"
    if None in wanted:
        return ""
    if len(shape) == len(wanted) + 1:
        for order in permutations(range(len(shape))):
            if _fits([shape[i] for i in order[1:]], wanted):
                return f"; are its axes in another order? np.transpose({name}, {order})"
    # Right where values keep their order: a flat item, or axes of length 1 more or fewer.
    found = [n for n in shape[1:] if n != 1]
    flat = min(len(found), len(wanted)) == 1 and math.prod(found) == math.prod(wanted)
    if flat or found == [n for n in wanted if n != 1]:
        return f"; reshape it: {name}.reshape(-1, {', '.join(map(str, wanted))})"
    return ""


def sizes(values, name):
    """Return ``values`` as a tuple of whole numbers of at least 1."""
    if isinstance(values, str) or not np.iterable(values):
        raise TypeError(f"{name}: expected several whole numbers in brackets, got {brief(values)}")
    return tuple(as_size(value, name) for value in values)


def as_size(value, name, *, least=1):
    """Return ``value`` as int if it is a whole number of at least ``least``, and no bool."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        error = ValueError if whole else TypeError
        wanted = f"expected a whole number of at least {least}"
        raise error(f"{name}: {wanted}, got {brief(value)}")
    return int(value)


def positive_number(value, name, *, zero=False):
    """Return ``value`` as float if it is a finite number above zero, or with ``zero`` at least."""
    found = _number(value, name)
    if not 0 <= found < float("inf") or not (zero or found):
        wanted = "≥ 0" if zero else "> 0"
        raise ValueError(f"{name}: expected a finite number {wanted}, got {brief(value)}")
    return found


def share(value, name, *, one=True):
    """Return ``value`` as float if it is a number in [0, 1], or without ``one`` in [0, 1)."""
    found = _number(value, name)
    if not 0 <= found <= 1 or not (one or found < 1):
        raise ValueError(
            f"{name}: expected a share in [0, 1{']' if one else ')'}, got {brief(value)}"
        )
    return found


def _number(value, name):
    real = hasattr(value, "__float__") and not np.iscomplexobj(value) and not np.ndim(value)
    if isinstance(value, (bool, np.bool_)) or not real:
        raise TypeError(f"{name}: expected a number, got {brief(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def same_shape(a, b, names=("x", "reconstruction")):
    """Raise ValueError unless the two arrays have one shape."""
    if np.shape(a) != np.shape(b):
        raise ValueError(
            f"{names[1]}: expected the shape of {names[0]}, {np.shape(a)}, got {np.shape(b)}"
        )


def as_tokens(tokens, name, vocabulary_size):
    """Return ``tokens`` as int32 (n, T), T ≥ 1, padded with 0, or say what is wrong with them.

    Raises:
        TypeError: not whole numbers.
        ValueError: not two axes, an id outside the vocabulary, padding before a word.
    """
    array = as_whole(tokens, name, ndim=2, low=0, high=vocabulary_size - 1)
    if ((array[:, :-1] == 0) & (array[:, 1:] != 0)).any():
        raise ValueError(f"{name}: padding (0) stands before a word; pad on the right")
    return array if array.shape[1] else np.zeros((len(array), 1), "int32")
