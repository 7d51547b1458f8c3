"""What a published page runs under an exercise, in the Python at hand."""

import numpy as np
import pytest
import sacrebleu

from ae_lib import data, exercises
from ae_lib.exercises import _page, ch07
from ae_lib.exercises._bleu import corpus_bleu

FLOOR = {"name": "basics.bce_floor", "answer": "floor"}


def test_a_verdict_is_the_judges():
    right = exercises.load("basics.bce_floor").right
    found = _page.run("floor = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))", **FLOOR)
    assert found == {"state": "right", "text": f"Right. {right}", "printed": "", "line": None}
    assert "Zero is the floor" in _page.run("floor = 0", **FLOOR)["text"]
    told = _page.run("floor = ...", **FLOOR)
    assert (told["state"], told["text"]) == ("todo", "Not answered yet: give a number of nats.")


@pytest.mark.parametrize(
    "source, text, line",
    [
        ("x = 1\nfloor = (", "Your code stopped in line 2: SyntaxError: '(' was never closed", 2),
        ("\nfloor = 1 / 0", "Your code stopped in line 2: ZeroDivisionError", 2),
        ("def f():\n    raise SystemExit\nf()", "Your code stopped in line 2: SystemExit", 2),
        ("np.linalg.inv(np.zeros((2, 2)))", "Your code stopped in line 1: LinAlgError", 1),
        ("floor = scipy", "name 'scipy' is not defined. Defined here: given_one, np.", 1),
        ("import keras_of_mine", "This page has NumPy and Python's standard library.", 1),
        ("flor = 1", "Give your answer the name floor: the check looks for it.", None),
    ],
)
def test_the_readers_own_errors(source, text, line):
    found = _page.run(source, **FLOOR, given="given_one = 1")
    assert text in found["text"]
    assert (found["state"], found["line"]) == ("wrong", line)


def test_what_is_printed_is_shown_and_cut():
    found = _page.run("for i in range(100_000):\n    print(i)\nfloor = 1", **FLOOR)
    assert found["printed"].startswith("0\n1\n")
    assert len(found["printed"]) == _page.LONGEST
    assert found["state"] == "wrong"


def test_code_without_an_exercise_shows_its_last_value():
    found = _page.run("twice(4)", given="def twice(x):\n    return 2 * x")
    assert found == {"state": "", "text": "", "printed": "8\n", "line": None}
    assert _page.run("x = 3")["printed"] == ""
    assert _page.run("")["printed"] == ""


def test_names_of_one_answer_are_gone_in_the_next():
    _page.run("mine = 1")
    assert "NameError" in _page.run("mine")["text"]


@pytest.mark.parametrize(
    "harm",
    [
        "np.log = lambda x: 0 * x",
        "np.seterr(all='raise')",
        "import builtins; builtins.float = int",
        "import ae_lib.exercises._core as core; core.judge = core.same = lambda *a: True",
        "import sys; sys.setrecursionlimit(60)",
        "import builtins; builtins.print = None",
    ],
)
def test_what_one_answer_spoils_is_whole_in_the_next(harm):
    _page.run(f"{harm}\nfloor = 0", **FLOOR)
    found = _page.run("print(1)\nfloor = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))", **FLOOR)
    assert (found["state"], found["printed"]) == ("right", "1\n")
    assert _page.run("floor = 0", **FLOOR)["state"] == "wrong"
    assert np.geterr()["divide"] == "warn"


def test_an_answer_may_make_numpy_raise_and_the_judge_goes_on():
    for name in ("variational.labels", "translation.attention"):
        exercise = exercises.load(name)
        source = f"from ae_lib.exercises import load\nf = load({name!r}).reference\n"
        source += "np.seterr(all='raise')"
        assert _page.run(source, name, "f")["text"] == f"Right. {exercise.right}"


def test_bleu_of_a_page_is_sacrebleus():
    rng = np.random.default_rng(0)
    texts = data.load_sentences("validation")[:200]
    texts += ["It cost 3.50, or 1,000 - not 7-8!", "a", "", "«Où ?» 你好 .", "x  y\tz ... ?!"]

    def damaged():
        return [" ".join(w for w in t.split() if rng.random() > 0.2) for t in texts]

    outputs, second = damaged(), damaged()
    o, r = ch07.OUTPUTS, ch07.ORIGINALS
    calls = [(outputs, [texts, second]), (o, [r]), (r, [o]), (o, r), (o, [[t] for t in r])]
    calls += [([a], [[b]]) for a, b in zip(outputs, texts, strict=True)]
    ours = [corpus_bleu(*call).score for call in calls]
    assert ours == pytest.approx([sacrebleu.corpus_bleu(*call).score for call in calls])
