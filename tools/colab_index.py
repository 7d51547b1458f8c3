"""Write requirements/colab.json: what pip has to choose from when a reader installs on Colab.

    python tools/colab_index.py

Needs a package index, and minutes. From the file, tests/test_colab.py makes an index of
wheels without contents and asks pip, with no network, what installing the book's library
would change. It holds name, version and requirements of three sets of distributions:

* ``colab``: those pinned in requirements/colab.txt, and what they require;
* ``added``: what the library brings beside them;
* ``newer``: the newest of all of these, so that pip has something to be tempted by.
"""

import json
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pip_as_colab
from ae_lib._files import whole_file

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "requirements" / "colab.json"


def pins():
    """Lines of requirements/colab.txt."""
    lines = (ROOT / "requirements" / "colab.txt").read_text("utf8").splitlines()
    return [line for line in lines if "==" in line]


def core():
    """The library's own requirements in pyproject.toml, without those of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    return project["dependencies"]


def described(metadata):
    """Of a distribution's metadata, what a resolver looks at."""
    return {
        "name": canonicalize_name(metadata["name"]),
        "version": metadata["version"],
        "requires_python": metadata.get("requires_python", ""),
        "requires": metadata.get("requires_dist", []),
    }


def without_unused_extras(groups):
    """Drop the requirements of extras that nothing asks for: most of the lines."""
    everything = [one for group in groups.values() for one in group]
    used = {
        (canonicalize_name(requirement.name), canonicalize_name(extra))
        for one in everything
        for requirement in map(Requirement, one["requires"])
        for extra in requirement.extras
    }
    for one in everything:
        extras = {extra for name, extra in used if name == one["name"]}
        one["requires"] = [line for line in one["requires"] if _may_apply(line, extras)]


def _may_apply(line, extras):
    marker = Requirement(line).marker
    if marker is None or "extra" not in str(marker):
        return True
    return any(
        marker.evaluate({**pip_as_colab.MARKERS, "extra": extra}) for extra in ["", *extras]
    )


def main():
    constraint = f"--constraint={ROOT / 'requirements' / 'colab.txt'}"
    names = [Requirement(line).name for line in pins()]
    colab = list(map(described, pip_as_colab.plan(constraint, *names)))
    there = {one["name"] for one in colab}
    whole = map(described, pip_as_colab.plan(constraint, *_exactly(colab), *core()))
    added = [one for one in whole if one["name"] not in there]
    known = {(one["name"], one["version"]) for one in colab + added}
    newest = map(described, pip_as_colab.plan(*names, *map(_name, core())))
    newer = [one for one in newest if (one["name"], one["version"]) not in known]
    groups = {"colab": colab, "added": added, "newer": newer}
    without_unused_extras(groups)
    for group in groups.values():
        group.sort(key=lambda one: one["name"])
    with whole_file(TARGET) as stream:
        stream.write(_json(groups).encode())
    for name, group in groups.items():
        print(f"{name}: {len(group)} distributions")


def _exactly(distributions):
    return [f"{one['name']}=={one['version']}" for one in distributions]


def _name(line):
    return Requirement(line).name


def _json(groups):
    """One line a distribution, so that a change can be read."""
    parts = [
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, group)) + "\n]"
        for name, group in groups.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
