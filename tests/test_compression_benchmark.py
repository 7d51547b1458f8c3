"""The measurements of chapter 11, on little."""

import io
import tarfile

import numpy as np
import pytest

from ae_lib import compression
from benchmarks import compression as benchmark


def test_the_novel_is_its_chapters_in_order(tmp_path):
    path = tmp_path / "novel.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("chapter_10.txt", "chapter_2.txt", "chapter_1.json", "chapter_1.txt"):
            raw = name.encode()
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    assert benchmark.read_novel(path) == b"chapter_1.txtchapter_2.txtchapter_10.txt"


def test_a_curve_ends_with_the_whole(monkeypatch):
    monkeypatch.setattr(benchmark, "STEP", 10)
    assert benchmark.curve(bytes(35), len) == [80, 160, 240]


def test_scores_give_the_bits_of_the_archive():
    pieces = compression.pieces("language-model")
    raw = b"Tom is here.\nWhere is Mary?"
    rows = [pieces._row(line) for line in raw.split(b"\n")]
    scores = benchmark.scores_of(pieces._models[0], rows).astype("float64")
    target = np.concatenate(rows) - benchmark.EOS
    scores -= scores.max(1, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    bits = -logp[np.arange(len(target)), target].sum() / np.log(2)
    assert compression.bits(raw) - 17 == pytest.approx(bits, rel=1e-3)  # 17: how many lines


def test_a_row_has_sizes_and_seconds():
    row = benchmark.coded(b"Tom is here.\n", "online")
    assert row["bytes"] == 13 and row["archive"] < 40 and row["seconds"]["decompress"] > 0
