"""Part ``lstm`` of the GPU benchmark: the text autoencoder beside raw ``torch.nn.LSTM``.

Contestants, each in a process of its own, all of one shape on one GPU:

* ``ours, jax``: ``ae_lib.models.Seq2SeqAutoencoder``, the step compiled, its state donated;
  with bfloat16 the factors of its products are rounded, its outputs stay float32;
* ``ours, torch``: the same model on PyTorch, operation by operation;
* ``raw``: ``torch.nn.LSTM`` (cuDNN) and the other parts of our model but for the code's share
  in the gates (a little less work than ours), PyTorch's fused Adam; with bfloat16 under
  bfloat16 autocast. That holds for the other parts: for cuDNN's LSTM many versions of PyTorch
  cast to float16 whatever the autocast's type. ``lstm_dtypes`` says what the LSTM's output was,
  and where it was not what was asked for, so does the row: ``raw, LSTM in float16``;
* ``raw, float16``: the same under float16 autocast with loss scaling, beside bfloat16 alone.
  PyTorch on a CPU, in a dry run, may have no such LSTM: then ``skipped`` says so.

In every round each takes its steps while the others wait. Every step is forward, backward,
clipping to norm 1 and Adam, on one batch on the device; steps are sent off together and waited
for at the end. Before it is timed, each contestant's loss and gradients at a small size are held
against NumPy in float64, and at the size to be timed its first loss against NumPy and a fall of
the loss in training.
"""

import contextlib
import functools
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks import gpu_common as common
from benchmarks import gpu_reference as reference

SHAPE = {"vocabulary": 8163, "units": 1024, "embedding": 256, "batch": 1024, "words": 8}
SMALL = {"vocabulary": 97, "units": 32, "embedding": 24, "batch": 6, "words": 2}
WIDTHS = (512, 1024, 2048, 256)  # the first ones matter most, should time run out
BATCHES = (256, 4096, 64)  # beside the shape's own
PRECISIONS = ("bfloat16", "tf32", "float32")
BACKENDS = {"ours, jax": "jax", "ours, torch": "torch", "raw": "torch", "raw, float16": "torch"}
ROUNDS, ROUND_SECONDS = 7, 0.1


def configurations(dry_run):
    """``{name: shape with its precision}`` in the order in which they are measured."""
    if dry_run:
        return {"H 32, bfloat16, batch 6": {**SMALL, "precision": "bfloat16"}}
    shapes = [(h, SHAPE["batch"], precision) for precision in PRECISIONS for h in WIDTHS]
    shapes[4:4] = [(SHAPE["units"], batch, "bfloat16") for batch in BATCHES]
    return {
        f"H {h}, {precision}, batch {batch}": {
            **SHAPE,
            "units": h,
            "batch": batch,
            "precision": precision,
        }
        for h, batch, precision in shapes
    }


def sentences(s):
    rng = np.random.default_rng(0)
    return rng.integers(4, s["vocabulary"], (s["batch"], s["words"])).astype("int32")


class Ours:
    """``Seq2SeqAutoencoder`` on a backend."""

    def __init__(self, backend, s):
        import keras

        from ae_lib.models import Seq2SeqAutoencoder
        from ae_lib.text_models import named_weights

        self.backend = backend
        common.set_precision(backend, s["precision"])
        dtype = "bfloat16" if s["precision"] == "bfloat16" else None
        keras.utils.set_random_seed(0)
        self.model = Seq2SeqAutoencoder(
            s["vocabulary"], s["units"], s["embedding"], s["units"], matmul_dtype=dtype
        )
        names = {id(w): name for name, w in named_weights(self.model).items()}
        self.names = [names[id(v)] for v in self.model.trainable_variables]
        self.tokens = sentences(s)

    def weights(self):
        import keras

        return [keras.ops.convert_to_numpy(v) for v in self.model.trainable_variables]

    def loss_and_gradients(self):
        return common.loss_and_gradients(self.backend, self.model, self.tokens)

    def lstm_dtype(self):
        """Of the decoder's outputs, which the model gives in training."""
        import keras

        tokens = keras.KerasTensor(self.tokens.shape, "int32")
        return self.model.compute_output_spec(tokens, training=True).dtype

    def steps(self):
        import keras

        optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
        return common.steps_of(self.backend, self.model, optimizer, self.tokens)


