"""The exercise system: an answer goes in, a verdict comes out, nothing is ever raised.

A chapter's exercises are one module with a list ``EXERCISES``. Each exercise brings a
``judge`` (raises ``Wrong`` naming the mistake), a reference ``solution`` and at least two
plausible ``wrong`` answers, each with words its verdict must contain.
"""

import html
import reprlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ae_lib._display import emit


class Wrong(Exception):
    """Raised by a judge: the mistake, named, with the next step to take."""


class Untouched(Exception):
    """The answer is still the starter's."""


class ReadersError(Exception):
    """The reader's own function raised while the judge was calling it."""


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


@dataclass(frozen=True)
class Verdict:
    """What ``judge`` found: ``state`` is "right", "wrong" or "todo"."""

    state: str
    text: str

    @property
    def plain(self):
        """The verdict on one line, with its sign."""
        return f"{SIGNS[self.state]} {self.text}"

    @property
    def page(self):
        """The verdict as HTML."""
        return (
            f'<div class="ae-check ae-check-{self.state}" role="status">'
            f'<span aria-hidden="true">{SIGNS[self.state]}</span> {html.escape(self.text)}</div>'
        )


SIGNS = {"right": "✓", "wrong": "✗", "todo": "○"}


def judge(exercise, answer):
    """Judge an answer; never raises.

    Args:
        exercise: an ``Exercise``.
        answer: whatever the reader gave; ``...`` and None mean untouched.

    Returns:
        ``Verdict``.
    """
    try:
        if answer is ... or answer is None:
            raise Untouched
        exercise.judge(_guarded(answer))
    except Untouched:
        hint_call = f'hint("{exercise.name}")'
        return Verdict(
            "todo", f"Not answered yet: put {exercise.expects} in place of … ({hint_call} helps)."
        )
    except Wrong as mistake:
        return Verdict("wrong", f"Not yet. {mistake}")
    except ReadersError as error:
        return Verdict("wrong", f"Your code stopped: {error}")
    except Exception as error:
        return Verdict(
            "wrong",
            f"Expected {exercise.expects}, got {_kind(answer)}: "
            f"{type(error).__name__}: {_first_line(error)}",
        )
    return Verdict("right", f"Right. {exercise.right}")


def _guarded(answer):
    """The answer; if it is a function, one whose errors are reported as the reader's."""
    if not callable(answer) or isinstance(answer, type):
        return answer

    def call(*args, **kwargs):
        try:
            result = answer(*args, **kwargs)
        except (Exception, SystemExit) as error:
            # Below ``call`` stands the reader's function; what it called may be a library's.
            frames = traceback.extract_tb(error.__traceback__)[1:]
            own = next((f for f in reversed(frames) if f.filename == frames[0].filename), None)
            name = getattr(answer, "__name__", "it")
            line = f", in {own.name}: {own.line}" if own and own.line else f", in {name}"
            raise ReadersError(f"{type(error).__name__}: {_first_line(error)}{line}") from None
        if result is None or result is ...:
            raise Untouched
        return result

    call.answer = answer
    return call


def _kind(answer):
    """The answer's type, and its shape if it has one; whatever the answer is."""
    try:
        return f"{type(answer).__name__} of shape {tuple(answer.shape)}"
    except Exception:
        return type(answer).__name__


def _first_line(error):
    try:
        return str(error).strip().split("\n")[0][:200] or "(no message)"
    except Exception:
        return "(no message)"


def show(verdict):
    """Show a verdict in a notebook, or print it."""
    emit({"text/plain": verdict.plain, "text/html": verdict.page})


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
