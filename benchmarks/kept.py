"""Finished runs of a sweep, on disk as soon as they are made: a script cut off goes on."""

import argparse
import json
from pathlib import Path

from ae_lib._files import write_json
from benchmarks.environment import RECORDS, write_record


class Kept:
    """Results by name, in one JSON file that is written whole.

    Attributes: ``runs``, the dict of those there are.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.runs = json.loads(self.path.read_text("utf8")) if self.path.exists() else {}

    def get(self, key, run, *arguments):
        """The result under ``key``; ``run(*arguments)`` makes it when it is missing."""
        if key not in self.runs:
            self.runs[key] = run(*arguments)
            print(key, json.dumps(self.runs[key])[:300], flush=True)
            write_json(self.path, self.runs)
        return self.runs[key]

    def remove(self):
        """The record is written: the file has done its duty."""
        self.path.unlink(missing_ok=True)


def search(loss, rate):
    """The best learning rate near ``rate``, and the loss of each that was tried.

    It halves and doubles until the rate of least ``loss(rate)`` lies between two worse ones.
    """
    found, wanted = {}, {rate / 2, rate, 2 * rate}
    while wanted:
        found |= {rate: loss(rate) for rate in sorted(wanted)}
        best = min(found, key=found.get)
        wanted = {best / 2, 2 * best} - set(found)
    return best, dict(sorted(found.items()))


def measure_parts(parts, script, description, **common):
    """The command line of a script with several parts: measure those named, by default all.

    Args:
        parts: functions of a ``Kept`` that return a dict; a record has the function's name.
        script: name of the module, for the record.
        description: the module's docstring.
        **common: what stands in each record.
    """
    parts = {part.__name__: part for part in parts}
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; default: all")
    chosen = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    for name in chosen:
        kept = Kept(RECORDS / f"{name}.part")
        write_record(
            RECORDS / f"{name}.json",
            f"python -m {script} {name}",
            what=parts[name].__doc__,
            **common,
            **parts[name](kept),
        )
        kept.remove()
