"""Every exercise of every chapter: its starter, reference and slips, and whatever may come in."""

import ast
import io
import json
import re
import string
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_lib import claims, data, exercises, text
from ae_lib.exercises import Exercise, Verdict, ch02, ch06, ch07, check, hint, judge
from ae_lib.exercises._core import _guarded, changed
from ae_lib.exercises._readers import Wrong, array, letters, number, truth, word, words
from tests.chapter_code import CHAPTERS, definitions

ALL = [exercises.load(name) for name in exercises.names()]


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_exercise(exercise):
    """Starter fails kindly, reference passes, each slip is told its own message."""
    assert re.fullmatch(r"[a-z]\w*\.[a-z]\w*", exercise.name)
    assert len(exercise.hint.split()) >= 4, "a hint says what to think about next"
    assert len(exercise.right.split()) >= 4, "the praise says why it matters"
    assert exercise.expects.strip()

    for starter in (..., None):
        verdict = judge(exercise, starter)
        assert verdict.state == "todo"
        assert exercise.expects in verdict.text
        assert f'hint("{exercise.name}")' in verdict.text

    verdict = judge(exercise, exercise.reference)
    assert verdict.state == "right", verdict.text
    assert exercise.right in verdict.text

    assert len(exercise.slips) >= 2
    said = []
    for i, slip in enumerate(exercise.slips):
        with pytest.raises(Wrong) as caught:
            exercise.judge(_guarded(slip[0]))
        assert caught.value.slip[1] == slip[1], f"slip {i}, {slip[1]}: told {caught.value}"
        said.append(judge(exercise, slip[0]).text)
        assert said[-1].startswith("Not yet. ")
    assert len(set(said)) >= len({slip[1] for slip in exercise.slips})

    if callable(exercise.reference):
        assert judge(exercise, lambda *a, **k: None).state == "todo"
        verdict = judge(exercise, crash)
        assert verdict.state == "wrong"
        assert "Your code stopped: ZeroDivisionError: my own mistake" in verdict.text
        assert judge(exercise, leave).text.startswith("Your code stopped: SystemExit")
        for odd in ODD:
            text = judge(exercise, lambda *a, odd=odd, **k: odd).text
            assert "got function" not in text, f"for {odd!r}: {text}"


ODD = [0, 1.5, np.nan, True, "x", [], {}, (1, 2, 3), [[1, 2], [3]], (np.zeros(3), np.zeros(3))]
ODD += [np.zeros(0), np.zeros((2, 3)), np.zeros((3, 3, 3)), (np.nan, "bytes"), (1, "ad")]


def test_a_mask_that_cuts_values_out_is_told_of_its_shape():
    told = judge(exercises.load("beyond.masking"), lambda x, p, rng: x[rng.random(x.shape) > p])
    assert told.text == "Not yet. The result has another shape than x."


def solutions():
    """(chapter, source) of every cell with a solution."""
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf8"))["cells"]:
            if "solution" in cell["metadata"].get("tags", ()):
                yield path.name[:2], "".join(cell["source"])


def test_every_solution_in_the_chapters_passes():
    """Each solution's cell runs up to its check, with its chapter's imports and values."""
    judged = {}

    def check(name, answer):
        judged[name] = judge(exercises.load(name), answer).text

    train = data.load_fashion_mnist().train
    count, steps, words = ch06.ARRAY
    given = {"x_train": train.x, "ids": range(count), "steps": steps, "vocabulary": range(words)}
    given |= {"mean_tokens": ch06.MEAN_TOKENS}
    chapters = {}
    for chapter, source in solutions():
        # Stated above the solution, in the open:
        open_names = {
            "04": ("toy_choose", "toy_nearest_mean"),
            "07": ("sigmoid",),
            "10": ("softmax",),
        }
        stated = open_names.get(chapter, ())
        scope = chapters.setdefault(chapter, definitions(chapter, *stated))
        scope = scope | given | {"check": check}
        for node in ast.parse(source).body:
            if not isinstance(node, ast.Assert):
                exec(compile(ast.Module([node], []), chapter, "exec"), scope)
            if ast.unparse(node).startswith("check("):
                break
    assert judged == {exercise.name: f"Right. {exercise.right}" for exercise in ALL}


def crash(*arguments, **options):
    raise ZeroDivisionError("my own mistake")


def leave(*arguments, **options):
    raise SystemExit


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


