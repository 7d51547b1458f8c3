"""What installing the library on Colab changes: nothing. Pip itself is asked, offline.

requirements/colab.json holds the requirements of what Colab has, of what the library brings
and of newer releases. Made into wheels without contents, they are the index that pip
resolves against; those of Colab are installed already.
"""

import json
import os
import subprocess
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import colab
import colab_here
import colab_index
import pip_as_colab

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
GROUPS = json.loads(colab_index.TARGET.read_text("utf8"))
PINS = dict(line.split("==") for line in colab_index.pins())
HAS = {one["name"]: one["version"] for one in GROUPS["colab"]}
ADDED = {one["name"]: one["version"] for one in GROUPS["added"]}
# The backends' ranges stand in the extras; Colab brings the backends.
BACKENDS = [
    line
    for lines in PROJECT["optional-dependencies"].values()
    for line in lines
    if Requirement(line).name in PINS
]
REMAKE = "; if pyproject.toml or requirements/colab.txt is new: make colab-index"


# -- an index of wheels without contents -------------------------------------------------


def distribution(name, version="1.0", *requires, python=""):
    """An entry as in requirements/colab.json."""
    return {"name": name, "version": version, "requires": requires, "requires_python": python}


def this_library(dependencies):
    """The library, with these requirements in the place of its own."""
    name, version = canonicalize_name(PROJECT["name"]), PROJECT["version"]
    return distribution(name, version, *dependencies, python=PROJECT["requires-python"])


def with_requirement(line):
    """The library's requirements, with ``line`` for the one of that name, or beside them."""
    name = Requirement(line).name
    return [*(old for old in colab_index.core() if Requirement(old).name != name), line]


def metadata(one):
    lines = ["Metadata-Version: 2.1", f"Name: {one['name']}", f"Version: {one['version']}"]
    if one["requires_python"]:
        lines.append(f"Requires-Python: {one['requires_python']}")
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in one["requires"]), ""])


def write_wheel(one, folder):
    stem = f"{one['name'].replace('-', '_')}-{one['version']}"
    info = f"{stem}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", metadata(one))
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")


def write_installed(one, folder):
    info = folder / f"{one['name'].replace('-', '_')}-{one['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(metadata(one), "utf8")
    (info / "INSTALLER").write_text("pip\n", "utf8")
    (info / "RECORD").write_text("", "utf8")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two folders: wheels, and what Colab has installed."""
    wheels, installed = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    for group in GROUPS.values():
        for one in group:
            write_wheel(one, wheels)
    for one in GROUPS["colab"]:
        write_installed(one, installed)
    return wheels, installed


@pytest.fixture
def resolve(index, tmp_path):
    """Asks pip what it would install: ``resolve("ae-lib", *further_distributions)``."""
    wheels, installed = index

    def resolve(*requirements, further):
        for one in further:
            write_wheel(one, tmp_path)
        found = pip_as_colab.plan(
            f"--find-links={wheels}",
            f"--find-links={tmp_path}",
            *requirements,
            installed=installed,
            offline=True,
        )
        return {canonicalize_name(one["name"]): one["version"] for one in found}

    return resolve


@pytest.fixture
def problems(resolve):
    """What is wrong with installing the library on Colab: lines, none if all is well."""

    def problems(dependencies, *further):
        try:
            would = resolve("ae-lib", *BACKENDS, further=[this_library(dependencies), *further])
        except pip_as_colab.Unresolved as error:
            return [f"{error}{REMAKE}"]
        lines = colab.changed(HAS, HAS | would)
        brought = {k: v for k, v in would.items() if k not in HAS and k != "ae-lib"}
        lines += [f"{name} {brought[name]} would come along" for name in brought.keys() - ADDED]
        lines += [f"{name} would not come along" for name in ADDED.keys() - brought]
        return [line + REMAKE for line in sorted(lines)]

    return problems


# -- the index is of today ---------------------------------------------------------------


def test_the_index_is_of_colabs_pins():
    assert PINS.items() <= HAS.items(), f"requirements/colab.json is stale{REMAKE}"
    assert not HAS.keys() & ADDED.keys()
    whole = [(one["name"], one["version"]) for group in GROUPS.values() for one in group]
    assert len(whole) == len(set(whole))
    assert "://" not in colab_index.TARGET.read_text("utf8")


@pytest.mark.parametrize("name", PINS)
def test_there_is_something_newer_to_be_tempted_by(name):
    newer = [one["version"] for one in GROUPS["newer"] if one["name"] == name]
    assert newer
    assert all(Version(version) > Version(PINS[name]) for version in newer)


def test_colab_is_consistent(resolve):
    """With what Colab has, pip has nothing to do."""
    assert resolve(*(f"{name}=={version}" for name, version in PINS.items()), further=[]) == {}


# -- installing the library --------------------------------------------------------------


def test_installing_on_colab_changes_nothing(problems):
    assert {"numpy", "keras", "tensorflow", "jax", "ipywidgets"} <= PINS.keys()
    assert [Requirement(line).name for line in BACKENDS] == ["tensorflow", "jax"]
    assert problems(colab_index.core()) == []


RANGES = {name: f"{name}>{version}" for name, version in PINS.items()}
RANGES |= {"numpy": "numpy>=2.2,<3", "keras": "keras>=3.14,<4"}


@pytest.mark.parametrize("line", RANGES.values())
def test_a_range_that_colab_is_not_in_is_named(problems, line):
    name = Requirement(line).name
    found = problems(with_requirement(line))
    assert any(f"{name}: {PINS[name]} became" in one for one in found), found


@pytest.mark.parametrize("line", ["numpy<2.1", "ipywidgets>=99", "no-such-thing"])
def test_what_pip_cannot_have_is_named(problems, line):
    (found,) = problems(with_requirement(line))
    assert Requirement(line).name in found
    assert "No matching distribution found" in found
    assert REMAKE in found


def test_a_requirement_of_a_requirement_may_change_nothing(problems):
    further = [
        distribution("our-plots", "1.0", "our-widgets>=2"),
        distribution("our-widgets", "2.1", "ipywidgets>=8"),
    ]
    found = problems(with_requirement("our-plots"), *further)
    assert any(f"ipywidgets: {PINS['ipywidgets']} became 8" in one for one in found), found


def test_an_older_release_that_fits_is_taken(problems):
    """Pip goes back from what would change Colab, if the range lets it."""
    further = [
        distribution("our-plots", "2.0", "numpy==99"),
        distribution("our-plots", "1.0", "numpy>=2"),
    ]
    (found,) = problems(with_requirement("our-plots"), *further)
    assert found == f"our-plots 1.0 would come along{REMAKE}"


def test_a_new_requirement_is_noticed(problems):
    further = [distribution("our-plots", "1.0", "our-colours"), distribution("our-colours")]
    assert problems(with_requirement("our-plots"), *further) == [
        f"our-colours 1.0 would come along{REMAKE}",
        f"our-plots 1.0 would come along{REMAKE}",
    ]


def test_a_requirement_that_is_gone_is_noticed(problems):
    lines = [line for line in colab_index.core() if Requirement(line).name != "sacrebleu"]
    assert f"sacrebleu would not come along{REMAKE}" in problems(lines)


def test_pip_takes_itself_to_be_on_colab(resolve):
    """Markers and Requires-Python are those of Colab's Python, whatever this one is."""
    further = [
        distribution(
            "our-plots", "1.0",
            'of-colab ; python_version == "3.13" and sys_platform == "linux"',
            'of-colab-too ; python_full_version >= "3.13" and platform_machine == "x86_64"',
            'of-before ; python_version < "3.13"',
            'of-after ; python_version > "3.13"',
            'of-windows ; os_name == "nt"',
        ),
        distribution("our-plots", "2.0", python=">=3.14"),
        distribution("our-plots", "0.9"),
        *map(distribution, ["of-colab", "of-colab-too", "of-before", "of-after", "of-windows"]),
    ]  # fmt: skip
    assert resolve("our-plots", further=further) == {
        "our-plots": "1.0",
        "of-colab": "1.0",
        "of-colab-too": "1.0",
    }


