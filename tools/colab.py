"""Run the chapters where Colab's readers run them: inside its image, with its packages.

    python3 tools/colab.py        (in a clone of the book, inside the image)

Fails if installing the book's library changes a package that Colab has, or if a chapter
does not run through; warns if requirements/colab.txt no longer says what Colab has.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def installed():
    """``{package: version}`` of this Python."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {p["name"].lower().replace("_", "-"): p["version"] for p in json.loads(listing.stdout)}


def changed(before, after):
    """What an installation changed or took away: ``["numpy: 2.1.3 became 2.4.0", …]``."""
    return [
        f"{name}: {version} became {after.get(name, 'absent')}"
        for name, version in sorted(before.items())
        if after.get(name) != version
    ]


def outdated(pins, before):
    """Lines of requirements/colab.txt that Colab has moved away from."""
    wanted = dict(line.split("==") for line in pins.splitlines() if "==" in line)
    return [
        f"{name}: requirements/colab.txt has {version}, Colab {before.get(name, 'none')}"
        for name, version in wanted.items()
        if before.get(name) != version
    ]


def run(path):
    """Execute one chapter in its folder; returns the seconds it took."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=1800, resources=resources).execute()
    return time.perf_counter() - start


def main():
    before = installed()
    for line in outdated((ROOT / "requirements" / "colab.txt").read_text("utf8"), before):
        print(f"::warning::{line}")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", str(ROOT)], check=True)
    if lines := changed(before, installed()):
        sys.exit("installing the book's library changed Colab:\n" + "\n".join(lines))
    print("installing the book's library changed nothing that Colab has")
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        print(f"{path.name}: {run(path):.0f} s", flush=True)


if __name__ == "__main__":
    main()
