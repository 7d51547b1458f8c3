"""The shipped text autoencoder through its public functions, and files that are none."""

import hashlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import ae_lib
import train_text_autoencoder
from ae_lib import _weights, data, text, text_models, training
from ae_lib.models import Seq2SeqAutoencoder
from ae_lib.text_models import TextAutoencoder

SENTENCES = [
    "Tom is here.",
    "I don't know what to do.",
    "Where did you buy that book?",
    "Mary's father is a doctor, isn't he?",
    "We were all very tired after the game.",
]


@pytest.fixture(scope="module")
def shipped():
    return ae_lib.pretrained("text-autoencoder")


@pytest.fixture(scope="module")
def small():
    """An untrained autoencoder of a few words."""
    training.set_seed(0)
    vocabulary = text.Vocabulary.build(SENTENCES)
    model = Seq2SeqAutoencoder(len(vocabulary), units=8, embedding_size=6, code_size=5)
    return TextAutoencoder(model, vocabulary)


def test_ordinary_sentences_come_back_with_capitals_and_punctuation(shipped):
    assert shipped.reconstruct(SENTENCES) == SENTENCES


def test_held_out_sentences_come_back(shipped):
    """A part of the validation sentences; the record has them all, and the test sentences."""
    some = [s for s in data.load_sentences("validation") if shipped.vocabulary.covers(s)][:300]
    exact = np.mean([a == b for a, b in zip(some, shipped.reconstruct(some), strict=True)])
    recorded = text_models.record("text-autoencoder")["validation"]["in vocabulary"]["exact"]
    assert exact == pytest.approx(recorded, abs=0.01)
    assert exact >= 0.97


def test_the_record_says_what_the_file_is(shipped):
    record = text_models.record("text-autoencoder")
    raw = (text_models.WEIGHTS / "text_autoencoder.weights.h5").read_bytes()
    assert record["sha256"] == hashlib.sha256(raw).hexdigest()
    assert record["bytes"] == len(raw) < 12.5e6
    assert record["vocabulary"]["fingerprint"] == shipped.vocabulary.fingerprint
    assert record["parameters"] == shipped.model.count_params()
    assert record["curve"][-1]["epoch"] <= record["epochs"]
    for kind in ("in vocabulary", "3,000 words", "3,000 words, longer than 8 words"):
        assert record["test"][kind]["exact"] >= 0.97
        assert record["test"][kind]["tokens"] >= 0.99


def test_a_cold_start_prints_nothing():
    code = "import ae_lib; print(ae_lib.pretrained('text-autoencoder').reconstruct(['I see.']))"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "['I see.']\n"
    assert done.stderr == ""


@pytest.mark.backend
def test_codes_are_what_encode_gives_and_decode_takes(shipped):
    codes = shipped.encode(SENTENCES)
    assert isinstance(codes, np.ndarray)
    assert (codes.shape, codes.dtype) == ((5, shipped.code_size), "float32")
    assert shipped.decode(codes) == SENTENCES
    assert shipped.decode(codes.tolist()) == SENTENCES
    backwards = shipped.encode(SENTENCES[::-1], batch_size=2)
    np.testing.assert_allclose(backwards[::-1], codes, atol=1e-4)
    assert shipped.decode(codes, batch_size=2) == SENTENCES


@pytest.mark.backend
def test_nothing_gives_nothing(small):
    assert small.reconstruct([]) == []
    assert small.encode([]).shape == (0, 5)
    assert small.decode(np.zeros((0, 5), "float32")) == []
    assert small.reconstruct(["", "  \n\t ", "Tom is here."])[:2] == ["", ""]
    assert np.isfinite(small.encode([""])).all()


def test_texts_of_any_script_have_a_code_and_a_result(shipped):
    texts = [
        "Zxqvb wlfkj.",
        "🙂🙂 👩‍👩‍👧 🇫🇷",
        "שלום עולם, מה שלומך?",
        "مرحبا بالعالم",
        "Ẍ́ \u202eabc\u202c",
        "\x00\x01",
        "a" * 5000,
    ]
    codes = shipped.encode(texts)
    assert np.isfinite(codes).all()
    results = shipped.reconstruct(texts)
    assert all(isinstance(result, str) for result in results)
    assert "<unk>" in results[0]
    unknown = shipped.vocabulary.encode(texts[0])
    assert text.UNK in unknown
    assert shipped.reconstruct(texts) == results


