"""Data that can be trusted: what ships, how it is made, and everything that may go wrong."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import make_data
from ae_lib import data
from ae_lib._files import DataError, whole_file
from ae_lib.data import _files

SHIPPED = "fashion_mnist_small.npz"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


# -- what ships --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    return data.load_fashion_mnist()


def test_every_shipped_file_is_the_recorded_one():
    there = {p.name for p in _files.HERE.glob("*.npz")}
    assert there == set(data.manifest())
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
def test_a_damaged_file_is_refused(tmp_path, damage, words):
    if damage:
        (tmp_path / SHIPPED).write_bytes(damage((_files.HERE / SHIPPED).read_bytes()))
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        _files.read_npz(SHIPPED, tmp_path)
    assert SHIPPED in str(caught.value)
    assert isinstance(caught.value, OSError)


# -- making it ---------------------------------------------------------------------------


if DEBIAN.exists():  # Debian's package dataset-fashion-mnist

    def test_the_shipped_file_is_made_again_bit_for_bit():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **make_data.fashion_subset(DEBIAN))
        made = hashlib.sha256(buffer.getvalue()).hexdigest()
        assert made == data.manifest()[SHIPPED]["sha256"]


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


# -- records -----------------------------------------------------------------------------


def test_a_record_that_is_not_there_or_damaged_says_so(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no record is named 'none'; there are: .*code_size"):
        data.load_record("none")
    monkeypatch.setattr(_files, "HERE", tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "cut.json").write_text('{"results":')
    with pytest.raises(DataError, match="record 'cut': damaged .*reinstall ae_lib"):
        data.load_record("cut")
