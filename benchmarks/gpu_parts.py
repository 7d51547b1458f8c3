"""Parts ``ceilings``, ``decoding`` and ``fused`` of the GPU benchmark, each on one backend."""

import functools
import statistics
import time

import ml_dtypes
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
    """A large copy, bytes a second; a large matrix product in each precision, operations."""
    job.note("copy", lambda: copy_ceiling(job, 1 << (12 if job.dry_run else 30)))
    size = 64 if job.dry_run else 8192
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((size, size), dtype="float32") for _ in range(2)]
    for precision in ("bfloat16", "tf32", "float32"):
        job.note(precision, lambda p=precision: product_ceiling(job, factors, p))


def copy_ceiling(job, numbers):
    """One array read and one written, 8 bytes for each float32, into memory that is there."""
    sign, run, where = (_copy_in_jax if job.backend == "jax" else _copy_in_torch)(numbers)
    before = where()
    # The last few, not all: in NumPy they would fill memory and take longer than the copies.
    expected = sign * np.arange(numbers - 4, numbers, dtype="float64")
    common.check("the copy", run(1)[-4:].tolist(), expected, 1e-6)
    seconds = _seconds_of_one(job, run)
    return {
        "bytes": 8 * numbers,
        "bytes_per_second": common.short(8 * numbers / seconds),
        "seconds": common.short(seconds),
        "in_place": where() == before,
    }


def _seconds_of_one(job, run):
    """Of ``run(count)``, which waits once for all of them."""
    count, seconds = (1, 0.0) if job.dry_run else (10, 1.5)
    return median_seconds(lambda: run(count), seconds) / count


def _copy_in_jax(numbers):
    """``(sign, run, where)``: the array is negated where it is; a plain copy might be left out."""
    import jax

    x = jax.numpy.arange(numbers, dtype="float32")
    negative = jax.jit(lambda x: -x, donate_argnums=0)

    def run(count):
        nonlocal x
        for _ in range(count):
            x = negative(x)
        common.sync("jax", x)
        return x

    return -1, run, lambda: x.unsafe_buffer_pointer()


def _copy_in_torch(numbers):
    """The same; from one array to another."""
    import torch

    x = torch.arange(numbers, dtype=torch.float32, device=common.torch_device())
    y = torch.zeros_like(x)

    def run(count):
        for _ in range(count):
            y.copy_(x)
        common.sync("torch")
        return y

    return 1, run, y.data_ptr


def product_ceiling(job, factors, precision):
    """One size × size product of random matrices: 2·size³ operations."""
    common.set_precision(job.backend, precision)
    size = len(factors[0])
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    multiply = _on_device(job.backend, factors, dtype)
    limit = {"float32": 1e-5, "tf32": 2e-3, "bfloat16": 2e-2}[precision]
    rows, columns = (np.linspace(0, size - 1, n).astype("int64") for n in (4, min(size, 256)))
    some = factors[0][rows], factors[1][:, columns]
    if dtype == "bfloat16":
        some = [x.astype(ml_dtypes.bfloat16) for x in some]
    expected = np.matmul(*(x.astype("float64") for x in some))
    found = multiply(1)[rows][:, columns]
    found = np.asarray(found if job.backend == "jax" else found.float().cpu(), "float64")
    error = common.check("the product", found, expected, limit)
    seconds = _seconds_of_one(job, multiply)
    return {
        "size": size,
        "operations_per_second": common.short(2 * size**3 / seconds),
        "seconds": common.short(seconds),
        "error": error,
    }


def _on_device(backend, arrays, dtype):
    """``multiply(count)``, which waits and gives the last product."""
    if backend == "jax":
        import jax

        a, b = (jax.device_put(x).astype(dtype) for x in arrays)
        once = jax.jit(jax.numpy.matmul)
    else:
        import torch

        device = common.torch_device()
        a, b = (torch.tensor(x, device=device).to(getattr(torch, dtype)) for x in arrays)
        once = torch.matmul

    def multiply(count):
        for _ in range(count):
            c = once(a, b)
        common.sync(backend, c)
        return c

    return multiply


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

