"""The record of chapter 08: a dry run has all of its parts, and goes on where it was cut off."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import gpu

SUMS = ("elbo", "reconstruction", "kl")


def run(folder, *options):
    command = [sys.executable, "-m", "benchmarks.text_vae", "--dry-run", *options]
    command += ["--folder", str(folder / "runs"), "--out", str(folder)]
    environment = {**os.environ, **gpu.ON_CPU, "KERAS_BACKEND": "torch"}  # compiles nothing
    return subprocess.run(
        command, env=environment, cwd=gpu.ROOT, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dry")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "text_vae.json").read_text("utf8"))


def test_a_run_that_was_cut_off_goes_on(folder, record):
    lost = folder / "runs" / "plain, seed 0, test.json"
    lost.unlink()
    assert run(folder).count(", test {") == 1  # that score alone is made again
    again = json.loads((folder / "text_vae.json").read_text("utf8"))
    first, second = (r["arms"]["plain"]["seeds"][0] for r in (record, again))
    assert [second[n] for n in SUMS] == pytest.approx([first[n] for n in SUMS])
    assert second["curve"] == first["curve"]


def test_the_columns_hang_together(record):
    for arm, row in record["arms"].items():
        (seed,) = row["seeds"]
        if "language model" in arm:
            assert seed["perplexity"] > 1
            continue
        elbo, reconstruction, kl = (seed[name] for name in SUMS)
        assert elbo == pytest.approx(-reconstruction - kl)
        assert seed["nll"] <= -seed["elbo_scored"] + 0.5  # of the same sentences; few draws
        assert -0.1 < seed["mutual_information"] <= seed["ln_of"] == np.log(seed["of"])
        assert len(seed["right_by_position"]) == record["settings"]["edges"][-1]
        assert seed["curve"]["kl"][-1] == pytest.approx(kl, abs=3)
    vae, narrow, wide = (
        record["arms"][name]["seeds"][0]["parameters"]
        for name in ("plain", "language model", "language model, as many weights")
    )
    assert narrow < vae <= wide < vae * 1.02


def test_each_arm_is_what_its_name_says(record):
    rows = {arm: row["seeds"][0] for arm, row in record["arms"].items()}
    curves = {arm: rows[arm]["curve"] for arm in rows}
    assert min(curves["normalised posterior"]["kl"]) > 0.9 * 4 * 0.6**2 / 2
    assert len(curves["plain"]["loss"]) == record["settings"]["epochs"]
    assert len(curves["pretrained encoder, free bits"]["loss"]) == 3
    assert len(curves["pretrained encoder, free bits"]["autoencoder"]) == 1
    loss, nll, kl = (np.array(curves["free bits"][name]) for name in ("loss", "nll", "kl"))
    assert (loss >= nll + 8 - 1e-3).all()  # never below its free bits
    loss, nll, kl = (np.array(curves["annealing"][name]) for name in ("loss", "nll", "kl"))
    assert loss[0] < nll[0] + kl[0] - 1e-3
    assert loss[-1] == pytest.approx(nll[-1] + kl[-1], rel=1e-4)
