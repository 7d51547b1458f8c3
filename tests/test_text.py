"""Text to numbers and back: any Unicode in, nothing lost or a clear <unk>, never a crash."""

import json
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ae_lib import data, text
from ae_lib.data import DataError
from ae_lib.text import Characters, Subwords, Vocabulary, join_words, normalise, split_words

CORPUS = [
    "Tom doesn't like it, but Mary does.",
    "I'm sure that Tom's dog is here.",
    "Is it 3 p.m. now?",
    "May I come in? You may.",
    "A well-known man said no.",
]
surrogates_too = st.text(st.characters())
anything = st.one_of(
    surrogates_too,
    st.text("aAzI'’ .,?!\"-…\u00a0\u200b\u0301é1:<>_ßŉǆİ"),
    st.lists(st.sampled_from(["Don't", "tom", "Tom", '"', "(", ".", " . ", "p.m.", "-", "10,5"]))
    .map(" ".join),
    st.lists(st.sampled_from([*text.SPECIALS, *text.MARKERS, "a", " ", "B"])).map("".join),
)  # fmt: skip


@pytest.fixture(scope="module")
def vocabularies():
    return {
        "words": Vocabulary.build(CORPUS),
        "characters": Characters.build(CORPUS),
        "subwords": Subwords.build(CORPUS, 300),
    }


@pytest.fixture(scope="module")
def sentences():
    return data.load_sentences("validation")


# -- normalising -------------------------------------------------------------------------


@given(anything)
def test_normalising_twice_changes_nothing_more(given):
    once = normalise(given)
    assert normalise(once) == once
    assert once == once.strip()
    assert "  " not in once
    assert all(c == " " or not c.isspace() for c in once)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in once)
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    "given, expected",
    [
        ("I’m “here”…", 'I\'m "here"...'),
        ("Qu'y\u202f? \u00a0Non\t\n!", "Qu'y ? Non !"),
        ("cafe\u0301", "caf\u00e9"),
        ("soft\u00adhyphen \ufeffand\u200b zero", "softhyphen and zero"),
        ("non\u2011breaking", "non-breaking"),
        ("a – b — c", "a – b — c"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("שלום\u200f עולם", "שלום עולם"),
        ("bad \ud800 half", "bad \ufffd half"),
        ("\x00\x1b", ""),
        ("", ""),
        ("   ", ""),
    ],
)
def test_what_normalising_does(given, expected):
    assert normalise(given) == expected


# -- splitting and joining ---------------------------------------------------------------


@given(anything, st.frozensets(st.sampled_from(["Tom", "Don't", "A", "B"])))
@example("iPhone sales.", frozenset())
@example('"a" b "c"d', frozenset())
@example("ǆ ŉ ß İ ı", frozenset())
def test_joining_gives_back_what_was_split(given, names):
    tokens = split_words(given, names)
    assert join_words(tokens) == normalise(given)
    assert all(token and " " not in token for token in tokens)


@given(st.lists(st.one_of(anything, st.sampled_from([*text.MARKERS, "a", ".", '"']))))
def test_joining_takes_any_nonsense(tokens):
    assert isinstance(join_words(tokens), str)


@pytest.mark.parametrize(
    "sentence, tokens",
    [
        ("Don't tell Tom's dog.", "do n't tell Tom 's dog ."),
        ("I'm sure he'd've gone.", "I 'm sure he 'd 've gone ."),
        ('Tom said, "It is $10,000."', 'tom said , " It is $ 10,000 . "'),
        ('"Come in," he said.', '" come in , " he said .'),
        ("He came at 3 p.m. with Mr. Smith.", "he came at 3 p.m. with Mr. Smith ."),
        ("A well-known man (ill) left...", "a well - known man ( ill ) left ..."),
        ("Go. Now! Why? TV.", "go . now ! why ? TV ."),
        ("NASA's boys' room", "NASA 's boys ' room"),
        ("It's 2:30, o'clock.", "it 's 2:30 , o'clock ."),
    ],
)
def test_usual_sentences_need_no_marker(sentence, tokens):
    assert split_words(sentence) == tokens.split()
    assert join_words(tokens.split()) == sentence


@pytest.mark.parametrize(
    "sentence, tokens",
    [
        ("tom left .", "<lower> tom left <space> ."),
        ("C++ and a / b", "c <glue> + <glue> + and a <space> / <space> b"),
        ("iPhone", "<lower> iPhone"),
        ("<unk> <eos>", "< <glue> <lower> unk <glue> > < <glue> eos <glue> >"),
    ],
)
def test_the_unusual_gets_a_marker(sentence, tokens):
    assert split_words(sentence) == tokens.split()
    assert join_words(tokens.split()) == sentence