SHAPE = {"batch": 256, "words": 64, "inputs": 256, "units": 512}
SMALL = {"batch": 3, "words": 5, "inputs": 4, "units": 6}
VARIANTS = {
    "as it comes": ({}, None),
    "mask, right-padded": ({}, "right"),
    "mask, left-padded": ({}, "left"),
    "recurrent_dropout=0.2": ({"recurrent_dropout": 0.2}, None),
    "activation='relu'": ({"activation": "relu"}, None),
    "use_cudnn=False": ({"use_cudnn": False}, None),
    "unroll=True": ({"unroll": True}, None),  # compiled for longest, so last
}


def fused(job):
    """``keras.layers.LSTM``, forward and backward, with what loses cuDNN; and PyTorch's own."""
    import keras

    common.set_precision(job.backend, "float32")
    variants = {k: VARIANTS[k] for k in list(VARIANTS)[:: 4 if job.dry_run else 1]}
    shape = SMALL if job.dry_run else SHAPE
    job.about = {"shape": shape, **falls_back(job.backend, keras.__version__)}
    if job.backend == "torch":
        job.note("torch.nn.LSTM", lambda: time_layer(job, shape, None, None))
    for name, (options, mask) in variants.items():
        job.note(name, lambda o=options, m=mask: time_layer(job, shape, o, m))


def falls_back(backend, version):
    """A record's note on Keras before 3.14 with PyTorch, in a dict; empty for others."""
    if backend != "torch" or tuple(map(int, version.split(".")[:2])) >= (3, 14):
        return {}
    return {
        "note": f"Keras {version} on PyTorch: where the settings allow cuDNN, each call on a GPU "
        "makes a new torch.nn.LSTM, fails to copy the trained weights into it and runs the loop "
        "(keras-team/keras issue 22274); the seconds contain that."
    }


def time_layer(job, shape, options, mask):
    """Check a layer's loss and gradients at a small size, then time it at ``shape``.

    The loss is the mean of the outputs' products with fixed random factors. ``path`` is what
    the book's rules say of a GPU, None where they cannot; it is not observed.
    """
    # A random mask on the recurrence has no reference: there the check is without it.
    run, arrays, loss = layer_step(job.backend, SMALL, options, mask, training=False)
    found, gradients = run()
    errors = common.check_gradients(loss, found, arrays, gradients, 1e-3)
    run = layer_step(job.backend, shape, options, mask, training=True)[0]
    seconds = median_seconds(lambda: run(fetch=False), 0.0 if job.dry_run else 1.0)
    return {
        "seconds": common.short(seconds),
        "steps_per_second": common.short(shape["batch"] * shape["words"] / seconds),
        "path": path_of(job.backend, shape, options, mask),
        "errors": errors,
    }


def path_of(backend, shape, options, mask):
    """``cudnn_eligibility``'s word for a layer; of ``torch.nn.LSTM`` (None) it is cuDNN's."""
    if options is None:
        return "cuDNN"
    import keras

    from ae_lib import training

    layer = keras.layers.LSTM(shape["units"], return_sequences=True, **options)
    size = shape["batch"], shape["words"], shape["inputs"]
    keep, compiled = padding(shape, mask), backend == "jax"
    try:
        return training.cudnn_eligibility(layer, size, keep, jit_compile=compiled).path
    except Exception:  # rules for another Keras; the time holds all the same
        return None


def padding(shape, side):
    """A mask (batch, words) by which half of the sentences are padded on a side; or None."""
    if side is None:
        return None
    keep = np.ones((shape["batch"], shape["words"]), bool)
    keep[::2, (shape["words"] // 2) :] = False
    return keep[:, ::-1].copy() if side == "left" else keep


def layer_step(backend, shape, options, mask, training):
    """``(run, weights, loss)``: ``run()`` gives loss and gradients; ``loss`` is NumPy's.

    Args:
        options: of ``keras.layers.LSTM``; None: ``torch.nn.LSTM`` instead.
        mask: None, "right" or "left": on which side half of the sentences are padded.
    """
    rng = np.random.default_rng(2)
    n, words, inputs, units = (shape[k] for k in ("batch", "words", "inputs", "units"))
    x = rng.normal(size=(n, words, inputs)).astype("float32")
    factors = rng.normal(size=(n, words, units)).astype("float32")
    weights = [
        rng.normal(0, size**-0.5, s).astype("float32")
        for size, s in (
            (inputs, (inputs, 4 * units)),
            (units, (units, 4 * units)),
            (4, (4 * units,)),
        )
    ]
    keep = padding(shape, mask)
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
