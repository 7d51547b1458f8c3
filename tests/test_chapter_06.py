"""Chapter 06 against the library: its words are in the vocabulary; its twins are near."""

import pytest

from ae_lib import data, text
from tests.chapter_code import definitions


@pytest.fixture(scope="module")
def sentences():
    return data.load_sentences("validation")


@pytest.fixture(scope="module")
def chapter():
    import re

    # CURLY and TOKEN are values, not definitions: written here as they stand there.
    given = {
        "CURLY": str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."}),
        "TOKEN": re.compile(r"\w+(?=n't)|n't|'\w+|\w+|[^\w\s]"),
    }
    names = ("patterns", "normalise", "split_words", "join_words", "WordList", "one_word_apart")
    return definitions("06", *names, given=given)


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
