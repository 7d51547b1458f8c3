"""The explorer of four tokenisers on its Python side: its vocabularies, refusals."""

import json

import pytest
import traitlets

from ae_lib import text
from ae_lib.widgets import Tokenisers
from tests.serving import assert_serves

TEXTS = ["Tom is here.", "I see Tom in Boston.", "He didn't see Mary there.", "He saw Mary."]
WAYS = {
    "characters": text.Characters.build(TEXTS),
    "words": text.Vocabulary.build(TEXTS),
    "pieces": text.Subwords.build(TEXTS, 280),
}


def explorer(sentences=("Tom is here.",), **options):
    return Tokenisers(**{**WAYS, **options}, sentences=list(sentences))


def test_the_vocabularies_of_the_page_are_those_given():
    payload = json.loads(explorer(["Tom!", "Mary?", "Tom!"]).payload)
    assert payload["sentences"] == ["Tom!", "Mary?"]
    assert payload["characters"] == WAYS["characters"].tokens
    assert payload["words"] == WAYS["words"].tokens
    assert set(payload["names"]) == WAYS["words"].names == {"Tom", "Mary", "Boston"}
    merges = len(WAYS["pieces"]) - 260
    assert merges > 10
    assert len(payload["merges"]) == 4 * -(-4 * merges // 3)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (
            {"characters": WAYS["words"]},
            TypeError,
            "characters: expected a text.Characters, got V",
        ),
        ({"words": ["Tom"]}, TypeError, "words: expected a text.Vocabulary, got list"),
        ({"pieces": None}, TypeError, "pieces: expected a text.Subwords, got NoneType"),
        ({"sentences": []}, ValueError, "sentences: empty; expected at least one"),
        ({"sentences": ["Tom", "a" * 121]}, ValueError, r"sentences\[1\]: expected at most 120"),
        ({"sentences": [" \u200b"]}, ValueError, r"sentences\[0\]: .* has nothing visible"),
        ({"sentences": [3]}, TypeError, "sentences: expected texts, but item 0 is int"),
        ({"name": "A b"}, ValueError, "name: expected lower-case .*'tokenisers'"),
        (
            {"words": text.Vocabulary.build([f"word{i}x" for i in range(6000)])},
            ValueError,
            "words: the vocabularies have .* bytes in the page, expected at most 60,000",
        ),
    ],
)
def test_what_it_cannot_show_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        explorer(**wrong)


def test_one_text_in_the_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match=r"sentences: expected .*\[text\]"):
        Tokenisers(*WAYS.values(), "Tom")


def test_it_serves_a_notebook_and_a_page_and_asks_nobody():
    widget = assert_serves(lambda: explorer(["</script><b>é"]), sentence="Tea!")
    for wrong in ("a" * 121, "", 3):
        with pytest.raises(traitlets.TraitError):
            widget.sentence = wrong
    assert widget.sentence == "Tea!"
    counts = "13 tokens as characters, 14 as bytes, 14 as words, 14 as pieces"
    assert repr(widget) == f"<Tokenisers 'tokenisers': '</script><b>é' has {counts}>"
    assert f"é” has {counts}. It needs JavaScript." in widget.html()
