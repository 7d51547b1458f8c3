"""Training tokens a second: our LSTM autoencoder beside plain Keras layers and PyTorch.

    python -m benchmarks.lstm [--rounds 15]

Every model has a process of its own; in every round each takes five steps while the
others wait, so that a busy moment of the machine hits all alike. A step is forward, backward
and update on one batch of random sentences of one length; its tokens are the words and the
<eos>, counted alike for all. The record keeps the median over rounds of each round's median
step, and the median of the ratios within a round with its interval of 95 % (rounds resampled).
A round in which any model took more than twice its own median is dropped whole: the machine was
busy. The rule was written before the run.

* ``listing``: the well-known listing: one-hot inputs and targets, two ``keras.layers.LSTM``,
  a softmax layer, RMSprop, Keras's default compilation. The one-hot arrays are made before.
* ``plain``: ``Embedding``, two ``keras.layers.LSTM``, sparse targets from logits, Adam; the
  parts of our model, but for the code's share in the gates. ``plain, unrolled``: with
  ``unroll=True``.
* ``ours``: ``ae_lib.models.Seq2SeqAutoencoder``.
* ``torch``: ``torch.nn.LSTM`` and the other parts of our model but for the code's share in the
  gates (a little less work than ours), Adam.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.environment import RECORDS, write_record

SHAPES = {
    "chapter": {"vocabulary": 3000, "units": 256, "embedding": 256, "batch": 128, "words": 10},
    "shipped": {"vocabulary": 8163, "units": 448, "embedding": 256, "batch": 256, "words": 8},
}
MODELS = {
    "chapter": ("listing", "plain", "plain, unrolled", "ours", "torch"),
    "shipped": ("plain", "ours", "torch"),
}


def sentences(s):
    rng = np.random.default_rng(0)
    return rng.integers(4, s["vocabulary"], (s["batch"], s["words"])).astype("int32")


def listing(s):
    """The well-known listing, its names supplied."""
    from keras import Input, Model
    from keras.layers import LSTM, Dense

    encoder_inputs = Input((None, s["vocabulary"]))
    _, *states = LSTM(s["units"], return_state=True)(encoder_inputs)
    decoder_inputs = Input((None, s["vocabulary"]))
    lstm = LSTM(s["units"], return_sequences=True, return_state=True)
    outputs, _, _ = lstm(decoder_inputs, initial_state=states)
    outputs = Dense(s["vocabulary"], activation="softmax")(outputs)
    model = Model([encoder_inputs, decoder_inputs], outputs)
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    x = sentences(s)
    y = np.pad(x, ((0, 0), (0, 1)), constant_values=3)
    one_hot = np.eye(s["vocabulary"], dtype="float32")
    seen = one_hot[np.pad(x, ((0, 0), (1, 0)), constant_values=2)]
    inputs, targets = [one_hot[x], seen], one_hot[y]
    return lambda: model.train_on_batch(inputs, targets)


def plain(s, unroll=False):
    """Keras's own layers with the repairs: embedding, sparse targets, Adam, tied output."""
    import keras
    from keras import Input, Model, layers, ops

    length = s["words"] if unroll else None
    words = Input((length,), dtype="int32")
    seen = Input((length and length + 1,), dtype="int32")
    embed = layers.Embedding(s["vocabulary"], s["embedding"])
    reader = layers.LSTM(s["units"], return_state=True, go_backwards=True, unroll=unroll)
    _, h, c = reader(embed(words))
    code = layers.Dense(s["units"])(layers.Concatenate()([h, c]))
    start = [layers.Dense(s["units"], "tanh")(code), layers.Dense(s["units"])(code)]
    writer = layers.LSTM(s["units"], return_sequences=True, unroll=unroll)
    outputs = layers.Dense(s["embedding"])(writer(embed(seen), initial_state=start))

    class Tied(layers.Layer):
        def call(self, x):
            return ops.matmul(x, ops.transpose(embed.embeddings))

    model = Model([words, seen], Tied()(outputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss, jit_compile=False)
    x = sentences(s)
    inputs = [x, np.pad(x, ((0, 0), (1, 0)), constant_values=2)]
    targets = np.pad(x, ((0, 0), (0, 1)), constant_values=3)
    return lambda: model.train_on_batch(inputs, targets)


def ours(s):
    """The book's library."""
    import keras

    from ae_lib.models import Seq2SeqAutoencoder

    model = Seq2SeqAutoencoder(s["vocabulary"], s["units"], s["embedding"], s["units"])
    model.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        jit_compile=keras.backend.backend() == "jax",
    )
    x = sentences(s)
    return lambda: model.train_on_batch(x)


