"""The sentences: what ships, its split, and how it is made."""

import hashlib
import io
import os
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

import make_data
import tatoeba
from ae_lib import data, text, text_models
from ae_lib.data import prose
from ae_lib.data.sentences import PARTS, SHIPPED


@pytest.fixture(scope="module")
def full():
    return {part: data.load_pairs(part, size="full") for part in PARTS}


# -- what ships --------------------------------------------------------------------------


def test_the_set_is_what_its_docstring_says(full):
    english = {part: data.load_sentences(part, size="full") for part in PARTS}
    assert [len(english[part]) for part in PARTS] == [103_331, 1_500, 2_000]
    assert [len(full[part]) for part in PARTS] == [146_177, 2_095, 2_842]
    for part, pairs in full.items():
        assert english[part] == list(dict.fromkeys(pair.english for pair in pairs))
        for pair in pairs:
            assert 3 <= len(pair.english.split()) <= 10
            assert text.normalise(pair.english) == pair.english
            assert pair.french.strip()


def test_the_small_set_is_the_beginning_of_the_full_one_with_one_translation(full):
    for part in PARTS:
        first = {}
        for pair in full[part]:
            first.setdefault(pair.english, pair)
        expected = list(first.values())[: 36_500 if part == "train" else None]
        assert data.load_pairs(part) == expected
        assert data.load_sentences(part) == [pair.english for pair in expected]


def test_the_shipped_model_was_trained_on_these_sentences_in_this_order():
    raw = "\n".join(data.load_sentences(size="full")).encode()
    recorded = text_models.record("text-autoencoder")["data"]["sha256"]
    assert hashlib.sha256(raw).hexdigest() == recorded


def test_every_pair_names_its_sources(full):
    for pair in (pair for pairs in full.values() for pair in pairs):
        assert isinstance(pair.english_id, int)
        assert pair.english_id > 0
        assert pair.french_id > 0
        assert pair.english_id != pair.french_id
        assert pair.english_contributor
        assert pair.french_contributor
    # As published: "… Attribution: tatoeba.org #50431 (CK) & #12040 (Lulantis)"
    assert full["test"][0] == (
        "Let me think it over for a couple of days.",
        "Laisse-moi y penser pendant quelques jours.",
        50431,
        12040,
        "CK",
        "Lulantis",
    )


def test_the_order_says_nothing_about_a_sentence(full):
    """Neither its length nor its first letter: halves of the training part agree."""
    english = [pair.english for pair in full["train"]]
    half = len(english) // 2
    lengths = np.array([len(sentence) for sentence in english])
    error = lengths.std() * np.sqrt(2 / half)
    assert abs(lengths[:half].mean() - lengths[half:].mean()) < 4 * error
    first = [np.mean([s[0] == "I" for s in part]) for part in (english[:half], english[half:])]
    assert abs(first[0] - first[1]) < 0.02


def test_held_out_sentences_are_of_the_same_kind(full):
    """Length and word frequency as in training; the rules of the split do not distort them."""
    counts = Counter(word for pair in full["train"] for word in words(pair.english))
    total = counts.total()

    def rarity(pairs, own):
        """Mean surprise of a word in bits; training words do not count themselves."""
        seen = [counts[word] - own for pair in pairs for word in words(pair.english)]
        return -np.mean(np.log2(np.maximum(seen, 0.5) / total))

    def length(pairs):
        return np.mean([len(pair.english.split()) for pair in pairs])

    for part in ("validation", "test"):
        assert abs(rarity(full[part], 0) - rarity(full["train"][:5000], 1)) < 0.1
        assert abs(length(full[part]) - length(full["train"])) < 0.25


def test_what_is_left_out_is_left_out(full):
    said = " ".join(pair.english.lower() for pairs in full.values() for pair in pairs)
    for word in ("murder", "suicide", "pistol", "rapist", "naked", "sex", "hitler", "slave"):
        assert not re.search(rf"\b{word}", said), word
    assert not tatoeba.fit_to_ship("He was shot dead here.")
    assert not tatoeba.fit_to_ship("What a bastard he is.")
    assert not tatoeba.fit_to_ship("This is junk.", "C'est de la merde.")
    assert not tatoeba.fit_to_ship("Too short.")
    assert not tatoeba.fit_to_ship("I’m in curly quotes.")
    assert tatoeba.fit_to_ship("Virginia gave it a shot.", "On pique-nique ?")


# -- the split ---------------------------------------------------------------------------

