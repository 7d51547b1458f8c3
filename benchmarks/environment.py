"""What a record has besides its numbers: hardware, versions, commit and date."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from ae_lib._files import write_json

RECORDS = Path(__file__).resolve().parent.parent / "ae_lib" / "data" / "records"


def write_record(path, made_by, **record):
    """Write what was measured with where it was made; returns the whole record.

    In the folder ``RECORDS``, ``ae_lib.data.load_record`` finds it.
    """
    record |= {"made_by": made_by, "environment": environment()}
    write_json(path, record)
    return record


def environment():
    """A dict for a record: machine, cores, Python, versions, Keras backend, commit, date.

    On a machine with a GPU also ``"gpu"``, as ``gpu`` gives it.
    """
    versions = {}
    for package in ("numpy", "keras", "tensorflow", "jax", "jaxlib", "torch", "scikit-learn"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = gpu()
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {_in_words(device)}",
        "processor": _processor(),
        **({"gpu": device} if device else {}),
        "python": platform.python_version(),
        "versions": versions,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def short(x, digits=4):
    """So many significant digits, for a record: a float, or nested lists of floats."""
    return np.vectorize(lambda y: float(f"{y:.{digits}g}"))(np.asarray(x, "f8")).tolist()


def gpu():
    """The machine's NVIDIA GPUs, as ``nvidia-smi`` knows them, or None.

    Returns:
        dict: ``name`` (str), ``count`` (int), ``memory_bytes`` of one (int, or None where the
        driver does not say) and ``driver`` (str).
    """
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version"]
    try:
        done = subprocess.run(
            [*query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        rows = [line.split(", ") for line in done.stdout.splitlines() if line.count(", ") == 2]
    except (OSError, subprocess.SubprocessError):
        return None
    if not rows:
        return None
    name, mebibytes, driver = rows[0]
    memory = int(mebibytes) * 2**20 if mebibytes.isdecimal() else None
    return {"name": name, "count": len(rows), "memory_bytes": memory, "driver": driver}


def _in_words(device):
    if device is None:
        return "no GPU"
    words = device["name"] if device["count"] == 1 else f"{device['count']} × {device['name']}"
    if device["memory_bytes"]:
        words += f", {device['memory_bytes'] / 2**30:.0f} GiB"
    return f"{words}, driver {device['driver']}"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _commit():
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