def test_no_text_makes_a_special_token():
    for special in (*text.SPECIALS, *text.MARKERS):
        written = [t for t in split_words("A " + special) if t != text.NO_SPACE]
        assert written == ["a", "<", special[1:-1], ">"]


def test_names_keep_their_capital():
    assert split_words("Tom left.", {"Tom"}) == ["Tom", "left", "."]
    vocabulary = Vocabulary.build(CORPUS)
    assert vocabulary.names == {"Tom", "Mary"} & set(vocabulary.tokens)
    assert vocabulary.split("Tom may.") == ["Tom", "may", "."]
    assert vocabulary.split("May Tom?") == ["may", "Tom", "?"]


# -- vocabularies ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["words", "characters", "subwords"])
def test_ids_begin_with_the_special_tokens(vocabularies, kind):
    vocabulary = vocabularies[kind]
    assert vocabulary.tokens[:4] == list(text.SPECIALS) == ["<pad>", "<unk>", "<bos>", "<eos>"]
    assert (text.PAD, text.UNK, text.BOS, text.EOS) == (0, 1, 2, 3)
    assert len(set(vocabulary.tokens)) == len(vocabulary)
    for sentence in CORPUS:
        ids = vocabulary.encode(sentence)
        assert min(ids) > text.EOS
        assert vocabulary.decode(ids) == sentence
        assert vocabulary.covers(sentence)
        framed = [text.BOS, *ids, text.EOS, *ids, text.PAD, text.PAD]
        assert vocabulary.decode(np.array(framed)) == sentence


@pytest.mark.parametrize("kind", ["words", "characters", "subwords"])
@given(given=anything)
def test_nothing_is_lost_without_a_clear_unk(vocabularies, kind, given):
    vocabulary = vocabularies[kind]
    ids = vocabulary.encode(given)
    back = vocabulary.decode(ids)
    if vocabulary.covers(given):
        assert back == normalise(given)
    else:
        assert kind != "subwords", "bytes are never unknown"
        assert "<unk>" in back
        assert ids.count(text.UNK) == sum(
            token not in vocabulary.tokens for token in vocabulary.split(given)
        )
    assert all(i == text.UNK or i > text.EOS for i in ids)


@pytest.mark.parametrize("kind", ["words", "characters", "subwords"])
@given(data=st.data())
def test_any_ids_are_decoded(vocabularies, kind, data):
    vocabulary = vocabularies[kind]
    ids = data.draw(st.lists(st.integers(0, len(vocabulary) - 1)))
    assert isinstance(vocabulary.decode(ids), str)


@pytest.mark.parametrize("kind", ["words", "characters", "subwords"])
def test_what_is_saved_is_loaded(vocabularies, kind, tmp_path):
    vocabulary = vocabularies[kind]
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    again = type(vocabulary).load(path)
    assert again.tokens == vocabulary.tokens
    assert again.fingerprint == vocabulary.fingerprint
    assert again.encode(CORPUS[0]) == vocabulary.encode(CORPUS[0])
    copy = type(vocabulary).from_record(json.loads(json.dumps(vocabulary.to_record())))
    assert copy.fingerprint == vocabulary.fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["vocabulary.json"]


def test_building_twice_gives_the_same_and_another_corpus_another():
    for build in (Vocabulary.build, Characters.build, lambda c: Subwords.build(c, 300)):
        assert build(CORPUS).fingerprint == build(list(CORPUS)).fingerprint
        assert build(CORPUS).fingerprint != build(CORPUS[1:]).fingerprint
    plain = Vocabulary(Vocabulary.build(CORPUS).tokens)
    assert plain.fingerprint != Vocabulary.build(CORPUS).fingerprint, "names decide ids, too"


