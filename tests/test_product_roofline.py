"""The roofline's explorer in Python: what it refuses, its bound, the chapter's limits."""

import json
import re
from pathlib import Path

import pytest
import traitlets

from ae_lib import training
from ae_lib.exercises import ch12
from ae_lib.widgets import ProductRoofline
from tests.chapter_code import definitions
from tests.serving import assert_serves

MACHINES = {"slow": ({4: 8e12, 2: 64e12}, 320e9), "fast": ({2: 989e12, 1: 1979e12}, 3350e9)}
CHAPTER = next((Path(__file__).parents[1] / "chapters").glob("12_*.ipynb"))


def chapter_machines():
    """PEAKS of chapter 12."""
    code = "".join(
        "".join(cell["source"])
        for cell in json.loads(CHAPTER.read_text("utf8"))["cells"]
        if "".join(cell["source"]).count("PEAKS = {")
    )
    found = {}
    exec(re.search(r"^PEAKS = \{.*?^\}", code, re.M | re.S)[0], found)
    return found["PEAKS"]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_bound_is_that_of_the_exercise_and_of_the_library(machine):
    explorer = ProductRoofline(MACHINES, machine=machine)
    cost_of = definitions("12", "product_cost")["product_cost"]
    limits, bandwidth = MACHINES[machine]
    for m in (1, 8, 100, 512, 65_536):
        for n in (1, 64, 1024, 16_384):
            for width, operations in limits.items():
                explorer.m, explorer.n, explorer.width = m, n, width
                seconds, word = explorer.bound()
                assert (seconds, word) == ch12._floor(m, n, n, width, operations, bandwidth)
                cost = training.Cost(*cost_of(m, n, n, width))
                roof = training.Roofline(operations, bandwidth)
                assert seconds == pytest.approx(roof.lower_bound_seconds(cost), rel=1e-14)


def test_the_chapters_machines_are_those_of_its_table():
    text = "".join(
        "".join(cell["source"]) + "\n" for cell in json.loads(CHAPTER.read_text("utf8"))["cells"]
    )
    rows = re.findall(r"^\| ([^|]+) \|(.*)\|$", text[text.index("| peak | T4") :], re.M)[:9]
    table = {name.split(",")[0]: [cell.strip() for cell in rest.split("|")] for name, rest in rows}
    names = [name.split(",")[0].split(" (")[0] for name in table["peak"]]
    machines = chapter_machines()
    assert list(machines) == names
    for k, name in enumerate(names):
        operations, bandwidth = machines[name]
        assert bandwidth == 1e9 * float(table["GB a second"][k].replace(",", ""))
        for width, row in ((4, "float32"), (2, "float16"), (1, "float8")):
            cell = table[row][k].replace(",", "")
            wanted = None if cell == "no" else pytest.approx(1e12 * float(cell))
            assert operations.get(width) == wanted


def test_what_chapter_12_says_of_its_explorer():
    explorer = ProductRoofline(chapter_machines(), machine="H100", width=2, n=4096)
    for machine, last in (("H100", 256), ("T4", 128)):
        explorer.machine = machine
        found = []
        for m in (last, 2 * last):
            explorer.m = m
            found.append(explorer.bound()[1])
        assert found == ["bytes", "arithmetic"]
    explorer.m = 1
    for machine, (operations, _) in chapter_machines().items():
        explorer.machine = machine
        times = []
        for width in operations:
            explorer.width = width
            times.append(explorer.bound())
        assert {word for _, word in times} == {"bytes"}
        for (one, _), (other, _) in zip(times, times[1:], strict=False):
            assert one == pytest.approx(2 * other)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"machines": {}}, ValueError, "machines: expected a dict of 1 to 12"),
        ({"machines": [1]}, TypeError, "machines: expected a dict of 1 to 12"),
        ({"machines": {"a": (1e12, 1e9)}}, TypeError, "machines: a: expected .{bytes of a num"),
        ({"machines": {3: ({4: 1.0}, 1e9)}}, TypeError, "machines: expected names, got 3"),
        ({"machines": {"a": ({4: 0}, 1e9)}}, ValueError, "machines: a: operations: expected"),
        ({"machines": {"a": ({4.5: 1}, 1e9)}}, TypeError, "machines: a: operations, bytes of"),
        ({"machines": {"a": ({4: 1}, "1")}}, TypeError, "machines: a: bandwidth: expected"),
        ({"machine": "T5"}, ValueError, "machine: no 'T5'; there is 'slow', 'fast'"),
        ({"m": 0}, ValueError, "m: expected a whole number of at least 1"),
        ({"m": 65_537}, ValueError, "m: expected at most 65,536, got 65,537"),
        ({"n": 2.5}, TypeError, "n: expected a whole number"),
        ({"width": 1}, ValueError, "width: slow has no 1 bytes a number; it has 4, 2"),
        ({"name": "A b"}, ValueError, "name: expected lower-case .*'product-roofline'"),
    ],
)
def test_bad_input_is_refused_by_name(change, error, words):
    with pytest.raises(error, match=words):
        ProductRoofline(**{"machines": MACHINES} | change)


def test_it_serves_a_notebook_and_a_page_and_asks_nobody():
    widget = ProductRoofline(MACHINES)
    assert (widget.machine, widget.m, widget.n, widget.width) == ("slow", 1, 1024, 4)
    state = {"m": 8, "n": 64, "machine": "fast", "width": 1}
    widget = assert_serves(lambda: ProductRoofline(MACHINES), **state)
    widget.machine = "slow"  # which has no numbers of one byte
    assert widget.width == 4
    for name, wrong in (("m", 0), ("n", 2**20), ("machine", "T5"), ("width", 3)):
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(widget, name, wrong)
    assert len(widget.html()) < 40_000
    assert repr(widget) == "<ProductRoofline 'product-roofline': slow, fast>"
