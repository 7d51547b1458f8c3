"""Parts ``ceilings``, ``decoding`` and ``fused`` of the GPU benchmark, each on one backend."""

import functools
import statistics
import time

import numpy as np

from benchmarks import gpu_common as common
from benchmarks import gpu_reference as reference


def median_seconds(run, seconds, least=3):
    """Median seconds of calling ``run`` again and again for about ``seconds``, after a first
    call that does not count."""
    run()
    found, end = [], time.perf_counter() + seconds
    while len(found) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


# What the card can do


def ceilings(job):
    """A large matrix product in each precision, operations a second; a large copy, bytes."""
    size = 64 if job.dry_run else 8192
    for precision in ("bfloat16", "tf32", "float32"):
        job.note(precision, lambda p=precision: product_ceiling(job, size, p))
    job.note("copy", lambda: copy_ceiling(job, 1 << (12 if job.dry_run else 30)))


def product_ceiling(job, size, precision):
    """One size × size product of random matrices: 2·size³ operations."""
    common.set_precision(job.backend, precision)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(size, size)).astype("float32") for _ in range(2))
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    multiply, exact = _on_device(job.backend, (a, b), dtype)
    limit = {"float32": 1e-5, "tf32": 2e-3, "bfloat16": 2e-2}[precision]
    error = common.check("the product", multiply(1)[:4], exact[0][:4] @ exact[1], limit)
    count = 1 if job.dry_run else 10
    seconds = median_seconds(lambda: multiply(count), 0.0 if job.dry_run else 2.0) / count
    return {
        "size": size,
        "operations_per_second": common.short(2 * size**3 / seconds),
        "seconds": common.short(seconds),
        "error": error,
    }


def _on_device(backend, arrays, dtype):
    """``multiply(count)``, which waits and gives the last product, and the factors as float64."""
    if backend == "jax":
        import jax

        a, b = (jax.device_put(jax.numpy.asarray(x, dtype)) for x in arrays)
        once = jax.jit(jax.numpy.matmul)
        exact = [np.asarray(x, "float64") for x in (a, b)]
    else:
        import torch

        device = common.torch_device()
        a, b = (torch.tensor(x, device=device).to(getattr(torch, dtype)) for x in arrays)
        once = torch.matmul
        exact = [x.double().cpu().numpy() for x in (a, b)]

    def multiply(count):
        for _ in range(count):
            c = once(a, b)
        common.sync(backend, c)
        rows = c[:4]
        return np.asarray(rows if backend == "jax" else rows.float().cpu(), "float64")

    return multiply, exact


def copy_ceiling(job, numbers):
    """One array read and another written: 8 bytes for each float32."""
    if job.backend == "jax":
        import jax

        x = jax.numpy.arange(numbers, dtype="float32")
        negative = jax.jit(lambda x: -x)  # a plain copy might be left out
        run = functools.partial(negative, x)
    else:
        import torch

        x = torch.arange(numbers, dtype=torch.float32, device=common.torch_device())
        y = torch.empty_like(x)
        run = functools.partial(torch.neg, x, out=y)
    last = np.asarray(run()[-4:].tolist())
    common.check("the copy", last, -np.arange(numbers, dtype="float32")[-4:], 1e-6)
    count = 1 if job.dry_run else 10

    def several():
        for _ in range(count):
            y = run()
        common.sync(job.backend, y)

    seconds = median_seconds(several, 0.0 if job.dry_run else 1.0) / count
    return {
        "bytes": 8 * numbers,
        "bytes_per_second": common.short(8 * numbers / seconds),
        "seconds": common.short(seconds),
    }


# Decoding


def decoding(job):
    """Compiled greedy decoding of the shipped text autoencoder, tokens (<eos> too) a second."""
    from ae_lib.text_models import named_weights

    model, codes = _writer(job.dry_run)
    weights = {name: _numpy(w) for name, w in named_weights(model).items()}
    steps = 6 if job.dry_run else 48
    expected = reference.greedy(weights, codes[:64], steps)
    for precision in ("float32",) if job.dry_run else ("float32", "tf32"):
        for batch in (1, 8) if job.dry_run else (1024, 32, 1):
            job.note(
                f"batch {batch}, {precision}",
                lambda b=batch, p=precision: decode(job, model, codes, expected, b, p, steps),
            )


