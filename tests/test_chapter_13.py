"""Chapter 13 against the library: the run of the exercise, the ring's sums, power laws."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from ae_lib.exercises import ch13
from tests.chapter_code import CHAPTERS, definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("13", "ring_all_reduce", "power_law")


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


def test_a_power_law_that_is_true_is_found(chapter):
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    middle, low, high = chapter["power_law"](sizes, 3 * sizes**1.5, 16.0)
    assert middle == pytest.approx(3 * 16**1.5)
    assert low == pytest.approx(high)
    noisy = 3 * sizes**1.5 * np.array([1.1, 0.9, 1.05, 0.95])
    middle, low, high = chapter["power_law"](noisy.tolist(), noisy.tolist(), 16.0)
    assert low <= middle <= high
    middle, low, high = chapter["power_law"](sizes, noisy, 16.0)
    assert low < 3 * 16**1.5 < high