def test_a_library_that_python_3_13_may_not_have_is_refused(resolve):
    with pytest.raises(pip_as_colab.Unresolved, match="our-plots"):
        resolve("our-plots", further=[distribution("our-plots", python="<3.13")])


@pytest.mark.parametrize("way", ["variable", "file"])
def test_the_machines_own_index_is_not_asked(resolve, tmp_path, monkeypatch, way):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_wheel(distribution("our-plots"), elsewhere)
    if way == "variable":
        monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    else:
        config = tmp_path / ".pip" / "pip.conf"
        config.parent.mkdir()
        config.write_text(f"[global]\nfind-links = {elsewhere}\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(pip_as_colab.Unresolved, match="our-plots"):
        resolve("our-plots", further=[])
    assert pip_as_colab.plan("our-plots", "--no-index")[0]["version"] == "1.0"


def test_requirements_of_extras_stay_if_the_extra_is_asked_for():
    lines = ["b[fast]", "c", 'd ; extra == "slow"', 'e ; python_version < "3"']
    mine = [distribution("a", "1", *lines)]
    other = [distribution("b", "1", 'f ; extra == "fast"', 'g ; extra == "nice"', "h")]
    colab_index.without_unused_extras({"colab": mine, "added": other})
    assert mine[0]["requires"] == ["b[fast]", "c", 'e ; python_version < "3"']
    assert other[0]["requires"] == ['f ; extra == "fast"', "h"]


# -- the chapters under Colab's versions -------------------------------------------------


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


def test_the_chapters_explorers_are_counted():
    chapters = (ROOT / "chapters").glob("*.ipynb")
    counts = [colab_here.explorers(nbformat.read(path, as_version=4)) for path in chapters]
    assert sum(counts) >= 2


def test_the_network_is_closed(monkeypatch):
    monkeypatch.setattr(os, "environ", {"PYTHONPATH": "/somewhere", "HOME": "/home"})
    colab_here.close_network()
    assert "PYTHONPATH" not in os.environ
    assert os.environ["https_proxy"] == os.environ["HTTP_PROXY"] == colab_here.DEAD_END
    assert "127.0.0.1" in os.environ["no_proxy"]


@pytest.mark.parametrize("target", ["test-colab", "colab-index"])
def test_make_knows_its_targets(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tools/colab_" in done.stdout


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


def test_a_changed_package_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(colab_here.subprocess, "run", lambda *_, **__: None)
    states = [dict(PINS), PINS | {"numpy": "2.4.0", "pooch": "1.9.0"}]
    monkeypatch.setattr(colab, "installed", lambda: states.pop(0))
    with pytest.raises(SystemExit, match=r"numpy: 2\.1\.3 became 2\.4\.0"):
        colab_here.install(tmp_path)


def test_an_environment_that_is_not_colabs_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(colab_here.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(colab, "installed", lambda: PINS | {"keras": "3.15.0"})
    with pytest.raises(SystemExit, match=r"has 3\.13\.2, \.venv-colab 3\.15\.0"):
        colab_here.install(tmp_path)
