"""The GPU benchmark's questions: one function for each, which fills a ``Record``.

Wrong numbers are not timed. A question refuses a first loss far from that of a uniform guess, a
loss that training does not lower, and outputs or words other than those of the plain loop.
"""

import json
import math
import statistics
import time
from functools import partial

import numpy as np

from benchmarks.environment import short

QUESTIONS = {}


def question(unit):
    """Register a function of a ``Record`` under its name; its docstring says what it measures."""

    def register(function):
        QUESTIONS[function.__name__] = function, unit
        return function

    return register


@question("operations a second; bytes a second")
def ceilings(record):
    """A large matrix product in bfloat16, TF32 and float32, and a large copy."""
    from ae_lib import training

    for name in ("bfloat16", "tf32", "float32", "copy"):
        set_precision(record.backend, name)
        dtype = "bfloat16" if name == "bfloat16" else "float32"
        unit = "bytes_per_second" if name == "copy" else "operations_per_second"
        run = partial(training.measure_roofline, dtype, 64 if record.dry_run else None)
        record.measure((record.backend, name), lambda r=run, u=unit: {u: short(getattr(r(), u))})


SHAPE = {"vocabulary": 8163, "units": 1024, "embedding": 256, "batch": 1024, "words": 8}
SMALL = {"vocabulary": 97, "units": 32, "embedding": 24, "batch": 6, "words": 2}


@question("tokens a second, <eos> too")
def lstm(record):
    """Training the book's LSTM text autoencoder beside torch.nn.LSTM in one of the same shape."""
    changes = [{"units": units} for units in (1024, 512, 2048, 256)]
    changes += [{"batch": batch} for batch in (256, 4096, 64)]
    changes += [{"precision": precision} for precision in ("tf32", "float32")]
    for change in [SMALL] if record.dry_run else changes:
        s = {**SHAPE, "precision": "bfloat16", **change}
        name = f"H {s['units']}, {s['precision']}, batch {s['batch']}"
        set_precision(record.backend, s["precision"])
        for kind in ("ours, jax",) if record.backend == "jax" else ("ours, torch", "raw"):
            beside = {"shape": s}
            run = partial(_tokens_per_second, s, kind, record.dry_run, beside)
            record.measure((name, "tokens_per_second", kind), run, beside)


def _tokens_per_second(s, kind, dry_run, beside):
    """Of one model; ``beside`` is told what PyTorch's LSTM computed in."""
    tokens = _sentences(s["vocabulary"], s["batch"], s["words"])
    if kind == "raw":
        from benchmarks import gpu_torch

        model = gpu_torch.TextAutoencoder(s)
        run = gpu_torch.trainer(model, tokens)
    else:
        from ae_lib.models import Seq2SeqAutoencoder

        sizes = s["vocabulary"], s["units"], s["embedding"], s["units"]
        half = "bfloat16" if s["precision"] == "bfloat16" else None
        run = fitting(Seq2SeqAutoencoder(*sizes, matmul_dtype=half), tokens)
    seconds = step_seconds(run, dry_run, math.log(s["vocabulary"]))
    if kind == "raw":
        beside["raw_lstm_dtype"] = model.lstm_dtype
    return short(s["batch"] * (s["words"] + 1) / seconds)


def _sentences(vocabulary, batch, words):
    return np.random.default_rng(0).integers(4, vocabulary, (batch, words)).astype("int32")


VARIANTS = {  # settings of the layer, and the side on which half of the sentences are padded
    "torch.nn.LSTM": (None, None),  # no layer of Keras
    "as it comes": ({}, None),
    "mask, right-padded": ({}, "right"),
    "mask, left-padded": ({}, "left"),
    "recurrent_dropout=0.2": ({"recurrent_dropout": 0.2}, None),
    "activation='relu'": ({"activation": "relu"}, None),
    "use_cudnn=False": ({"use_cudnn": False}, None),
    "unroll=True": ({"unroll": True}, None),  # compiled for longest, so last
}


@question("seconds a training step")
def fused(record):
    """keras.layers.LSTM after an embedding, with what loses cuDNN's kernel; and torch.nn.LSTM."""
    shape = {"batch": 256, "words": 64, "inputs": 256, "units": 512}
    if record.dry_run:
        shape = {"batch": 4, "words": 6, "inputs": 5, "units": 7}
    record.more["shape"] = shape
    set_precision(record.backend, "float32")
    for name, (settings, side) in VARIANTS.items():
        if name != "torch.nn.LSTM" or record.backend == "torch":
            run = partial(_layer, record, shape, settings, side)
            record.measure((record.backend, name), run)


