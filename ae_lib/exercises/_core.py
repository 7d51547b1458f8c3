"""The exercise system: an answer goes in, a verdict comes out, nothing is ever raised.

A chapter's exercises are one module with a list ``EXERCISES``. An exercise states what is right
and its ``slips``, plausible mistakes each with its message. The judge asks the answer the same
questions as the reference and the slips: it is right if it gives what the reference gives, and
told the message of the slip that gives the same as it does.
"""

import copy
import html
import inspect
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np

from ae_lib._display import emit
from ae_lib.exercises._readers import Wrong, kind_of, number


class Untouched(Exception):
    """The answer is still the starter's."""


class ReadersError(Exception):
    """The reader's own function raised ``error`` while it was called, at ``line``."""

    def __init__(self, error, line):
        super().__init__(f"{error}, in {line}")
        self.error = error


# -- the form of an exercise ---------------------------------------------------------------


def changed(*_):
    """The ``when`` of a slip that changes an array of the caller's in place."""
    return False


def has(letter):
    """The ``when`` of a slip that answers with this letter among others."""
    return lambda found: letter in found


def normal(seed, *shapes):
    """Normal random arrays of these shapes, for a case."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def together(slips):
    """Of slips (options, hint), all twos and threes at once: their options, and a hint."""
    for count, counted in ((2, "Two"), (3, "Three")):
        for some in combinations(slips, count):
            wrong = {key: value for options, _ in some for key, value in options.items()}
            yield wrong, f"{counted} mistakes are left. One: {some[0][1]}"


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    A message is a text with ``{found}``, ``{right}`` and ``{0}``, ``{1}`` … for the arguments of
    the case, or a function of the same (found, right, *arguments) that makes it.

    Attributes:
        name: ``"chapter.name"``.
        expects: what kind of thing the answer is, for messages.
        right: said on success: why it matters.
        hint: what ``hint(name)`` says.
        reference: an answer that passes: a value, or a function, called with each case.
        slips: ``(wrong, message)``, where ``wrong`` is an answer like the reference with one
            mistake; or a dict, the options that make a reference function wrong; or a list of
            such. A third item, ``when(found, *arguments)``, recognises the mistake in place
            of equality. The first slip that fits speaks.
        otherwise: the message if no slip fits.
        cases: tuples of arguments, or a function that makes them.
        what: what the answer is, or returns; a tuple if it returns several things.
        read: turns what came into a value; one for all, or one for each of ``what``.
        tolerance: relative, to the largest value.
        before: put before the message of a slip, and before ``otherwise``.
        unique: False if right answers differ (they draw, or turn a sign): then an answer is
            right when no slip fits.
        every: True if a slip has to fit in every case, because few values are possible.
        ask: ``ask(answer, *arguments)``: how to put a case to an answer; as a rule, call it.
        given: Python that stands for data of the chapter, on a page that has none.
    """

    name: str
    expects: str
    right: str
    hint: str
    reference: Any
    slips: list
    otherwise: Any = ""
    cases: Any = ((),)
    what: Any = "the answer"
    read: Any = number
    tolerance: float = 1e-6
    before: str = ""
    unique: bool = True
    every: bool = False
    ask: Callable | None = None
    given: str = ""

    def __post_init__(self):
        slips = [
            (partial(self.reference, **wrong), *rest)
            if isinstance(wrong, dict) and callable(self.reference)
            else (wrong, *rest)
            for several, *rest in self.slips
            for wrong in (several if isinstance(several, list) else [several])
        ]
        object.__setattr__(self, "slips", slips)

    def judge(self, answer):
        """Return if the answer is right.

        Raises:
            Wrong: it is not.
            Untouched: it is still the starter's.
            ReadersError: the reader's function raised an error that is no known slip's.
        """
        cases = self.cases() if callable(self.cases) else self.cases
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [self._found(answer, case) for case in cases]
            if self.unique:
                self._compare(cases, found)

    def _found(self, answer, case):
        try:
            found = self._give(answer, case)
        except ReadersError as error:
            for slip in self.slips:
                if getattr(self._try(slip, case), "error", None) == error.error:
                    raise Wrong(self._say(slip[1], error, None, case), slip) from None
            raise
        if not self.unique:
            self._finite(found)
            for slip in self.slips:
                given = None if slip[2:] else self._try(slip, case)
                if slip[2](found, *case) if slip[2:] else same(found, given, self.tolerance):
                    raise Wrong(self._say(slip[1], found, None, case), slip)
        return found

    def _compare(self, cases, found):
        rights = [self._give(_guarded(self.reference), case) for case in cases]
        wrong = [i for i in range(len(cases)) if not same(found[i], rights[i], self.tolerance)]
        if not wrong:
            return
        i = wrong[0]
        for slip in self._fitting(cases, found, rights, i):
            raise Wrong(self._say(slip[1], found[i], rights[i], cases[i]), slip)
        for part, right, what in zip(*map(_parts, (found[i], rights[i], self.what)), strict=True):
            if isinstance(right, np.ndarray) and right.shape != part.shape:
                raise Wrong(f"Expected {what} of shape {right.shape}, got {part.shape}.")
        self._finite(found[i])
        raise Wrong(self._say(self.otherwise, found[i], rights[i], cases[i]))

    def _finite(self, found):
        for part, what in zip(_parts(found), _parts(self.what), strict=True):
            if isinstance(part, (float, np.ndarray)) and not np.isfinite(part).all():
                raise Wrong(f"{what[0].upper()}{what[1:]} must be finite; it holds NaN or inf.")

    def _fitting(self, cases, found, rights, i):
        """Slips that fit: in every case; else in case ``i``; else in its first wrong part."""
        plain = [slip for slip in self.slips if len(slip) == 2]
        given = cache(lambda k, j: self._try(plain[k], cases[j]))
        everywhere, parts = range(len(cases)), [None]
        if isinstance(rights[i], tuple):
            pairs = zip(found[i], rights[i], strict=True)
            parts.append([same(f, r, self.tolerance) for f, r in pairs].index(False))
        for part in parts:
            for where, tolerance in (
                (everywhere, 1e-9),
                (everywhere, self.tolerance),
                ([] if self.every else [i], self.tolerance),
            ):
                for k, slip in enumerate(plain if where else []):
                    if not same(given(k, i), rights[i], self.tolerance, part) and all(
                        same(found[j], given(k, j), tolerance, part) for j in where
                    ):
                        yield slip
            yield from (s for s in self.slips if len(s) > 2 and _holds(s[2], found[i], cases[i]))

    def _try(self, slip, case):
        """What a slip gives, or the error that it raises."""
        try:
            return self._give(_guarded(slip[0]), case)
        except (ReadersError, Wrong, Untouched) as error:
            return error

    def _give(self, answer, case):
        """What an answer gives in a case, read."""
        arguments = copy.deepcopy(case)
        if self.ask:
            given = self.ask(answer, *arguments)
        else:
            given = answer(*arguments) if callable(self.reference) else answer
        for i, (now, was) in enumerate(zip(arguments, case, strict=True)):
            if not _kept(now, was):
                slip = next((s for s in self.slips if s[2:] == (changed,)), None)
                name = list(inspect.signature(self.reference).parameters)[i]
                message = f"Your function changed {name} itself; work on a copy."
                raise Wrong(slip[1] if slip else message, slip)
        if not isinstance(self.what, tuple):
            return _read(self.read, given, self.what)
        given = given.tolist() if isinstance(given, np.ndarray) and given.ndim == 1 else given
        if not isinstance(given, (tuple, list)) or len(given) != len(self.what):
            came = f"{len(given)} values" if isinstance(given, (tuple, list)) else kind_of(given)
            raise Wrong(f"Return {', '.join(self.what)}, in this order; got {came}.")
        if any(part is ... or part is None for part in given):
            raise Untouched
        readers = self.read if isinstance(self.read, tuple) else (self.read,) * len(given)
        return tuple(map(_read, readers, given, self.what))

    def _say(self, message, found, right, case):
        if callable(message):
            message = message(found, right, *case).replace("{", "{{").replace("}", "}}")
        return (self.before + message).format(*case, found=found, right=right)


