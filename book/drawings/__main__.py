"""Write the book's drawings, ``book/drawings/*.svg``.

    cd book && python -m drawings [--check]

With --check nothing is written: exit status 1 if a drawing is not what its code draws.
"""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = ("dense", "text", "lstm")


def drawings():
    """``{name: function}`` of all modules."""
    found = {}
    for module in MODULES:
        found |= importlib.import_module(f"drawings.{module}").DRAWINGS
    return found


def main():
    stale = []
    for name, draw in drawings().items():
        path, svg = FOLDER / f"{name}.svg", draw().as_text()
        if not path.exists() or path.read_text("utf8") != svg:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(svg, "utf8")
    print("changed:", ", ".join(stale) or "none")
    return bool(stale) and "--check" in sys.argv


if __name__ == "__main__":
    sys.exit(main())
