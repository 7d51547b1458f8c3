"""Every exercise of every chapter: kind to a starter, fair to an answer, deaf to nothing."""

import re
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_lib import exercises
from ae_lib.exercises import Exercise, Verdict, check, hint, judge
from ae_lib.exercises._core import Wrong, array, choice, close, number

ALL = [exercises.load(name) for name in exercises.names()]


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_exercise(exercise):
    """Starter fails kindly, solution passes, wrong answers are each told their own mistake."""
    assert re.fullmatch(r"[a-z]\w*\.[a-z]\w*", exercise.name)
    assert len(exercise.hint.split()) >= 4, "a hint says what to think about next"
    assert len(exercise.right.split()) >= 4, "the praise says why it matters"
    assert exercise.expects.strip()

    for starter in (..., None):
        verdict = judge(exercise, starter)
        assert verdict.state == "todo"
        assert exercise.expects in verdict.text
        assert f'hint("{exercise.name}")' in verdict.text

    solution = exercise.solution()
    verdict = judge(exercise, solution)
    assert verdict.state == "right", verdict.text
    assert exercise.right in verdict.text

    assert len(exercise.wrong) >= 2
    said = []
    for description, (make, words) in exercise.wrong.items():
        verdict = judge(exercise, make())
        assert verdict.state == "wrong", f"{description}: {verdict}"
        assert verdict.text.startswith("Not yet. "), f"{description}: {verdict}"
        assert words.strip(), f"{description}: its verdict must contain something"
        assert words in verdict.text, f"{description}: {verdict}"
        said.append(verdict.text)
    assert len(set(said)) == len(said), "two mistakes are told the same"

    if callable(solution) and not isinstance(solution, type):
        assert judge(exercise, lambda *a, **k: None).state == "todo"
        verdict = judge(exercise, crash)
        assert verdict.state == "wrong"
        assert "Your code stopped: ZeroDivisionError: my own mistake" in verdict.text
        assert judge(exercise, leave).text.startswith("Your code stopped: SystemExit")


def crash(*arguments, **options):
    raise ZeroDivisionError("my own mistake")


def leave(*arguments, **options):
    raise SystemExit


def test_names_are_unique_and_belong_to_their_module():
    names = exercises.names()
    assert len(names) == len(set(names))
    for name in names:
        assert exercises.load(name).name == name


