"""Parts ``transformer`` and ``train`` of the GPU benchmark, each on one backend."""

import gc
import itertools
import math
import re
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import gpu_common as common
from benchmarks import gpu_reference as reference

# GPT-3 1.3B's width, depth and heads of 128 (Brown et al. 2020, table 2.1, heads rounded).
LARGE = {"vocabulary_size": 32768, "width": 2048, "layers": 24, "heads": 16, "length": 1024}
PROBE = {"vocabulary_size": 97, "width": 256, "layers": 1, "heads": 2, "length": 128}
TINY = {"vocabulary_size": 31, "width": 16, "layers": 1, "heads": 2, "length": 8}
BATCHES, SMALLER = (16, 32, 64), (8, 4)  # the latter where the first does not fit
NEEDED = {"jax": 45, "torch": 15}  # seconds for the first: JAX compiles all layers
POLICIES = {"bfloat16": "mixed_bfloat16", "float32": "float32"}


def transformer(job):
    """Training tokens a second of a Transformer language model, and its shares of two peaks."""
    probe = TINY if job.dry_run else PROBE
    for precision, policy in POLICIES.items():
        common.set_precision(job.backend, precision)
        errors = job.note(
            f"check, {precision}",
            lambda p=policy, t=common.TOLERANCE[precision]: check_model(job.backend, probe, p, t),
        )
        if errors is None and precision == "bfloat16":
            return  # wrong numbers are not timed
    common.set_precision(job.backend, "bfloat16")
    sizes = TINY if job.dry_run else LARGE
    grow(
        job,
        lambda batch: train_model(job, sizes, batch),
        (2,) if job.dry_run else BATCHES,
        () if job.dry_run else SMALLER,
        0 if job.dry_run else NEEDED[job.backend],
    )


def grow(job, run, batches, smaller, needed):
    """Note ``run(batch)`` for ever larger batches until one fails, for want of memory or time.

    Args:
        batches: in the order in which they are tried.
        smaller: what is tried, until one succeeds, if the first of these fails.
        needed: seconds for the first; a later one is tried if there is time for a quarter
            more than the one before it took.
    """

    def timed(batch):
        nonlocal needed
        start = time.monotonic()
        try:
            return run(batch)
        finally:
            needed = 1.25 * (time.monotonic() - start)

    def attempt(batch):
        return job.note(f"batch {batch}, bfloat16", lambda: timed(batch), needs=needed)

    if not list(itertools.takewhile(attempt, batches)):
        any(map(attempt, smaller))


def check_model(backend, sizes, policy, tolerance):
    """Loss and gradients beside NumPy in float64, whole rows without padding."""
    import keras

    from ae_lib.models import TransformerLM

    keras.utils.set_random_seed(0)
    model = TransformerLM(**sizes, dtype=policy)
    tokens = _rows(sizes, 2)
    loss, gradients = common.loss_and_gradients(backend, model, tokens)
    weights = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    return common.check_gradients(
        lambda arrays: reference.transformer_loss(arrays, sizes["heads"], tokens),
        loss,
        weights,
        gradients,
        tolerance,
    )


def train_model(job, sizes, batch):
    """Time training steps on one batch."""
    import keras

    from ae_lib.models import TransformerLM

    gc.collect()  # the model before, for its memory
    if job.backend == "torch":
        import torch

        torch.cuda.empty_cache()
    keras.utils.set_random_seed(0)
    model = TransformerLM(**sizes, dtype="mixed_bfloat16")
    optimizer = keras.optimizers.Adam(3e-4, global_clipnorm=1.0)
    take = common.steps_of(job.backend, model, optimizer, _rows(sizes, batch))
    start = time.perf_counter()
    losses = common.read(take(4))
    warm = time.perf_counter() - start
    # The small model was held against the equations; here: where it starts, and that it learns.
    common.check_learning(losses, math.log(sizes["vocabulary_size"]), 1.5)
    tokens, seconds = batch * sizes["length"], []
    start = time.perf_counter()
    take(1)
    each = time.perf_counter() - start
    count = 1 if job.dry_run else max(2, int(2.0 / each))
    for _ in range(2 if job.dry_run else 5):
        start = time.perf_counter()
        take(count)
        seconds.append((time.perf_counter() - start) / count)
    middle = statistics.median(seconds)
    operations = operations_per_token(sizes)
    speed = operations * tokens / middle
    peaks = job.options.get("peak"), data_sheet(job.device or "")
    shares = [common.short(speed / peak) if peak else None for peak in peaks]
    return {
        **sizes,
        "batch": batch,
        "parameters": model.count_params(),
        "tokens_per_second": common.short(tokens / middle),
        "seconds": common.short(middle),
        "rounds": [common.short(s) for s in seconds],
        "first_steps_seconds": common.short(warm),
        "operations_per_token": operations,
        "operations_per_second": common.short(speed),
        "peak_operations_per_second": peaks[0],
        "share_of_peak": shares[0],
        "data_sheet_operations_per_second": peaks[1],
        "share_of_data_sheet": shares[1],
        "losses": [common.short(loss) for loss in losses],
    }


