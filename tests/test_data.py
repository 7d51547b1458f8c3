"""Data that can be trusted: what ships, how it is made, and everything that may go wrong."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import compressions
import make_data
from ae_lib import claims, data, text, training
from ae_lib._files import DataError, whole_file, write_json
from ae_lib.data import _files
from ae_lib.text_models import TextAutoencoder
from ae_lib.training import parallel
from tests.small_text_model import small_autoencoder

SHIPPED = "fashion_mnist_small.npz"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


# -- what ships --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    return data.load_fashion_mnist()


def test_every_shipped_file_is_the_recorded_one():
    there = {p.name for p in _files.HERE.iterdir() if p.suffix in (".npz", ".json")}
    assert there - {"manifest.json"} == set(data.manifest())
    for name, entry in data.manifest().items():
        raw = (_files.HERE / name).read_bytes()
        assert len(raw) == entry["bytes"]
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
        assert (Path(__file__).parents[1] / entry["made_by"]).exists()


def test_the_table_of_licences_agrees_with_the_records():
    table = (_files.HERE / "LICENSES.md").read_text("utf8")
    for entry in data.manifest().values():
        row = next(line for line in table.splitlines() if f"`{entry['file']}`" in line)
        for key in ("contents", "origin", "licence", "made_by", "sha256"):
            assert entry[key] in row


def test_the_small_set_is_what_its_docstring_says(small):
    for split, size in zip(small, (10_000, 1_000, 2_000), strict=True):
        assert split.x.shape == (size, 28, 28)
        assert split.x.dtype == "float32"
        assert split.x.min() == 0
        assert split.x.max() == 1
        assert split.y.dtype == "int64"
        assert (np.bincount(split.y) == size // 10).all()
    assert len(data.CLASS_NAMES) == 10


def test_no_image_is_in_two_splits(small):
    seen = [{image.tobytes() for image in split.x} for split in small]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda raw: raw[: len(raw) // 2], "damaged: 2,867,503 bytes"),
        (lambda raw: raw[:1000] + bytes([raw[1000] ^ 1]) + raw[1001:], "damaged: 5,735,006 bytes"),
        (lambda raw: b"", "damaged: 0 bytes"),
        (None, "cannot be read (No such file or directory); reinstall ae_lib"),
    ],
    ids=["truncated", "one bit", "empty", "missing"],
)
def test_a_damaged_file_is_refused(tmp_path, monkeypatch, damage, words):
    _files.manifest()  # the true one is kept
    if damage:
        (tmp_path / SHIPPED).write_bytes(damage((_files.HERE / SHIPPED).read_bytes()))
    monkeypatch.setattr(_files, "HERE", tmp_path)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        _files.read_npz(SHIPPED)
    assert SHIPPED in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_the_short_forms_are_of_test_sentences_with_words_left_out():
    pairs = data.load_compressions()
    assert len(pairs) == len(dict(pairs)) == 60
    assert {sentence for sentence, _ in pairs} <= set(data.load_sentences("test"))
    begins = 0
    for sentence, short in pairs:
        whole, kept = compressions.words(sentence), compressions.words(short)
        assert 8 <= len(whole) <= 10
        assert 3 <= len(kept) < len(whole)
        left = iter(whole)
        assert all(word in left for word in kept), "only words of the sentence, in its order"
        assert short[0] == short[0].upper()
        assert short[-1] in ".?!"
        begins += whole[: len(kept)] == kept
    assert begins == 30


def test_damaged_short_forms_are_refused(tmp_path, monkeypatch):
    _files.manifest()  # the true one is kept
    raw = (_files.HERE / "compressions.json").read_bytes()
    (tmp_path / "compressions.json").write_bytes(raw.replace(b"think", b"thank", 1))
    monkeypatch.setattr(_files, "HERE", tmp_path)
    with pytest.raises(DataError, match=f"compressions.json: damaged: {len(raw):,} bytes"):
        _files.read_checked("compressions.json")


# -- making it ---------------------------------------------------------------------------


if DEBIAN.exists():  # Debian's package dataset-fashion-mnist

    def test_the_shipped_file_is_made_again_bit_for_bit():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **make_data.fashion_subset(DEBIAN))
        made = hashlib.sha256(buffer.getvalue()).hexdigest()
        assert made == data.manifest()[SHIPPED]["sha256"]


def test_the_short_forms_are_made_again_byte_for_byte():
    made = make_data.compressions_file()
    assert hashlib.sha256(made).hexdigest() == data.manifest()["compressions.json"]["sha256"]
    checked = [line.strip() for line in compressions.CHECKED.strip().splitlines()]
    assert set(checked[::2]) <= set(data.load_sentences("test")), "none is for nothing"
    sentences = data.load_sentences("test")
    proposals = {s: compressions.proposed(s) for s in sentences}
    assert all(
        proposals[s] not in (s, t) for s, t in zip(checked[::2], checked[1::2], strict=True)
    )
    changed = [s for s, short in data.load_compressions() if proposals[s] != short]
    assert (len(changed), checked[1::2].count("-")) == (27, 3)


@pytest.mark.parametrize(
    "sentence, short",
    [
        ("I think you really like it, don't you?", "You like it?"),
        ("Please come to me tomorrow.", "Come to me."),
        ("If it rains, we stay at home.", "We stay at home."),
        ("Tom is here.", "Tom is here."),
    ],
)
def test_the_rules_leave_out_what_they_say(sentence, short):
    assert compressions.proposed(sentence) == short


# -- writing -----------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_good_file(tmp_path, failure):
    path = tmp_path / "kept.npz"
    with whole_file(path) as stream:
        stream.write(b"good")
    assert path.stat().st_mode & 0o777 == 0o644, "others may read it"
    expected = DataError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught, whole_file(path) as stream:
        stream.write(b"half of it")
        raise failure
    if expected is DataError:
        assert "kept.npz: cannot be written (No space left" in str(caught.value)
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def _text_model(path):
    small_autoencoder().save(path)
    TextAutoencoder.load(path)


def _vocabulary(path):
    text.Vocabulary.build(["a"], min_count=1).save(path)
    text.Vocabulary.load(path)


def _notebook(path):
    write_json(path, {"cells": []})
    claims.read_ledger([path])


def _checkpoint(path):
    training.Checkpoints(Path(path).parent).save(small_autoencoder().model, 1)


def _losses(path):
    options = f"--workers 1 --batch 8 --json {path} --folder {Path(path).parent}"
    task = parallel.Task(parallel._options(options.split()))
    task.parameters = 1
    task.finish()
    assert task.newest() == (0, "")


@pytest.mark.parametrize(
    "use, name",
    [
        (_text_model, "m.keras"),
        (_vocabulary, "v.json"),
        (_notebook, "n.ipynb"),
        (_checkpoint, "step-00000001.npz"),
        (_losses, "l.json"),
    ],
)
def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch, use, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    use(f"~/own/{name}")
    assert [path.name for path in (tmp_path / "own").iterdir()] == [name]
    assert not Path("~").exists()


# -- records -----------------------------------------------------------------------------


def test_a_record_that_is_not_there_or_damaged_says_so(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no record is named 'none'; there are: .*code_size"):
        data.load_record("none")
    monkeypatch.setattr(_files, "HERE", tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "cut.json").write_text('{"results":')
    with pytest.raises(DataError, match="record 'cut': damaged .*reinstall ae_lib"):
        data.load_record("cut")
