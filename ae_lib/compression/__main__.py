"""Compress a file, or make it again.

python -m ae_lib.compression compress FILE [--model online] [--to FILE]
python -m ae_lib.compression decompress FILE.aec [--to FILE]
"""

import argparse
import os
import sys
from pathlib import Path

from ae_lib import compression

_SUFFIX = ".aec"


def main(arguments=None):
    """What the command does; its exit status: 0, or 1 after a message of what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m ae_lib.compression", description=__doc__)
    parser.add_argument("what", choices=("compress", "decompress"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", choices=compression.MODELS, default="language-model")
    parser.add_argument("--to", type=Path, help=f"default: the name with or without {_SUFFIX}")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    options = parser.parse_args(arguments)
    source, target = options.file, options.to
    if target is None and options.what == "decompress" and source.suffix != _SUFFIX:
        parser.error(f"{source.name} does not end in {_SUFFIX}; say where to write: --to FILE")
    if target is None:
        more = options.what == "compress"
        target = source.with_name(source.name + _SUFFIX) if more else source.with_suffix("")
    try:
        if target.exists() and not options.force:
            raise FileExistsError(f"{target} is there already; --force replaces it")
        progress = _progress(source.stat().st_size if options.what == "compress" else None)
        if options.what == "compress":
            compression.compress_file(source, target, options.model, progress)
        else:
            compression.decompress_file(source, target, progress)
    except (OSError, ValueError) as error:
        print(f"{source}: {error}", file=sys.stderr)
        return 1
    before, after = source.stat().st_size, target.stat().st_size
    print(f"{target}: {before:,} bytes in, {after:,} bytes out")
    return 0


def _progress(size):
    """Shows how far it is, where somebody looks."""

    def show(done):
        if sys.stderr.isatty():
            of = f" of {size:,}" if size else ""
            print(f"{done:,}{of} bytes", file=sys.stderr)

    return show


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.exit(main())
