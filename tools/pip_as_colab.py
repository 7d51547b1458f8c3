"""Ask pip what it would install on Colab: its own resolver, another machine's answers.

``plan`` runs this file as a script, in a Python without site-packages. There pip takes
itself to be on Python 3.13 for Linux, finds installed what a folder says, and installs
nothing. ``--python-version`` alone would not do: pip evaluates markers (a requirement's
``; python_version >= "3.13"``) and wheels' Requires-Python by the Python that it runs on.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHON = "3.13"
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
# glibc 2.35 and older: Ubuntu 22.04.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(35, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "linux_x86_64"]


class Unresolved(Exception):
    """Pip found no set of versions; the message is pip's own."""


def plan(*arguments, installed=None, offline=False):
    """What ``pip install <arguments>`` would install on Colab, without installing it.

    Args:
        arguments: requirements and options, as on pip's command line.
        installed: a folder of ``*.dist-info``: what Colab has; by default nothing.
        offline: ask no index, whatever pip's configuration says; wheels are for any platform.

    Returns:
        The core metadata of each distribution that would be installed, a list of dicts
        with the keys ``name``, ``version``, ``requires_dist``, …

    Raises:
        Unresolved: there is no such set of versions.
        RuntimeError: this Python has no pip.
    """
    pip = importlib.util.find_spec("pip")
    if pip is None:
        raise RuntimeError(f"{sys.executable} has no pip: python -m ensurepip")
    environment = dict(os.environ)
    if offline:
        environment = {k: v for k, v in environment.items() if not k.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
        arguments = ("--no-index", *arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        empty = Path(folder) / "empty"
        empty.mkdir()
        command = [sys.executable, "-I", "-S", __file__, pip.submodule_search_locations[0]]
        command += [installed or empty, "install", "--dry-run", f"--report={report}", "--quiet"]
        command += ["--disable-pip-version-check", "--only-binary=:all:"]
        command += [f"--python-version={PYTHON}"]
        command += [] if offline else [f"--platform={name}" for name in PLATFORMS]
        done = subprocess.run(
            [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise Unresolved(done.stderr.strip() or done.stdout.strip())
        return [item["metadata"] for item in json.loads(report.read_text("utf8"))["install"]]


def pip_main(package, installed, *arguments):
    """Run the pip in the folder ``package`` as if on Colab; returns its exit status."""
    spec = importlib.util.spec_from_file_location(
        "pip", Path(package) / "__init__.py", submodule_search_locations=[package]
    )
    sys.modules["pip"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pip"])
    sys.path.append(installed)

    from pip._internal.cli import cmdoptions
    from pip._internal.cli.main import main
    from pip._internal.resolution.resolvelib import candidates
    from pip._vendor.packaging import markers

    here = markers.default_environment
    markers.default_environment = lambda: here() | MARKERS
    version = tuple(map(int, PYTHON.split(".")))
    as_python = candidates.RequiresPythonCandidate.__init__
    candidates.RequiresPythonCandidate.__init__ = lambda self, _: as_python(self, version)
    # Before pip 23.3, another Python's packages go to a folder only, even in a dry run.
    cmdoptions.check_dist_restriction = lambda *_, **__: None
    return main(list(arguments))


if __name__ == "__main__":
    sys.exit(pip_main(*sys.argv[1:]))
