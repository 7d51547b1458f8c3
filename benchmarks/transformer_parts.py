"""What positions, normalisation and the residual stream are worth in a small Transformer.

    python -m benchmarks.transformer_parts [--seeds 0 1 2]

Each arm trains on the chapter's sentences, whole or with one part removed. Its learning rate is
the best of ``RATES`` on the validation sentences (seed 0), and all see the same batches as often.
What was run is kept in ``--folder``; an interrupted measurement goes on there. The record is
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

RATES = (2e-3, 6e-3, 1.8e-2, 5.4e-2)
WORDS, LONGEST, SENTENCES, HIDDEN = 1000, 7, 8000, 0.25  # as in the chapter
WIDTH, EPOCHS, BATCH = 32, 3, 128
ARMS = [  # model, layers, what is removed
    ("gpt", 2, ""),
    ("gpt", 2, "positions"),
    ("bert", 2, ""),
    ("bert", 2, "positions"),
    ("gpt", 2, "normalisation"),
    ("gpt", 2, "residual"),
    ("gpt", 6, ""),
    ("gpt", 6, "normalisation"),
    ("gpt", 6, "residual"),
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


class Arm:
    """One arm's model, compiled once; each run begins with fresh weights."""

    def __init__(self, kind, layers, part):
        self.kind, self.layers, self.part = kind, layers, part
        self.x, self.held_out = sentences()
        self.model = self.fresh(0)
        optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
        self.model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
        optimizer.build(self.model.trainable_variables)

    def fresh(self, seed):
        training.set_seed(seed)
        form = models.TransformerLM if self.kind == "gpt" else models.MaskedLM
        return without(form(WORDS, WIDTH, self.layers, 2, length=16), self.part)

    def given(self, tokens, seed):
        if self.kind == "gpt":
            return tokens
        return text.pairs(text.hidden(tokens, HIDDEN, seed=seed), tokens)

    def run(self, rate, seed):
        """Nats a token of the validation sentences (of BERT, a hidden token); None: it broke."""
        model, optimizer = self.model, self.model.optimizer
        model.set_weights(self.fresh(seed).get_weights())
        for variable in optimizer.variables:
            variable.assign(0 * variable.value)
        count = -(-len(self.x) // BATCH)
        rates = rate * (1 + np.cos(np.pi * np.arange(EPOCHS * count) / (EPOCHS * count))) / 2
        for epoch, of_epoch in enumerate(rates.reshape(EPOCHS, count)):
            order = np.random.default_rng([seed, epoch]).permutation(len(self.x))
            x = self.given(self.x, 1000 * seed + epoch)[order]
            for now, some in zip(of_epoch, np.array_split(x, count), strict=True):
                optimizer.learning_rate = now
                model.train_on_batch(some)
        held_out = self.given(self.held_out, 999)
        loss = model.compute_loss(x=held_out, y_pred=model(held_out))
        loss = float(ops.convert_to_numpy(loss))
        return loss if np.isfinite(loss) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default="build/transformer_parts")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = []
    for names in ARMS:
        path = options.folder / f"{'-'.join(map(str, names))}.json"
        kept, arm = json.loads(path.read_text("utf8")) if path.exists() else {}, None

        def nats(rate, seed, names=names, kept=kept, path=path):
            nonlocal arm
            if (key := f"{rate} {seed}") not in kept:
                arm = arm or Arm(*names)
                kept[key] = arm.run(rate, seed)
                write_json(path, kept)
            return kept[key]

        tried = {rate: nats(rate, 0) for rate in RATES}
        rate = min(RATES, key=lambda r: np.inf if tried[r] is None else tried[r])
        row = dict(zip(("model", "layers", "removed"), names, strict=True))
        row |= {"rate": rate, "tried": tried, "nats": [nats(rate, seed) for seed in options.seeds]}
        found.append(row)
        print(row, flush=True)
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
