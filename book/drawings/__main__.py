"""Write the book's drawings, ``book/drawings/*.svg``.

    python -m book.drawings

A drawing is not edited by hand: tests/test_drawings.py compares it with what its code draws.
"""

import importlib
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = (
    "dense", "beyond", "features", "generative", "text", "lstm", "sentences", "translation",
    "language", "compression", "machines", "guide",
)  # fmt: skip


def drawings():
    """``{name: function}`` of all modules."""
    found = {}
    for module in MODULES:
        found |= importlib.import_module(f"book.drawings.{module}").DRAWINGS
    return found


def main():
    for name, draw in drawings().items():
        (FOLDER / f"{name}.svg").write_text(draw().as_text(), "utf8")


if __name__ == "__main__":
    main()
