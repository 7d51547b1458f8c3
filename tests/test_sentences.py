"""The sentences: what ships, its split, how it is made, and how the full set is fetched."""

import hashlib
import io
import re
import tarfile
import zipfile
from collections import Counter, defaultdict
from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import make_data
from ae_lib import data, text
from ae_lib.data import _files, _tatoeba, sentences
from ae_lib.data._files import DataError
from tests.test_data import Server, absent, cut, wrong

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def small():
    return {part: data.load_pairs(part) for part in PARTS}


# -- what ships --------------------------------------------------------------------------


def test_the_set_is_what_its_docstring_says(small):
    assert {part: len(pairs) for part, pairs in small.items()} == {
        "train": 36_500,
        "validation": 1_500,
        "test": 2_000,
    }
    for part, pairs in small.items():
        assert data.load_sentences(part) == [pair.english for pair in pairs]
        assert len({pair.english for pair in pairs}) == len(pairs)
        for pair in pairs:
            assert 3 <= len(pair.english.split()) <= 10
            assert text.normalise(pair.english) == pair.english
            assert pair.french.strip()


def test_every_pair_names_its_sources(small):
    for pair in (pair for pairs in small.values() for pair in pairs):
        assert isinstance(pair.english_id, int)
        assert pair.english_id > 0
        assert pair.french_id > 0
        assert pair.english_id != pair.french_id
        assert pair.english_contributor
        assert pair.french_contributor
    # As published: "… Attribution: tatoeba.org #50431 (CK) & #12040 (Lulantis)"
    assert small["test"][0] == (
        "Let me think it over for a couple of days.",
        "Laisse-moi y penser pendant quelques jours.",
        50431,
        12040,
        "CK",
        "Lulantis",
    )


def test_the_order_says_nothing_about_a_sentence(small):
    """Neither its length nor its first letter: halves of the training part agree."""
    english = [pair.english for pair in small["train"]]
    half = len(english) // 2
    lengths = np.array([len(sentence) for sentence in english])
    error = lengths.std() * np.sqrt(2 / half)
    assert abs(lengths[:half].mean() - lengths[half:].mean()) < 4 * error
    first = [np.mean([s[0] == "I" for s in part]) for part in (english[:half], english[half:])]
    assert abs(first[0] - first[1]) < 0.02


def test_held_out_sentences_are_of_the_same_kind(small):
    """Length and word frequency as in training; the rules of the split do not distort them."""
    counts = Counter(word for pair in small["train"] for word in words(pair.english))
    total = counts.total()

    def rarity(pairs, own):
        """Mean surprise of a word in bits; training words do not count themselves."""
        seen = [counts[word] - own for pair in pairs for word in words(pair.english)]
        return -np.mean(np.log2(np.maximum(seen, 0.5) / total))

    def length(pairs):
        return np.mean([len(pair.english.split()) for pair in pairs])

    for part in ("validation", "test"):
        assert abs(rarity(small[part], 0) - rarity(small["train"][:5000], 1)) < 0.1
        assert abs(length(small[part]) - length(small["train"])) < 0.25


def test_what_is_left_out_is_left_out(small):
    said = " ".join(pair.english.lower() for pairs in small.values() for pair in pairs)
    for word in ("murder", "suicide", "pistol", "rapist", "naked", "sex", "hitler", "slave"):
        assert not re.search(rf"\b{word}", said), word
    assert not _tatoeba.fit_to_ship("He was shot dead here.")
    assert not _tatoeba.fit_to_ship("What a bastard he is.")
    assert not _tatoeba.fit_to_ship("This is junk.", "C'est de la merde.")
    assert not _tatoeba.fit_to_ship("Too short.")
    assert not _tatoeba.fit_to_ship("I’m in curly quotes.")
    assert _tatoeba.fit_to_ship("Virginia gave it a shot.", "On pique-nique ?")


# -- the split ---------------------------------------------------------------------------

