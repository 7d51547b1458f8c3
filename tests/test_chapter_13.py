"""Chapter 13's functions: the run of the exercise, the ring's sums, a simulation, two fits."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from ae_lib.exercises import ch13
from tests.chapter_code import CHAPTERS, definitions


@pytest.fixture(scope="module")
def chapter():
    names = "ring_all_reduce", "power_law", "line", "simulate", "gradient"
    return definitions("13", *names)


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


@pytest.mark.parametrize("workers", [2, 3, 7])
@pytest.mark.parametrize("size", [7, 10, 1000])
def test_the_ring_adds_up_everywhere(chapter, workers, size):
    gradients = np.random.default_rng(workers).normal(size=(workers, size))
    before = gradients.copy()
    sums, sent = chapter["ring_all_reduce"](list(gradients))
    for at_one in sums:
        np.testing.assert_allclose(at_one, gradients.sum(0), atol=1e-12)
    np.testing.assert_array_equal(gradients, before)
    exact = 2 * (workers - 1) / workers * size
    assert abs(sent - exact) <= 2 * (workers - 1)  # pieces of unequal size


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


def test_equal_shares_have_the_batch_s_gradient(chapter):
    x, y = np.random.default_rng(0).normal(size=(2, 12, 12))
    whole = chapter["gradient"](np.ones((12, 12)), x, y)
    shares = [chapter["gradient"](np.ones((12, 12)), x[p], y[p]) for p in (slice(6), slice(6, 12))]
    np.testing.assert_allclose(np.mean(shares, 0), whole)
