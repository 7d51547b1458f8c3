"""What positions, normalisation and the residual stream are worth in a small Transformer.

    python -m benchmarks.transformer_parts [parts|models|ship] [--folder build/transformer_parts]

``parts``: each arm trains on the chapter's sentences, whole or with one part removed. Its
learning rate is the best of ``RATES`` on the validation sentences (seed 0), and all see the same
batches as often. What was run is kept in ``--folder``; an interrupted measurement goes on there.
The record is ``ae_lib/data/records/transformer_parts.json``.

``models``: how many gaps the chapter's three models fill, each at its own learning rate, the best
of ``MODEL_RATES`` by the loss on sentences that are neither trained on nor scored (seed 0), and
with five seeds. Two arms are controls for why BERT fills fewer: a GPT that counts only as many of
its answers as BERT is asked for, and a BERT that is trained as much longer. All runs count; one
whose loss is no number is kept as ``null``. The record is ``transformer_models.json``.

``ship`` trains the first run of BERT and of BART in that record once more, and writes them to
``ae_lib/weights``, in 8 bits, each with its own record.
"""

import argparse
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from ae_lib import data, models, text, text_models, training
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept

RATES, SEEDS = (2e-3, 6e-3, 1.8e-2, 5.4e-2), (0, 1, 2)
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

MODEL_RATES, MODEL_SEEDS = (1e-3, 2e-3, 4e-3, 8e-3), (0, 1, 2, 3, 4)
MODEL_SHAPE = {"width": 64, "layers": 2, "heads": 4, "length": 16}  # as in the chapter
MODEL_EPOCHS, MODEL_BATCH, RESCORED = 5, 32, 20
MODEL_ARMS = {  # name: model, whether it counts as few answers as BERT, times the epochs
    "GPT": ("gpt", False, 1),
    "BERT": ("bert", False, 1),
    "BART": ("bart", False, 1),
    "GPT, as few answers as BERT": ("gpt", True, 1),
    "BERT, five times as long": ("bert", False, 5),
}


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


def sentences(spare=False):
    """The chapter's: ids to train on, ids held out, each int (n, LONGEST); with ``spare`` also,
    as the third, those of the training part that are not trained on."""
    train, valid = (data.load_sentences(part) for part in ("train", "validation"))
    vocabulary = text.Vocabulary.build(train, WORDS)

    def short(some):
        rows = [vocabulary.encode(s) for s in some if vocabulary.covers(s)]
        return text.pad([row for row in rows if len(row) <= LONGEST], LONGEST)

    rows, held_out = short(train), short(valid)
    parts = rows[:SENTENCES], held_out
    return (*parts, rows[SENTENCES:]) if spare else parts


def given(kind, tokens, seed):
    """What a model of a kind gets of the sentences: a GPT them, others with hidden words, too."""
    if kind == "gpt":
        return tokens
    return text.pairs(text.hidden(tokens, HIDDEN, seed=seed), tokens)


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
            x = given(self.kind, self.x, 1000 * seed + epoch)[order]
            for now, some in zip(of_epoch, np.array_split(x, count), strict=True):
                optimizer.learning_rate = now
                model.train_on_batch(some)
        held_out = given(self.kind, self.held_out, 999)
        loss = model.compute_loss(x=held_out, y_pred=model(held_out))
        loss = float(ops.convert_to_numpy(loss))
        return loss if np.isfinite(loss) else None


class FewAnswers(models.TransformerLM):
    """A GPT whose loss counts a part of its answers while it trains, others at each step."""

    part = 1.0

    def decoder_target(self, tokens):
        target = super().decoder_target(tokens)
        if self.part == 1:
            return target
        return ops.where(keras.random.uniform(ops.shape(target), seed=self.draw) < self.part,
                         target, text.PAD)  # fmt: skip


FORMS = {"gpt": FewAnswers, "bert": models.MaskedLM, "bart": models.TransformerSeq2Seq}


class ModelArm:
    """One of ``MODEL_ARMS`` on the chapter's sentences; ``cut`` takes fewer, to try the script.

    Attributes: ``x`` to train on, ``held_out`` to score, ``spare`` to choose the rate: int (n, T).
    """

    def __init__(self, name, epochs=MODEL_EPOCHS, cut=None):
        self.kind, self.few, times = MODEL_ARMS[name]
        self.epochs = epochs * times
        self.x, self.held_out, self.spare = (x[:cut] for x in sentences(spare=True))

    def trained(self, rate, seed):
        """A model after all epochs, with fresh weights and batches of this seed."""
        training.set_seed(seed)
        model = FORMS[self.kind](WORDS, **MODEL_SHAPE)
        if self.few:
            words = np.count_nonzero(self.x)  # BERT is asked for words, a GPT for the end, too
            model.part = HIDDEN * words / (words + len(self.x))
            model.draw = keras.random.SeedGenerator(seed)
        count = len(self.x) // MODEL_BATCH
        schedule = training.cosine_schedule(rate, self.epochs * count)
        model.compile(
            keras.optimizers.Adam(schedule), jit_compile=keras.backend.backend() == "jax"
        )
        for epoch in range(self.epochs):
            order = np.random.default_rng([seed, epoch]).permutation(len(self.x))
            x = given(self.kind, self.x, 1000 * seed + epoch)[order]
            for some in np.array_split(x, count):
                model.train_on_batch(some)
        model.part = 1.0  # all answers count when it is scored
        return model

    def run(self, rate, seed):
        """``{"spare": nats on the spare sentences, "filled": % of the gaps, …}``."""
        return self.scored(self.trained(rate, seed))

    def scored(self, model):
        spare = given(self.kind, self.spare, 999)
        loss = float(ops.convert_to_numpy(model.compute_loss(x=spare, y_pred=model(spare))))
        if not np.isfinite(loss):
            return {"spare": None}
        return {"spare": loss, **filled(model, self.kind, self.held_out)}


