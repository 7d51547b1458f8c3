"""The GPU benchmark on a machine without a GPU: dry runs, refusals, parts that fail."""

import json
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ae_lib import training
from ae_lib.models import transformer
from benchmarks import environment, gpu, gpu_common, gpu_lstm, gpu_models, gpu_parts, gpu_reference

ROOT = Path(gpu.__file__).resolve().parent.parent


def dry_run(folder, *arguments):
    """What a dry run wrote: ``{part: record}``."""
    assert gpu.main(["--dry-run", "--out", str(folder), *arguments]) == 0
    paths = folder.glob("gpu_*.json")
    return {p.stem.removeprefix("gpu_"): json.loads(p.read_text("utf8")) for p in paths}


@pytest.fixture
def one_thread():
    """PyTorch in this process with one thread: several wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """All parts, each on one backend; the LSTM's contestants on PyTorch and JAX."""
    folder = tmp_path_factory.mktemp("dry")
    found = dry_run(
        folder, "--backends", "jax", "--only", "ceilings", "decoding", "fused", "train"
    )
    found |= dry_run(folder, "--backends", "torch", "--only", "transformer")
    found |= dry_run(folder, "--only", "lstm")
    return folder, {p.stem[4:]: json.loads(p.read_text("utf8")) for p in folder.glob("*.json")}


def test_a_dry_run_writes_a_record_for_each_part(records):
    folder, found = records
    assert set(found) == set(gpu.PARTS)
    for name, record in found.items():
        assert record["dry_run"] is True
        assert "--dry-run" in record["made_by"]
        assert record["what"] == gpu.PARTS[name].what
        assert record["unit"]
        assert record["environment"]["versions"]["keras"]
        assert record["environment"]["commit"]
        assert record["seconds"] > 0
        failed = record["failed"]
        assert not any(failed.values()), f"{name}: {failed}"
        kept = json.loads((folder / "chapter" / f"gpu_{name}.json").read_text("utf8"))
        assert "rounds" not in json.dumps(kept)
        assert kept["dry_run"] is True
    assert "rounds" in found["lstm"]["results"]["H 32, bfloat16, batch 6"]
    assert not list(folder.rglob("*.part"))


def test_ceilings_have_operations_bytes_and_errors(records):
    results = records[1]["ceilings"]["results"]["jax"]
    assert list(results) == ["copy", "bfloat16", "tf32", "float32"]
    assert records[1]["ceilings"]["devices"]["jax"].startswith("cpu by jax ")
    for precision in ("bfloat16", "tf32", "float32"):
        found = results[precision]
        speed = 2 * found["size"] ** 3 / found["seconds"]
        assert found["operations_per_second"] == pytest.approx(speed, rel=1e-2)
    assert 1e-4 < results["bfloat16"]["error"] < 2e-2
    assert results["float32"]["error"] < 1e-5
    copied = results["copy"]
    assert copied["in_place"] is True  # JAX was given the array, and wrote where it was
    speed = copied["bytes"] / copied["seconds"]
    assert copied["bytes_per_second"] == pytest.approx(speed, rel=1e-2)


def test_the_lstm_s_contestants_ran_side_by_side(records):
    (found,) = records[1]["lstm"]["results"].values()
    rows, dtypes = set(found["tokens_per_second"]), found["lstm_dtypes"]
    assert set(found["over_raw"]) == {"ours, jax", "ours, torch"}
    assert "failed" not in found
    half = "raw, float16"
    if "skipped" in found:  # PyTorch on this CPU has no such LSTM, and says so
        assert set(found["skipped"]) == {half}
    else:
        (half,) = [name for name in rows if name.startswith(half)]
        assert half == gpu_lstm.row("raw, float16", "bfloat16", dtypes[half])
        rows.remove(half)
    assert rows == {"ours, jax", "ours, torch", "raw"}
    assert (dtypes["ours, jax"], dtypes["ours, torch"]) == ("float32", "float32")
    assert dtypes["raw"] == "bfloat16"
    devices = records[1]["lstm"]["devices"]
    assert devices["ours, jax"].startswith("cpu by jax ")
    assert devices["raw"].startswith("cpu by torch ")
    for name in found["errors"]:
        assert set(found["errors"][name]) == {"loss", "gradient", "first loss"}
    raw = [name for name in found["tokens_per_second"] if name.startswith("raw")]
    ratios = [r["ours, jax"] / max(r[name] for name in raw) for r in found["rounds"]]
    assert found["over_raw"]["ours, jax"] == pytest.approx(np.median(ratios), rel=1e-2)


