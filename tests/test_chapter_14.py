"""Chapter 14 rests on claims of other chapters: each that it names exists, and stands once."""

import re

from ae_lib.claims import read_ledger
from tests.chapter_code import CHAPTERS

(PATH,) = CHAPTERS.glob("14_*.ipynb")


def test_every_claim_that_is_named_exists():
    named = set(re.findall(r"\{claim\}`(\d\d):([^`]+)`", PATH.read_text("utf8")))
    ledger = read_ledger(sorted(CHAPTERS.glob("*.ipynb")))
    known = {(stem[:2], record["id"]) for stem, records in ledger.items() for record in records}
    assert named
    assert named - known == set()
    assert {chapter for chapter, _ in named} >= {"01", "02", "03", "04", "05", "07", "08", "11"}