LONG = {"n't": "not", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will"}
FORMS = {"ca": "can", "wo": "will", "has": "is", "'s": "is", "had": "would", "'d": "would"}


def words(sentence):
    """A sentence's words without case and punctuation, in long forms.

    Written anew, on the library's word splitter, so that it may disagree with
    ``_tatoeba.canonical``.
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


def test_no_near_duplicate_lies_on_two_sides(small):
    parts = {part: [pair.english for pair in pairs] for part, pairs in small.items()}
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
def test_the_library_knows_the_same_neighbours(one, other):
    assert _tatoeba.Neighbours([one, "Something else entirely."])(other) == {one}
    assert _tatoeba.Neighbours([other])(one) == {other}


def test_hardly_anything_is_close_by_characters(small):
    """Another measure: of 100 test sentences, none is a respelling of a training one."""
    train = [pair.english.lower() for pair in small["train"]]
    by_start = defaultdict(list)
    for sentence in train:
        by_start[sentence[:8]].append(sentence)
    for pair in small["test"][:100]:
        own = pair.english.lower()
        for other in by_start[own[:8]]:
            if SequenceMatcher(None, own, other).ratio() > 0.95:
                assert not one_word_apart(words(own), words(other)), (own, other)


some_words = st.lists(st.sampled_from(["a", "b", "c", "it's", "not"]), min_size=1, max_size=5)


@given(st.lists(some_words.map(" ".join), max_size=25, unique=True), some_words.map(" ".join))
def test_neighbours_are_those_one_word_apart(group, sentence):
    def own(text):
        return _tatoeba.canonical(text)

    expected = {other for other in group if one_word_apart(own(sentence), own(other))}
    assert _tatoeba.Neighbours(group)(sentence) == expected


@given(st.lists(some_words.map(" ".join), max_size=40, unique=True), st.integers(1, 5))
def test_any_split_keeps_neighbours_on_one_side(group, held):
    parts = _tatoeba.split(group, held, held)
    sides = [(s, part) for part, side in parts.items() for s in side]
    assert len({s for s, _ in sides}) == len(sides)
    assert len(parts["test"]) == min(held, len(group))
    for a, part in sides:
        for b, other in sides:
            near = one_word_apart(_tatoeba.canonical(a), _tatoeba.canonical(b))
            assert part == other or not near
    assert _tatoeba.split(group[::-1], held, held) == parts


# -- making it ---------------------------------------------------------------------------


def archive(pairs):
    """A source distribution like the published one, with these rows."""
    rows = "".join(
        f"{p.english}\t{p.french}\tCC-BY 2.0 (France) Attribution: tatoeba.org "
        f"#{p.english_id} ({p.english_contributor}) & #{p.french_id} ({p.french_contributor})\n"
        for p in pairs
    )
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("_about.txt", "about")
        file.writestr("fra.txt", rows)
    with tarfile.open(fileobj=outer, mode="w:gz") as file:
        entry = tarfile.TarInfo(_tatoeba.MEMBER)
        entry.size = len(inner.getvalue())
        file.addfile(entry, io.BytesIO(inner.getvalue()))
    return outer.getvalue()


@pytest.fixture
def published(small, monkeypatch):
    """The bytes of an archive that the library takes for the published one."""
    pairs = [*small["train"][:400], *small["validation"][:50], *small["test"][:50]]
    pairs += [pair._replace(french="Autrement dit.", french_id=1) for pair in pairs[:20]]
    pairs.append(pairs[0]._replace(english="He was a murderer then.", english_id=2))
    raw = archive(sorted(pairs))
    monkeypatch.setattr(_tatoeba, "ARCHIVE_SHA256", hashlib.sha256(raw).hexdigest())
    for name, value in (("TEST", 40), ("VALIDATION", 30), ("SMALL", 300)):
        monkeypatch.setattr(_tatoeba, name, value)
    monkeypatch.setattr(_tatoeba.split, "__defaults__", (40, 30))
    return raw


def test_the_small_set_is_the_beginning_of_the_full_one(published, tmp_path):
    path = tmp_path / "nmt.tar.gz"
    path.write_bytes(published)
    full = _tatoeba.corpus(_tatoeba.read_archive(path))
    chosen = _tatoeba.small(full)
    assert [len(chosen[part]) for part in PARTS] == [300, 30, 40]
    assert len(full["train"]) > 380
    for part in PARTS:
        english = list(dict.fromkeys(pair.english for pair in full[part]))
        assert [pair.english for pair in chosen[part]] == english[: len(chosen[part])]
    assert not any("murder" in pair.english for pairs in full.values() for pair in pairs)


def test_what_is_packed_is_unpacked(published):
    full = _tatoeba.corpus(_tatoeba.read_pairs(published))
    arrays = _tatoeba.pack(full)
    assert all(array.dtype.kind == "u" for array in arrays.values()), "no pickles"
    assert {part: _tatoeba.unpack(arrays, part) for part in PARTS} == full


def test_making_it_twice_gives_the_same_bytes(published, tmp_path, monkeypatch):
    path = tmp_path / "nmt.tar.gz"
    path.write_bytes(published)
    monkeypatch.setattr(make_data, "DATA", tmp_path)
    monkeypatch.setattr(make_data, "read_archive", _tatoeba.read_archive)
    one = make_data.make_tatoeba(path)
    first = (tmp_path / sentences.SHIPPED).read_bytes()
    assert make_data.make_tatoeba(path) == one
    assert (tmp_path / sentences.SHIPPED).read_bytes() == first
    assert one["sha256"] == hashlib.sha256(first).hexdigest()
    assert one["bytes"] == len(first)


def test_the_manifest_keeps_what_was_not_made_again(published, tmp_path, monkeypatch):
    path = tmp_path / "nmt.tar.gz"
    path.write_bytes(published)
    (tmp_path / "manifest.json").write_bytes((_files.HERE / "manifest.json").read_bytes())
    monkeypatch.setattr(make_data, "DATA", tmp_path)
    monkeypatch.setattr("sys.argv", ["make_data.py", "tatoeba", "--tatoeba", str(path)])
    make_data.main()
    text = (tmp_path / "manifest.json").read_text("utf8")
    assert data.manifest()["fashion_mnist_small.npz"]["sha256"] in text
    assert data.manifest()[sentences.SHIPPED]["sha256"] not in text
    assert text.count('"file"') == 2


def test_the_shipped_file_fits_the_rules_that_made_it(small):
    """Packing what was loaded gives the shipped bytes: order, types and compression agree."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_tatoeba.pack(small))
    made = hashlib.sha256(buffer.getvalue()).hexdigest()
    assert made == data.manifest()[sentences.SHIPPED]["sha256"]


SOURCE = _files.os.environ.get("AE_TATOEBA_ARCHIVE")
if SOURCE:  # the 16 MB archive itself

    def test_the_shipped_file_is_made_again_from_the_archive():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **make_data.tatoeba_subset(SOURCE))
        made = hashlib.sha256(buffer.getvalue()).hexdigest()
        assert made == data.manifest()[sentences.SHIPPED]["sha256"]

    def test_no_near_duplicate_of_a_held_out_sentence_is_in_the_full_set():
        full = _tatoeba.corpus(_tatoeba.read_archive(SOURCE))
        parts = {part: dict.fromkeys(p.english for p in pairs) for part, pairs in full.items()}
        assert list(violations(parts)) == []


