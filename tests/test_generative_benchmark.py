"""The record of chapter 05: a dry run has all of its parts, and its bounds are the library's."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ae_lib import data
from benchmarks import gpu

BOUNDS = ("elbo", "iwae", "kl", "distortion")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dry")
    command = [sys.executable, "-m", "benchmarks.generative", "--dry-run", "--out", str(folder)]
    environment = {**os.environ, **gpu.ON_CPU, "KERAS_BACKEND": "jax"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # small models: most of it is compiling
    subprocess.run(command, check=True, env=environment, cwd=gpu.ROOT)
    assert [path.name for path in folder.iterdir()] == ["generative.json"]
    return json.loads((folder / "generative.json").read_text("utf8"))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_bounds(record, likelihood):
    part = record[likelihood]
    rows = {**part["arms"], "untrained": part["untrained"]}
    for row in rows.values():
        elbo, iwae, kl, distortion = (np.array(row[name]) for name in BOUNDS)
        assert elbo.shape == (len(record["settings"]["seeds"]),)
        np.testing.assert_allclose(elbo, -distortion - kl, rtol=1e-4)
        assert (iwae > elbo).all()
    assert min(rows["β = 1"]["elbo"]) > max(rows["untrained"]["elbo"])
    kl = [np.mean(rows[name]["kl"]) for name in ("KL averaged", "β = 3", "likelihood averaged")]
    assert kl == sorted(kl, reverse=True)
    for ours, library in part["compiled, library"].values():
        assert ours == pytest.approx(library, abs=3)  # a few hundred draws of some 10 nats


def test_settings_are_the_best_of_those_tried(record):
    arms = [arm for part in ("bernoulli", "gan", "plain") for arm in record[part]["arms"].values()]
    for arm in arms:
        best = min(arm["tried"], key=lambda tried: tried["score"])
        assert best == {**arm["settings"], "score": best["score"]}
        assert len(arm["tried"]) == 10


def test_samples_have_their_reference_points(record):
    samples = record["samples"]
    held_out, copies, mean = (
        samples[name] for name in ("held-out images", "training images", "mean image")
    )
    assert held_out["nearer_pixels"] == [0.5, 0.5]
    assert copies["nearer_pixels"] == [1, 1]
    assert max(mean["coverage"]) < min(held_out["coverage"])
    for name, scores in samples.items():
        shares = np.array(scores["classes"])
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-3)
        if name.endswith("half of the classes") and "GAN" not in name:
            assert shares[:, :5].sum(1).min() > 0.5
    assert {"GAN", "untrained generator", "plain, fitted normal", "gaussian VAE, β = 1"} <= set(
        samples
    )


def test_the_shipped_record_is_of_this_script(record):
    shipped = data.load_record("generative")
    assert not shipped["settings"]["dry_run"]
    assert shipped["settings"].keys() == record["settings"].keys()
    assert shipped["samples"].keys() == record["samples"].keys()
    for likelihood in ("bernoulli", "gaussian"):
        assert shipped[likelihood]["arms"].keys() == record[likelihood]["arms"].keys()
        for ours, library in shipped[likelihood]["compiled, library"].values():
            assert ours == pytest.approx(library, abs=0.5)
    assert len(set(map(len, shipped["samples"]["GAN"].values()))) == 1
