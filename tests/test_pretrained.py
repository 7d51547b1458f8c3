"""The shipped text autoencoder through its public functions, and files that are none."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import ae_lib
import train_text_autoencoder
from ae_lib import data, text, text_models, training
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
    some = [s for s in data.load_sentences("validation") if shipped.vocabulary.covers(s)][:100]
    exact = np.mean([a == b for a, b in zip(some, shipped.reconstruct(some), strict=True)])
    recorded = text_models.record("text-autoencoder")["validation"]["in vocabulary"]["exact"]
    assert exact == pytest.approx(recorded, abs=0.01)
    assert exact >= 0.97


def test_the_record_says_what_the_file_is(shipped):
    record = text_models.record("text-autoencoder")
    raw = text_models.shipped_file("text-autoencoder").read_bytes()
    assert record["sha256"] == hashlib.sha256(raw).hexdigest()
    assert record["bytes"] == len(raw) < 12.5e6
    assert record["vocabulary"]["fingerprint"] == shipped.vocabulary.fingerprint
    assert record["parameters"] == shipped.model.count_params()
    assert record["curve"][-1]["epoch"] <= record["epochs"]
    for kind in ("in vocabulary", "3,000 words", "3,000 words, longer than 8 words"):
        assert record["test"][kind]["exact"] >= 0.97
        assert record["test"][kind]["tokens"] >= 0.99


def test_every_shipped_model_is_registered_and_all_are_small():
    found = {p.name: p.stat().st_size for p in text_models.WEIGHTS.glob("*.keras")}
    assert set(found) == {file for file, _ in text_models.SHIPPED.values()}
    assert sum(found.values()) <= 32e6


@pytest.mark.parametrize(
    ("name", "most", "rival"),
    [
        ("language-model", 4e6, "Kneser–Ney"),
        ("small-language-model", 1e6, "xz, primed"),
    ],
)
def test_a_language_model_is_what_its_record_says(name, most, rival):
    """A part of the validation sentences; the record has them all, and the test sentences."""
    record, path = text_models.record(name), text_models.shipped_file(name)
    shipped, raw = ae_lib.pretrained(name), path.read_bytes()
    assert record["sha256"] == hashlib.sha256(raw).hexdigest()
    assert record["bytes"] == len(raw) <= most
    assert record["vocabulary"]["fingerprint"] == shipped.vocabulary.fingerprint
    assert record["parameters"] == shipped.model.count_params()
    sentences = data.load_sentences("validation")[:300]
    bits = shipped.bits_per_byte(sentences)
    assert bits == pytest.approx(record["validation"]["bits per byte"], rel=0.05)
    rivals = data.load_record("language_models")["rivals"]
    for part in ("validation", "test"):
        assert record[part]["bits per byte"] < rivals[rival][part]
    # The order of the words matters to it, and its samples are nearer to text than that.
    rng, drawn = np.random.default_rng(0), shipped.sample(300, 0)
    shuffled = [" ".join(rng.permutation(s.split())) for s in sentences]
    assert bits < shipped.bits_per_byte(drawn) * 1.5 < shipped.bits_per_byte(shuffled)
    assert len(set(drawn) - set(sentences)) > 200


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
        "a" * 500,
    ]
    codes = shipped.encode(texts)
    assert np.isfinite(codes).all()
    results = shipped.decode(codes)
    assert all(isinstance(result, str) for result in results)
    assert "<unk>" in results[0]
    unknown = shipped.vocabulary.encode(texts[0])
    assert text.UNK in unknown


def test_a_sentence_far_too_long_has_a_code_and_a_short_result(small):
    codes = small.encode([" ".join(["Tom is here."] * 100), "Tom is here."])
    assert np.isfinite(codes).all()
    assert np.abs(codes[0] - codes[1]).max() > 1e-4
    words = small.vocabulary.encode(small.decode(codes[:1], max_length=5)[0])
    assert 0 < len(words) <= 5


@pytest.mark.backend
def test_a_saved_autoencoder_comes_back_the_same(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    small.save("~/a.keras")
    again = TextAutoencoder.load("~/a.keras", vocabulary=small.vocabulary)
    np.testing.assert_array_equal(again.encode(SENTENCES), small.encode(SENTENCES))
    assert again.vocabulary.fingerprint == small.vocabulary.fingerprint
    assert again.model.get_config() == small.model.get_config()
    small.save(tmp_path / "b.keras", "float16")
    half = TextAutoencoder.load(tmp_path / "b.keras").model
    for old, new in zip(small.model.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_array_equal(old.astype("float16"), new)
    by_keras = keras.models.load_model(tmp_path / "a.keras")
    tokens = small.vocabulary.encode_all(SENTENCES[:1])
    np.testing.assert_array_equal(by_keras.encode(tokens), small.model.encode(tokens))


def test_a_model_that_was_trained_and_has_written_is_saved_as_any(small, tmp_path):
    tokens = np.array(small.vocabulary.encode_all(SENTENCES[:1]))
    plain, trained = tmp_path / "plain.keras", tmp_path / "trained.keras"
    small.save(plain)
    other = TextAutoencoder.load(plain)
    other.model.compile("adam")
    other.model.train_on_batch(tokens)
    other.reconstruct(SENTENCES)
    other.save(trained)
    assert trained.stat().st_size == pytest.approx(plain.stat().st_size, rel=0.05)
    again = TextAutoencoder.load(trained)
    np.testing.assert_array_equal(again.encode(SENTENCES), other.encode(SENTENCES))
    other.model.save(tmp_path / "by_keras.keras")
    by_keras = keras.models.load_model(tmp_path / "by_keras.keras")
    np.testing.assert_array_equal(by_keras.encode(tokens), other.model.encode(tokens))


@pytest.mark.parametrize("dtype", ["float64", "int4", None])
def test_a_dtype_and_a_name_that_files_do_not_have_are_named(small, tmp_path, dtype):
    with pytest.raises(ValueError, match="dtype: expected 'float32', 'float16', 'int8', got"):
        small.save(tmp_path / "a.keras", dtype)
    for call in (small.save, TextAutoencoder.load):
        with pytest.raises(ValueError, match="path: expected a name that ends in .keras, got 'a."):
            call(tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(small, tmp_path):
    small.save(tmp_path / "saved.keras")
    return tmp_path / "saved.keras"


@pytest.mark.parametrize("part", [0, 10, 0.5, 0.99])
def test_a_file_cut_short_is_named(saved, part):
    raw = saved.read_bytes()
    saved.write_bytes(raw[: part if part in (0, 10) else int(part * len(raw))])
    with pytest.raises(data.DataError, match=r"saved\.keras: not a whole .* bytes"):
        TextAutoencoder.load(saved)


def test_a_shipped_file_that_was_changed_is_named(saved):
    with pytest.raises(data.DataError, match="damaged: .* bytes with SHA-256"):
        TextAutoencoder.load(saved, sha256="0" * 64)


def test_a_flipped_byte_is_named_or_changes_nothing(small, saved):
    """Some bytes of an archive are dates and the like."""
    whole, named = saved.read_bytes(), 0
    for at in range(0, len(whole), len(whole) // 20):
        raw = bytearray(whole)
        raw[at] ^= 255
        saved.write_bytes(raw)
        try:
            again = TextAutoencoder.load(saved)
        except data.DataError as error:
            assert "saved.keras" in str(error)
            named += 1
        else:
            np.testing.assert_array_equal(again.encode(SENTENCES), small.encode(SENTENCES))
    assert named > 15


def test_other_files_and_none_are_named(small, tmp_path):
    with pytest.raises(data.DataError, match=r"none\.keras: cannot be read"):
        TextAutoencoder.load(tmp_path / "none.keras")
    with (tmp_path / "other.keras").open("wb") as stream:
        np.savez(stream, x=np.zeros(3))
    small.model.save(tmp_path / "alone.keras")
    (tmp_path / "text.keras").write_text("Tom")
    for name in ("other", "alone", "text"):
        with pytest.raises(data.DataError, match=rf"{name}\.keras: not a whole TextAutoencoder"):
            TextAutoencoder.load(tmp_path / f"{name}.keras")


def rewritten(path, member, change):
    """A saved file with one of its JSON members changed, or left out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change is None:
        del members[member]
    else:
        content = json.loads(members[member])
        change(content)
        members[member] = json.dumps(content)
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return path