class Hostile:
    """Raises at whatever is asked of it."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __array__ = __float__ = __len__ = __iter__ = __bool__ = __eq__ = __repr__
    __hash__ = None


class Odd:
    shape = 3


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def mute(*arguments, **options):
    raise Mute


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.lists(st.one_of(st.floats(), st.text(), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=2), st.floats(), max_size=3),
    st.sampled_from(
        [
            Hostile(),
            Odd(),
            mute,
            Mute(),
            print,
            dict,
            Hostile,
            np,
            np.zeros((0, 3)),
            np.array([[np.nan]]),
            np.array(["a"]),
            np.array(None),
            lambda: 1,
            lambda *a, **k: Hostile(),
            lambda *a, **k: np.nan,
            (i for i in "abc"),
        ]
    ),
)


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
@given(answer=anything)
def test_no_answer_makes_a_check_raise(exercise, answer):
    assert judge(exercise, answer).state in ("right", "wrong", "todo")


SAMPLE = Exercise(
    name="sample.double",
    judge=lambda answer: None if close(answer(2), 4) else _no(f"f(2) is {answer(2)}"),
    right="Doubling is what it takes.",
    hint="Think of twice.",
    solution=lambda: lambda x: 2 * x,
    wrong={},
    expects="a function of one number",
)


def _no(words):
    raise Wrong(words)


@given(anything)
def test_the_core_never_raises(answer):
    for core in (number, array, lambda a: choice(a, ("a", "b")), lambda a: close(a, 1)):
        exercise = Exercise("sample.core", core, "", "", None, {}, "something")
        assert judge(exercise, answer).state in ("right", "wrong", "todo")
    assert judge(SAMPLE, answer).state in ("right", "wrong", "todo")


def test_a_crash_names_the_readers_line():
    def mine(x):
        return x / 0

    assert judge(SAMPLE, mine) == Verdict(
        "wrong", "Your code stopped: ZeroDivisionError: division by zero, in mine: return x / 0"
    )


def test_a_crash_in_a_library_names_the_line_that_called_it():
    def mine(x):
        return np.linalg.inv(np.zeros((2, 2)))

    assert judge(SAMPLE, mine).text == (
        "Your code stopped: LinAlgError: Singular matrix, "
        "in mine: return np.linalg.inv(np.zeros((2, 2)))"
    )


def test_a_missing_name_in_the_readers_code_is_theirs():
    assert "NameError: name 'undefined'" in judge(SAMPLE, lambda x: undefined).text  # noqa: F821


def test_the_stop_button_still_stops():
    def stopped(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(SAMPLE, stopped)


def test_a_wrong_kind_of_answer_is_told_what_was_expected():
    verdict = judge(SAMPLE, np.zeros((2, 3)))
    assert verdict.state == "wrong"
    assert "Expected a function of one number, got ndarray of shape (2, 3)" in verdict.text


def test_a_verdict_is_escaped_and_announced():
    page = Verdict("wrong", "Not <b>yet</b> & so").page
    assert 'class="ae-check ae-check-wrong" role="status"' in page
    assert "Not &lt;b&gt;yet&lt;/b&gt; &amp; so" in page


def test_check_and_hint_print_and_return_nothing(capsys):
    name = ALL[0].name
    assert check(name, ...) is None
    assert hint(name) is None
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("○ Not answered yet")
    assert second == f"○ Hint: {ALL[0].hint}"


@pytest.mark.parametrize("call", [hint, lambda name: check(name, 1)])
def test_an_unknown_name_suggests_the_nearest(call, capsys):
    for exercise in ALL:
        chapter, _, rest = exercise.name.partition(".")
        if len(rest) > 3:
            call(f"{chapter}.{rest[1:]}")
            assert f"did you mean '{exercise.name}'?" in capsys.readouterr().out


@given(st.one_of(st.text(alphabet=string.printable), anything))
def test_no_name_makes_a_check_raise(name):
    check(name, 1)
    hint(name)


@pytest.mark.parametrize("answer", [4, 4.0, "4", [4], np.float32(4), np.array([[4]])])
def test_a_number_may_come_in_many_forms(answer):
    assert number(answer) == 4.0


@pytest.mark.parametrize(
    "answer, words",
    [
        ([1, 2], "one number, got shape (2,)"),
        ("four", "as a number, got str"),
        (np.nan, "a finite number, got nan"),
        (np.inf, "a finite number"),
        ({}, "as a number, got dict"),
    ],
)
def test_what_is_no_number(answer, words):
    with pytest.raises(Wrong, match=re.escape(words)):
        number(answer)


def test_arrays_and_choices_name_what_came():
    assert array([[1, 2]], (1, 2)).dtype == "float64"
    with pytest.raises(Wrong, match=re.escape("of shape (3,), got (2,)")):
        array([1, 2], (3,), "the code")
    with pytest.raises(Wrong, match="The code holds NaN"):
        array([1, np.nan], what="the code")
    with pytest.raises(Wrong, match="array of numbers"):
        array([[1], [1, 2]])
    assert choice(" B ", ("a", "b")) == "b"
    with pytest.raises(Wrong, match="'a', 'b', got 'c'"):
        choice("c", ("a", "b"))
    with pytest.raises(Wrong) as caught:
        choice("x" * 10_000, ("a", "b"))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["gpu.bound", "gpu.efficiency"])
def test_a_starter_that_returns_dots_is_untouched(name):
    assert judge(exercises.load(name), lambda *a: (..., "bytes")).state == "todo"
