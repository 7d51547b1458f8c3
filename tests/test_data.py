"""Data that can be trusted: what ships, what is fetched, and everything that may go wrong."""

import gzip
import hashlib
import http.server
import io
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import make_data
from ae_lib import data
from ae_lib.data import _files, fashion
from ae_lib.data._files import DataError

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


def test_loading_twice_gives_the_same(small):
    again = data.load_fashion_mnist("small")
    assert (again.test.x == small.test.x).all()


@pytest.mark.parametrize("size", ["big", "", None, 3])
def test_an_unknown_size_names_the_two(size):
    with pytest.raises(ValueError, match='size: got .*"small".*"full"'):
        data.load_fashion_mnist(size)


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


def idx(array):
    """An array in LeCun's format, gzipped: what the published files are."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.astype("uint8").tobytes(), mtime=0)


def small_files(train=60, test=20):
    """``(FULL_FILES, {file name: bytes})`` of a tiny data set in the published form."""
    rng = np.random.default_rng(5)
    arrays = {
        "train_images": rng.integers(0, 256, (train, 28, 28)),
        "train_labels": np.arange(train) % 10,
        "test_images": rng.integers(0, 256, (test, 28, 28)),
        "test_labels": np.arange(test) % 10,
    }
    files, contents = {}, {}
    for key, array in arrays.items():
        name, raw = fashion.FULL_FILES[key][0], idx(array)
        sha = hashlib.sha256(gzip.decompress(raw)).hexdigest()
        files[key] = (name, hashlib.md5(raw).hexdigest(), sha)
        contents[name] = raw
    return files, contents


def test_the_subset_is_balanced_and_disjoint(tmp_path, monkeypatch):
    files, contents = small_files()
    for name, raw in contents.items():
        (tmp_path / name).write_bytes(raw)
    monkeypatch.setattr(make_data, "FULL_FILES", files)
    monkeypatch.setattr(make_data, "SIZES", {"train": 40, "validation": 20, "test": 10})
    arrays = make_data.fashion_subset(tmp_path)
    again = make_data.fashion_subset(tmp_path)
    assert all((arrays[key] == again[key]).all() for key in arrays)
    for part, each in (("train", 4), ("validation", 2), ("test", 1)):
        assert (np.bincount(arrays[f"y_{part}"]) == each).all()
    images = np.concatenate([arrays["x_train"], arrays["x_validation"]])
    assert len({image.tobytes() for image in images}) == 60


if DEBIAN.exists():  # Debian's package dataset-fashion-mnist

    def test_the_shipped_file_is_made_again_bit_for_bit():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **make_data.fashion_subset(DEBIAN))
        made = hashlib.sha256(buffer.getvalue()).hexdigest()
        assert made == data.manifest()[SHIPPED]["sha256"]


# -- fetching it -------------------------------------------------------------------------


class Server:
    """A loopback server of published files; ``answers`` may cut or replace some of them."""

    def __init__(self, contents):
        self.contents = contents
        self.answers = {}  # name: list of functions handler → None, used up one by one
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                outer.asked.append(name)
                special = outer.answers.get(name)
                (special.pop(0) if special else whole)(self, outer.contents.get(name))

            def log_message(self, *arguments):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/files/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def whole(handler, raw):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


def cut(handler, raw):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw[: len(raw) // 2])


def cut_without_length(handler, raw):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(raw[: len(raw) // 2])


def wrong(handler, raw):
    whole(handler, b"<html>Please log in to the hotel's network</html>")


def absent(handler, raw):
    handler.send_error(404)


@pytest.fixture
def server(monkeypatch):
    files, contents = small_files()
    monkeypatch.setattr(fashion, "FULL_FILES", files)
    monkeypatch.setattr(fashion, "VALIDATION_OF_FULL", 20)
    running = Server(contents)
    yield running
    running.close()


def load(server, **options):
    return data.load_fashion_mnist("full", base_url=server.url, timeout=5, **options)


def kept(cache):
    return sorted(p.name for p in cache.iterdir())


def test_the_full_set_is_fetched_once_and_kept(server, cache):
    first = load(server)
    assert [len(split.x) for split in first] == [40, 20, 20]
    assert first.train.x.dtype == "float32"
    assert first.train.x.max() <= 1
    assert len(server.asked) == 4
    server.close()
    again = load(server)
    assert (again.train.x == first.train.x).all()
    assert (again.test.y == np.arange(20) % 10).all()


def test_the_split_is_the_same_in_another_cache_and_without_a_slash(server, cache, tmp_path):
    first = load(server)
    server.url = server.url.rstrip("/")
    second = load(server, cache=tmp_path / "elsewhere")
    assert all((a.x == b.x).all() for a, b in zip(first, second, strict=True))


NAME = fashion.FULL_FILES["test_images"][0]


@pytest.mark.parametrize(
    "answer, words",
    [
        (cut, "cannot be fetched"),
        (cut_without_length, "not the published file"),
        (wrong, "not the published file"),
        (absent, "cannot be fetched"),
    ],
)
def test_a_broken_download_says_so_and_is_repeated_by_calling_again(server, cache, answer, words):
    server.answers[NAME] = [answer]
    with pytest.raises(DataError, match=words) as caught:
        load(server)
    message = str(caught.value)
    assert NAME in message
    assert "all again" in message
    assert 'load_fashion_mnist("small") needs no network' in message
    assert NAME not in kept(cache), "a half-written file was left under its name"
    before = len(server.asked)
    assert len(load(server).test.x) == 20
    assert server.asked[before:].count(NAME) == 1
    assert "train-images-idx3-ubyte.gz" not in server.asked[before:], (
        "whole files are not refetched"
    )


def test_without_a_server_the_message_names_the_shipped_set(server, cache):
    server.close()
    with pytest.raises(DataError, match="are you online") as caught:
        load(server)
    assert 'load_fashion_mnist("small")' in str(caught.value)


def test_a_damaged_cache_is_fetched_again(server, cache):
    first = load(server)
    full = cache / "fashion_mnist_full.npz"
    good = full.read_bytes()
    np.savez(cache / "other.npz", x_train=np.zeros(3))
    other = (cache / "other.npz").read_bytes()
    for bad in (b"", good[: len(good) // 2], good[:200] + b"?" * 50 + good[250:], other):
        full.write_bytes(bad)
        assert (load(server).train.x == first.train.x).all()
        assert full.read_bytes() == good
    server.asked.clear()
    full.unlink()
    (cache / NAME).write_bytes(b"damaged")
    load(server)
    assert server.asked == [NAME]


@pytest.mark.parametrize("where", ["argument", "variable", "below a file"])
def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch, where):
    folder = tmp_path / "taken"
    folder.write_text("a file stands where the folder should be")
    if where == "below a file":
        folder = folder / "cache"
    if where == "variable":
        monkeypatch.setenv("AE_LIB_CACHE", str(folder))
    options = {} if where == "variable" else {"cache": folder}
    with pytest.raises(DataError, match="cache folder .* cannot be written") as caught:
        load(server, **options)
    assert str(folder) in str(caught.value)
    assert "AE_LIB_CACHE" in str(caught.value)
    assert not server.asked


def test_a_write_that_fails_leaves_the_good_file(tmp_path, monkeypatch):
    path = tmp_path / "kept.npz"
    _files.write_npz(path, {"x": np.arange(3)})
    good = path.read_bytes()

    def full_disk(stream, **arrays):
        stream.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(DataError, match=r"kept\.npz: cannot be written \(No space left"):
        _files.write_npz(path, {"x": np.arange(4)})
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def stopped(stream, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", stopped)
    with pytest.raises(KeyboardInterrupt):
        _files.write_npz(tmp_path / "new.npz", {"x": np.arange(4)})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_during_a_download_is_a_data_error(server, cache, monkeypatch):
    import pooch

    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pooch, "retrieve", full_disk)
    with pytest.raises(DataError, match="cannot be kept in .*No space left"):
        load(server)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda raw: raw[:-30], "not a whole gzip file"),
        (lambda raw: raw[:40] + bytes(20) + raw[60:], "not a whole gzip file"),
        (lambda raw: b"plain text", "not a whole gzip file"),
        (lambda raw: b"", "SHA-256|not a whole gzip file"),
        (lambda raw: idx(np.zeros((2, 28, 28))), "contents have SHA-256"),
    ],
    ids=["cut", "garbled", "not gzip", "empty", "other"],
)
def test_idx_files_are_checked_before_use(tmp_path, damage, words):
    raw = idx(np.arange(2 * 784).reshape(2, 28, 28) % 256)
    sha = hashlib.sha256(gzip.decompress(raw)).hexdigest()
    path = tmp_path / "images.gz"
    path.write_bytes(raw)
    assert fashion.read_idx(path, sha).shape == (2, 28, 28)
    path.write_bytes(damage(raw))
    with pytest.raises(DataError, match=words):
        fashion.read_idx(path, sha)


def test_the_recorded_manifest_is_plain_json():
    text = (_files.HERE / "manifest.json").read_text("utf8")
    assert {e["file"] for e in json.loads(text)["files"]} == set(data.manifest())


def test_a_written_file_can_be_read_by_others(tmp_path):
    _files.write_npz(tmp_path / "shared.npz", {"x": np.arange(3)})
    assert (tmp_path / "shared.npz").stat().st_mode & 0o777 == 0o644
