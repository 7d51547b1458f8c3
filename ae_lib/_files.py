"""What all modules share below the others: the error of a bad file, writes whole or absent."""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


class DataError(OSError):
    """A data file is missing, damaged, or cannot be written."""


@contextmanager
def whole_file(path):
    """A binary stream whose content becomes the file ``path`` when all of it is written.

    Raises:
        DataError: the folder is missing or cannot be written; ``path`` is as it was.
    """
    path = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(temporary).chmod(0o644)  # mkstemp's files are for their owner alone
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DataError(f"{path.name}: cannot be written ({error.strerror})") from error
        raise


def write_json(path, content):
    """Write JSON to ``path`` so that the file is whole or left as it was; DataError if not."""
    with whole_file(path) as stream:
        stream.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