STRANGE = [Hostile(), Odd(), mute, Mute(), print, dict, Hostile, np, (i for i in "abc")]
STRANGE += [np.zeros((0, 3)), np.array([[np.nan]]), np.array(["a"]), np.array(None), lambda: 1]
STRANGE += [lambda *a, **k: [1] * 10_000, lambda *a, **k: Hostile(), lambda *a, **k: np.nan]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
texts = st.text() | st.binary()
lists = st.lists(st.floats() | st.text() | st.none(), max_size=4)
dicts = st.dictionaries(st.text(max_size=2), st.floats(), max_size=3)
anything = scalars | texts | lists | dicts | st.sampled_from(STRANGE)


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
@given(answer=anything)
def test_no_answer_makes_a_check_raise(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict.state in ("right", "wrong", "todo")
    assert len(verdict.text) < 720


def _sample(**form):
    given = {
        "name": "sample.double",
        "expects": "a function of one number",
        "right": "",
        "hint": "",
    }
    given |= {"reference": lambda x: 2 * x, "slips": [], "cases": ((2,), (3,))}
    return Exercise(**given | form)


SAMPLE = _sample(slips=[(lambda x: x + 2, "Right for {0:g} alone."), (lambda x: x**2, "Squared.")])


@given(anything)
def test_the_core_never_raises(answer):
    for read in (number, array, truth, word("a", "b"), words("ab", "c", "d"), letters("ab")):
        for reference in (None, SAMPLE.reference):
            exercise = _sample(reference=reference, read=read)
            assert judge(exercise, answer).state in ("right", "wrong", "todo")
    assert judge(SAMPLE, answer).state in ("right", "wrong", "todo")


def test_the_slip_that_fits_every_case_speaks_and_else_the_one_that_fits_the_first_wrong_case():
    assert judge(SAMPLE, lambda x: x**2).text == "Not yet. Squared."
    assert judge(SAMPLE, lambda x: 9.0 if x == 3 else 4.0).text == "Not yet. Squared."
    assert judge(SAMPLE, lambda x: 5.0 if x == 3 else 4.0).text == "Not yet. Right for 3 alone."
    told = judge(_sample(otherwise="{0:g} is {right:g}, not {found:g}."), lambda x: 7.0).text
    assert told == "Not yet. 2 is 4, not 7."


def test_a_slip_may_be_options_of_the_reference_and_several_answers_share_a_message():
    exercise = _sample(
        reference=lambda x, times=2, add=0: times * x + add,
        slips=[({"times": 3}, "Three."), ([{"add": 1}, lambda x: 2 * x - 1], "One off.")],
    )
    assert judge(exercise, lambda x: 3 * x).text == "Not yet. Three."
    assert judge(exercise, lambda x: 2 * x + 1).text == "Not yet. One off."
    assert judge(exercise, lambda x: 2 * x - 1).text == "Not yet. One off."


def test_a_slip_may_fit_one_part_of_a_result():
    exercise = _sample(
        reference=lambda x: (2 * x, "twice"),
        what=("the double", "its name"),
        read=(number, word("twice", "half")),
        slips=[(lambda x: (x / 2, "half"), "Half."), (lambda x: (2 * x, "half"), "Name.")],
    )
    assert judge(exercise, lambda x: (x / 2, "twice")).text == "Not yet. Half."
    assert judge(exercise, lambda x: [2 * x, "half"]).text == "Not yet. Name."
    assert "Return the double, its name, in this order; got float" in judge(exercise, float).text
    assert judge(exercise, lambda x: (..., "half")).state == "todo"


def test_a_known_error_is_answered_and_so_is_a_change_of_the_callers_array():
    def in_place(x):
        x *= 2
        return x

    exercise = _sample(
        cases=((np.ones(2),),), read=array, slips=[(lambda x: 2 * x[3], "There is no fourth.")]
    )
    assert judge(exercise, lambda x: x[3] * 2).text == "Not yet. There is no fourth."
    assert "changed x itself" in judge(exercise, in_place).text
    exercise = _sample(
        cases=((np.ones(2),),), read=array, slips=[(in_place, "In place.", changed)]
    )
    assert judge(exercise, in_place).text == "Not yet. In place."
    assert judge(exercise, lambda x: 2 * x[:1]).text == (
        "Not yet. Expected the answer of shape (2,), got (1,)."
    )
    assert "must be finite" in judge(exercise, lambda x: x * np.nan).text


def divides(x):
    return x / 0


def inverts(x):
    return np.linalg.inv(np.zeros((2, 2)))


def misspells(x):
    return undefined  # noqa: F821


@pytest.mark.parametrize(
    "mine, told",
    [
        (divides, "ZeroDivisionError: division by zero, in divides: return x / 0"),
        (
            inverts,
            "LinAlgError: Singular matrix, in inverts: return np.linalg.inv(np.zeros((2, 2)))",
        ),
        (misspells, "NameError: name 'undefined' is not defined, in misspells: return undefined"),
    ],
)
def test_a_crash_names_the_readers_line_not_a_librarys(mine, told):
    verdict = judge(SAMPLE, mine)
    assert verdict.state == "wrong"
    assert verdict.text.partition("  #")[0] == f"Your code stopped: {told}"


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


@pytest.mark.parametrize("code", ["cp1252", "ascii", "utf-8"])
def test_a_console_without_the_signs_shows_the_words(code, monkeypatch):
    """A question mark stands for what it lacks; it is checks, hints and claims that are shown."""
    console = io.TextIOWrapper(io.BytesIO(), encoding=code)
    monkeypatch.setattr(sys, "stdout", console)
    some = ALL[::9]
    for exercise in some:
        check(exercise.name, ...)
        check(exercise.name, exercise.reference)
        hint(exercise.name)
    claims.claim("Two and two make 四", 4, True)
    console.flush()
    shown = console.buffer.getvalue().decode(code)
    sign = "✓" if code == "utf-8" else "?"
    assert shown.count(f"{sign} Right. ") == len(some)
    assert f"{sign} Two and two make {'四' if code == 'utf-8' else '?'} [4]" in shown


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
    "read, answer, words",
    [
        (number, [1, 2], "one number, got shape (2,)"),
        (number, "four", "as a number, got str"),
        (number, {}, "as a number, got dict"),
        (array, [[1], [1, 2]], "an array of numbers, got list"),
        (truth, "yes", "True or False"),
        (word("a", "b"), "c", "'a', 'b', got 'c'"),
        (words(["X", "Y"], "a", "b"), 3, 'a dictionary such as {"X": "a", …}, got int'),
        (words(["X", "Y"], "a", "b"), {"X": "a"}, "Y has no answer yet"),
        (words(["X", "Y"], "a", "b"), {"X": "a", "Y": "c"}, "Expected Y as one of 'a', 'b'"),
        (letters("abc"), "xy", "from a to c"),
        (letters("abc"), "", "from a to c"),
    ],
)
def test_what_cannot_be_read(read, answer, words):
    with pytest.raises(Wrong, match=re.escape(words)):
        read(answer)


