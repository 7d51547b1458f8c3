"""What a published page runs under an exercise: the reader's answer, then the book's own check.

A page has Python with NumPy and these exercises, in a worker of the reader's browser
(``book/_static/js/worker.js``); no notebook, no Keras.
"""

import ast
import builtins
import contextlib
import importlib.util
import io
import linecache
import sys
import traceback
import types

import numpy as np

from ae_lib.exercises import _core, _readers, load
from ae_lib.exercises._bleu import corpus_bleu

LONGEST = 5000  # characters of what an answer prints
_FILE = "<your answer>"


class _Printed(io.StringIO):
    """What was printed, up to its length."""

    def write(self, text):
        return super().write(text[: max(0, LONGEST - self.tell())])


def run(source, name=None, answer=None, given=""):
    """Run what a reader wrote; hand it to the check, or show the value of its last line.

    Args:
        source: the reader's Python.
        name: an exercise's name, or None: there is nothing to check.
        answer: the expression that is checked, such as ``"floor"`` or ``"(encode, decode)"``.
        given: Python that makes the names which the chapter has defined above.

    Returns:
        dict of ``state`` ("right", "wrong", "todo", or "" without an exercise), ``text`` (the
        verdict, or the reader's error), ``printed``, ``line`` (of the reader's error, from 1;
        else None). Nothing that the reader wrote raises here, but for KeyboardInterrupt.
    """
    if "sacrebleu" not in sys.modules and importlib.util.find_spec("sacrebleu") is None:
        # One exercise asks for it.
        sys.modules["sacrebleu"] = types.SimpleNamespace(corpus_bleu=corpus_bleu)
    scope = {"__name__": "__main__", "np": np}
    exec(f"{given}\n{load(name).given if name else ''}", scope)
    scope |= {"check": _silent, "hint": _silent}
    known = sorted(set(scope) - {"__name__", "__builtins__", "check", "hint"})
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    printed = _Printed()
    found = {"state": "wrong" if name else "", "text": "", "line": None}
    try:
        with _restored(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            value = _execute(source, scope)
            if name:
                exercise, mine = load(name), _answer(answer, scope)
                with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
                    verdict = _core.judge(exercise, mine)
                found |= {"state": verdict.state, "text": verdict.text}
                if verdict.state == "todo":
                    found["text"] = f"Not answered yet: give {exercise.expects}."
            elif value is not None:
                print(repr(value))
    except (Exception, SystemExit) as error:
        found["line"] = line = _line(error)
        found |= {"state": "wrong", "text": _told(error, line, known)}
    return found | {"printed": printed.getvalue()}


@contextlib.contextmanager
def _restored():
    """What an answer changes in NumPy, Python or the judge is as before in the next one."""
    modules = [builtins, np, np.linalg, np.random, _core, _readers]
    before = [dict(vars(module)) for module in modules]
    limit = sys.getrecursionlimit()
    try:
        with np.errstate():
            yield
    finally:
        for module, old in zip(modules, before, strict=True):
            vars(module).update(old)
        sys.setrecursionlimit(limit)


def _silent(*arguments):
    """The page's own button does it."""


def _execute(source, scope):
    """Execute; return the value of the last line, if that is an expression."""
    tree = ast.parse(source, _FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, _FILE, "exec"), scope)
    return last and eval(compile(ast.Expression(last.value), _FILE, "eval"), scope)


def _answer(answer, scope):
    try:
        return eval(answer, scope)
    except NameError as error:
        raise _Missing(
            f"Give your answer the name {error.name}: the check looks for it."
        ) from None


class _Missing(Exception):
    """The name that is checked is not defined."""


def _line(error):
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == _FILE), None)


def _told(error, line, known):
    if isinstance(error, _Missing):
        return str(error)
    where = f" in line {line}" if line else ""
    named = f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else _core._named(error)
    told = f"Your code stopped{where}: {named}"
    if isinstance(error, NameError) and not hasattr(builtins, error.name or ""):
        told += f". Defined here: {', '.join(known)}."
    if isinstance(error, OSError):
        told += ". This page has no keyboard to read from and no files of yours."
    if isinstance(error, ImportError):
        told += ". This page has NumPy and Python's standard library."
    return told
