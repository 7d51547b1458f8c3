"""What installing the library on Colab changes: nothing, for every range admits its pin.

The weekly run in Colab's own image (tools/colab.py) shows the rest: there pip itself
resolves, what the library brings along included.
"""

import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

import colab
import colab_here

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
LINES = (ROOT / "requirements" / "colab.txt").read_text("utf8").splitlines()
PINS = dict(line.split("==") for line in LINES if "==" in line)
MARKERS = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux"}


def beyond(lines):
    """Requirements that Colab's pins do not meet; those of packages without a pin aside."""
    for requirement in map(Requirement, lines):
        applies = requirement.marker is None or requirement.marker.evaluate(MARKERS)
        pin = PINS.get(requirement.name)
        if pin and applies and not requirement.specifier.contains(pin):
            yield f"{requirement}: Colab has {pin} (requirements/colab.txt)"


def test_every_range_admits_what_colab_has():
    backend = PROJECT["optional-dependencies"]["tensorflow"]  # other extras are not for Colab
    assert list(beyond([*PROJECT["dependencies"], *backend])) == []
    assert set(beyond(f"{name}>{pin}" for name, pin in PINS.items())) == {
        f"{name}>{pin}: Colab has {pin} (requirements/colab.txt)" for name, pin in PINS.items()
    }


def notebook(folder, name, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path = folder / name
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_chapter_that_fails_is_named_and_the_next_is_run(tmp_path, capsys):
    shown = "from IPython.display import HTML\nHTML('<div data-ae-mount=\"x\"></div>')"
    paths = [
        notebook(tmp_path, "01_bad.ipynb", "x = 1", "undefined_name"),
        notebook(tmp_path, "02_good.ipynb", "import os\nassert os.listdir() == []"),
        notebook(tmp_path, "03_explorer.ipynb", shown),
    ]
    assert colab_here.run(paths) == ["01_bad.ipynb", "03_explorer.ipynb"]
    printed = capsys.readouterr().out
    assert "name 'undefined_name' is not defined" in printed
    assert "02_good.ipynb: " in printed
    assert "1 explorers are shown, 0 in the stored chapter" in printed


def test_the_library_is_built_from_a_copy(tmp_path, monkeypatch):
    """Nothing is built in the tree, and the copy has all that pyproject.toml names."""
    commands = []
    monkeypatch.setattr(colab_here.subprocess, "run", lambda c, **_: commands.append(c))
    monkeypatch.setattr(colab, "installed", lambda: dict(PINS))
    assert colab_here.install(tmp_path) == {}
    assert commands[-1][-2:] == ["-q", str(tmp_path)]
    assert "-e" not in commands[-1]
    for name in [PROJECT["readme"], *PROJECT["license-files"], "ae_lib/__init__.py"]:
        assert (tmp_path / name).is_file(), name


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([PINS, PINS | {"numpy": "2.4.0", "pooch": "1.9.0"}], r"numpy: 2\.1\.3 became 2\.4\.0"),
        ([PINS | {"keras": "3.15.0"}] * 2, r"has 3\.13\.2, \.venv-colab 3\.15\.0"),
    ],
)
def test_what_is_not_colabs_or_changes_it_stops_the_run(tmp_path, monkeypatch, states, words):
    states = iter(states)
    monkeypatch.setattr(colab_here.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(colab, "installed", lambda: next(states))
    with pytest.raises(SystemExit, match=words):
        colab_here.install(tmp_path)