def test_size_and_min_count_keep_the_most_frequent(sentences):
    whole = Vocabulary.build(sentences)
    half = Vocabulary.build(sentences, 500)
    assert len(half) == 500
    assert half.tokens == whole.tokens[:500]
    often = Vocabulary.build(sentences, min_count=5)
    assert whole.unknown_rate(sentences) == 0
    assert 0 < half.unknown_rate(sentences) < often.unknown_rate(sentences) < 1
    assert len(often) < len(half)
    assert len(Characters.build(sentences, 20)) == 20
    assert len(Subwords.build(sentences, 400)) == 400


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda raw: raw[: len(raw) // 2], "damaged: not whole JSON"),
        (lambda raw: b"", "damaged: not whole JSON"),
        (lambda raw: b"\xff\xfe", "damaged: not whole JSON"),
        (lambda raw: b"[]", "not a vocabulary"),
        (lambda raw: b'{"tokens": []}', "not a vocabulary"),
        (lambda raw: raw.replace(b'"Tom"', b'"Tim"', 1), "another fingerprint"),
        (lambda raw: raw.replace(b'"<pad>"', b'"<pod>"'), "damaged: tokens: expected <pad>"),
        (lambda raw: raw.replace(b'"words"', b'"characters"'), "holds 'characters', expected"),
        (lambda raw: raw.replace(b'"names"', b'"nomes"'), "damaged"),
        (lambda raw: raw.replace(b'"Tom"', b"3", 1), "damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage, words):
    path = tmp_path / "kept.json"
    Vocabulary.build(CORPUS).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=words) as caught:
        Vocabulary.load(path)
    assert "kept.json" in str(caught.value)


def test_a_broken_subword_model_is_refused(tmp_path, vocabularies):
    path = tmp_path / "kept.json"
    vocabularies["subwords"].save(path)
    record = json.loads(path.read_text("utf8"))
    path.write_text(json.dumps({**record, "model": record["model"][:100]}), "utf8")
    with pytest.raises(DataError, match=r"kept\.json: damaged"):
        Subwords.load(path)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.json: cannot be read"):
        Vocabulary.load(tmp_path / "absent.json")
    with pytest.raises(DataError, match=r"new\.json: cannot be written"):
        Vocabulary.build(CORPUS).save(tmp_path / "no folder" / "new.json")


# -- wrong kinds -------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"bytes", None, 3, ["a"], ["a", "b"]])
def test_one_text_is_a_string(vocabularies, bad):
    for call in (normalise, split_words, *(v.encode for v in vocabularies.values())):
        with pytest.raises(TypeError, match="text: expected one string, got"):
            call(bad)


@pytest.mark.parametrize("bad", ["one text", b"bytes", 3, None, ["a", 3], [b"a"], [["a"]]])
def test_texts_are_a_list_of_strings(vocabularies, bad):
    calls = [v.encode_all for v in vocabularies.values()]
    calls += [v.unknown_rate for v in vocabularies.values()]
    calls += [Vocabulary.build, Characters.build, lambda texts: Subwords.build(texts, 300)]
    for call in calls:
        with pytest.raises(TypeError, match=r"texts: expected (a list of )?texts"):
            call(bad)


@pytest.mark.parametrize("bad", ["abc", [3], [None], 3])
def test_tokens_are_a_list_of_strings(bad):
    with pytest.raises(TypeError):
        join_words(bad)


@pytest.mark.parametrize(
    "bad, error, words",
    [
        ("text", TypeError, "whole numbers"),
        ([0.5], TypeError, "whole numbers, got dtype float64"),
        ([[4], [5]], ValueError, "decode_all takes a batch"),
        (3, ValueError, r"expected shape \(n,\), got \(\)"),
        ([10**6], ValueError, "ids: expected 0…"),
        ([-1], ValueError, "got -1…-1"),
    ],
)
def test_ids_are_whole_numbers_of_the_vocabulary(vocabularies, bad, error, words):
    for vocabulary in vocabularies.values():
        with pytest.raises(error, match=words):
            vocabulary.decode(bad)


@pytest.mark.parametrize("build", [Vocabulary.build, Characters.build, Subwords.build])
def test_sizes_that_cannot_be(build):
    with pytest.raises(ValueError, match="texts: empty"):
        build([], 300)
    for size in (0, 4, -3):
        with pytest.raises(ValueError, match="size: expected a whole number of at least"):
            build(CORPUS, size)
    with pytest.raises(TypeError, match="size: expected a whole number"):
        build(CORPUS, 300.5)


# -- arrays ------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(1, 99), max_size=9), max_size=9), st.integers(0, 4))
def test_padding_keeps_every_row(rows, more):
    longest = max(map(len, rows), default=0)
    for length in (None, longest + more):
        padded = text.pad(rows, length)
        assert padded.dtype == "int32"
        assert padded.shape == (len(rows), longest if length is None else length)
        for row, line in zip(rows, padded, strict=True):
            assert line[: len(row)].tolist() == row
            assert not line[len(row) :].any()


def test_padding_says_what_is_wrong():
    with pytest.raises(ValueError, match="2 columns, but sequence 1 has 3 ids"):
        text.pad([[1], [1, 2, 3]], 2)
    with pytest.raises(TypeError, match="got a text; encode it first"):
        text.pad("abc")
    for bad in (["abc"], [[0.5]], [3], [[[1]]], [None]):
        with pytest.raises(TypeError, match="item 0 is no sequence of whole numbers"):
            text.pad(bad)
    assert text.pad([[5]], 3, value=-1).tolist() == [[5, -1, -1]]


lengths = st.lists(st.integers(0, 30), max_size=60)


@given(lengths, st.integers(1, 7), st.sampled_from([None, 0, 1]))
def test_every_item_is_in_one_batch(given, size, seed):
    for edges in (None, [3, 10, 30]):
        batches = text.bucket_batches(given, size, edges, seed=seed)
        indices = np.concatenate([group for _, group in batches]) if batches else np.array([])
        assert sorted(indices) == list(range(len(given)))
        for edge, group in batches:
            assert 1 <= len(group) <= size
            assert all(given[i] <= edge for i in group)
            below = [other for other in edges or sorted(set(given)) if other < edge]
            assert all(given[i] > max(below, default=-1) for i in group)


def test_batches_are_shuffled_by_their_seed_alone():
    given = np.arange(100) % 7
    first = text.bucket_batches(given, 4, seed=0)
    assert [(e, g.tolist()) for e, g in first] == [
        (e, g.tolist()) for e, g in text.bucket_batches(given, 4, seed=0)
    ]
    assert [e for e, _ in first] != sorted(e for e, _ in first)
    assert [e for e, _ in text.bucket_batches(given, 4)] == sorted(e for e, _ in first)


@pytest.mark.parametrize("edges", [[], [3, 3], [5, 2], [[1]], [1, 2]])
def test_edges_rise_and_reach(edges):
    with pytest.raises(ValueError, match="edges: "):
        text.length_buckets([1, 9], edges)


def test_one_hot_bytes_are_those_of_the_array():
    array = np.zeros((2, 5, 7), "float32")
    assert text.one_hot_bytes(2, 5, 7, arrays=1) == array.nbytes
    assert text.one_hot_bytes(2, 5, 7) == 3 * array.nbytes
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1"):
        text.one_hot_bytes(2, 0, 7)


@pytest.mark.parametrize("sentence", ["ⅲ x", "ⓐ b. ⓒ d", "Ⅲ x", "2nd. ⅳ"])
def test_small_characters_that_are_no_letters_stay_small(sentence):
    assert text.join_words(text.split_words(sentence)) == text.normalise(sentence)


@given(st.integers(0, 99), st.sampled_from([(0, 0), (0.2, 1.0), (0.5, 0.5)]))
def test_a_disturbed_sentence_has_its_own_words_and_some_of_one_other(seed, more):
    found = text.disturbed(CORPUS, seed=seed, more=more)
    assert found == text.disturbed(CORPUS, seed=seed, more=more)
    for own, (count, *words) in zip(map(str.split, CORPUS), map(str.split, found), strict=True):
        assert count == f"{len(own)}:"
        assert not Counter(own) - Counter(words)
        added = Counter(words) - Counter(own)
        others = [Counter(o.split()[1:]) for o in CORPUS if o.split() != own]
        assert any(added <= other for other in others)
        least, most = (np.ceil(share * len(own)) for share in more)
        assert min(least, *(o.total() for o in others)) <= added.total() <= most


def test_words_are_moved_as_far_as_asked_for(sentences):
    some = [s for s in sentences[:300] if len(set(s.split())) == len(s.split())]
    assert text.disturbed(some, more=(0, 0), reach=1) == [f"{len(s.split())}: {s}" for s in some]
    moved = [row.split()[1:] for row in text.disturbed(some, more=(0, 0))]
    steps = [abs(own.split().index(w) - i) for own, words in zip(some, moved, strict=True)
             for i, w in enumerate(words)]  # fmt: skip
    assert set(steps) == {0, 1, 2}  # a word passes those that are less than 3 away
    assert text.disturbed(["", "a"])[0] == "0: "


@pytest.mark.parametrize(
    "given, options, words",
    [
        (["a b"], {}, "sentences: one has no other's words; expected at least two"),
        ("a b", {}, "sentences: expected a list of texts, got one"),
        (["a", "b"], {"more": 0.5}, "more: expected a list of two numbers, got float"),
        (["a", "b"], {"more": (1, 0)}, "more: expected two numbers that rise"),
        (["a", "b"], {"reach": -1}, "reach: expected a"),
    ],
)
def test_what_cannot_be_disturbed_is_named(given, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        text.disturbed(given, **options)