def _layer(record, shape, settings, side):
    """Seconds of a layer, and the path that ``cudnn_eligibility`` names: it is not observed."""
    import keras

    from ae_lib import training

    tokens, half = _sentences(100, shape["batch"], shape["words"]), shape["words"] // 2
    if side:
        tokens[::2, slice(half) if side == "left" else slice(half, None)] = 0

    def model(**options):
        layer = keras.layers.LSTM(shape["units"], **options)
        embedding = keras.layers.Embedding(100, shape["inputs"], mask_zero=side is not None)
        return keras.Sequential([keras.Input(tokens.shape[1:], dtype="int32"), embedding, layer])

    plain = model(**{**(settings or {}), "use_cudnn": False, "unroll": False})
    expected = plain.predict(tokens, verbose=0)
    if settings is None:
        from benchmarks import gpu_torch

        raw, path = gpu_torch.Layer(plain.get_weights()), "cuDNN"
        run = gpu_torch.trainer(raw, tokens)
        words = gpu_torch.torch.tensor(tokens, device=gpu_torch.device())
        found = raw.last(words).detach().cpu().numpy()
    else:
        ours = model(**settings)
        ours.set_weights(plain.get_weights())
        size, mask = (*tokens.shape, shape["inputs"]), tokens != 0 if side else None
        path = training.cudnn_eligibility(ours.layers[-1], size, mask).path
        found = ours.predict(tokens, verbose=0)
        run = fitting(ours, tokens, np.ones_like(expected))
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not error < 1e-3:
        raise ValueError(f"wrong numbers: they differ by {error:.2g} from Keras's plain loop")
    return {"seconds": short(step_seconds(run, record.dry_run)), "path": path}


@question("tokens a second; operations a second")
def transformer(record):
    """Training a Transformer of 1.3 billion weights in bfloat16: its share of the peak."""
    from ae_lib import training
    from ae_lib.models import TransformerLM

    # GPT-3 1.3B's width, depth and heads of 128 (Brown et al. 2020, table 2.1, heads rounded).
    sizes = {"vocabulary_size": 32768, "width": 2048, "layers": 24, "heads": 16, "length": 1024}
    if record.dry_run:
        sizes = {"vocabulary_size": 31, "width": 16, "layers": 1, "heads": 2, "length": 8}
    set_precision(record.backend, "bfloat16")
    path = record.path.with_name("gpu_ceilings.json")
    product = json.loads(path.read_text("utf8"))["results"] if path.exists() else {}
    product = product.get(record.backend, {}).get("bfloat16", {}).get("operations_per_second")

    def train(batch):
        model, words = TransformerLM(**sizes, dtype="mixed_bfloat16"), sizes["vocabulary_size"]
        run = fitting(model, _sentences(words, batch, sizes["length"] - 1), rate=3e-4)
        seconds = step_seconds(run, record.dry_run, math.log(words))
        parts = training.transformer_cost(**sizes, batch=batch).parts
        products = ("attention", "feed-forward", "output softmax")
        speed = sum(parts[name].operations for name in products) / seconds
        found = {"tokens_per_second": short(batch * sizes["length"] / seconds), **sizes}
        found |= {"parameters": model.count_params(), "operations_per_second": short(speed)}
        return {**found, "share_of_peak": short(speed / product) if product else None}

    for batch in (2,) if record.dry_run else (8, 32):
        if not record.measure((record.backend, f"batch {batch}"), partial(train, batch)):
            break  # no memory for it, nor for a larger one


@question("tokens a second, <eos> too")
def decoding(record):
    """Compiled greedy decoding of the shipped text autoencoder, by batch."""
    import ae_lib
    from ae_lib import decoding as writing
    from ae_lib.data import load_sentences
    from ae_lib.models import Seq2SeqAutoencoder

    def decode(batch, precision):
        set_precision(record.backend, "float32")
        if record.dry_run:
            model = Seq2SeqAutoencoder(50, units=12, embedding_size=10, code_size=8)
            codes = np.random.default_rng(1).normal(size=(8, 8)).astype("float32")
        else:  # anew each time: compiled for one precision
            shipped = ae_lib.pretrained("text-autoencoder")
            model = shipped.model
            codes = shipped.encode(load_sentences("validation")[:1024])
        codes = codes[: {1: 32, 32: 256}.get(batch, batch)]
        length = 6 if record.dry_run else writing.MAX_LENGTH
        expected = writing.greedy(model, codes, max_length=length, compiled=False)
        set_precision(record.backend, precision)
        seconds = []
        for _ in range(2 if record.dry_run else 6):
            start = time.perf_counter()
            words = writing.greedy(model, codes, max_length=length, batch_size=batch)
            seconds.append(time.perf_counter() - start)
        n = min(words.shape[1], expected.shape[1])
        same = float((words[:, :n] == expected[:, :n]).all(1).mean())
        if same < 0.9:
            raise ValueError(f"wrong words: {same:.0%} of the sentences are the plain loop's")
        middle = statistics.median(seconds[1:])  # the first with compiling
        return {"tokens_per_second": short((words != 0).sum() / middle), "same": short(same)}

    for precision in ("float32", "tf32"):
        for batch in (8,) if record.dry_run else (1, 32, 1024):
            name = f"batch {batch}, {precision}"
            record.measure((record.backend, name), partial(decode, batch, precision))


@question("tokens a second; seconds")
def train(record):
    """Training the shipped text autoencoder on all sentences, and its validation scores."""
    record.measure((record.backend, "run"), partial(_train, record))