def decode(job, model, codes, expected, batch, precision, steps):
    """Codes from memory to tokens in memory, ``batch`` sentences side by side."""
    from ae_lib import decoding

    common.set_precision(job.backend, precision)
    model.__dict__.pop("_loops", None)  # compiled for another precision
    count = {1: 32, 32: 256}.get(batch, batch)
    run = functools.partial(
        decoding.greedy, model, codes[:count], max_length=steps, batch_size=batch
    )
    words = run()
    some = min(count, len(expected))
    padded = np.zeros((some, steps), "int32")
    padded[:, : words.shape[1]] = words[:some]
    same = float((padded == expected[:some]).all(1).mean())
    if same < (0.98 if precision == "float32" else 0.9):
        raise common.Refused(
            f"refused: {same:.1%} of {some} sentences are those of the reference in float64"
        )
    tokens = int((words != 0).sum())
    seconds = median_seconds(run, 0.0 if job.dry_run else 2.0)
    return {
        "batch": batch,
        "precision": precision,
        "sentences": count,
        "tokens": tokens,
        "tokens_per_second": common.short(tokens / seconds),
        "seconds": common.short(seconds),
        "same_as_reference": same,
    }


def _writer(dry_run):
    """The shipped model and codes of the validation sentences, or a tiny random one."""
    import ae_lib

    if not dry_run:
        autoencoder = ae_lib.pretrained("text-autoencoder")
        return autoencoder.model, autoencoder.encode(
            ae_lib.data.load_sentences("validation")[:1024]
        )
    from ae_lib.models import Seq2SeqAutoencoder

    rng = np.random.default_rng(1)
    model = Seq2SeqAutoencoder(50, units=12, embedding_size=10, code_size=8)
    model.set_weights([rng.normal(0, 0.8, w.shape) for w in model.get_weights()])
    return model, rng.normal(size=(8, 8)).astype("float32")


def _numpy(weight):
    import keras

    return keras.ops.convert_to_numpy(weight)


# What loses the fused kernel

SHAPE = {"batch": 256, "time": 64, "inputs": 256, "units": 512}
SMALL = {"batch": 3, "time": 5, "inputs": 4, "units": 6}
VARIANTS = {
    "as it comes": ({}, None),
    "mask, right-padded": ({}, "right"),
    "mask, left-padded": ({}, "left"),
    "recurrent_dropout=0.2": ({"recurrent_dropout": 0.2}, None),
    "activation='relu'": ({"activation": "relu"}, None),
    "unroll=True": ({"unroll": True}, None),
    "use_cudnn=False": ({"use_cudnn": False}, None),
}


def fused(job):
    """``keras.layers.LSTM``, forward and backward, with what loses cuDNN; and PyTorch's own."""
    common.set_precision(job.backend, "float32")
    variants = {k: VARIANTS[k] for k in list(VARIANTS)[:: 4 if job.dry_run else 1]}
    shape = SMALL if job.dry_run else SHAPE
    if job.backend == "torch":
        job.note("torch.nn.LSTM", lambda: time_layer(job, shape, None, None))
    for name, (options, mask) in variants.items():
        job.note(name, lambda o=options, m=mask: time_layer(job, shape, o, m))


def time_layer(job, shape, options, mask):
    """Check a layer's loss and gradients at a small size, then time it at ``shape``.

    The loss is the mean of the outputs' products with fixed random factors.
    """
    # A random mask on the recurrence has no reference: there the check is without it.
    run, arrays, loss = layer_step(job.backend, SMALL, options, mask, training=False)
    found, gradients = run()
    errors = common.check_gradients(loss, found, arrays, gradients, 1e-3)
    run = layer_step(job.backend, shape, options, mask, training=True)[0]
    seconds = median_seconds(lambda: run(fetch=False), 0.0 if job.dry_run else 1.0)
    return {
        "seconds": common.short(seconds),
        "steps_per_second": common.short(shape["batch"] * shape["time"] / seconds),
        "shape": shape,
        "errors": errors,
    }