class Raw:
    """``torch.nn.LSTM`` in a model of the same shape; weights named as in ours."""

    def __init__(self, backend, s):
        import torch
        from torch import nn

        common.set_precision("torch", s["precision"])
        device = common.torch_device()
        half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(s["precision"])
        self.autocast = lambda: torch.autocast(device, half, enabled=half is not None)
        self.scaler = torch.amp.GradScaler(device, 2.0**14, enabled=half is torch.float16)
        if half is torch.float16 and device == "cpu":
            torch.backends.mkldnn.set_flags(False)  # whose LSTM has no float16
        torch.manual_seed(0)
        v, u, e = s["vocabulary"], s["units"], s["embedding"]
        self.model = nn.ModuleDict(
            {
                "encoder": nn.LSTM(e, u, batch_first=True),
                "decoder": nn.LSTM(e, u, batch_first=True),
                "to_code": nn.Linear(2 * u, u),
                "to_h": nn.Linear(u, u),
                "to_c": nn.Linear(u, u),
                "to_word": nn.Linear(u, e),
                "embedding": nn.Embedding(v, e),
            }
        ).to(device)
        nn.init.normal_(self.model["embedding"].weight, std=e**-0.5)
        self.bias = nn.Parameter(torch.zeros(v, device=device))
        self.parameters = [*self.model.parameters(), self.bias]
        self.names = [*(name for name, _ in self.model.named_parameters()), "word_bias"]
        self.tokens = sentences(s)
        x = torch.tensor(self.tokens, device=device).long()
        self.words, self.seen = x.flip(1), nn.functional.pad(x, (1, 0), value=2)
        self.target = nn.functional.pad(x, (0, 1), value=3).flatten()

    def loss(self):
        import torch

        m = self.model
        with self.autocast():
            _, (h, c) = m["encoder"](m["embedding"](self.words))
            code = m["to_code"](torch.cat([h, c], -1))
            # Under autocast tanh keeps float32: one type for both halves of the state.
            state = torch.tanh(m["to_h"](code)).to(code.dtype), m["to_c"](code)
            outputs, _ = m["decoder"](m["embedding"](self.seen), state)
            self.outputs = outputs.dtype
            logits = m["to_word"](outputs) @ m["embedding"].weight.T + self.bias
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), self.target)

    def lstm_dtype(self):
        """Of the decoder's outputs in the last step."""
        return str(self.outputs).removeprefix("torch.")

    def weights(self):
        return [p.detach().cpu().numpy() for p in self.parameters]

    def loss_and_gradients(self):
        loss = self.loss()
        self.scaler.scale(loss).backward()
        scale = self.scaler.get_scale() if self.scaler.is_enabled() else 1.0
        gradients = [p.grad.double().cpu().numpy() / scale for p in self.parameters]
        return loss.item(), gradients

    def steps(self):
        import torch

        optimizer = torch.optim.Adam(self.parameters, 1e-3, fused=True)

        def step():
            optimizer.zero_grad()
            loss = self.loss()
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.scaler.step(optimizer)
            self.scaler.update()
            return loss.detach()

        def take(count):
            losses = [step() for _ in range(count)]
            common.sync("torch")
            return losses

        return take


def reference_loss(names, arrays, tokens, dtype="float64"):
    """NumPy's loss for weights in our names, or in those of PyTorch's layers."""
    w = {}
    for name, array in zip(names, arrays, strict=True):
        part, _, kind = name.partition(".")
        if "_l0" in kind:  # of nn.LSTM: transposed, and two biases that add up
            ours = {"weight_ih_l0": "kernel", "weight_hh_l0": "recurrent_kernel"}.get(kind, "bias")
            key = f"{part}.{ours}"
            w[key] = array.T if array.ndim == 2 else w.get(key, 0) + array
        elif name == "embedding.weight":
            w["embedding"] = array
        elif kind == "weight":
            w[f"{part}.kernel"] = array.T
        else:
            w[name] = array
    return reference.seq2seq_loss(w, tokens, dtype)


def made(name, s):
    """A contestant that has proved itself.

    Returns:
        ``(take, errors, dtype)``: a function from a number of steps to their losses on the
        device, the relative errors found, and the type of the LSTM's outputs.

    Raises:
        common.Refused: its numbers are wrong.
    """
    kind = Ours if name.startswith("ours") else Raw
    s = {**s, "precision": "float16"} if name == "raw, float16" else s
    tolerance = common.TOLERANCE[s["precision"]]
    errors = dict(_proved(name, kind, s["precision"]))
    contestant = kind(BACKENDS[name], s)
    expected = reference_loss(contestant.names, contestant.weights(), contestant.tokens, "float32")
    take = contestant.steps()
    losses = common.read(take(8))
    errors["first loss"] = common.check_learning(losses, expected, tolerance)
    return take, errors, contestant.lstm_dtype()


@functools.cache
def _proved(name, kind, precision):
    """Errors of the loss and the gradients at a small size, once for each precision."""
    probe = kind(BACKENDS[name], {**SMALL, "precision": precision})
    weights = probe.weights()
    loss, gradients = probe.loss_and_gradients()
    return common.check_gradients(
        lambda arrays: reference_loss(probe.names, arrays, probe.tokens),
        loss,
        weights,
        gradients,
        common.TOLERANCE[precision],
    )


