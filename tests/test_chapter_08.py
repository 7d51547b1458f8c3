"""Chapter 08: the distance of edits, the shipped VAE, and the tool that it is from."""

import hashlib
import json

import pytest

import ae_lib
import train_sentence_vae as tool
from ae_lib import data, metrics, text, text_models
from tests.chapter_code import definitions


def test_edit_distance():
    distance = definitions("08", "edit_distance")["edit_distance"]
    assert distance(["a", "b", "c"], ["a", "b", "c"]) == 0
    assert distance(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert distance([], ["a", "b"]) == distance(["a", "b"], []) == 2
    assert distance(["b", "c", "d"], ["a", "b", "c", "d"]) == 1


def test_the_shipped_vae_is_what_its_record_says():
    """A part of the validation sentences; the record has the test sentences."""
    record, path = text_models.record("sentence-vae"), text_models.shipped_file("sentence-vae")
    vae, raw = ae_lib.pretrained("sentence-vae"), path.read_bytes()
    assert record["sha256"] == hashlib.sha256(raw).hexdigest()
    assert record["bytes"] == len(raw) <= 2.5e6
    assert record["vocabulary"]["fingerprint"] == vae.vocabulary.fingerprint
    assert record["parameters"] == vae.model.count_params()
    test, s = record["test"], record["runs"][record["shipped"]]["settings"]
    rows = vae.vocabulary.encode_all(data.load_sentences("validation"))
    x = text.pad([row for row in rows if 0 < len(row) <= s["edges"][-1]][:200])
    mean, log_variance = vae.model.posterior(x)
    assert metrics.gaussian_kl(mean, log_variance).mean() == pytest.approx(test["kl"], rel=0.1)
    own, other = (metrics.distortion(vae.model, x, 2, shuffled=b).mean() for b in (False, True))
    assert own == pytest.approx(test["reconstruction"], rel=0.1)
    assert other - own > 10
    assert test["active_units"] >= 16
    assert 4 <= test["mutual_information"] <= test["ln_of"]
    assert test["of"] >= 1500
    assert set(vae.attributes) == set(text.attributes(""))


def test_the_best_run_is_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(text_models, "WEIGHTS", tmp_path)
    for seed in (0, 1):
        tool.train(seed, tmp_path, tiny=True)
    tool.export(tmp_path, tiny=True)
    record = text_models.record("sentence-vae")
    scores = {name: run["validation"] for name, run in record["runs"].items()}
    assert list(scores) == ["free bits-0", "free bits-1"]
    assert record["shipped"] == min(scores, key=scores.get)
    assert record["test"]["kl"] > 0
    assert ae_lib.pretrained("sentence-vae").sample(2, seed=0) != []
    assert json.loads((tmp_path / "sentence_vae.json").read_text("utf8")) == record