# Dense bfloat16 products, operations a second, by NVIDIA's data sheets (half of what they give
# "with sparsity"), None where tensor cores have no bfloat16; the first that fits a name counts.
DATA_SHEETS = {
    r"\bMIG\b": None,  # a part of a card
    r"\bH[12]00 NVL\b": 835.5e12,
    r"\bH100 PCIe\b": 756.5e12,
    r"\bH[12]00\b": 989.5e12,
    r"\bA100\b": 312e12,
    r"\bL4\b": 121e12,
    r"\bT4\b": None,
}


def data_sheet(name):
    """The data sheet's bfloat16 operations a second of a GPU, by its name; or None."""
    return next((p for words, p in DATA_SHEETS.items() if re.search(words, name, re.I)), None)


def operations_per_token(sizes):
    """6 for each weight in a matrix product, and 12·layers·width·length for attention.

    Source: Kaplan et al. (2020), section 2.1; Chowdhery et al. (2022), appendix B: attention
    is counted over all positions, also those that the causal mask hides; the output's table
    is counted, the lookup in it is not.
    """
    width, depth = sizes["width"], sizes["layers"]
    products = 12 * depth * width**2 + sizes["vocabulary_size"] * width
    return 6 * products + 12 * depth * width * sizes["length"]


def _rows(sizes, batch):
    shape = batch, sizes["length"] - 1
    rng = np.random.default_rng(3)
    return rng.integers(4, sizes["vocabulary_size"], shape).astype("int32")


# The model that ships

WIDTHS = (8, 12, 20)  # sentences are padded to one of these: so many steps are compiled


def train(job):
    """The shipped text autoencoder's recipe, for as many epochs as there is time for."""
    job.note("checked", lambda: _check_autoencoder(job))
    if "checked" in job.results:
        job.note("run", lambda: train_autoencoder(job))


def _check_autoencoder(job):
    """Loss and gradients of the model at a small size, in the run's precision."""
    from benchmarks import gpu_lstm

    s = {**gpu_lstm.SMALL, "precision": "bfloat16"}
    ours = gpu_lstm.Ours(job.backend, s)
    loss, gradients = ours.loss_and_gradients()
    return common.check_gradients(
        lambda arrays: gpu_lstm.reference_loss(ours.names, arrays, ours.tokens),
        loss,
        ours.weights(),
        gradients,
        common.TOLERANCE["bfloat16"],
    )