def _train(record):
    import keras

    from ae_lib import data, text, training
    from ae_lib.models import Seq2SeqAutoencoder
    from ae_lib.text_models import TextAutoencoder
    from tools import train_text_autoencoder as tool

    set_precision(record.backend, "bfloat16")
    recipe, settings, epochs = tool.RECIPE, tool.SETTINGS, 14  # as of the weights that ship
    sentences = data.load_sentences("train", size="full")
    batch, longest = recipe["batch_size"], recipe["longest"]
    widths = 8, 12, longest + 1
    if record.dry_run:
        sentences = [s for s in sentences[:2000] if len(s.split()) < 4][:150]
        settings, epochs = {"units": 16, "embedding_size": 8, "code_size": 16}, 2
        batch, longest, widths = 32, 6, (8,)
    vocabulary = text.Vocabulary.build(sentences, min_count=recipe["min_count"])
    rows = [r for r in vocabulary.encode_all(sentences) if len(r) <= longest]
    ids = text.pad(rows, longest + 2)
    counts = np.bincount(ids[ids > 0], minlength=len(vocabulary))
    counts[: 4 + len(text.MARKERS)] = 0
    chances = counts ** recipe["frequency_power"]
    plain = np.array([t[:1].islower() for t in vocabulary.tokens])
    noise = chances / chances.sum(), vocabulary.tokens.index(text.LOWER), plain
    training.set_seed(recipe["seed"])
    model = Seq2SeqAutoencoder(len(vocabulary), **settings, matmul_dtype="bfloat16")
    rate = training.cosine_schedule(recipe["peak"], epochs * (len(ids) // batch + 10))
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=recipe["clipnorm"]))
    curve = []  # the first epoch with compiling
    for number in range(epochs):
        rng, start = np.random.default_rng([recipe["seed"], number]), time.perf_counter()
        share = np.interp(number / max(1, epochs - 1), [0, 0.6, 1], recipe["changed"])
        changed = tool.changed(ids, rng, share, *noise)
        batches = tool.one_length_batches(changed, batch, rng)
        batches = [filled(rows, batch, widths, rng) for rows in batches]
        steps = ((each,) for each in batches)
        done = model.fit(steps, steps_per_epoch=len(batches), verbose=0)
        loss, seconds = done.history["loss"][0], time.perf_counter() - start
        if not math.isfinite(loss):
            raise ValueError(f"the loss of epoch {number + 1} is {loss}")
        tokens = sum((each > 0).sum() + len(each) for each in batches)
        numbers = {"loss": loss, "seconds": seconds, "tokens_per_second": tokens / seconds}
        curve.append({name: short(number) for name, number in numbers.items()})
    reader = Seq2SeqAutoencoder(len(vocabulary), **settings)  # in full precision
    reader.set_weights(model.get_weights())
    validation = sentences[:4] if record.dry_run else data.load_sentences("validation")
    validation = [s for s in validation if vocabulary.covers(s)]
    scores = tool.scores(TextAutoencoder(reader, vocabulary), validation)
    return {"sentences": len(ids), "curve": curve, "validation": scores}


def filled(rows, size, widths, rng):
    """A batch filled up with rows of its own, padded to one of few widths: few are compiled."""
    rows = np.concatenate([rows, rows[rng.integers(len(rows), size=size - len(rows))]])
    width = next(w for w in widths if w >= rows.shape[1])
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def set_precision(backend, precision):
    """How float32 products are computed from here on: "float32" in full, else as TF32."""
    full = precision == "float32"
    if backend == "jax":
        import jax

        # None is XLA's default: TF32 where the GPU has it.
        jax.config.update("jax_default_matmul_precision", "highest" if full else None)
    else:
        import torch

        torch.set_float32_matmul_precision("highest" if full else "high")
        torch.backends.cudnn.allow_tf32 = not full


def fitting(model, x, y=None, rate=1e-3):
    """A function from a number of steps of ``fit``, all on one batch, to ``(seconds a step, mean
    loss)``."""
    import keras

    loss = {} if y is None else {"loss": "mse"}
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), **loss)

    def run(steps):
        arrays = [np.tile(a, (steps, *[1] * (a.ndim - 1))) for a in (x, y) if a is not None]
        start = time.perf_counter()
        done = model.fit(*arrays, batch_size=len(x), shuffle=False, verbose=0)
        return (time.perf_counter() - start) / steps, done.history["loss"][0]

    return run


def step_seconds(run, dry_run, expected=None):
    """Median seconds of a training step of ``run``, after first ones that do not count.

    Raises:
        ValueError: the first loss is not as expected, to 1.5, or training does not lower it.
    """
    first, steps = run(1)[1], 3
    while steps * run(steps)[0] < 1.5 and not dry_run:  # what fit takes to begin is in it
        steps *= 2
    seconds, losses = zip(*(run(steps) for _ in range(1 if dry_run else 3)), strict=True)
    if expected is not None and not abs(first - expected) < 1.5:
        raise ValueError(f"the first loss is {first:.4g}, expected about {expected:.4g}")
    if not losses[-1] < first:
        raise ValueError(f"training took the loss from {first:.4g} to {losses[-1]:.4g}")
    return statistics.median(seconds)
