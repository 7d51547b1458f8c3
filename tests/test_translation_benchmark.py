"""The trainings of text models (here of chapter 09): cut off, they end as a whole one does."""

import functools

import numpy as np
import pytest

from ae_lib import data
from benchmarks import translation

ARM = "compress"  # the one whose sentences are disturbed anew in each epoch


def run(folder, **options):
    recipe = {**translation.RECIPE, **translation.TINY, "peak": 1e-2, "batch_size": 32}
    return translation.Run(recipe, ARM, 1, folder, tiny=True, **options)


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load_pairs", functools.cache(data.load_pairs))
    monkeypatch.setattr("ae_lib.models._lstm.UNROLL", 0)  # little to compile
    whole = run(tmp_path / "whole")
    before = [w.copy() for w in whole.model.get_weights()]
    whole.epoch()
    whole.epoch()
    run(tmp_path / "cut").epoch()
    rest = run(tmp_path / "cut")
    assert rest.state["epoch"] == 1
    rest.epoch()
    for a, b, c in zip(whole.model.get_weights(), rest.model.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # sums on several cores are not exact
        assert np.abs(a - c).max() > 1e-3
    curves = [[row["validation"] for row in run.state["curve"]] for run in (whole, rest)]
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)
    assert curves[0][1] < curves[0][0]
    kept = translation.Translator.load(tmp_path / "cut" / f"{ARM}-1" / "model.keras")
    assert rest.score(kept) == pytest.approx(curves[0][1], rel=0.01)  # in 8 bits
    rows = [rest.lengths(epoch) and rest.rows for epoch in (0, 1)]
    assert rows[0] != rows[1]
    with pytest.raises(SystemExit, match="holds a run of other settings"):
        run(tmp_path / "cut", dtype="mixed_bfloat16")


def test_captions_are_new_and_short(tmp_path):
    known = data.load_pairs("train", size="full")[0].english.upper()
    stamps = {
        "animals/cat.txt": "A very  round cat.\nde.utf8=Eine Katze.\nfr.utf8=Un chat tout rond.\n",
        "animals/again.txt": "A very round cat.\nfr.utf8=Un chat.\n",
        "animals/dog.txt": "A very round dog.\nde.utf8=Ein Hund.\n",  # no French
        "animals/ant.txt": "An ant.\nfr.utf8=Une fourmi.\n",  # two words
        "people/known.txt": f"{known}\nfr.utf8=Tom.\n",
        "symbols/p.txt": "The letter p.\nfr.utf8=La lettre p.\n",
        "people/empty.txt": "",
    }
    for name, content in stamps.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf8")
    found, patterns = translation.read_captions(tmp_path)
    assert found == {"A very round cat.": ["Un chat."], "The letter p.": ["La lettre p."]}
    assert patterns == {"The letter p."}


def test_the_record_of_captions_is_whole():
    captions = data.load_record("captions")["captions"]
    counts = {part: row["sentences"] for part, row in captions.items()}
    assert counts["no patterns"] == counts["all words seen"] + counts["an unseen word"]
    assert counts["no patterns"] < counts["all"]
    for row in captions.values():
        rows = row["systems"]
        assert rows["a random sentence"]["chrf"] < rows["copy of the source"]["chrf"]
        assert set(row["p_beside_this_model"]) <= set(rows)
    for name, row in captions["no patterns"]["systems"].items():
        parts = [captions[part]["systems"][name]["chrf"] for part in (*counts,)[2:]]
        assert min(parts) <= row["chrf"] <= max(parts)