def test_a_sentence_of_ten_thousand_words_has_a_code_and_a_short_result(shipped):
    long = " ".join(["We all like to read good books."] * 1429)
    assert len(long.split()) > 10_000
    result = shipped.reconstruct([long, "Tom is here."])
    assert result[1] == "Tom is here."
    assert 0 < len(shipped.vocabulary.encode(result[0])) <= 2 * 48
    short = shipped.decode(shipped.encode([long]), max_length=5)
    assert len(shipped.vocabulary.encode(short[0])) <= 5


@pytest.mark.parametrize("method", ["encode", "reconstruct"])
def test_a_string_is_no_list(small, method):
    with pytest.raises(
        TypeError, match=r"sentences: expected a list of texts, got one; write \[text\]"
    ):
        getattr(small, method)("Tom is here.")
    with pytest.raises(TypeError, match="sentences"):
        getattr(small, method)(["Tom", 3])
    with pytest.raises(TypeError, match="sentences"):
        getattr(small, method)(None)


@pytest.mark.parametrize(
    ("codes", "error", "words"),
    [
        (np.full((2, 5), np.nan), ValueError, "codes: 10 of 10 values are NaN or infinite"),
        (np.zeros((2, 6)), ValueError, "codes: expected shape (n, 5), got (2, 6)"),
        (np.zeros(5), ValueError, "a single item needs a batch axis: codes[None]"),
        (["Tom"], TypeError, "codes: expected an array of numbers"),
    ],
)
def test_codes_that_are_none_are_named(small, codes, error, words):
    with pytest.raises(error, match=re.escape(words)):
        small.decode(codes)


def test_a_saved_autoencoder_comes_back_the_same(small, tmp_path):
    small.save(tmp_path / "a.weights.h5")
    again = TextAutoencoder.load(tmp_path / "a.weights.h5", vocabulary=small.vocabulary)
    np.testing.assert_array_equal(again.encode(SENTENCES), small.encode(SENTENCES))
    assert again.vocabulary.fingerprint == small.vocabulary.fingerprint
    small.save(tmp_path / "b.weights.h5", "float16")
    half = TextAutoencoder.load(tmp_path / "b.weights.h5")
    np.testing.assert_allclose(half.encode(SENTENCES), small.encode(SENTENCES), atol=1e-3)


@pytest.mark.parametrize("part", [0, 10, 0.5, 0.99])
def test_a_file_cut_short_is_named(small, tmp_path, part):
    path = tmp_path / "cut.weights.h5"
    small.save(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: part if part in (0, 10) else int(part * len(raw))])
    with pytest.raises(data.DataError, match=r"cut\.weights\.h5: not a whole .* bytes"):
        TextAutoencoder.load(path)


def test_a_shipped_file_that_was_changed_is_named(small, tmp_path):
    path = tmp_path / "model.weights.h5"
    small.save(path)
    with pytest.raises(data.DataError, match="damaged: .* bytes with SHA-256"):
        TextAutoencoder.load(path, sha256="0" * 64)


def test_a_flipped_byte_is_named_or_changes_nothing(small, tmp_path):
    """Some bytes of an HDF5 file are room that nothing uses."""
    path, named = tmp_path / "flipped.weights.h5", 0
    small.save(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 50):
        raw = bytearray(whole)
        raw[at] ^= 255
        path.write_bytes(raw)
        try:
            again = TextAutoencoder.load(path)
        except data.DataError as error:
            assert "flipped.weights.h5" in str(error)
            named += 1
        else:
            np.testing.assert_array_equal(again.encode(SENTENCES), small.encode(SENTENCES))
    assert named > 10


def test_other_files_and_none_are_named(small, tmp_path):
    with pytest.raises(data.DataError, match=r"none\.weights\.h5: cannot be read"):
        TextAutoencoder.load(tmp_path / "none.weights.h5")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(data.DataError, match=r"other\.npz: not a whole text autoencoder"):
        TextAutoencoder.load(tmp_path / "other.npz")
    (tmp_path / "text.weights.h5").write_text("Tom")
    with pytest.raises(data.DataError, match=r"text\.weights\.h5: not a whole text autoencoder"):
        TextAutoencoder.load(tmp_path / "text.weights.h5")