LONG = {"n't": "not", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will"}
FORMS = {"ca": "can", "wo": "will", "has": "is", "'s": "is", "had": "would", "'d": "would"}


def words(sentence):
    """A sentence's words without case and punctuation, in long forms.

    Written anew, on the library's word splitter, so that it may disagree with
    ``tatoeba.canonical``.
    """
    small = [w.lower() for w in text.split_words(sentence) if w not in text.MARKERS]
    if "let" in small and "'s" in small[small.index("let") :]:
        small[small.index("'s", small.index("let"))] = "us"
    long = [LONG.get(word, FORMS.get(word, word)) for word in small]
    joined = " ".join(long).replace("cannot", "can not")
    return tuple(re.findall(r"[^\W_]+", joined))


def one_word_apart(a, b):
    """Whether two tuples of words are equal, or one insertion, deletion or change apart."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return True
    if len(a) == len(b):
        return a[start + 1 :] == b[start + 1 :]
    short, long = sorted((a, b), key=len)
    return short[start:] == long[start + 1 :]


def violations(parts):
    """Pairs of near-duplicates in different parts, found by comparing sentences outright.

    Two sentences at most one word apart agree in the first half of one's words or in the
    second: only sentences that share a half, at a place at most one off, are compared.
    """
    index = defaultdict(set)
    entries = [(words(s), part, s) for part, group in parts.items() for s in group]
    for i, (own, _, _) in enumerate(entries):
        for half in halves(own):
            index[half].add(i)
    for own, part, sentence in entries:
        if part == "train":
            continue
        for j in set().union(*(index[half] for half in near_halves(own))):
            other, other_part, other_sentence = entries[j]
            if other_part != part and one_word_apart(own, other):
                yield sentence, other_sentence


def halves(own):
    middle = len(own) // 2
    return {("start", own[:middle]), ("end", own[middle:])}


def near_halves(own):
    middle = len(own) // 2
    cuts = {max(0, middle - 1), middle, min(len(own), middle + 1)}
    return {("start", own[:cut]) for cut in cuts} | {("end", own[cut:]) for cut in cuts}


def test_no_near_duplicate_lies_on_two_sides(full):
    parts = {part: dict.fromkeys(p.english for p in pairs) for part, pairs in full.items()}
    assert list(violations(parts)) == []


PLANTED = [
    ("I'm tired of it.", "I am tired of it!"),
    ("Tom's been here.", "Tom has been here."),
    ("He can't see you now.", "He cannot see you now."),
    ("I saw Tom there.", "I saw Mary there."),
    ("I saw Tom there.", "I saw poor Tom there."),
    ("Yes, I saw Tom there.", "I saw Tom there."),
    ("WE WON'T GO.", "We will not go"),
    ("She had a red hat on.", "She'd a red hat on."),
    ("Let's go home.", "Let us go home."),
]


@pytest.mark.parametrize("one, other", PLANTED)
def test_the_search_finds_a_planted_violation(one, other):
    fill = ["Nothing of the kind was said.", "The weather is quite nice today."]
    found = list(violations({"train": [one, *fill], "test": [other], "validation": []}))
    assert found == [(other, one)]


@pytest.mark.parametrize("one, other", PLANTED)
def test_the_split_knows_the_same_neighbours(one, other):
    assert tatoeba.Neighbours([one, "Something else entirely."])(other) == {one}
    assert tatoeba.Neighbours([other])(one) == {other}


# -- making it ---------------------------------------------------------------------------


def test_the_shipped_file_fits_the_rules_that_made_it(full):
    """Splitting and packing what was loaded gives the shipped bytes: order, types, all."""
    pairs = [pair for part in PARTS for pair in full[part]]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **tatoeba.pack(tatoeba.corpus(pairs)))
    made = hashlib.sha256(buffer.getvalue()).hexdigest()
    assert made == data.manifest()[SHIPPED]["sha256"]


def test_another_archive_is_refused(tmp_path):
    path = tmp_path / make_data.ARCHIVE
    path.write_bytes(b"another one")
    with pytest.raises(ValueError, match=r"nmt-0\.0\.6\.tar\.gz: SHA-256 .*the published one is"):
        make_data.make_tatoeba(path)


SOURCE = os.environ.get("AE_TATOEBA_ARCHIVE")
if SOURCE:  # the 16 MB archive itself

    def test_the_shipped_file_is_made_again_from_the_archive():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **make_data.tatoeba_arrays(SOURCE))
        made = hashlib.sha256(buffer.getvalue()).hexdigest()
        assert made == data.manifest()[SHIPPED]["sha256"]


# -- asking for it -----------------------------------------------------------------------


@pytest.mark.parametrize("split", ["Train", "", None, 1, "all"])
def test_an_unknown_part_names_the_three(split):
    with pytest.raises(ValueError, match="split: got .*'train', 'validation', 'test'"):
        data.load_sentences(split)


@pytest.mark.parametrize("size", ["big", None, 3])
def test_an_unknown_size_names_the_two(size):
    with pytest.raises(ValueError, match='size: got .*"small".*"full"'):
        data.load_pairs(size=size)


# -- speeches and a novel ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["speeches", "moby_dick"])
def test_prose_has_the_stated_sizes_and_no_sentence_twice(kind):
    parts = {part: data.load_prose(kind, part) for part in PARTS}
    for part, lines in parts.items():
        size = sum(len(line.encode()) + 1 for line in lines)
        assert prose.BYTES[part] - 1000 < size <= prose.BYTES[part]
        assert all(line == text.normalise(line) and len(line.split()) >= 3 for line in lines)
    long = {part: {s for s in lines if len(s.split()) > 8} for part, lines in parts.items()}
    assert not long["train"] & (long["validation"] | long["test"])
    assert not long["validation"] & long["test"]


@pytest.mark.parametrize(
    ("kind", "split", "words"),
    [("novel", "train", "kind: got 'novel'"), ("speeches", "dev", "split: got 'dev'"),
     (None, "train", "kind: got None")],
)  # fmt: skip
def test_prose_of_no_such_kind_or_part_is_refused(kind, split, words):
    with pytest.raises(ValueError, match=f"{words}; choose one of '"):
        data.load_prose(kind, split)


def test_prose_s_sentences_are_cut_where_they_end():
    raw = (
        "CHAPTER 1. Loomings.\n\nCall me Mr. Smith of U.S. origin. Yes.\n\n[Applause.]\n\nHEADING"
    )
    assert make_data.prose_sentences(raw) == ["Call me Mr. Smith of U.S. origin."]
