"""Where a measurement was made: hardware, versions, commit and date."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path


def environment():
    """A dict for a record: machine, cores, Python, versions, Keras backend, commit, date."""
    versions = {}
    for package in ("numpy", "keras", "tensorflow", "jax", "torch", "scikit-learn"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": versions,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


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