def test_the_transformer_s_share_is_of_a_peak(records):
    results = records[1]["transformer"]["results"]["torch"]
    assert results["check, bfloat16"]["gradient"] > results["check, float32"]["gradient"]
    found = results["batch 2, bfloat16"]
    w, depth, v, length = (found[k] for k in ("width", "layers", "vocabulary_size", "length"))
    per_token = 6 * (12 * depth * w * w + v * w) + 12 * depth * w * length
    assert found["operations_per_token"] == per_token
    speed = per_token * found["tokens_per_second"]
    assert found["operations_per_second"] == pytest.approx(speed, rel=1e-2)
    assert found["share_of_peak"] is None  # the ceilings were not measured in that call
    assert found["share_of_data_sheet"] is None  # a CPU


def test_decoding_and_fused_and_train_have_their_numbers(records):
    _, found = records
    decoded = found["decoding"]["results"]["jax"]["batch 8, float32"]
    assert decoded["same_as_reference"] == 1
    assert decoded["tokens_per_second"] == pytest.approx(
        decoded["tokens"] / decoded["seconds"], rel=1e-2
    )
    fused = found["fused"]
    assert set(fused["results"]["jax"]) == {"as it comes", "activation='relu'"}
    assert fused["results"]["jax"]["activation='relu'"]["path"] == "loop"
    assert fused["shape"] == gpu_parts.SMALL
    assert "note" not in fused  # that is PyTorch's
    trained = found["train"]["results"]["jax"]["run"]
    assert trained["epochs"] == trained["epochs_asked"] == len(trained["curve"]) == 1
    assert (records[0] / "work" / trained["weights"]).stat().st_size > 1000


# Wrong numbers


def planted(code, tmp_path, backend="torch"):
    """Run Python with a wrong result planted; gives the job's file."""
    path = tmp_path / "planted.json"
    lines = f"""
    from benchmarks import gpu_common as common, gpu_reference as reference
    from benchmarks import gpu_lstm, gpu_models, gpu_parts
    job = common.Job({backend!r}, {str(path)!r})
    {textwrap.indent(textwrap.dedent(code), "    ").strip()}
    """
    environment = {**gpu.os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    environment["OMP_NUM_THREADS"] = "1"  # threads that wait for each other on a busy machine
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(lines)], check=True, env=environment, cwd=ROOT
    )
    return json.loads(path.read_text("utf8"))


def test_training_has_one_epoch_in_any_case_and_keeps_it_without_scores(tmp_path):
    """No dry run, and no time: what a GPU's budget came to."""
    code = """
    from ae_lib import data
    from tools import train_text_autoencoder as recipe
    some = [s for s in data.load_sentences("train") if len(s.split()) < 4][:300]
    data.load_sentences = lambda *_, **__: some
    recipe.SETTINGS = {"units": 8, "embedding_size": 8, "code_size": 8}
    job = common.Job("torch", job.path, dry_run=False, seconds=0.0)
    gpu_models.train(job)
    first = job.results["run"]
    job = common.Job("torch", job.path, dry_run=False, seconds=500, epochs=3)
    recipe.scores = lambda *_: 1 / 0
    gpu_models.train(job)
    job.results["first"] = first
    job.save()
    """
    found = planted(code, tmp_path)
    first, last = found["results"]["first"], found["results"]["run"]
    assert (first["epochs"], first["epochs_asked"], len(first["curve"])) == (1, 14, 1)
    assert first["validation"]["sentences"] > 0
    assert (last["epochs"], last["validation"]) == (3, None)
    assert found["failed"] == {"run": "ZeroDivisionError: division by zero"}
    assert (tmp_path / last["weights"]).exists()