# -- fetching it -------------------------------------------------------------------------


@pytest.fixture
def server(published):
    running = Server({_tatoeba.ARCHIVE: published})
    running.source = running.url + _tatoeba.ARCHIVE
    yield running
    running.close()


def load(server, split="train", **options):
    return data.load_sentences(split, size="full", source=server.source, timeout=5, **options)


def kept(cache):
    return sorted(p.name for p in cache.iterdir())


def test_the_full_set_is_fetched_once_and_kept(server, cache):
    first = load(server)
    assert len(first) > 380
    assert server.asked == [_tatoeba.ARCHIVE]
    server.close()
    assert load(server) == first
    assert len(load(server, "test")) == 40
    pairs = data.load_pairs("train", size="full", source=server.source)
    assert len(pairs) > len(first) == len({pair.english for pair in pairs})


def test_a_path_serves_as_source(published, cache, tmp_path):
    path = tmp_path / "mine.tar.gz"
    path.write_bytes(published)
    assert len(data.load_sentences("test", size="full", source=path)) == 40


@pytest.mark.parametrize(
    "answer, words",
    [
        (cut, "cannot be fetched"),
        (wrong, "not the published file"),
        (absent, "cannot be fetched"),
    ],
)
def test_a_broken_download_says_so_and_is_repeated(server, cache, answer, words):
    server.answers[_tatoeba.ARCHIVE] = [answer]
    with pytest.raises(DataError, match=words) as caught:
        load(server)
    assert 'load_sentences(size="small") needs no network' in str(caught.value)
    assert kept(cache) == []
    assert len(load(server, "validation")) == 30


def test_without_a_server_the_message_names_the_shipped_set(server, cache):
    server.close()
    with pytest.raises(DataError, match="are you online") as caught:
        load(server)
    assert 'load_sentences(size="small")' in str(caught.value)


def test_a_damaged_cache_is_made_again(server, cache):
    first = load(server)
    (full,) = cache.glob("*.npz")
    good = full.read_bytes()
    for bad in (b"", good[: len(good) // 2], good[:200] + b"?" * 50 + good[250:]):
        full.write_bytes(bad)
        assert load(server) == first
        assert full.read_bytes() == good
    assert server.asked == [_tatoeba.ARCHIVE], "the archive was kept"


def test_another_archive_is_refused(published, cache, tmp_path):
    path = tmp_path / "nmt.tar.gz"
    path.write_bytes(published[:-10])
    with pytest.raises(DataError, match=r"nmt\.tar\.gz: SHA-256 .*the published file has"):
        data.load_sentences(size="full", source=path)
    with pytest.raises(DataError, match=r"absent\.tar\.gz: cannot be read"):
        data.load_sentences(size="full", source=tmp_path / "absent.tar.gz")
    assert kept(cache) == []


def test_an_archive_without_attributions_is_refused(small):
    with pytest.raises(DataError, match="does not hold .*fra-eng"):
        _tatoeba.read_pairs(b"no archive")
    whole = archive(small["test"][:3])
    with pytest.raises(DataError, match="does not hold"):
        _tatoeba.read_pairs(whole[: len(whole) // 2])
    nameless = small["test"][0]._replace(english_contributor="")
    with pytest.raises(DataError, match="no attributed pair"):
        _tatoeba.read_pairs(archive([nameless]))


@pytest.mark.parametrize("split", ["Train", "", None, 1, "all"])
def test_an_unknown_part_names_the_three(split):
    with pytest.raises(ValueError, match="split: got .*'train', 'validation', 'test'"):
        data.load_sentences(split)


@pytest.mark.parametrize("size", ["big", None, 3])
def test_an_unknown_size_names_the_two(size):
    with pytest.raises(ValueError, match='size: got .*"small".*"full"'):
        data.load_pairs(size=size)