def serve(name):
    """Answer lines of JSON: ``{"make": shape, "dry_run": …}`` with the errors found, the LSTM's
    dtype and the device, ``{"take": n}`` with seconds a step, both with ``{"failed": why}``
    otherwise."""
    import gc

    take = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if "make" in order:
                words, is_gpu = common.device(BACKENDS[name])
                if not (is_gpu or order["dry_run"]):
                    raise common.Refused(f"{name} sees no GPU, only {words}")
                take = None
                gc.collect()
                take, errors, dtype = made(name, order["make"])
                answer = {"errors": errors, "lstm_dtype": dtype, "device": words}
            else:
                start = time.perf_counter()
                take(order["take"])
                answer = {"seconds": (time.perf_counter() - start) / order["take"]}
        except Exception as error:  # told, and the next shape may do
            answer = {"failed": common.describe(error)}
        print(json.dumps(answer), flush=True)


@contextlib.contextmanager
def serving(name):
    """A contestant in a process of its own: a function from an order to its answer."""
    command = [sys.executable, "-m", "benchmarks.gpu_lstm", name]
    environment = {**os.environ, "KERAS_BACKEND": BACKENDS[name]}
    environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the others want memory too
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as run:

        def ask(**order):
            try:
                run.stdin.write(json.dumps(order) + "\n")
                run.stdin.flush()
                line = run.stdout.readline()
            except BrokenPipeError:
                line = ""
            ended = {} if line else {"failed": f"{name} ended with status {run.wait()}"}
            return ended or json.loads(line)

        try:
            yield ask
        finally:
            with contextlib.suppress(BrokenPipeError):
                run.stdin.close()


def row(name, precision, dtype):
    """A contestant's name in the record: with its LSTM's type, if that is not what was asked."""
    asked = "float16" if name == "raw, float16" else {"tf32": "float32"}.get(precision, precision)
    return name if name.startswith("ours") or dtype == asked else f"{name}, LSTM in {dtype}"


def compare(servers, s, rounds, round_seconds, dry_run):
    """One shape, all contestants: their tokens a second and the ratios within rounds."""
    names = [n for n in servers if "float16" not in n or s["precision"] == "bfloat16"]
    answers = {}
    for backend in ("jax", "torch"):  # JAX alone: while it compiles it compares kernels
        some = [name for name in names if BACKENDS[name] == backend]
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: servers[name](make=s, dry_run=dry_run), some)
            answers |= zip(some, found, strict=True)
    result = {"shape": s, "tokens_per_second": {}, "errors": {}, "lstm_dtypes": {}, "devices": {}}
    missing, asks, steps = {"failed": {}, "skipped": {}}, {}, {}
    for name, answer in answers.items():
        answer = answer if "failed" in answer else answer | servers[name](take=3)
        if "failed" in answer:
            why = answer["failed"]
            skip = dry_run and "float16" in name and not why.startswith("refused")
            missing["skipped" if skip else "failed"][name] = why
            continue
        label = row(name, s["precision"], answer["lstm_dtype"])
        asks[label] = servers[name]
        steps[label] = max(3, min(500, int(round_seconds / answer["seconds"])))
        result["errors"][label] = answer["errors"]
        result["lstm_dtypes"][label] = answer["lstm_dtype"]
        result["devices"][label] = answer["device"]
    tokens = s["batch"] * (s["words"] + 1)
    measured = [
        {label: tokens / _seconds(asks[label], count) for label, count in steps.items()}
        for _ in range(rounds)
    ]
    for label in steps:
        middle = statistics.median(r[label] for r in measured)
        result["tokens_per_second"][label] = common.short(middle)
    raw = [label for label in steps if label.startswith("raw")]
    if raw:  # in each round against the faster of the raw ones
        result["over_raw"] = {
            label: common.short(
                statistics.median(r[label] / max(r[other] for other in raw) for r in measured)
            )
            for label in steps
            if label.startswith("ours")
        }
    result["rounds"] = [{k: common.short(v) for k, v in r.items()} for r in measured]
    return result | {k: v for k, v in missing.items() if v}


def _seconds(ask, count):
    answer = ask(take=count)
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return answer["seconds"]


def lstm(job):
    """All shapes, one after another; what is done is on file."""
    wanted = job.options.get("backends") or ["jax", "torch"]
    chosen = [backend for backend in wanted if importlib.util.find_spec(backend)]
    rounds, seconds = (2, 0.001) if job.dry_run else (ROUNDS, ROUND_SECONDS)
    job.device = {}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(name))
            for name, backend in BACKENDS.items()
            if backend in chosen
        }

        def measured(s):
            result = compare(servers, s, rounds, seconds, job.dry_run)
            job.device |= result.pop("devices")
            return result

        for name, s in configurations(job.dry_run).items():
            job.note(name, lambda s=s: measured(s), needs=0 if job.dry_run else 8)


if __name__ == "__main__":
    serve(sys.argv[1])