def test_planted_wrong_results_are_refused_and_not_timed(tmp_path):
    code = """
    right = reference.transformer_loss
    reference.transformer_loss = lambda w, *rest: right([w[0] * 1.2, *w[1:]], *rest)
    gpu_models.transformer(job)
    good = reference.lstm
    def worse(w, *rest, **options):
        outputs, h, c = good(w, *rest, **options)
        return outputs * 1.01, h, c
    reference.lstm = worse
    gpu_parts.fused(job)
    reference.lstm = good
    reference.greedy = lambda *a: good_greedy(*a) + 1
    good_greedy = lambda w, codes, steps: __import__("numpy").ones((len(codes), steps), int)
    gpu_parts.decoding(job)
    import torch
    torch.matmul = lambda a, b: a @ b * 1.1
    gpu_parts.ceilings(job)
    """
    found = planted(code, tmp_path)
    assert set(found["results"]) == {"copy"}
    failed = found["failed"]
    assert "refused: the gradient has wrong numbers" in failed["check, bfloat16"]
    assert "batch 2, bfloat16" not in failed
    assert "refused: the loss has wrong numbers" in failed["torch.nn.LSTM"]
    assert "refused: the loss has wrong numbers" in failed["as it comes"]
    assert "refused: 0.0% of" in failed["batch 8, float32"]
    for precision in ("bfloat16", "tf32", "float32"):
        assert "refused: the product has wrong numbers" in failed[precision]


def test_a_contestant_with_a_wrong_gradient_is_refused(monkeypatch, one_thread):
    """Raw PyTorch here: it needs no Keras backend."""
    gpu_lstm._proved.cache_clear()
    shape = {**gpu_lstm.SMALL, "precision": "float32"}
    take, errors, dtype = gpu_lstm.made("raw", shape)
    assert errors["gradient"] < 1e-4
    assert dtype == "float32"
    assert len(take(2)) == 2
    right = gpu_lstm.Raw.loss_and_gradients

    def wrong(self):
        loss, gradients = right(self)
        gradients[self.names.index("decoder.weight_hh_l0")] *= 1.1
        return loss, gradients

    monkeypatch.setattr(gpu_lstm.Raw, "loss_and_gradients", wrong)
    gpu_lstm._proved.cache_clear()
    with pytest.raises(gpu_common.Refused, match="the gradient has wrong numbers"):
        gpu_lstm.made("raw", shape)
    gpu_lstm._proved.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(gpu_reference, "seq2seq_loss", lambda *_: 5.0)
    with pytest.raises(gpu_common.Refused, match="the loss has wrong numbers"):
        gpu_lstm.made("raw", shape)
    gpu_lstm._proved.cache_clear()


def test_a_vanished_gradient_a_nan_and_a_loss_that_rises_are_refused():
    def loss(arrays):
        return (arrays[0] ** 2).sum() + (arrays[1] ** 3).sum()

    weights = [np.array([1.0, 2.0]), np.array([3.0])]
    right = [2 * weights[0], 3 * weights[1] ** 2]
    assert gpu_common.check_gradients(loss, 32.0, weights, right, 1e-4)["gradient"] < 1e-6
    for gradients in ([right[0], 0 * right[1]], [right[0] * np.nan, right[1]]):
        with pytest.raises(gpu_common.Refused, match="the gradient has wrong numbers"):
            gpu_common.check_gradients(loss, 32.0, weights, gradients, 1e-2)
    with pytest.raises(gpu_common.Refused, match="took the loss from 2 to 2.1 nats"):
        gpu_common.check_learning([2.0, 2.1], 2.0, 1e-3)
    with pytest.raises(gpu_common.Refused, match="the first step's loss has wrong numbers"):
        gpu_common.check_learning([2.1, 2.0], 2.0, 1e-3)
    with pytest.raises(gpu_common.Refused, match=r"x has shape \(1,\), expected \(2,\)"):
        gpu_common.check("x", [1.0], [1.0, 1.0], 1)


