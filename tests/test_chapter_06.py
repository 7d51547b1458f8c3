"""Chapter 06 against the library: the same splitting, the same merges, the same answers."""

import inspect

import numpy as np
import pytest

from ae_lib import data, text
from tests.chapter_code import definitions


@pytest.fixture(scope="module")
def sentences():
    return data.load_sentences("validation")


@pytest.fixture(scope="module")
def chapter():
    import re

    # CURLY, TOKEN and PRETOKEN are values, not definitions: written here as they stand there.
    given = {
        "CURLY": str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."}),
        "TOKEN": re.compile(r"\w+(?=n't)|n't|'\w+|\w+|[^\w\s]"),
        "PRETOKEN": re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?\w+| ?[^\w\s]+"),
    }
    names = ("patterns", "twins", "normalise", "split_words", "join_words", "WordList")
    solutions = ("one_word_apart", "merge", "bits_per_character", "waste")
    return definitions("06", *names, *solutions, "learn_merges", given=given)


def test_chapter_and_library_normalise_alike(chapter):
    for pair in data.load_pairs("validation"):
        assert chapter["normalise"](pair.french) == text.normalise(pair.french)
        assert chapter["normalise"](pair.english) == pair.english


def test_chapter_and_library_split_alike_where_nothing_is_unusual(chapter, sentences):
    same = [chapter["split_words"](s) == text.split_words(s) for s in sentences]
    assert np.mean(same) >= 0.98
    unusual = [s for s, equal in zip(sentences, same, strict=True) if not equal]
    assert all(set(s) & set("-\".:'0123456789$&") for s in unusual)


def test_the_words_of_the_chapter_are_in_the_librarys_vocabulary(chapter, sentences):
    taught, shipped = chapter["WordList"](sentences), text.Vocabulary.build(sentences)
    assert taught.tokens[:4] == list(text.SPECIALS)
    known = {token.lower() for token in shipped.tokens}
    missing = [token for token in taught.tokens if token.lower() not in known]
    assert len(missing) <= 0.02 * len(taught.tokens)
    for sentence in sentences[:200]:
        if chapter["join_words"](chapter["split_words"](sentence)) == sentence:
            assert taught.decode(taught.encode(sentence)) == sentence


def test_twins_are_one_word_apart(chapter, sentences):
    near, words = chapter["one_word_apart"], str.split
    some = [s.lower().rstrip(".!?") for s in sentences if s.replace(" ", "").isalpha() or 1][:150]
    some = [s for s in some if all(word.isalpha() for word in s.split())]
    for a in some[:40]:
        for b in some:
            if chapter["patterns"](a) & chapter["patterns"](b):
                assert near(words(a), words(b))


def test_the_librarys_merges_are_those_of_the_chapter(chapter, sentences):
    ours = {"".join(pair) for pair in chapter["learn_merges"](sentences, 20)}
    library = set(text.Subwords.build(sentences, 4 + 256 + 20).tokens[-20:])
    assert len(ours & library) >= 19  # the last of them may tie


def test_a_token_costs_what_a_token_costs(chapter):
    """One nat a character is 1.4427 bits a character, whatever the tokens are."""
    assert chapter["bits_per_character"](1.0, 50, 50) == pytest.approx(1 / np.log(2))
    assert list(inspect.signature(chapter["waste"]).parameters) == ["lengths", "batch_size"]
