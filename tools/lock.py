"""Compile requirements/test.txt and requirements/book.txt from pyproject.toml.

    python tools/lock.py [--upgrade]

Pins that still fit stay as they are, so that a second run changes nothing; ``--upgrade``
takes what is newest. The lock is compiled under what Colab has (requirements/colab.txt),
but for ipywidgets, whose 7.x serves Colab's page and not JupyterLab 4. The book's lock is a
part of the test's. Needs a package index, and nothing but Python: uv comes by pip.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
UV = "uv==0.13.9"
OPTIONS = ["--quiet", "--universal", "--python-version=3.11"]
OPTIONS += ["--no-emit-index-url", "--no-header", "--no-annotate"]


def constraints():
    """Colab's pins that the lock is compiled under."""
    lines = (REQUIREMENTS / "colab.txt").read_text("utf8").splitlines()
    return [line for line in lines if "==" in line and not line.startswith("ipywidgets==")]


def compile_lock(uv, extra, under, upgrade):
    """Write requirements/<extra>.txt, every package inside the constraints ``under``."""
    target = REQUIREMENTS / f"{extra}.txt"
    arguments = ["pip", "compile", *OPTIONS, *(["--upgrade"] if upgrade else [])]
    arguments += ["--extra", extra, "--constraints", under, "--output-file", target]
    subprocess.run([uv, *arguments, ROOT / "pyproject.toml"], check=True, cwd=ROOT)
    print(f"{target.relative_to(ROOT)}: {len(target.read_text('utf8').splitlines())} pins")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest that fit")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        venv.create(folder / "venv", with_pip=True)
        binaries = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        install = [binaries / "python", "-m", "pip", "install", "-q", UV]
        subprocess.run(install, check=True)
        colab = folder / "colab.txt"
        colab.write_text("\n".join(constraints()) + "\n", "utf8")
        compile_lock(binaries / "uv", "test", colab, args.upgrade)
        compile_lock(binaries / "uv", "book", REQUIREMENTS / "test.txt", args.upgrade)


if __name__ == "__main__":
    main()
