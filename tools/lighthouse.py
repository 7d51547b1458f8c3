"""Measure the built chapters with Lighthouse and hold them to the book's targets.

    python tools/lighthouse.py [PAGE …] [--runs 3]

Serves ``_build/html`` on the loopback, compressed, runs Lighthouse (npm; the emulated
phone on a slow line that is its default) in the system's Chromium, prints the four scores
of each page, and exits with 1 when one is below its target. Of several runs the median
counts, as a busy machine slows the page down. Lighthouse comes from ``$LIGHTHOUSE``, the
path, or ``npx``.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
VERSION = "13.5.0"
TARGETS = {"performance": 0.9, "accessibility": 1.0, "best-practices": 1.0, "seo": 1.0}
AUDITS = {
    "first-contentful-paint": "FCP ms",
    "largest-contentful-paint": "LCP ms",
    "total-blocking-time": "TBT ms",
    "cumulative-layout-shift": "CLS",
    "total-byte-weight": "bytes",
}


def page_server():
    """The server and the browser finder of the page tests."""
    path = ROOT / "tests" / "page" / "conftest.py"
    spec = importlib.util.spec_from_file_location("page_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command():
    """How Lighthouse is called here."""
    if named := os.environ.get("LIGHTHOUSE"):
        return [named]
    if found := shutil.which("lighthouse"):
        return [found]
    if found := shutil.which("npx"):
        return [found, "--yes", f"lighthouse@{VERSION}"]
    raise SystemExit("Lighthouse needs npm (npx), which is not on this machine.")


def measure(address, chromium):
    """One run: the scores, the numbers behind them, and what failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [
                *command(), address, "--quiet", "--output=json", f"--output-path={report}",
                "--only-categories=" + ",".join(TARGETS),
                "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage",
            ],
            env={**os.environ, "CHROME_PATH": chromium},
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        if not report.exists():
            raise SystemExit(f"Lighthouse gave no report on {address}:\n{done.stderr[-2000:]}")
        found = json.loads(report.read_text("utf8"))
    audits = found["audits"]
    scores = {name: found["categories"][name]["score"] for name in TARGETS}
    failed = [
        f"{name}: {audits[ref['id']]['title']} {elements(audits[ref['id']])}"
        for name in TARGETS
        if name != "performance"
        for ref in found["categories"][name]["auditRefs"]
        if ref["weight"] and audits[ref["id"]]["score"] not in (None, 1)
    ]
    numbers = {short: round(audits[key]["numericValue"], 3) for key, short in AUDITS.items()}
    return scores, numbers, failed


def elements(audit):
    """The first few elements that failed, as selectors."""
    items = audit.get("details", {}).get("items", [])
    return ", ".join(item["node"]["selector"] for item in items[:3] if "node" in item)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="as in chapters/02_dense.html; default: chapters")
    parser.add_argument("--runs", type=int, default=3, help="the median counts (default: 3)")
    options = parser.parse_args()
    if not (SITE / "index.html").exists():
        raise SystemExit(f"The book is not built: {SITE} is missing. Run `make book`.")
    pages = options.pages or sorted(
        path.relative_to(SITE).as_posix() for path in SITE.glob("chapters/*.html")
    )
    pages_of = page_server()
    chromium = pages_of.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium: install it, or name it in $CHROMIUM.")

    low = []
    print(f"{'page':44}" + "".join(f"{name:>16}" for name in TARGETS))
    with pages_of.serving(SITE) as address:
        for page in pages:
            runs = [measure(address + page, chromium) for _ in range(options.runs)]
            scores = {n: statistics.median(run[0][n] for run in runs) for n in TARGETS}
            numbers = {n: statistics.median(run[1][n] for run in runs) for n in runs[0][1]}
            print(f"{page:44}" + "".join(f"{scores[n]:16.2f}" for n in TARGETS))
            print("    " + ", ".join(f"{n} {value:,.10g}" for n, value in numbers.items()))
            for line in sorted({line for run in runs for line in run[2]}):
                print(f"    {line}")
            low += [f"{page}: {n} {scores[n]}" for n in TARGETS if scores[n] < TARGETS[n]]
    if low:
        print("Below target:", *low, sep="\n    ")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
