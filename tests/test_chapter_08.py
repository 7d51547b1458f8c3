"""Chapter 08 against the library: one model, one loss; the shipped VAE and the tool it is from."""

import hashlib
import json

import numpy as np
import pytest
from keras import ops

import ae_lib
import train_sentence_vae as tool
from ae_lib import data, metrics, models, text, text_models, training
from tests.chapter_code import definitions

TOKENS = np.array([[5, 6, 7, 8], [9, 10, 0, 0], [7, 0, 0, 0]], "int32")


@pytest.fixture(scope="module")
def chapter():
    return definitions("08", "TaughtVAE", "framed", "two_costs", "edit_distance")


def test_the_chapters_vae_is_the_librarys(chapter):
    training.set_seed(0)
    taught = chapter["TaughtVAE"](12, units=6, wide=5, numbers=3)
    chapter["two_costs"](taught, TOKENS, 0.0)
    rng = np.random.default_rng(0)
    for weight in taught.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    library = models.SentenceVAE(12, 6, 5, 3)
    words, states, bias = taught.writer.get_weights()
    library.decoder.set_weights([words[:5], states, bias])
    library.to_gates.set_weights([words[5:]])
    library.encoder.set_weights(taught.reader.get_weights())
    for name in ("to_code", "to_h", "to_c", "to_word"):
        getattr(library, name).set_weights(getattr(taught, name).get_weights())
    library.embedding.assign(taught.embedding.embeddings)
    library.word_bias.assign(taught.bias)
    mean, log_variance = library.posterior(TOKENS)
    found = [ops.convert_to_numpy(part) for part in chapter["two_costs"](taught, TOKENS, 0.0)]
    assert np.ptp(found[0]) > 1
    assert np.ptp(found[1]) > 0.1
    np.testing.assert_allclose(found[0], -library.log_likelihood(TOKENS, mean), rtol=1e-4)
    np.testing.assert_allclose(found[1], metrics.gaussian_kl(mean, log_variance), rtol=1e-4)
    sizes = [sum(int(np.prod(w.shape)) for w in m.trainable_weights) for m in (taught, library)]
    assert sizes[0] == sizes[1]


def test_what_is_written_is_framed_as_in_the_library(chapter):
    before, target = chapter["framed"](TOKENS)
    library = models.RecurrentLM(12, 4, 4)
    np.testing.assert_array_equal(before, ops.convert_to_numpy(library.decoder_input(TOKENS)))
    np.testing.assert_array_equal(target, ops.convert_to_numpy(library.decoder_target(TOKENS)))


def test_edit_distance(chapter):
    distance = chapter["edit_distance"]
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