def test_a_row_is_named_by_what_its_lstm_computed_in():
    """Contestants as PyTorch's autocast makes them on a GPU, and one that ended."""
    asked = {"raw": "float16", "raw, float16": "float16", "ours, torch": "float32"}

    def serving(name):
        def ask(**order):
            if name not in asked:
                return {"failed": f"{name} ended with status -6"}
            made = {"errors": {}, "lstm_dtype": asked[name], "device": "a GPU"}
            return made if "make" in order else {"seconds": 0.5}

        return ask

    servers = {name: serving(name) for name in gpu_lstm.BACKENDS}
    shape = {**gpu_lstm.SMALL, "precision": "bfloat16"}
    found = gpu_lstm.compare(servers, shape, 2, 0.1, dry_run=False)
    rows = {"ours, torch": "float32", "raw, LSTM in float16": "float16"}
    assert found["lstm_dtypes"] == {**rows, "raw, float16": "float16"}
    assert set(found["tokens_per_second"]) == set(found["lstm_dtypes"])
    assert found["over_raw"] == {"ours, torch": 1}
    assert found["failed"] == {"ours, jax": "ours, jax ended with status -6"}
    assert gpu_lstm.row("raw", "tf32", "float32") == "raw"
    del asked["raw, float16"]
    assert set(gpu_lstm.compare(servers, shape, 2, 0.1, dry_run=False)["failed"]) == {
        "ours, jax",
        "raw, float16",
    }
    found = gpu_lstm.compare(servers, shape, 2, 0.1, dry_run=True)
    assert found["skipped"] == {"raw, float16": "raw, float16 ended with status -6"}


def test_losses_stay_on_the_device_while_steps_are_timed(monkeypatch):
    import torch

    steps = object.__new__(gpu_common.TorchSteps)
    steps.batch, losses = None, iter(torch.tensor([3.0, 2.0, 1.0]))
    steps.dispatch = lambda batch: next(losses)
    with monkeypatch.context() as patch:
        for name in ("__float__", "item", "cpu", "numpy", "tolist"):
            patch.setattr(torch.Tensor, name, lambda *_: pytest.fail("read inside the clock"))
        found = steps(3)
    np.testing.assert_array_equal(gpu_common.read(found), [3, 2, 1])
    assert gpu_common.read(found).dtype == "float64"


def test_a_large_copy_is_checked_without_an_array_of_its_numbers(tmp_path, one_thread):
    numbers, job = 1 << 22, gpu_common.Job("torch", tmp_path / "x.json")
    tracemalloc.start()
    found = gpu_parts.copy_ceiling(job, numbers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < numbers / 4
    assert (found["bytes"], found["in_place"]) == (2 * 4 * numbers, True)


def test_the_path_is_the_library_s_and_none_where_it_has_none(monkeypatch):
    monkeypatch.setattr(
        training,
        "cudnn_eligibility",
        lambda layer, size, mask, jit_compile: SimpleNamespace(
            path=f"{size} {None if mask is None else mask.sum()} {jit_compile}"
        ),
    )
    assert gpu_parts.path_of("jax", gpu_parts.SMALL, {}, None) == "(3, 5, 4) None True"
    assert gpu_parts.path_of("torch", gpu_parts.SMALL, {}, "left") == "(3, 5, 4) 9 False"
    assert gpu_parts.path_of("torch", gpu_parts.SMALL, None, None) == "cuDNN"
    monkeypatch.setattr(training, "cudnn_eligibility", lambda *_, **__: 1 / 0)
    assert gpu_parts.path_of("torch", gpu_parts.SMALL, {}, None) is None


def test_a_note_says_what_keras_before_3_14_does_on_pytorch():
    assert "makes a new torch.nn.LSTM" in gpu_parts.falls_back("torch", "3.13.2")["note"]
    assert gpu_parts.falls_back("torch", "3.14.0") == {}
    assert gpu_parts.falls_back("jax", "3.13.2") == {}


def test_batches_grow_until_one_fails_and_shrink_if_the_first_does(tmp_path):
    def tried(limit, needed=0.0):
        job, asked = gpu_common.Job("jax", tmp_path / "x.json", seconds=100), []

        def run(batch):
            asked.append(batch)
            if batch > limit:
                raise MemoryError
            return batch

        gpu_models.grow(job, run, gpu_models.BATCHES, gpu_models.SMALLER, needed)
        return asked

    assert tried(64) == [16, 32, 64]
    assert tried(20) == [16, 32]
    assert tried(8) == [16, 8]
    assert tried(5) == [16, 8, 4]
    assert tried(64, needed=101.0) == []


def test_a_data_sheet_is_found_by_the_gpu_s_name():
    peaks = {
        "NVIDIA H100 80GB HBM3 by jax 0.7": 989.5e12,
        "NVIDIA H100 PCIe by torch 2.9, cuDNN 91002": 756.5e12,
        "NVIDIA H100 NVL": 835.5e12,
        "NVIDIA H200": 989.5e12,
        "NVIDIA A100-SXM4-40GB": 312e12,
        "NVIDIA L4": 121e12,
        "NVIDIA L40S": None,
        "Tesla T4": None,
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb": None,
        "cpu by jax 0.7.2": None,
    }
    assert {name: gpu_models.data_sheet(name) for name in peaks} == peaks


# No GPU, no time, no luck


def test_a_contestant_that_sees_no_gpu_is_not_timed(monkeypatch, capsys):
    monkeypatch.setattr(gpu_lstm.common, "device", lambda backend: ("cpu by torch", False))
    order = json.dumps({"make": {**gpu_lstm.SMALL, "precision": "float32"}, "dry_run": False})
    monkeypatch.setattr(gpu_lstm.sys, "stdin", [order])
    gpu_lstm.serve("raw")
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"failed": "raw sees no GPU, only cpu by torch"}


