"""The tool that trains the language models: runs that go on where they stopped, and exports."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import ae_lib
import train_language_model as tool
from ae_lib import text_models


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    arm = "gpt"
    whole = tool.Run(arm, 1, tmp_path / "whole", tiny=True)
    before = [w.copy() for w in whole.model.get_weights()]
    whole.epoch()
    whole.epoch()
    tool.Run(arm, 1, tmp_path / "cut", tiny=True).epoch()
    rest = tool.Run(arm, 1, tmp_path / "cut", tiny=True)
    assert rest.state["epoch"] == 1
    rest.epoch()
    for a, b, c in zip(whole.model.get_weights(), rest.model.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # sums on several cores are not exact
        assert np.abs(a - c).max() > 1e-3
    curves = [[row["validation"] for row in run.state["curve"]] for run in (whole, rest)]
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)
    assert curves[0][1] < curves[0][0]
    with pytest.raises(SystemExit, match="holds a run of other settings"):
        tool.Run(arm, 1, tmp_path / "cut", tiny=True, dtype="mixed_bfloat16")


def test_each_shipped_model_is_the_best_run_of_its_arms(tmp_path, monkeypatch):
    monkeypatch.setattr(text_models, "WEIGHTS", tmp_path)
    monkeypatch.setattr(ae_lib.data, "load_sentences", _few(ae_lib.data.load_sentences))
    for arm, seed in (("lstm", 0), ("gpt", 1)):
        settings = {"arm": arm, "seed": seed, "folder": tmp_path, "tiny": True, "dtype": None}
        tool.train(SimpleNamespace(**settings))
    tool.export(tmp_path)
    tool.test()
    record = text_models.record("language-model")
    last = {name: run["curve"][-1]["validation"] for name, run in record["runs"].items()}
    assert list(last) == ["gpt-1", "lstm-0"]
    assert record["shipped"] == min(last, key=last.get)
    held_out = ae_lib.data.load_sentences("test")
    shipped = ae_lib.pretrained("language-model")
    assert record["test"]["bytes"] == sum(len(s.encode()) + 1 for s in held_out)
    assert record["test"]["bits per byte"] == shipped.bits_per_byte(held_out)
    assert record["validation"]["bits per byte"] == pytest.approx(min(last.values()), rel=0.02)
    assert json.loads((tmp_path / "language_model.json").read_text("utf8")) == record
    assert not (tmp_path / "small_language_model.json").exists()  # no run of it is there


def _few(load):
    return lambda *args, **options: load(*args, **options)[:60]
