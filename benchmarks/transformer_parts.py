"""What positions, normalisation and the residual stream are worth in a small Transformer.

    python -m benchmarks.transformer_parts [--seeds 0 1 2]

Each arm trains on the chapter's sentences, whole or with one part removed. Its learning rate is
the best of ``RATES`` on the validation sentences (seed 0), and all see the same batches as often.
Every run is kept in ``--folder``; an interrupted measurement goes on there. The record is
``ae_lib/data/records/transformer_parts.json``.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

from ae_lib import data, models, text, training
from ae_lib._files import write_json
from benchmarks.environment import RECORDS, write_record

RATES = (1e-3, 3e-3, 9e-3, 2.7e-2)
WORDS, LONGEST, SENTENCES, HIDDEN = 1000, 7, 8000, 0.25  # as in the chapter
WIDTH, EPOCHS, BATCH = 32, 3, 64
ARMS = [  # model, layers, what is removed
    ("gpt", 2, ""),
    ("gpt", 2, "positions"),
    ("bert", 2, ""),
    ("bert", 2, "positions"),
    ("gpt", 2, "normalisation"),
    ("gpt", 2, "residual"),
    ("gpt", 8, ""),
    ("gpt", 8, "normalisation"),
    ("gpt", 8, "residual"),
]


def without(model, part):
    """Remove one part of a fresh model: "positions", "normalisation" or "residual"."""
    if part == "positions":
        model.positions.assign(np.zeros(model.positions.shape))
        model.positions.trainable = False
    if part == "normalisation":
        for owner, name in [
            (model, "norm"),
            *((b, f"norm_{i}") for b in model.blocks for i in "12"),
        ]:
            getattr(owner, name).trainable = False
            setattr(owner, name, lambda x: x)
    for block in model.blocks if part == "residual" else ():
        block.finish = _without_stream(block)
        # First weights that write to a stream are small. Without one, each layer keeps the size
        # of what comes in: N(0, 1 / inputs).
        for dense in (block.to_qkv, block.from_heads, block.widen, block.narrow):
            value = ops.convert_to_numpy(dense.kernel)
            dense.kernel.assign(value / value.std() / np.sqrt(len(value)))
    return model


def _without_stream(block):
    def finish(x, mixed, memory=None, training=None):
        x = block.from_heads(ops.reshape(mixed, ops.shape(x)))
        return block.narrow(ops.gelu(block.widen(block.norm_2(x)), approximate=True))

    return finish


def sentences():
    """The chapter's: ids to train on, ids held out, each int (n, LONGEST)."""
    train, valid = (data.load_sentences(part) for part in ("train", "validation"))
    vocabulary = text.Vocabulary.build(train, WORDS)

    def short(some):
        rows = [vocabulary.encode(s) for s in some if vocabulary.covers(s)]
        return text.pad([row for row in rows if len(row) <= LONGEST], LONGEST)

    return short(train)[:SENTENCES], short(valid)


def run(arm, rate, seed):
    """Nats a token of the validation sentences; of BERT, a hidden token."""
    kind, layers, part = arm
    x, held_out = sentences()
    training.set_seed(seed)
    form = models.TransformerLM if kind == "gpt" else models.MaskedLM
    model = without(form(WORDS, WIDTH, layers, 2, length=16), part)
    steps = EPOCHS * len(x) // BATCH
    schedule = training.cosine_schedule(rate, steps)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0))

    def given(tokens, epoch):
        seen = text.hidden(tokens, HIDDEN, seed=1000 * seed + epoch)
        return text.pairs(seen, tokens) if kind == "bert" else tokens

    for epoch in range(EPOCHS):
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        for some in np.split(order, len(x) // BATCH):
            model.train_on_batch(given(x, epoch)[some])
    held_out = given(held_out, 999)
    loss = float(ops.convert_to_numpy(model.compute_loss(x=held_out, y_pred=model(held_out))))
    return {"nats": loss if np.isfinite(loss) else None, "parameters": model.count_params()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default="build/transformer_parts")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    def kept(arm, rate, seed):
        path = options.folder / f"{'-'.join(map(str, arm))}-{rate}-{seed}.json"
        if not path.exists():
            write_json(path, run(arm, rate, seed))
        return json.loads(path.read_text("utf8"))["nats"]

    found = []
    for arm in ARMS:
        tried = {rate: kept(arm, rate, 0) for rate in RATES}
        rate = min(RATES, key=lambda r: np.inf if tried[r] is None else tried[r])
        nats = [kept(arm, rate, seed) for seed in options.seeds]
        names = dict(zip(("model", "layers", "removed"), arm, strict=True))
        found.append(names | {"rate": rate, "tried": tried, "nats": nats})
        print(found[-1], flush=True)
    write_record(
        RECORDS / "transformer_parts.json",
        "python -m benchmarks.transformer_parts",
        what=__doc__.splitlines()[0],
        unit="nats a token of the validation sentences",
        seeds=options.seeds,
        settings={"width": WIDTH, "epochs": EPOCHS, "sentences": SENTENCES, "words": WORDS},
        arms=found,
    )


if __name__ == "__main__":
    main()