def filled(model, kind, x):
    """The gaps that a model fills, in %: one word a row of ``x``, int (n, T), is hidden.

    "filled": the most probable word, of a GPT from the left side alone; "rescored", of a GPT:
    the best of its ``RESCORED`` by the probability of the whole sentence.
    """
    rng, rows = np.random.default_rng(0), np.arange(len(x))
    places = np.array([rng.integers(np.count_nonzero(row)) for row in x])
    gaps, answers = x.copy(), x[rows, places]
    gaps[rows, places] = text.UNK
    logits = model(x if kind == "gpt" else text.pairs(gaps, x))
    scores = ops.convert_to_numpy(logits)[rows, places].copy()
    scores[:, : text.EOS + 1] = -np.inf
    found = {"filled": 100 * float(np.mean(scores.argmax(1) == answers))}
    if kind == "gpt":
        best = np.argsort(-scores, axis=1)[:, :RESCORED]
        tried = np.repeat(x, RESCORED, axis=0)
        tried[np.arange(len(tried)), np.repeat(places, RESCORED)] = best.ravel()
        target = ops.convert_to_numpy(model.decoder_target(tried))
        nats = ops.convert_to_numpy(model.token_nats(target, model(tried)))
        cost = np.where(target == text.PAD, 0, nats).sum(1).reshape(-1, RESCORED)
        choice = best[rows, cost.argmin(1)]
        found["rescored"] = 100 * float(np.mean(choice == answers))
    return found


def best_rate(rates, loss):
    """The rate of least ``loss(rate, 0)``, and the loss of each; of a run that broke, None."""
    tried = {rate: loss(rate, 0) for rate in rates}
    return min(rates, key=lambda rate: np.inf if tried[rate] is None else tried[rate]), tried


def measure_parts(folder):
    """All of ``ARMS``: the rate first, then the seeds; the record."""
    kept, found = Kept(folder / "parts.json"), []
    for names in ARMS:
        arm = cache(partial(Arm, *names))

        def nats(rate, seed, names=names, arm=arm):
            return kept.get(f"{names} {rate} {seed}", lambda: arm().run(rate, seed))

        rate, tried = best_rate(RATES, nats)
        row = dict(zip(("model", "layers", "removed"), names, strict=True))
        row |= {"rate": rate, "tried": tried, "nats": [nats(rate, seed) for seed in SEEDS]}
        found.append(row)
        print(row, flush=True)
    write_record(
        RECORDS / "transformer_parts.json",
        "python -m benchmarks.transformer_parts",
        what=__doc__.splitlines()[0],
        unit="nats a token of the validation sentences",
        seeds=SEEDS,
        settings={"width": WIDTH, "epochs": EPOCHS, "sentences": SENTENCES, "words": WORDS},
        arms=found,
    )


def measure_models(folder):
    """All arms of ``MODEL_ARMS``: the rate first, then the seeds; the record."""
    kept, found = Kept(folder / "models.json"), []
    for name in MODEL_ARMS:
        arm = ModelArm(name)

        def one(rate, seed, name=name, arm=arm):
            return kept.get(f"{name} {rate} {seed}", arm.run, rate, seed)

        rate, tried = best_rate(MODEL_RATES, lambda rate, seed, one=one: one(rate, seed)["spare"])
        runs = [one(rate, seed) for seed in MODEL_SEEDS]
        found.append({"arm": name, "rate": rate, "tried": tried, "runs": runs})
    write_record(
        RECORDS / "transformer_models.json",
        "python -m benchmarks.transformer_parts models",
        what="Gaps filled by a GPT, a BERT and a BART, each at its own learning rate.",
        unit="% of the validation sentences, one gap each; rates by nats on the spare ones",
        seeds=MODEL_SEEDS,
        settings={**MODEL_SHAPE, "epochs": MODEL_EPOCHS, "batch": MODEL_BATCH,
                  "hidden": HIDDEN, "sentences": SENTENCES},
        arms=found,
    )  # fmt: skip


def ship(folder):
    """Write the two models that the chapter reads, of the seed and rates of the record."""
    record = data.load_record("transformer_models")
    vocabulary = text.Vocabulary.build(data.load_sentences("train"), WORDS)
    for found in record["arms"]:
        name, seed = found["arm"].lower(), record["seeds"][0]
        if name in text_models.SHIPPED:
            arm, path = ModelArm(found["arm"]), text_models.shipped_file(name)
            model = text_models.RepairModel(arm.trained(found["rate"], seed), vocabulary)
            write_record(
                path.with_suffix(".json"),
                "python -m benchmarks.transformer_parts ship",
                **text_models.export(name, model),
                seed=seed,
                settings={**record["settings"], "rate": found["rate"]},
                scores=arm.scored(text_models.RepairModel.load(path).model),
                in_32_bits=arm.scored(model.model),
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("parts", "models", "ship"), default="parts")
    parser.add_argument("--folder", type=Path, default="build/transformer_parts")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    measure = {"parts": measure_parts, "models": measure_models, "ship": ship}[options.what]
    measure(options.folder)


if __name__ == "__main__":
    main()
