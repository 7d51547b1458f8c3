"""The GPU benchmark on a machine without a GPU: a dry run, its records, what is refused."""

import json
import subprocess

import pytest

from benchmarks import environment, gpu, gpu_questions


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """All questions asked of PyTorch, and one of JAX, in the same folder: ``{name: record}``."""
    folder = tmp_path_factory.mktemp("dry")
    dry = ["--dry-run", "--out", str(folder), "--backends"]
    assert gpu.main([*dry, "torch"]) == 0
    assert gpu.main([*dry, "jax", "--only", "ceilings"]) == 0
    assert not list(folder.glob("*.part"))
    return {p.stem[4:]: json.loads(p.read_text("utf8")) for p in folder.glob("gpu_*.json")}


def test_a_dry_run_answers_all_questions(records):
    assert set(records) == set(gpu.QUESTIONS)
    for name, record in records.items():
        assert record["dry_run"] is True
        assert record["failed"] == {}
        assert record["what"] == gpu.QUESTIONS[name][0].__doc__
        assert record["devices"]["torch"].startswith("cpu by torch ")
        assert record["environment"]["versions"]["keras"]
    assert list(records["ceilings"]["results"]) == ["torch", "jax"]
    assert records["ceilings"]["devices"]["jax"].startswith("cpu by jax ")


def test_a_record_has_what_was_asked(records):
    for row in records["ceilings"]["results"].values():
        assert row["bfloat16"]["operations_per_second"] > 0 < row["copy"]["bytes_per_second"]
    (row,) = records["lstm"]["results"].values()
    assert (row["shape"]["batch"], row["raw_lstm_dtype"]) == (6, "bfloat16")
    assert set(row["tokens_per_second"]) == {"ours, torch", "raw"}
    assert min(row["tokens_per_second"].values()) > 0
    fused = records["fused"]
    assert set(fused["shape"]) == {"batch", "words", "inputs", "units"}
    paths = {name: row["path"] for name, row in fused["results"]["torch"].items()}
    assert paths.pop("torch.nn.LSTM") == "cuDNN"
    assert paths.pop("unroll=True") == "unrolled"
    assert paths.keys() | {"torch.nn.LSTM", "unroll=True"} == gpu_questions.VARIANTS.keys()
    assert all(row["seconds"] > 0 for row in fused["results"]["torch"].values())


def test_the_models_numbers_are_plausible(records):
    found = records["transformer"]["results"]["torch"]["batch 2"]
    peak = records["ceilings"]["results"]["torch"]["bfloat16"]["operations_per_second"]
    share = found["operations_per_second"] / peak
    assert found["share_of_peak"] == pytest.approx(share, rel=1e-2)
    assert 0 < found["tokens_per_second"] < found["operations_per_second"]
    for row in records["decoding"]["results"]["torch"].values():
        assert row["same"] == 1
        assert row["tokens_per_second"] > 0
    trained = records["train"]["results"]["torch"]["run"]
    first, last = trained["curve"]
    assert last["loss"] < first["loss"]
    assert 0 <= trained["validation"]["tokens"] <= 1


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    def record(backend="torch", dry_run=True):
        return gpu.Record(tmp_path, "lstm", backend, dry_run, f"a GPU by {backend}")

    first = record()
    assert first.measure(("a", "speed", "ours"), lambda: 1.0, {"shape": 3}) == 1
    assert first.measure(("b", "speed", "ours"), lambda: 1 / 0) is None
    with pytest.raises(KeyboardInterrupt):
        first.measure(("c", "speed", "ours"), interrupted)
    second = record()
    assert second.failed == {"torch: b, speed, ours": "ZeroDivisionError: division by zero"}
    assert second.measure(("a", "speed", "ours"), interrupted) == 1  # it is there
    assert second.measure(("b", "speed", "ours"), lambda: 2.0) == 2  # had failed: tried again
    record("jax").measure(("a", "speed", "other"), lambda: 5.0)
    found = json.loads((tmp_path / "gpu_lstm.json").read_text("utf8"))
    assert found["results"] == {
        "a": {"speed": {"ours": 1.0, "other": 5.0}, "shape": 3},
        "b": {"speed": {"ours": 2.0}},
    }
    assert found["failed"] == {}
    assert set(found["devices"]) == {"torch", "jax"}
    with pytest.raises(SystemExit, match="was measured elsewhere"):
        record(dry_run=False)


def test_wrong_numbers_are_not_timed():
    def losses(*values):
        left = iter(values)
        return lambda steps: (0.5, next(left))

    assert gpu_questions.step_seconds(losses(3.0, 2.0, 1.0), True, 3.5) == 0.5
    with pytest.raises(ValueError, match="the first loss is 3, expected about 7"):
        gpu_questions.step_seconds(losses(3.0, 2.0, 1.0), True, 7.0)
    for last in (3.5, float("nan")):
        with pytest.raises(ValueError, match="training took the loss from 3 to"):
            gpu_questions.step_seconds(losses(3.0, 2.0, last), True)


def test_without_a_gpu_nothing_is_measured_and_nothing_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "gpu", lambda: None)
    assert gpu.main(["--out", str(tmp_path)]) == 2
    assert "this machine has no NVIDIA GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        gpu.main(["--dry-run"])
    assert "name a folder for its records with --out" in capsys.readouterr().err
    for path in gpu.RECORDS.glob("gpu_*.json"):
        assert json.loads(path.read_text("utf8"))["dry_run"] is False


def test_the_machine_is_named_with_its_gpu(monkeypatch):
    def run(command, **options):
        if text is None and command[0] == "nvidia-smi":
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(environment.subprocess, "run", run)
    text = "NVIDIA H200, 143771, 580.1\nNVIDIA H200, 143771, 580.1\n"
    found = environment.environment()
    assert found["gpu"]["memory_bytes"] == 143771 * 2**20
    assert found["machine"].endswith(", 2 × NVIDIA H200, 140 GiB, driver 580.1")
    text = None
    assert environment.gpu() is None
