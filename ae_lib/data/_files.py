"""What ships: files whose hashes are checked before use, and recorded measurements."""

import hashlib
import json
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from ae_lib._checks import brief
from ae_lib._files import DataError

HERE = Path(__file__).parent


@cache
def manifest():
    """The shipped files' records, ``{name: {"sha256", "bytes", "origin", "licence", …}}``."""
    entries = json.loads((HERE / "manifest.json").read_text("utf8"))["files"]
    return {entry["file"]: entry for entry in entries}


def read_checked(name):
    """Read a shipped file, as bytes, after checking its SHA-256 against the manifest.

    Raises:
        DataError: the file is missing or its bytes are not the recorded ones.
    """
    try:
        raw = (HERE / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); reinstall ae_lib") from error
    expected = manifest()[name]
    found = hashlib.sha256(raw).hexdigest()
    if found != expected["sha256"]:
        raise DataError(
            f"{name}: damaged: {len(raw):,} bytes with SHA-256 {found[:12]}…, expected "
            f"{expected['bytes']:,} bytes with {expected['sha256'][:12]}…; reinstall ae_lib"
        )
    return raw


def read_npz(name):
    """The arrays of a shipped ``.npz``, by name; errors as ``read_checked``."""
    with np.load(BytesIO(read_checked(name))) as stored:
        return dict(stored)


def load_record(name):
    """Read a recorded measurement that is too long to repeat in a chapter.

    Args:
        name: file name without ending in ``ae_lib/data/records``; the record says which
            script, seeds and machine made it.

    Returns:
        dict, as the script wrote it.

    Raises:
        DataError: there is no such record, or it is damaged.
    """
    path = HERE / "records" / f"{name}.json"
    try:
        return json.loads(path.read_text("utf8"))
    except FileNotFoundError as error:
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise DataError(f"no record is named {brief(name)}; there are: {there}") from error
    except ValueError as error:
        raise DataError(f"record {brief(name)}: damaged ({error}); reinstall ae_lib") from error