def torch_(s):
    """PyTorch's nn.LSTM, in a model of the same shape."""
    from benchmarks import gpu_torch

    model = gpu_torch.TextAutoencoder({**s, "precision": "float32"})
    run = gpu_torch.trainer(model, sentences(s), fused=False)
    return lambda: run(1)


MAKERS = {
    "listing": listing,
    "plain": plain,
    "plain, unrolled": lambda s: plain(s, unroll=True),
    "ours": ours,
    "torch": torch_,
}


def serve(step, warmup=6, ready=lambda: "ready"):
    """Say what ``ready`` gives after some steps; then take as many as each line of the input says
    and print their median seconds."""
    for _ in range(warmup):
        step()
    print(ready(), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        print(statistics.median(seconds), flush=True)


@contextlib.contextmanager
def server(*command):
    """A module in a process of its own that comes to ``serve``.

    Gives what it says first, and a function from a number of steps to seconds.
    """
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as run:

        def take(steps):
            run.stdin.write(f"{steps}\n")
            run.stdin.flush()
            return float(run.stdout.readline())

        yield run.stdout.readline().strip(), take
        run.stdin.close()


@contextlib.contextmanager
def waiting(shape, name, module="benchmarks.lstm"):
    """A model in a process of its own: a function from a number of steps to seconds."""
    with server(module, "--serve", shape, name) as (first, take):
        if first != "ready":
            raise RuntimeError(f"{name} did not start")
        yield take


def quiet(rounds):
    """The rounds, dicts, in which nothing ran at less than half its own median."""
    usual = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    return [r for r in rounds if all(2 * r[name] >= usual[name] for name in usual)]


def interval(ratios, resamples=2000):
    """The middle 95 % of the medians of resampled ``ratios`` (rounds,): [low, high]."""
    drawn = np.random.default_rng(0).choice(ratios, (resamples, len(ratios)))
    return np.percentile(np.median(drawn, 1), (2.5, 97.5)).round(2).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="of each model in a round")
    parser.add_argument("--serve", nargs=2, metavar=("SHAPE", "NAME"))
    options = parser.parse_args()
    if options.serve:
        shape, name = options.serve
        serve(MAKERS[name](SHAPES[shape]))
        return
    results = {}
    for shape, names in MODELS.items():
        s = SHAPES[shape]
        tokens = s["batch"] * (s["words"] + 1)
        with contextlib.ExitStack() as stack:
            take = {name: stack.enter_context(waiting(shape, name)) for name in names}
            rounds = [
                {name: tokens / take[name](options.steps) for name in names}
                for _ in range(options.rounds)
            ]
        kept = quiet(rounds)
        middle = {name: statistics.median(r[name] for r in kept) for name in names}
        ratios = {
            name: np.array([r["ours"] / r[name] for r in kept]) for name in names if name != "ours"
        }
        results[shape] = {
            "shape": s,
            "tokens_per_second": {k: round(v) for k, v in middle.items()},
            "ours_over": {k: round(float(np.median(v)), 2) for k, v in ratios.items()},
            "ours_over_interval": {k: interval(v) for k, v in ratios.items()},
            "rounds": [{k: round(v) for k, v in r.items()} for r in rounds],
            "dropped": len(rounds) - len(kept),
        }
        print(shape, json.dumps(results[shape]["tokens_per_second"]), results[shape]["ours_over"])
    write_record(
        RECORDS / "lstm.json",
        "python -m benchmarks.lstm",
        what=__doc__.splitlines()[0],
        unit="tokens a second",
        results=results,
    )


if __name__ == "__main__":
    main()