def layer_step(backend, shape, options, mask, training):
    """``(run, weights, loss)``: ``run()`` gives loss and gradients; ``loss`` is NumPy's.

    Args:
        options: of ``keras.layers.LSTM``; None: ``torch.nn.LSTM`` instead.
        mask: None, "right" or "left": on which side half of the sentences are padded.
    """
    rng = np.random.default_rng(2)
    n, time_, inputs, units = (shape[k] for k in ("batch", "time", "inputs", "units"))
    x = rng.normal(size=(n, time_, inputs)).astype("float32")
    factors = rng.normal(size=(n, time_, units)).astype("float32")
    weights = [
        rng.normal(0, size**-0.5, s).astype("float32")
        for size, s in (
            (inputs, (inputs, 4 * units)),
            (units, (units, 4 * units)),
            (4, (4 * units,)),
        )
    ]
    keep = None
    if mask:
        keep = np.ones((n, time_), bool)
        keep[::2, (time_ // 2) :] = False
        keep = keep[:, ::-1].copy() if mask == "left" else keep
    relu = options is not None and options.get("activation") == "relu"

    def loss(arrays):
        w = dict(zip(("x.kernel", "x.recurrent_kernel", "x.bias"), arrays, strict=True))
        activation = (lambda a: np.maximum(a, 0)) if relu else np.tanh
        outputs = reference.lstm(w, "x", x.astype("float64"), mask=keep, activation=activation)[0]
        return (outputs * factors).mean()

    make = _torch_layer if options is None else {"jax": _in_jax, "torch": _in_torch}[backend]
    return make(x, factors, weights, options, keep, training), weights, loss


def _keras_layer(weights, options, x):
    import keras

    units = len(weights[1])
    layer = keras.layers.LSTM(units, return_sequences=True, **options)
    layer.build(x.shape)
    layer.set_weights(weights)
    return layer


def _in_jax(x, factors, weights, options, keep, training):
    import jax

    layer = _keras_layer(weights, options, x)
    others = [v.value for v in layer.non_trainable_variables]
    x, factors, keep = jax.device_put((x, factors, keep))

    @jax.jit
    @jax.value_and_grad
    def step(trained):
        outputs, _ = layer.stateless_call(trained, others, x, mask=keep, training=training)
        return (outputs * factors).mean()

    trained = [v.value for v in layer.trainable_variables]

    def run(fetch=True):
        loss, gradients = step(trained)
        common.sync("jax", gradients)
        return (float(loss), [np.asarray(g, "float64") for g in gradients]) if fetch else None

    return run


def _in_torch(x, factors, weights, options, keep, training):
    layer = _keras_layer(weights, options, x)
    parameters = [v.value for v in layer.trainable_variables]
    return _torch_run(
        lambda x, keep: layer(x, mask=keep, training=training), parameters, x, factors, keep
    )


def _torch_layer(x, factors, weights, options, keep, training):
    """PyTorch's layer with the same weights, its second bias 0 and not counted."""
    import torch

    units = len(weights[1])
    layer = torch.nn.LSTM(x.shape[2], units, batch_first=True).to(common.torch_device())
    parameters = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0]
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(torch.tensor(weight.T))
        layer.bias_hh_l0.zero_()
    return _torch_run(lambda x, _: layer(x)[0], parameters, x, factors, keep, transposed=True)


def _torch_run(forward, parameters, x, factors, keep, transposed=False):
    import torch

    device = common.torch_device()
    x, factors = torch.tensor(x, device=device), torch.tensor(factors, device=device)
    keep = None if keep is None else torch.tensor(keep, device=device)

    def run(fetch=True):
        for parameter in parameters:
            parameter.grad = None
        loss = (forward(x, keep) * factors).mean()
        loss.backward()
        common.sync("torch")
        if not fetch:
            return None
        if any(p.grad is None for p in parameters):
            raise common.Refused("refused: no gradient reaches the layer's weights")
        gradients = [p.grad.double().cpu().numpy() for p in parameters]
        return loss.item(), [g.T if transposed else g for g in gradients]

    return run