def train_autoencoder(job):
    """Train for one epoch at least, write weights beside the record, score on the validation
    sentences."""
    import keras

    from ae_lib import data, text, training
    from ae_lib.models import Seq2SeqAutoencoder
    from ae_lib.text_models import TextAutoencoder
    from tools import train_text_autoencoder as recipe

    common.set_precision(job.backend, "bfloat16")
    archive, recipes = job.options.get("archive"), recipe.RECIPE
    more = {"size": "full", "source": archive} if archive else {}
    sentences = data.load_sentences("train", **more)
    if job.dry_run:
        sentences = [s for s in sentences[:400] if len(s.split()) < 4]
    ids, vocabulary, chances, lower, plain = _prepared(sentences, recipes, text)
    settings = (
        {"units": 16, "embedding_size": 8, "code_size": 16} if job.dry_run else recipe.SETTINGS
    )
    if job.dry_run:
        ids = ids[(ids > 0).sum(1) < WIDTHS[0]]
    epochs = 1 if job.dry_run else job.options.get("epochs") or 14
    batch = 64 if job.dry_run else recipes["batch_size"]
    training.set_seed(recipes["seed"])
    model = Seq2SeqAutoencoder(len(vocabulary), **settings, matmul_dtype="bfloat16")
    rate = training.cosine_schedule(recipes["peak"], epochs * (len(ids) // batch + 10))
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=recipes["clipnorm"])
    steps = common.steps_of(job.backend, model, optimizer, ids[:1])
    curve, start = [], time.perf_counter()
    steps.prepare([(batch, width) for width in WIDTHS[: 1 if job.dry_run else None]])
    prepared = time.perf_counter() - start
    reserve = min(30, job.seconds / 4)  # to score and to write
    for number in range(epochs):
        if curve and job.left() < reserve + curve[-1]["seconds"]:
            break
        began, tokens, losses = time.perf_counter(), 0, []
        rng = np.random.default_rng([recipes["seed"], number])
        share = np.interp(number / max(1, epochs - 1), [0, 0.6, 1], recipes["changed"])
        changed = recipe.changed(ids, rng, share, chances, lower, plain)
        for rows in recipe.one_length_batches(changed, batch, rng):
            losses.append(steps.dispatch(_shaped(rows, batch, rng)))
            tokens += rows.size + len(rows)
        steps.wait()
        seconds = time.perf_counter() - began
        curve.append(
            {
                "epoch": number + 1,
                "loss": common.short(common.read(losses).mean()),
                "seconds": common.short(seconds),
                "tokens_per_second": common.short(tokens / seconds),
            }
        )
    if not curve or not np.isfinite(curve[-1]["loss"]):
        raise common.Refused(f"refused: no finite loss after {len(curve)} epochs")
    steps.restore()
    seconds = time.perf_counter() - start
    reader = Seq2SeqAutoencoder(len(vocabulary), **settings)  # in full precision
    reader.set_weights(model.get_weights())
    autoencoder = TextAutoencoder(reader, vocabulary)
    path = Path(job.path).with_name(f"text_autoencoder_{job.backend}.keras")
    autoencoder.save(path, "float16")
    validation = sentences if job.dry_run else data.load_sentences("validation")
    known = [s for s in validation if vocabulary.covers(s)][: 4 if job.dry_run else None]
    found = {
        "sentences": len(ids),
        "source": "full" if archive else "shipped",
        "settings": {**settings, "matmul_dtype": "bfloat16"},
        "epochs_asked": epochs,
        "epochs": len(curve),
        "seconds": common.short(seconds),
        "compile_seconds": common.short(prepared),
        "curve": curve,
        "validation": None,
        "weights": path.name,
    }
    job.results["run"] = found  # stays, should time end before the scores are there
    job.save()
    return {**found, "validation": recipe.scores(autoencoder, known)}


def _prepared(sentences, recipes, text):
    vocabulary = text.Vocabulary.build(sentences, min_count=recipes["min_count"])
    rows = [r for r in vocabulary.encode_all(sentences) if len(r) <= recipes["longest"]]
    ids = text.pad(rows, recipes["longest"] + 2)
    counts = np.bincount(ids[ids > 0], minlength=len(vocabulary))
    counts[: 4 + len(text.MARKERS)] = 0
    chances = counts ** recipes["frequency_power"]
    plain = np.array([t[:1].islower() for t in vocabulary.tokens])
    return ids, vocabulary, chances / chances.sum(), vocabulary.tokens.index(text.LOWER), plain


def _shaped(rows, size, rng):
    """A batch filled up to ``size`` with rows of its own, padded to one of ``WIDTHS``."""
    more = rng.integers(len(rows), size=size - len(rows))
    width = next(w for w in WIDTHS if w >= rows.shape[1])
    rows = np.concatenate([rows, rows[more]])
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
