"""Run the chapters under Colab's versions, on this machine. Called by ``make test-colab``.

    .venv-colab/bin/python tools/colab_here.py [02 07 …]

For a Python that holds requirements/colab.txt. Installs the book's library as a reader on
Colab does, then runs the chapters, by default all, in an empty folder. Nothing may reach
the network but this machine itself. Fails if the installation changes a package that was
there, if a chapter does not run through, or if one of its explorers is not shown.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import colab
from run_tests import DEAD_END

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ["ae_lib", "pyproject.toml", "README.md", "LICENSE", "LICENSE-PROSE"]
EXPLORER = "data-ae-mount="
HERE = "localhost,127.0.0.1,::1"
CLOSED = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), DEAD_END),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), HERE),
    "JUPYTER_PREFER_ENV_PATH": "1",  # this Python's kernel, not the user's
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def install(folder):
    """Install the library from a copy in ``folder``; returns what it brought, by name.

    The copy takes what a build leaves behind. Exits if a package changed that was there,
    or if one was not as in requirements/colab.txt.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "-q", "-y", "ae-lib"], check=True, stderr=subprocess.PIPE)
    before = colab.installed()
    pins = (ROOT / "requirements" / "colab.txt").read_text("utf8")
    if lines := colab.outdated(pins, before):
        lines = [line.replace("Colab", ".venv-colab") for line in lines]
        sys.exit("\n".join([*lines, "remove .venv-colab and run again"]))
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    subprocess.run([*pip, "install", "-q", str(folder)], check=True)
    after = colab.installed()
    if lines := colab.changed(before, after):
        sys.exit("installing the book's library changed packages:\n" + "\n".join(lines))
    return {name: version for name, version in after.items() if name not in before}


def close_network():
    """Leave this process and its kernels this machine, and the packages of this Python."""
    os.environ.pop("PYTHONPATH", None)
    os.environ.update(CLOSED)


def explorers(notebook):
    """How many explorers the outputs show."""
    return sum(
        output.get("data", {}).get("text/html", "").count(EXPLORER)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


def execute(path, folder):
    """Run one chapter in ``folder``; returns its seconds, and what is wrong or ''."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    stored = explorers(notebook)
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=resources)
    start = time.perf_counter()
    wrong = ""
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        wrong = str(error).strip()
    else:
        shown = explorers(notebook)
        if shown != stored:
            wrong = f"{shown} explorers are shown, {stored} in the stored chapter"
    return time.perf_counter() - start, wrong


def run(paths):
    """Run chapters, each in an empty folder; returns the names of those that failed."""
    failed = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            seconds, wrong = execute(path, folder)
        print(f"{path.name}: {seconds:.0f} s{', failed' if wrong else ''}", flush=True)
        if wrong:
            print(wrong, flush=True)
            failed.append(path.name)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="chapter numbers; default: all")
    chosen = parser.parse_args().chapters
    paths = sorted((ROOT / "chapters").glob("*.ipynb"))
    if unknown := set(chosen) - {path.name[:2] for path in paths}:
        parser.error(f"no chapter {', '.join(sorted(unknown))} in chapters/")
    paths = [path for path in paths if not chosen or path.name[:2] in chosen]
    with tempfile.TemporaryDirectory() as folder:
        brought = install(Path(folder))
    brought.pop("ae-lib")
    close_network()
    print(f"Python {platform.python_version()}, with requirements/colab.txt")
    print("installing the book's library changed nothing; it brought", end=" ")
    print(", ".join(f"{name} {version}" for name, version in brought.items()) or "nothing else")
    if failed := run(paths):
        sys.exit(f"{len(failed)} of {len(paths)} chapters failed: {', '.join(failed)}")
    print(f"{len(paths)} chapters ran through")


if __name__ == "__main__":
    main()