def test_a_model_of_another_vocabulary_is_named(small, saved):
    other = text.Vocabulary.build([*SENTENCES[:-1], "Quite another."])
    with pytest.raises(data.DataError, match="trained with another vocabulary .* other words"):
        TextAutoencoder.load(saved, vocabulary=other)
    with pytest.raises(ValueError, match="vocabulary: has .* tokens, but the model was made for"):
        TextAutoencoder(small.model, text.Vocabulary.build(SENTENCES[:1]))


CHANGES = {
    r"holds \('9', .* expected": ("ae_lib.json", lambda c: c.update(format="9")),
    r"holds .*'Other'\), expected": ("ae_lib.json", lambda c: c.update({"class": "Other"})),
    "not a whole .*'vocabulary'": ("ae_lib.json", lambda c: c.update(vocabularies={})),
    "damaged: its content has another fingerprint": (
        "ae_lib.json", lambda c: c["vocabularies"]["vocabulary"]["tokens"].append("tampered")
    ),
    "damaged, or of another model: .*units": (
        "config.json", lambda c: c["config"].update(units=0)
    ),
    "damaged, or of another model: .*loaded": (
        "config.json", lambda c: c["config"].update(units=9)
    ),
    "damaged, or of another model": ("model.weights.h5", None),
}  # fmt: skip


@pytest.mark.parametrize("words", CHANGES)
def test_a_file_that_does_not_fit_is_named(saved, words):
    with pytest.raises(data.DataError, match=f"saved.keras: {words}"):
        TextAutoencoder.load(rewritten(saved, *CHANGES[words]))


def test_a_new_model_registers_with_a_line(saved, monkeypatch):
    raw = saved.read_bytes()
    monkeypatch.setattr(text_models, "WEIGHTS", saved.parent)
    monkeypatch.setitem(text_models.SHIPPED, "new", ("saved.keras", TextAutoencoder))
    saved.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(raw).hexdigest()}))
    assert len(ae_lib.pretrained("new").reconstruct(SENTENCES)) == len(SENTENCES)
    saved.write_bytes(raw + b" ")
    with pytest.raises(data.DataError, match="damaged: .* bytes with SHA-256"):
        ae_lib.pretrained("new")


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
