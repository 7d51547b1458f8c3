"""The tool that trains the language models, and what it exports."""

import json
from types import SimpleNamespace

import pytest

import ae_lib
import train_language_model as tool
from ae_lib import text_models


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
