"""Prove everything: library, exercises, chapters, pages. Called by ``make test``.

    python tools/run_tests.py [library jax torch chapters pages …]

Without arguments, all stages, two at a time, the longest first. Each stage's last lines are
shown when it ends, all of its output when it fails. Nothing may reach the network but this
machine itself.

When the variable CI is set, a skipped test is a failure, whatever it wanted: a browser, say.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from threading import Lock
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
CI = bool(os.environ.get("CI"))
DEAD_END = "http://127.0.0.1:9"  # nothing listens there: a proxy that refuses everyone
NO_PAGES = ["--ignore=tests/page"]
EACH_BACKEND = ["-m", "backend and not once"]
# JAX keeps what it has compiled: many tests make the same small model again. And it optimises
# less, but in the tests of numbers: small models take longer to compile than to run.
JAX_SOONER = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
KERNELS = ["--nbval-current-env", "--nbval-cell-timeout=600", "--nbval-kernel-startup-timeout=180"]
# stage: (heading, pytest's arguments, further environment)
STAGES = {
    "pages": ("The pages in a browser", ["tests/page"], {}),
    "library": (
        "Library, exercises, notebooks: Keras on TensorFlow",
        ["tests", *NO_PAGES],
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "chapters": (
        "Chapters: every cell runs",
        ["--nbval-lax", *KERNELS, "chapters"],
        {},
    ),
    "jax": (
        "Library: Keras on JAX",
        ["tests", *NO_PAGES, *EACH_BACKEND],
        {"KERAS_BACKEND": "jax", **JAX_SOONER},
    ),
    "torch": (
        "Library: Keras on PyTorch",
        ["tests", *NO_PAGES, *EACH_BACKEND],
        {"KERAS_BACKEND": "torch"},
    ),
}
print_lock = Lock()


def run(stage, folder):
    """Run one stage; returns ``(passed, failed, skipped)``."""
    heading, arguments, extra = STAGES[stage]
    report = Path(folder) / f"{stage}.xml"
    environment = {
        **os.environ,
        "http_proxy": DEAD_END,
        "https_proxy": DEAD_END,
        "HTTP_PROXY": DEAD_END,
        "HTTPS_PROXY": DEAD_END,
        "no_proxy": "localhost,127.0.0.1,::1",
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "OPENBLAS_NUM_THREADS": "1",  # two would wait for each other where stages share cores
        "OMP_NUM_THREADS": "1",
        **extra,
    }
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    command += [f"--junit-xml={report}", *arguments]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    passed, failed, skipped = count(report)
    if done.returncode and not failed:  # a crash, or nothing collected
        failed = 1
    if CI:
        failed, skipped = failed + skipped, 0
    lines = done.stdout.strip().splitlines()
    skips = [line for line in lines if line.startswith("SKIPPED")]
    shown = lines if failed else skips + lines[-1:]
    title = f"\n== {heading} ({time.perf_counter() - start:.0f} s)"
    with print_lock:
        print(title, *shown, sep="\n", flush=True)
    return passed, failed, skipped


def count(report):
    """``(passed, failed, skipped)`` of a JUnit report; zeros if there is none."""
    if not report.exists():
        return 0, 0, 0
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests"))
        failed += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    return total - failed - skipped, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}; default: all")
    chosen = parser.parse_args().stages or list(STAGES)
    if unknown := set(chosen) - set(STAGES):
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    start = time.perf_counter()

    stages = [stage for stage in STAGES if stage in chosen]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, stages, repeat(folder)))
    passed, failed, skipped = (sum(column) for column in zip(*results, strict=True))
    skips = f", {skipped} skipped" if skipped else ""
    seconds = time.perf_counter() - start
    print(f"\n{passed} passed, {failed} failed{skips} in {seconds:.0f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
