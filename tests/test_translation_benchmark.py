"""The trainings of chapter 09: a run that was cut off ends as a whole one does."""

import functools

import numpy as np
import pytest

from ae_lib import data
from benchmarks import translation


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """The pairs are read once."""
    load = functools.cache(data.load_pairs)
    monkeypatch.setattr(data, "load_pairs", lambda *args, **options: load(*args, **options)[:80])
    monkeypatch.setattr("ae_lib.models._lstm.UNROLL", 0)  # little to compile


def run(arm, folder, **options):
    recipe = {**translation.RECIPE, **translation.TINY, "peak": 3e-3, "batch_size": 32}
    return translation.Run(recipe, arm, 1, folder, tiny=True, **options)


@pytest.mark.parametrize("arm", ["general", "compress"])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, arm):
    whole = run(arm, tmp_path / "whole")
    before = [w.copy() for w in whole.model.get_weights()]
    whole.epoch()
    whole.epoch()
    run(arm, tmp_path / "cut").epoch()
    rest = run(arm, tmp_path / "cut")
    assert rest.state["epoch"] == 1
    rest.epoch()
    for a, b, c in zip(whole.model.get_weights(), rest.model.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # sums on several cores are not exact
        assert np.abs(a - c).max() > 1e-4
    curves = [[row["validation"] for row in run.state["curve"]] for run in (whole, rest)]
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)
    assert curves[0][1] < curves[0][0]
    kept = translation.Translator.load(tmp_path / "cut" / f"{arm}-1" / "model.keras")
    assert whole.score(kept) == pytest.approx(curves[0][1], rel=0.01)  # in 8 bits
    with pytest.raises(SystemExit, match="holds a run of other settings"):
        run(arm, tmp_path / "cut", dtype="mixed_bfloat16")


def test_the_score_is_the_mean_of_the_translator_s_nats(tmp_path):
    found = run("general", tmp_path)
    translator = translation.Translator(found.model, found.vocabulary)
    pairs = data.load_pairs("validation", size="full")[:40]
    rows = [(p.english, p.french) for p in pairs]
    size = found.option("edges")[-1]
    lengths = [max(map(len, found.vocabulary.encode_all(row))) for row in rows]
    rows = [row for row, length in zip(rows, lengths, strict=True) if length <= size]
    assert 0 < len(rows) == len(found.held_out)
    nats = np.concatenate(translator.nats(*zip(*rows, strict=True)))
    assert found.score(translator) == pytest.approx(nats.mean(), rel=1e-5)


def test_each_epoch_disturbs_its_sentences_anew(tmp_path):
    found = run("compress", tmp_path)
    epochs = [[row for row in found._rows(epoch)] for epoch in (0, 1, 0)]
    assert epochs[0] == epochs[2] != epochs[1]
    read, written = (set(map(tuple, rows)) for rows in zip(*epochs[0], strict=True))
    assert not read & written
