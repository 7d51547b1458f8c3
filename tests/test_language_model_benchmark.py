"""The benchmark of chapter 10: what it compares is alike, and its record is whole."""

import contextlib
import zlib

import numpy as np
import pytest

from ae_lib import data
from benchmarks import language_models as benchmark

TINY = "tiny training", "tiny writing 8"


def test_all_write_the_same_words_with_and_without_a_cache():
    s = benchmark.SHAPES["tiny writing 8"]
    makers = (benchmark.write_ours, benchmark.write_torch)
    first, *others = (make(s, cached)() for make in makers for cached in (True, False))
    assert first.shape == (s["batch"], s["length"])
    assert len(set(first[0])) > 3
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_both_train():
    s = benchmark.SHAPES["tiny training"]
    ours, theirs = benchmark.train_ours(s), benchmark.train_torch(s)
    losses = np.array([[float(ours()), theirs()] for _ in range(30)])
    assert (losses[-1] < losses[0] - 0.02).all()
    assert losses[0, 0] == pytest.approx(losses[0, 1], rel=0.3)  # dropout differs, and norms


def test_ratios_are_within_rounds(monkeypatch):
    pace = {"ours": iter([1, 2, 1]), "torch": iter([2, 4, 2])}

    @contextlib.contextmanager
    def waiting(shape, name, module):
        yield lambda steps: float(next(pace[name.split(",")[0]])) if name in pace else 4.0

    monkeypatch.setattr(benchmark, "waiting", waiting)
    found = benchmark.speed(3, 1, TINY[:1])[TINY[0]]
    assert found["ratios"] == {"ours over torch": 2.0, "ours over torch, compiled": 4.0}
    assert found["intervals"]["ours over torch"] == [2.0, 2.0]
    assert found["tokens_per_second"] == {"ours": 24, "torch": 12, "torch, compiled": 6}
    assert (len(found["rounds"]), found["dropped"]) == (3, 0)


def test_a_primed_compressor_pays_for_the_held_out_bytes_alone():
    sentences = ["Tom is here.", "Where is Tom?"] * 20
    raw = benchmark.joined(sentences)

    def size(given):
        return len(zlib.compress(given, 9))

    assert benchmark.compressed(len)(sentences) == benchmark.compressed(len, raw)(sentences) == 8
    cold, primed = (benchmark.compressed(size, p)(sentences) for p in (b"", raw))
    assert primed < cold == 8 * size(raw) / len(raw)
    counted = benchmark.by_frequency(sentences)(sentences)
    assert cold < counted < 8


def test_the_record_is_of_today_s_sentences():
    record = data.load_record("language_models")
    for part in ("validation", "test"):
        count = len(benchmark.joined(data.load_sentences(part)))
        assert record["bytes"][part] == count
    assert record["bytes"]["test"] == 60_847
    rivals, chosen = record["rivals"], record["chosen on validation"]
    tried = {k: v for k, v in chosen["Kneser–Ney"].items() if k not in ("pieces", "order")}
    assert rivals["Kneser–Ney"]["validation"] == min(tried.values())
    for name, row in rivals.items():
        if "byte" not in name:
            assert row["test, words in random order"] > row["test"]
            assert row["test"] < rivals["order-0 bytes"]["test"]
            assert row["test"] == pytest.approx(row["validation"], rel=0.07)
