"""Data files that can be trusted: hashes are checked before use."""

import hashlib
import json
import os
import tempfile
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from ae_lib._files import DataError, whole_file

HERE = Path(__file__).parent


@cache
def manifest():
    """The shipped files' records, ``{name: {"sha256", "bytes", "origin", "licence", …}}``."""
    entries = json.loads((HERE / "manifest.json").read_text("utf8"))["files"]
    return {entry["file"]: entry for entry in entries}


def read_npz(name, folder=HERE):
    """Read a shipped ``.npz`` after checking its SHA-256 against the manifest.

    Raises:
        DataError: the file is missing or its bytes are not the recorded ones.
    """
    path = Path(folder) / name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); reinstall ae_lib") from error
    expected = manifest()[name]
    found = hashlib.sha256(raw).hexdigest()
    if found != expected["sha256"]:
        raise DataError(
            f"{name}: damaged: {len(raw):,} bytes with SHA-256 {found[:12]}…, expected "
            f"{expected['bytes']:,} bytes with {expected['sha256'][:12]}…; reinstall ae_lib"
        )
    with np.load(BytesIO(raw)) as stored:
        return dict(stored)


def cache_folder(folder=None):
    """The folder for downloads, made if need be: argument, ``$AE_LIB_CACHE``, or the default.

    Raises:
        DataError: the folder cannot be made or written.
    """
    import pooch

    folder = Path(folder or os.environ.get("AE_LIB_CACHE") or pooch.os_cache("ae_lib"))
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(
            f"cache folder {folder}: cannot be written ({error.strerror}); "
            "name another with the cache argument or the variable AE_LIB_CACHE"
        ) from error
    return folder


def write_npz(path, arrays):
    """Write arrays to ``path`` so that it holds all of them or is left as it was."""
    with whole_file(path) as stream:
        np.savez_compressed(stream, **arrays)


def download(url, known_hash, folder, *, timeout=30.0, advice=""):
    """Fetch ``url`` into ``folder`` once, through pooch, checking its hash before use.

    The file appears under its name only when it is whole and its hash is right, so a
    download that broke off is repeated by simply calling again.

    Raises:
        DataError: no connection, an answer that is not the file, a wrong hash, a full disk.
    """
    import logging

    import pooch
    import requests

    name = url.rsplit("/", 1)[-1]
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash,
                fname=name,
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=timeout),
            )
        )
    except ValueError as error:  # pooch: "… hash of downloaded file … does not match"
        raise DataError(
            f"{name}: what came from {url} is not the published file (wrong hash, perhaps cut "
            f"short); nothing was kept: call again. {advice}".strip()
        ) from error
    except requests.RequestException as error:
        raise DataError(
            f"{name}: cannot be fetched from {url} ({type(error).__name__}); are you online? "
            f"Call again to retry. {advice}".strip()
        ) from error
    except OSError as error:
        raise DataError(
            f"{name}: cannot be kept in {folder} ({error.strerror or error}). {advice}".strip()
        ) from error


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
        raise DataError(f"no record is named {name!r}; there are: {there}") from error
    except ValueError as error:
        raise DataError(f"record {name!r}: damaged ({error}); reinstall ae_lib") from error
