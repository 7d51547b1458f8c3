"""The old form of an exercise; goes when the last chapter has the new one."""

import reprlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ae_lib.exercises._core import Untouched, Wrong
from ae_lib.exercises._core import kind_of as _kind

__all__ = ["Untouched", "Wrong"]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: ``"chapter.name"``, the chapter's part being the module's name.
        judge: takes the answer; raises ``Wrong`` with the mistake, else returns None.
        right: said on success: why it matters.
        hint: what ``hint(name)`` says.
        solution: returns an answer that passes.
        wrong: ``{description: (make the answer, words the verdict must contain)}``.
        expects: what kind of thing the answer is, for messages.
    """

    name: str
    judge: Callable
    right: str
    hint: str
    solution: Callable
    wrong: dict
    expects: str


# -- what judges are made of -------------------------------------------------------------


def number(answer, what="the answer"):
    """The answer as one float.

    Raises:
        Wrong: it is not one finite number.
    """
    try:
        value = np.asarray(answer, dtype="float64")
    except (TypeError, ValueError):
        raise Wrong(f"Expected {what} as a number, got {_kind(answer)}.") from None
    if value.size != 1:
        raise Wrong(f"Expected {what} as one number, got shape {value.shape}.")
    value = float(value.reshape(()))
    if not np.isfinite(value):
        raise Wrong(f"Expected {what} as a finite number, got {value}.")
    return value


def array(answer, shape=None, what="the answer"):
    """The answer as a float64 array of ``shape``.

    Raises:
        Wrong: not numbers, another shape, or NaN.
    """
    try:
        value = np.asarray(answer, dtype="float64")
    except (TypeError, ValueError):
        raise Wrong(f"Expected {what} as an array of numbers, got {_kind(answer)}.") from None
    if shape is not None and value.shape != tuple(shape):
        raise Wrong(f"Expected {what} of shape {tuple(shape)}, got {value.shape}.")
    if not np.isfinite(value).all():
        raise Wrong(f"{what.capitalize()} holds NaN or infinite values.")
    return value


def choice(answer, options):
    """The answer as one of ``options`` (letters, any case).

    Raises:
        Wrong: it is none of them.
    """
    value = str(answer).strip().lower()
    if value not in options:
        known = ", ".join(repr(o) for o in options)
        raise Wrong(f"Answer with one of {known}, got {reprlib.repr(answer)}.")
    return value


def two(answer, what):
    """The answer as a pair; ``what`` says of what, in the plural.

    Raises:
        Wrong: it is no tuple or list of two.
    """
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(f"Return two arrays: {what}.")
    return answer


def close(a, b, tolerance=1e-6):
    """Whether two numbers or arrays agree to a relative or absolute tolerance."""
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=tolerance, atol=tolerance)


def known_slip(found, slips, tolerance=1e-6):
    """Name the mistake, if the answer is what a known one gives.

    Args:
        found: number or array.
        slips: pairs (what the mistake gives, message); the first that is ``close`` counts.
        tolerance: of ``close``.

    Raises:
        Wrong: with the message of that slip. If none fits, nothing happens.
    """
    for value, message in slips:
        if close(found, value, tolerance):
            raise Wrong(message)


def also(function, reference, *arguments):
    """Ask a right function once more with other arguments, so that a constant does not pass.

    Raises:
        Wrong: it disagrees with ``reference`` there.
    """
    found, right = function(*arguments), reference(*arguments)
    if not close(np.asarray(found, "float64"), right, 1e-4):
        raise Wrong(
            f"Right for one batch, not for another of shape {arguments[0].shape}: take every "
            "size from the arguments."
        )