def test_what_is_read_in_many_forms():
    assert array([[1, 2]]).dtype == "float64"
    assert word("a", "b")(" B ") == "b"
    assert word("0.1", "10")(10.0) == word("0.1", "10")("10") == "10"
    assert words(["X", "Y"], "a", "b")({" y": "A", "x": "b"}) == {"X": "b", "Y": "a"}
    assert letters("abc")(["c", "A"]) == letters("abc")("c, a") == "ac"
    assert letters("abc", least=0)("") == ""
    with pytest.raises(Wrong) as caught:
        word("a", "b")("x" * 10_000)
    assert len(str(caught.value)) < 200


LOADED = """
import sys
from ae_lib import exercises
exercises.load("basics.families")
print(*(m for m in sys.modules if m.startswith("ae_lib.exercises.") and "._" not in m))
exercises.names()
print(*{"keras", "sacrebleu", "scipy", "ae_lib.data", "ae_lib.text"} & set(sys.modules))
"""


def test_one_exercise_loads_its_chapter_alone_and_all_of_them_numpy_alone():
    run = [sys.executable, "-c", LOADED]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    chapter, rest = said.split("\n")[:2]
    assert chapter == "ae_lib.exercises.ch01"
    assert not rest


def test_bleu_is_sacrebleus():
    import sacrebleu

    def score(outputs, sets):
        return sacrebleu.corpus_bleu(outputs, sets).score

    o, r = ch07.OUTPUTS, ch07.ORIGINALS
    singles = np.mean([score([a], [[b]]) for a, b in zip(o, r, strict=True)])
    calls = [score(o, [r]), score(r, [o]), score(o, r), score(o, [[t] for t in r]), singles]
    assert calls == pytest.approx(list(ch07.SCORES.values()), abs=1e-6)


def test_numbers_of_the_data_are_the_datas():
    train = data.load_sentences("train")
    rows = text.Vocabulary.build(train).encode_all(train)
    assert (len(train), max(map(len, rows)) + 1, len(text.Vocabulary.build(train))) == ch06.ARRAY
    part = train[:10_000]
    rows = text.Vocabulary.build(part).encode_all(part)
    assert pytest.approx(np.mean([len(ids) for ids in rows]), abs=1e-4) == ch06.MEAN_TOKENS
    x = data.load_fashion_mnist().train.x
    assert pytest.approx((x.mean(), x.std()), abs=1e-5) == (ch02.MEAN, ch02.STD)