def test_without_a_gpu_nothing_is_measured_and_nothing_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "gpu", lambda: None)
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    assert gpu.main([]) == 2
    assert gpu.main(["--out", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "this machine has no NVIDIA GPU" in said.err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_needs_a_folder_of_its_own(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--dry-run"])
    assert "name a folder for its records with --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        gpu.main(["--dry-run", "--out", "x", "--minutes", "0"])
    assert "--minutes: expected a positive number" in capsys.readouterr().err


def test_no_record_of_a_gpu_is_a_dry_run_s():
    for path in (ROOT / "ae_lib/data/records").glob("gpu_*.json"):
        record = json.loads(path.read_text("utf8"))
        assert record["dry_run"] is False
        assert record["environment"]["gpu"]["name"]


BAD = """
import json, os, subprocess, sys, time

def good(job):
    job.note("sum", lambda: 1 + 1)
    job.note("wrong", lambda: 1 / 0)

def crash(job):
    job.note("before", lambda: 1)
    os.abort()

def slow(job):
    job.note("before", lambda: 1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    job.note("child", lambda: child.pid)
    time.sleep(600)
"""


def test_a_part_that_crashes_or_takes_too_long_takes_no_other_along(tmp_path, monkeypatch):
    (tmp_path / "bad_parts.py").write_text(BAD, "utf8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parts = {
        name: gpu.Part(f"bad_parts:{name}", weight, name, "1", together=True)
        for name, weight in (("crash", 1), ("slow", 1), ("good", 2))
    }
    found = dict(gpu.measure(parts, tmp_path / "work", seconds=30))
    assert list(found) == ["crash", "slow", "good"]
    assert found["crash"]["results"] == {"before": 1}
    assert "ended with status -6" in found["crash"]["failed"]["all"]
    assert found["slow"]["results"]["before"] == 1
    assert "out of time: killed after" in found["slow"]["failed"]["all"]
    assert _ended(found["slow"]["results"]["child"])
    assert found["good"]["results"] == {"sum": 2}
    assert found["good"]["failed"] == {"wrong": "ZeroDivisionError: division by zero"}


def test_ctrl_c_ends_what_runs_and_starts_nothing_more(tmp_path, monkeypatch):
    child = gpu.child
    (tmp_path / "bad_parts.py").write_text(BAD, "utf8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = {"good": "good", "now": "slow", "later": "slow"}
    parts = {k: gpu.Part(f"bad_parts:{v}", 1, k, "1", together=True) for k, v in names.items()}
    work, started = tmp_path / "work", []
    monkeypatch.setattr(gpu, "child", lambda *a: started.append(a[2].stem) or child(*a))
    running = gpu.measure(parts, work, seconds=30)
    assert next(running)[0] == "good"
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert "later_both" not in started
    found = work / "now_both.json"  # written, if it had come so far
    assert not found.exists() or _ended(json.loads(found.read_text("utf8"))["results"]["child"])


def test_the_budgets_are_nine_minutes():
    assert gpu.SECONDS <= 540
    assert sum(p.weight for p in gpu.PARTS.values()) < gpu.SECONDS
    train, transformer = gpu.PARTS["train"], gpu.PARTS["transformer"]
    assert train.share("torch") > 45
    assert transformer.share("jax") > 2 * gpu_models.NEEDED["jax"]
    assert gpu.PARTS["lstm"].processes(("jax", "torch")) == ("both",)


def _ended(process):
    """Whether a process is no more, or waits only to be counted out."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_backend_without_a_gpu_or_not_installed_is_recorded_so(tmp_path, monkeypatch):
    parts = {"ceilings": gpu.PARTS["ceilings"]}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ((_, record),) = gpu.measure(parts, tmp_path, seconds=500, backends=("torch",))
    assert record["results"] == record["devices"] == {}
    assert "torch sees no GPU, only cpu by torch" in record["failed"]["torch"]["all"]
    find = gpu.importlib.util.find_spec
    monkeypatch.setattr(
        gpu.importlib.util, "find_spec", lambda name: None if name == "jax" else find(name)
    )
    ((_, record),) = gpu.measure(parts, tmp_path, seconds=500, backends=("jax",))
    assert record["failed"] == {"jax": {"all": "not tried: jax is not installed"}}
    assert record["devices"] == {}
    raw, chapter = tmp_path / "raw", tmp_path / "chapter"
    gpu.write_record("ceilings", record, raw, chapter)
    assert (raw / "gpu_ceilings.json").exists()
    assert not chapter.exists()  # the chapter keeps what it had: nothing was measured


def test_what_needs_more_time_than_is_left_is_not_tried(tmp_path):
    job = gpu_common.Job("torch", tmp_path / "x.json", seconds=5)
    assert job.note("long", lambda: 1, needs=50) is None
    assert job.note("short", lambda: 2, needs=0) == 2
    found = json.loads((tmp_path / "x.json").read_text("utf8"))
    assert found["failed"]["long"].startswith("not tried: ")
    assert found["results"] == {"short": 2}


# Where it was measured


def answer(monkeypatch, text):
    def run(command, **options):
        if command[0] != "nvidia-smi":
            return subprocess.CompletedProcess(command, 0, "abc1234\n", "")
        if text is None:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(environment.subprocess, "run", run)


def test_the_machine_is_named_with_its_gpu(monkeypatch):
    answer(monkeypatch, "NVIDIA H200, 143771, 580.159.03\n")
    found = environment.environment()
    assert found["gpu"] == {
        "name": "NVIDIA H200",
        "count": 1,
        "memory_bytes": 143771 * 2**20,
        "driver": "580.159.03",
    }
    assert found["machine"].endswith(", NVIDIA H200, 140 GiB, driver 580.159.03")
    answer(monkeypatch, "Tesla T4, 15360, 535.1\nTesla T4, 15360, 535.1\n")
    assert environment.environment()["machine"].endswith(", 2 × Tesla T4, 15 GiB, driver 535.1")
    answer(monkeypatch, "NVIDIA Thing, [N/A], 1.0\n")
    assert environment.gpu()["memory_bytes"] is None


def test_without_nvidia_smi_the_frameworks_are_asked(monkeypatch):
    answer(monkeypatch, None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    assert environment.gpu() is None
    found = environment.environment()
    assert "gpu" not in found
    assert found["machine"].endswith(", no GPU")

    class Device:
        platform, device_kind = "gpu", "NVIDIA L4"

    class Jax:
        @staticmethod
        def devices():
            return [Device()]

    monkeypatch.setitem(sys.modules, "jax", Jax)
    assert environment.gpu()["name"] == "NVIDIA L4"
    assert environment.environment()["machine"].endswith(", NVIDIA L4")


def test_the_reference_is_the_library_s_layout():
    """The order of weights that the reference takes apart."""
    model = transformer.TransformerLM(9, 4, 2, 2, length=4)
    names = [w.path.rsplit("/", 2)[-2:] for w in model.trainable_variables[2:14]]
    parts = [part for part, _ in names]
    order = ["norm_1", "to_qkv", "from_heads", "norm_2", "widen", "narrow"]
    order = [f"block_0_{part}" for part in order]
    assert parts == [part for part in order for _ in range(2)]


def test_operations_are_those_that_the_library_counts():
    """Of the products; embedding lookup and Adam are no part of a model-FLOP utilisation."""
    sizes = gpu_models.LARGE
    parts = training.transformer_cost(**sizes, batch=2).parts
    products = sum(parts[k].operations for k in ("attention", "feed-forward", "output softmax"))
    assert gpu_models.operations_per_token(sizes) * 2 * sizes["length"] == products
