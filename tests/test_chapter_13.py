"""Chapter 13's functions: the run of the exercise, a simulation, two fits."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from ae_lib.exercises import ch13
from tests.chapter_code import CHAPTERS, definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("13", "power_law", "line", "simulate")


def test_the_run_in_the_exercise_is_the_one_that_is_judged():
    """``class Run`` as printed, but for its docstring."""

    def bare(source):
        (node,) = [
            n
            for n in ast.walk(ast.parse(source))
            if isinstance(n, ast.ClassDef) and n.name == "Run"
        ]
        for part in ast.walk(node):
            if isinstance(part, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(part):
                part.body = part.body[1:]
        return ast.dump(node)

    (path,) = CHAPTERS.glob("13_*.ipynb")
    cells = json.loads(path.read_text("utf8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    (text,) = [source for source in sources if "class Run:" in source]
    printed = text.split("```python\n")[1].split("```")[0]
    assert bare(printed) == bare(Path(ch13.__file__).read_text("utf8"))


def test_fits_find_what_is_true(chapter):
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    assert chapter["power_law"](sizes, 3 * sizes**1.5, 16.0) == pytest.approx(3 * 16**1.5)
    assert chapter["line"](sizes, 0.5 + 3 * sizes) == pytest.approx((0.5, 3))


def test_the_simulation_agrees_with_the_exact_expectation(chapter):
    """With failures at a constant rate 1/M, M (exp((τ + s) / M) - 1) seconds for τ of work."""
    for every, save, between in ((800.0, 30.0, 10_800.0), (6000.0, 30.0, 10_800.0)):
        exact = between * np.expm1((every + save) / between) / every - 1
        assert chapter["simulate"](every, save, between) == pytest.approx(exact, rel=0.05)
    assert chapter["simulate"](100.0, 1.0, 1e12) == pytest.approx(0.01)
