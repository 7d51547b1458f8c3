"""Files that are written whole or not at all; the steps of those that keep weights in 8 bits."""

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

_STEPS = 63  # on either side of zero; with twice as many a file is a fifth larger, no better


class DataError(OSError):
    """A data file is missing, damaged, or cannot be written."""


def as_path(path):
    """``path`` as a ``Path``, with the home folder in the place of a leading ``~``."""
    return Path(path).expanduser()


@contextmanager
def whole_file(path):
    """A binary stream whose content becomes the file ``path`` when all of it is written.

    It goes to a temporary file beside ``path`` (the stream's ``name``), is forced to the disk,
    and then takes the name in one step.

    Raises:
        DataError: the folder is missing or cannot be written; ``path`` is as it was, as it is
            after any other error.
    """
    path = as_path(path)
    temporary = None
    options = {"dir": path.parent, "prefix": f".{path.name}.", "suffix": ".part"}
    try:
        with tempfile.NamedTemporaryFile(delete=False, **options) as stream:
            temporary = Path(stream.name)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # temporary files are for their owner alone
        temporary.replace(path)
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise DataError(f"{path.name}: cannot be written ({reason})") from error
        raise
    with suppress(OSError):  # the new name too, where the system can: not on a mounted drive
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path, record):
    """Write ``record`` as JSON to ``path``, whole or not at all; makes the folder if need be.

    Raises:
        DataError: (an OSError) it cannot be written; ``path`` is as it was.
        TypeError: the record is not for JSON.
    """
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    path = as_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        stream.write(text.encode())


def column_steps(matrix):
    """Of each column of a matrix (n, m), the power of two that ``in_steps`` counts in: (m,)."""
    top = np.abs(matrix).max(axis=0, initial=0)
    return np.exp2(np.ceil(np.log2(np.where(top > 0, top, 1) / _STEPS)))


def in_steps(matrix):
    """A matrix (n, m), each column rounded to whole multiples, −63…63, of a power of two."""
    step = column_steps(matrix)
    return np.rint(matrix / step) * step
