"""The drawings are those that their code draws, and each stands in a chapter, described."""

import json
import re
from pathlib import Path

import pytest

from book.drawings.__main__ import FOLDER, drawings

CHAPTERS = [
    "".join("".join(cell["source"]) + "\n" for cell in json.loads(path.read_text("utf8"))["cells"])
    for path in sorted(Path("chapters").glob("*.ipynb"))
]


@pytest.mark.parametrize("name", drawings())
def test_a_drawing_is_its_code_s_and_stands_in_a_chapter(name):
    drawn = drawings()[name]().as_text()
    assert (FOLDER / f"{name}.svg").read_text("utf8") == drawn, "run python -m book.drawings"
    assert "<title>" in drawn
    words = re.findall(rf"!\[([^\]]*)\]\(\.\./book/drawings/{name}\.svg\)", "".join(CHAPTERS))
    assert [len(alt) > 60 for alt in words] == [True]


def test_no_drawing_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(drawings())