def rewritten(small, folder, change):
    """A saved file whose header and arrays were changed."""
    small.save(folder / "a.weights.h5")
    header, arrays = _weights.unpack((folder / "a.weights.h5").read_bytes())
    change(header, arrays)
    (folder / "b.weights.h5").write_bytes(_weights.pack(header, arrays))
    return folder / "b.weights.h5"


def test_a_model_of_another_vocabulary_is_named(small, tmp_path):
    small.save(tmp_path / "a.weights.h5")
    other = text.Vocabulary.build([*SENTENCES[:-1], "Quite another."])
    with pytest.raises(data.DataError, match="trained with another vocabulary .* other words"):
        TextAutoencoder.load(tmp_path / "a.weights.h5", vocabulary=other)
    with pytest.raises(ValueError, match="vocabulary: has .* tokens, but the model was made for"):
        TextAutoencoder(small.model, text.Vocabulary.build(SENTENCES[:1]))

    def rename(header, arrays):
        header["vocabulary"]["tokens"][-1] = "tampered"

    with pytest.raises(data.DataError, match="its content has another fingerprint"):
        TextAutoencoder.load(rewritten(small, tmp_path, rename))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h, a: a.pop("encoder.bias"), "weights encoder.bias"),
        (lambda h, a: a.update(word_bias=np.zeros(2)), r"word_bias has shape \(2,\), expected"),
        (lambda h, a: h["config"].update(units=0), "damaged: units: expected at least 1"),
        (lambda h, a: h.update(format="9"), "format '9', expected"),
    ],
)
def test_a_file_that_does_not_fit_is_named(small, tmp_path, change, words):
    with pytest.raises(data.DataError, match=words):
        TextAutoencoder.load(rewritten(small, tmp_path, change))


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="no model is named 'gpt'; there is text-autoencoder"):
        ae_lib.pretrained("gpt")
    with pytest.raises(ValueError, match="no model is named 'gpt'"):
        text_models.record("gpt")


def test_a_missing_record_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(text_models, "WEIGHTS", tmp_path)
    with pytest.raises(data.DataError, match="missing or damaged .* reinstall ae_lib"):
        ae_lib.pretrained("text-autoencoder")


def test_changed_sentences_are_sentences():
    rng = np.random.default_rng(0)
    ids = rng.integers(7, 40, (2000, 12)).astype("int32")
    ids[np.arange(12) >= rng.integers(4, 11, (2000, 1))] = 0
    chances = np.full(40, 1 / 33) * (np.arange(40) >= 7)
    plain = np.arange(40) % 2 == 1
    change = train_text_autoencoder.changed
    x = change(ids, np.random.default_rng(1), 0.5, chances, 4, plain)
    assert not ((x[:, :-1] == 0) & (x[:, 1:] != 0)).any()
    assert (x[:, 0] != 0).all()
    assert 0.4 < (x != ids).any(1).mean() < 0.5
    assert set(np.unique(x)) == {0, 4, *range(7, 40)}
    assert plain[ids[x[:, 0] == 4, 0]].all()
    again = change(ids, np.random.default_rng(1), 0.5, chances, 4, plain)
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(change(ids, rng, 0.0, chances, 4, plain), ids)


def test_batches_hold_each_sentence_once_and_no_padding():
    ids = np.random.default_rng(0).integers(7, 40, (300, 6)).astype("int32")
    ids[np.arange(6) >= np.random.default_rng(1).integers(1, 7, (300, 1))] = 0
    batches = train_text_autoencoder.one_length_batches(ids, 32, np.random.default_rng(2))
    assert max(len(batch) for batch in batches) == 32
    assert all((batch != 0).all() for batch in batches)
    rows = sorted(tuple(row) for batch in batches for row in batch)
    assert rows == sorted(tuple(row[row != 0]) for row in ids)


def test_scores_count_sentences_and_tokens():
    class Fixed:
        vocabulary = text.Vocabulary.build(["I see Tom.", "I see it."])

        def reconstruct(self, sentences):
            return ["I see it.", "I see it."]

    found = train_text_autoencoder.scores(Fixed(), ["I see Tom.", "I see it."])
    assert found == {"sentences": 2, "exact": 0.5, "tokens": 0.9}


def test_keras_itself_reads_the_file(small, tmp_path):
    small.save(tmp_path / "a.weights.h5")
    again = type(small.model)(**text_models._settings(small.model))
    again.load_weights(tmp_path / "a.weights.h5")
    for old, new in zip(small.model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