def _read(reader, given, what):
    try:
        return reader(given, what)
    except (TypeError, ValueError, IndexError):  # it was made for another kind of thing
        raise Wrong(f"Expected {what}, got {kind_of(given)}.") from None


def _holds(when, found, case):
    try:
        return when(found, *case)
    except (TypeError, ValueError, IndexError):  # it asks for another shape than was found
        return False


def _parts(value):
    return value if isinstance(value, tuple) else (value,)


def _kept(now, was):
    """Whether the arrays in an argument are as they were."""
    if isinstance(was, np.ndarray):
        return np.array_equal(now, was, equal_nan=was.dtype.kind == "f")
    if isinstance(was, (list, tuple)):
        return all(map(_kept, now, was))
    return True


def close(a, b, tolerance=1e-6):
    """Whether two numbers or arrays agree, relatively to the largest value of ``b``."""
    if np.shape(a) != np.shape(b):
        return False
    values = np.abs(np.ravel(b))
    size = min(1.0, float(np.max(values[np.isfinite(values)], initial=0)))
    return np.allclose(a, b, rtol=tolerance, atol=max(tolerance * size, 1e-15), equal_nan=True)


def same(found, right, tolerance=1e-6, part=None):
    """Whether two read values agree, or their parts of that number."""
    if isinstance(right, tuple) and isinstance(found, tuple):
        if part is not None:
            return same(found[part], right[part], tolerance)
        return all(same(f, r, tolerance) for f, r in zip(found, right, strict=True))
    if isinstance(right, (float, np.ndarray)) and isinstance(found, (float, np.ndarray)):
        return close(found, right, tolerance)
    return type(found) is type(right) and found == right


# -- verdicts ------------------------------------------------------------------------------


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


LONGEST = 700
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
        parts = list(answer.values()) if isinstance(answer, dict) else [answer]
        if parts and all(part is ... or part is None for part in parts):
            raise Untouched
        exercise.judge(_guarded(answer))
    except Untouched:
        put = f"put {exercise.expects} in place of …"
        return Verdict("todo", f'Not answered yet: {put} (hint("{exercise.name}") helps).')
    except Wrong as mistake:
        text = f"Not yet. {mistake}"  # which may show what came, however much that is
        return Verdict("wrong", text if len(text) <= LONGEST else text[: LONGEST - 2] + " …")
    except ReadersError as error:
        return Verdict("wrong", f"Your code stopped: {error}")
    except Exception as error:
        came = f"got {kind_of(answer)}: {_named(error)}"
        return Verdict("wrong", f"Expected {exercise.expects}, {came}")
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
            line = getattr(answer, "__name__", "it")
            line = f"{own.name}: {own.line}" if own and own.line else line
            raise ReadersError(_named(error), line) from None
        if result is None or result is ...:
            raise Untouched
        return result

    return call


def _named(error):
    try:
        line = str(error).strip().split("\n")[0][:200] or "(no message)"
    except Exception:
        line = "(no message)"
    return f"{type(error).__name__}: {line}"


def show(verdict):
    """Show a verdict in a notebook, or print it."""
    emit({"text/plain": verdict.plain, "text/html": verdict.page})
