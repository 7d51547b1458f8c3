"""The project about the book: one list of dependencies, one address, workflows that hold."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import colab
import repository

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def direct(*extras):
    """``{name: requirement}`` of pyproject.toml: the core's, and those of the extras."""
    found = {}
    lines = [*PROJECT["project"]["dependencies"], *(line for e in extras for line in EXTRAS[e])]
    for requirement in map(Requirement, lines):
        if requirement.name == "ae-lib":
            found |= direct(*requirement.extras)
        else:
            found[canonicalize_name(requirement.name)] = requirement
    return found


def pins(name):
    """``{package: {versions}}`` of a file in requirements/; markers may give several."""
    found = {}
    for line in (ROOT / "requirements" / name).read_text("utf8").splitlines():
        if line and not line.startswith(("#", "    --hash=sha256:")):
            requirement = Requirement(line.removesuffix(" \\"))
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            found.setdefault(canonicalize_name(requirement.name), set()).add(pin.version)
    return found


# -- one list of dependencies ------------------------------------------------------------


@pytest.mark.parametrize("extra", ["test", "book"])
def test_the_lock_has_every_dependency_in_its_range(extra):
    locked = pins(f"{extra}.txt")
    for name, requirement in direct(extra).items():
        assert name in locked, f"{name} is not in requirements/{extra}.txt; run: make lock"
        for version in locked[name]:
            assert version in requirement.specifier, f"{requirement}, locked {version}"


def test_the_book_needs_no_backend_to_be_built():
    assert not {"tensorflow", "jax", "torch"} & set(pins("book.txt"))


def test_everything_in_the_library_is_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["ae_lib"]
    packaged = {path for pattern in patterns for path in (ROOT / "ae_lib").glob(pattern)}
    for path in (ROOT / "ae_lib").rglob("*.*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".part"):
            assert path in packaged, path.name


# -- one address -------------------------------------------------------------------------


def test_everything_follows_from_the_address():
    assert repository.stale() == []


def test_the_address_stands_nowhere_else():
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    slug = "/".join(repository.owner_and_name(repository.address()))
    known = {ROOT / "pyproject.toml", *repository.derived(repository.address())}
    for path in {ROOT / name for name in listing.stdout.splitlines()} - known:
        found = path.is_file() and slug.encode() in path.read_bytes()
        assert not found, f"{path.name}: take the address from pyproject.toml"


def test_a_new_address_goes_everywhere():
    slug = "/".join(repository.owner_and_name(repository.address()))
    new = "https://github.com/Some-One/another.book"
    changed = repository.derived(new)
    assert len(changed) == 2 + len(repository.chapters())
    for path, (_, text) in changed.items():
        assert slug not in text, path.name
        assert new in text, path.name
    assert "https://some-one.github.io/another.book/" in changed[ROOT / "README.md"][1]


@pytest.mark.parametrize("url", ["example.org", "https://gitlab.com/a/b", "https://github.com/a"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="expected https://github.com/owner/name"):
        repository.owner_and_name(url)


def test_the_readme_leads_to_what_is_there():
    text = (ROOT / "README.md").read_text("utf8")
    for path in repository.chapters():
        assert f"](chapters/{path.name})" in text, f"{path.name}: not in the README"
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), f"README.md links to {target}, which is not there"


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert f'__version__ = "{citation["version"]}"' in (ROOT / "ae_lib/__init__.py").read_text()


# -- workflows, hooks and tools ----------------------------------------------------------


def test_the_workflows_pass_zizmor():
    tool = Path(sys.executable).with_name("zizmor")
    run = subprocess.run(
        [tool, "--offline", "--quiet", "--no-progress", "--persona", "pedantic", ".github"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_what_an_installation_changed_is_named():
    before = {"numpy": "2.1.3", "keras": "3.13.2", "six": "1"}
    after = {"numpy": "2.4.0", "keras": "3.13.2", "ae-lib": "0.1.0"}
    assert colab.changed(before, after) == ["numpy: 2.1.3 became 2.4.0", "six: 1 became absent"]
    assert colab.changed(before, {**before, "ae-lib": "0.1.0"}) == []
    assert colab.outdated("# pins\nnumpy==2.1.3\nkeras==3.13.1\n", before) == [
        "keras: requirements/colab.txt has 3.13.1, Colab 3.13.2"
    ]
    assert Version(colab.installed()["numpy"]) >= Version("2")


def test_publishing_stops_while_the_address_is_an_example():
    assert "make repository URL=" in repository.unpublishable("https://github.com/example/book")
    assert repository.unpublishable("https://github.com/owner/example") is None
    steps = (ROOT / ".github/workflows/publish.yml").read_text("utf8")
    assert 0 < steps.index("tools/repository.py --published") < steps.index("make pdf epub")
