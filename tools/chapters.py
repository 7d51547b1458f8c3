"""Execute chapters and store their outputs, in place, whole or not at all.

    python tools/chapters.py [01 02 …] [--check]

Without arguments, every chapter. Outputs and cell metadata are normalised so that a
second run leaves the file as it was; the seconds go to ae_lib/data/records/chapters.json.
With --check nothing is written: exit status 1 if the text outputs would change; those of
cells tagged ``live``, which show what the clock says, may.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import sys
import time

import nbformat
from nbclient import NotebookClient

import repository
from ae_lib._files import whole_file
from ae_lib.claims import code_sha256
from check_notebooks import LIVE
from repository import ROOT

RECORDS = ROOT / repository.RECORDS
SPEC = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(notebook):
    """Run a notebook top to bottom in its folder; returns the seconds it took."""
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "chapters")}},
        store_widget_state=False,
    )
    start = time.perf_counter()
    client.execute()
    return time.perf_counter() - start


def normalise(notebook):
    """Keep what the text and its outputs need; drop timestamps, ids that vary, debris.

    The digest of the code that just ran goes into the notebook's metadata.
    """
    colab = notebook.metadata.get("accelerator")
    ran = {"ae_lib": {"code_sha256": code_sha256(notebook.cells)}}
    notebook.metadata = nbformat.from_dict(SPEC | ran | ({"accelerator": colab} if colab else {}))
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        for key in ("execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if "outputs" in cell:
            cell["outputs"] = merge_streams(cell["outputs"])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            for key in ("text/plain", "text/html"):
                if isinstance(data.get(key), str):
                    data[key] = re.sub(r" at 0x[0-9a-f]+", "", data[key])


def merge_streams(outputs):
    """Join what was printed in pieces: where the pieces break depends on the machine's load."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        stream = output["output_type"] == "stream"
        if stream and last and last["output_type"] == "stream" and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def text_outputs(notebook):
    """All text a reader sees in the outputs, for comparing two runs; not that of live cells."""
    return [
        output.get("text") or {k: v for k, v in output.get("data", {}).items() if "image" not in k}
        for cell in notebook.cells
        if LIVE not in cell.metadata.get("tags", [])
        for output in cell.get("outputs", [])
    ]


def write(path, text):
    """Replace the file's contents in one step."""
    with whole_file(path) as stream:
        stream.write(text.encode())


def record(stem, seconds):
    """Note the run's seconds, the machine and the date."""
    RECORDS.parent.mkdir(exist_ok=True)
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    gpu = shutil.which("nvidia-smi") is not None
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {'a' if gpu else 'no'} GPU"
    made = {"python": platform.python_version(), "date": datetime.date.today().isoformat()}
    if gpu:
        new = {"gpu_seconds": round(seconds, 1), "gpu_machine": machine}
    else:
        new = {"seconds": round(seconds, 1), "machine": machine, **made}
    records[stem[:2]] = {**records.get(stem[:2], {}), "chapter": stem, **new}
    write(RECORDS, json.dumps(dict(sorted(records.items())), indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="chapter numbers; default: all")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    paths = sorted((ROOT / "chapters").glob("*.ipynb"))
    if args.chapters:
        there = {p.stem.split("_")[0]: p for p in paths}
        if unknown := [number for number in args.chapters if number not in there]:
            sys.exit(f"no chapter {', '.join(unknown)} in chapters/; there are {', '.join(there)}")
        paths = [there[number] for number in args.chapters]
    changed = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        before = text_outputs(notebook)
        seconds = execute(notebook)
        normalise(notebook)
        same = text_outputs(notebook) == before
        if not args.check:
            write(path, nbformat.writes(notebook) + "\n")
            record(path.stem, seconds)
        if not same:
            changed.append(path.name)
        size = len(nbformat.writes(notebook)) / 1e6
        note = "outputs as before" if same else "outputs changed"
        print(f"{path.name}: {seconds:.0f} s, {size:.2f} MB, {note}", flush=True)
    if args.check and changed:
        sys.exit(f"outputs differ from the stored ones: {', '.join(changed)}")


if __name__ == "__main__":
    main()
