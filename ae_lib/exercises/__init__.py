"""The exercises of the book: ``check`` an answer, ask for a ``hint``.

    >>> check("dense.initial_loss", ...)
    ○ Not answered yet: put a number in place of … (hint("dense.initial_loss") helps).
    >>> hint("dense.initial_loss")
    ○ Hint: E(x − ½)² = E(x − m)² + (m − ½)², where m is the mean.

Neither ever raises: a notebook always runs through.
"""

import difflib
import importlib

from ae_lib.exercises._core import Exercise, Verdict, judge, show

__all__ = ["Exercise", "Verdict", "check", "hint", "judge", "load", "names"]

# The modules that hold the exercises whose names begin so.
_MODULES = {
    "basics": ("ch01",),
    "dense": ("ch02",),
    "beyond": ("ch03",),
    "features": ("ch04",),
    "variational": ("ch05",),
    "text": ("ch06",),
    "seq2seq": ("ch07",),
    "sentence_vae": ("ch08",),
    "translation": ("ch09",),
    "language": ("ch10",),
    "compression": ("ch11",),
    "gpu": ("ch12", "ch12_step"),
    "runs": ("ch13", "ch13_share"),
    "answers": ("ch14",),
}


def check(name, answer):
    """Say whether the answer is right, and why it matters; or name the mistake.

    Args:
        name: the exercise, ``"chapter.name"``; an unknown one suggests the nearest.
        answer: number, letter, array or function, as the exercise asks.
    """
    exercise = _find(name)
    if exercise:
        show(judge(exercise, answer))


def hint(name):
    """Say what to think about next."""
    exercise = _find(name)
    if exercise:
        show(Verdict("todo", f"Hint: {exercise.hint}"))


def names():
    """All exercises' names, chapter by chapter."""
    return [exercise.name for chapter in _MODULES for exercise in _exercises(chapter)]


def load(name):
    """The ``Exercise`` of that name; only its chapter's module is loaded.

    Raises:
        KeyError: there is none; the message names the nearest.
    """
    for exercise in _exercises(str(name).partition(".")[0]):
        if exercise.name == name:
            return exercise
    near = difflib.get_close_matches(str(name), names(), n=1, cutoff=0.4)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
    raise KeyError(f"no exercise is named {name!r}; {advice}")


def _find(name):
    try:
        return load(name)
    except KeyError as error:
        message = error.args[0]
    except Exception:
        message = f"no exercise is named by a {type(name).__name__}; a name is a text"
    show(Verdict("todo", message[0].upper() + message[1:]))
    return None


def _exercises(chapter):
    for module in _MODULES.get(chapter, ()):
        yield from importlib.import_module(f"{__name__}.{module}").EXERCISES
