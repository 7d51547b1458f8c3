"""The listing of chapter 07 repaired one thing at a time, and listing against final model.

    python -m benchmarks.repairs [ladder codes duel]

``ladder`` trains every stage from the same seeds with the same number of updates; ``duel``
gives the listing and the final model the same data, as many parameters and the same seconds;
``codes`` trains the final model with codes of several sizes. Writes ``repairs.json``,
``duel.json`` and ``text_code_size.json`` to ``ae_lib/data/records``, which the chapter shows.
Finished runs are kept at once, so an interrupted script continues where it stopped.

In the ladder the listing's one-hot rows times a matrix are looked up as rows of that matrix:
the same numbers in less time. The duel trains it on one-hot arrays, as it is written.
"""

import argparse
import time

import keras
import numpy as np
from keras import layers, ops

from ae_lib import data, decoding, text, training
from ae_lib.models import LSTM, Seq2SeqAutoencoder
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept

WORDS, LONGEST, UNITS, EMBEDDING = 2000, 7, 256, 128  # as in chapters/07
EPOCHS, BATCH, SEEDS = 8, 128, (0, 1)
CODE_SIZES = (4, 8, 16, 32, 64, 128, 256)
DUEL_SECONDS, DUEL_UNITS, DUEL_EMBEDDING = 60, 512, 300


def corpus():
    """Vocabulary and ids (n, LONGEST) of the chapter's training and validation sentences."""
    train, valid = (data.load_sentences(part) for part in ("train", "validation"))
    vocabulary = text.Vocabulary.build(train, WORDS)
    ids = [
        [row for row in vocabulary.encode_all(part) if len(row) <= LONGEST and text.UNK not in row]
        for part in (train, valid)
    ]
    return vocabulary, *(text.pad(rows, LONGEST) for rows in ids)


@keras.saving.register_keras_serializable("ae_benchmarks")
class Stage(keras.Model):
    """An LSTM autoencoder in which each repair of the chapter can be on or off.

    With all of them off, it computes what the listing computes.
    """

    def __init__(
        self, masked=False, backwards=False, tied=False, wide=False, repeated=False, dropped=0.0
    ):
        super().__init__()
        self.masked, self.backwards, self.tied, self.wide = masked, backwards, tied, wide
        self.repeated, self.dropped = repeated, dropped
        width = EMBEDDING if tied else 4 * UNITS
        self.tables = [self.table(f"table_{i}", width) for i in range(1 if tied else 2)]
        self.encoder, self.decoder = LSTM(UNITS), LSTM(UNITS)
        for lstm in (self.encoder, self.decoder):
            lstm.build((None, None, EMBEDDING if tied else 0))
        self.narrow = layers.Dense(EMBEDDING) if tied else None
        self.output_kernel = None if tied else self.table("output", UNITS)
        self.output_bias = self.add_weight(shape=(WORDS,), initializer="zeros")
        self.to_gates = layers.Dense(4 * UNITS, use_bias=False) if repeated else None
        self.seeds = keras.random.SeedGenerator(0)

    def table(self, name, width):
        wide = keras.initializers.RandomNormal(stddev=width**-0.5)  # rows of length one
        start = wide if self.wide else "glorot_uniform"
        return self.add_weight(shape=(WORDS, width), initializer=start, name=name)

    def inputs(self, lstm, which, tokens):
        """(T, n, 4·units): what the words add to the gates."""
        rows = ops.take(self.tables[0 if self.tied else which], ops.transpose(tokens), axis=0)
        return lstm.project(rows) if self.tied else rows + lstm.bias

    def read(self, tokens):
        mask = (
            ops.cast(tokens != text.PAD, "float32")
            if self.masked
            else ops.ones_like(tokens, "float32")
        )
        if self.backwards:
            tokens, mask = ops.flip(tokens, 1), ops.flip(mask, 1)
        zeros = ops.zeros((ops.shape(tokens)[0], UNITS))
        z = self.inputs(self.encoder, 0, tokens)
        return self.encoder.run(z, zeros, zeros, ops.transpose(mask)[:, :, None])[1:]

    def write(self, tokens, h, c, first):
        """Logits (T, n, WORDS) and the state after."""
        z = self.inputs(self.decoder, 1, tokens)
        if self.repeated:
            z = z + self.to_gates(first)
        outputs, h, c = self.decoder.run(z, h, c)
        if self.tied:
            return self.narrow(outputs) @ ops.transpose(self.tables[0]) + self.output_bias, h, c
        return outputs @ ops.transpose(self.output_kernel) + self.output_bias, h, c

    def call(self, tokens, training=None):
        h, c = self.read(tokens[:, 1:])
        seen = tokens[:, :-1]
        if training and self.dropped:
            chance = keras.random.uniform(ops.shape(seen), seed=self.seeds)
            seen = ops.where(chance < self.dropped, text.UNK, seen)
        return ops.transpose(self.write(seen, h, c, h)[0], (1, 0, 2))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        nats = ops.sparse_categorical_crossentropy(x[:, 1:], y_pred, from_logits=True)
        weight = ops.cast(x[:, 1:] != text.PAD, "float32") if self.masked else ops.ones_like(nats)
        return ops.sum(nats * weight) / ops.sum(weight)


def framed(ids):
    """<bos> words <eos>, padded: (n, LONGEST + 2)."""
    n = len(ids)
    rows = np.concatenate([np.full((n, 1), text.BOS), ids, np.zeros((n, 1), int)], 1)
    rows[np.arange(n), 1 + (ids != text.PAD).sum(1)] = text.EOS
    return rows.astype("int32")


def repeat(model, ids):
    """What the model writes by itself, greedily: (n, LONGEST + 1), padding after <eos>."""
    rows = framed(ids)
    h, c = model.read(ops.convert_to_tensor(rows[:, 1:]))
    first, tokens, written = h, np.full((len(ids), 1), text.BOS, "int32"), []
    for _ in range(LONGEST + 1):
        logits, h, c = model.write(ops.convert_to_tensor(tokens), h, c, first)
        tokens = ops.convert_to_numpy(logits)[0].argmax(-1).astype("int32")[:, None]
        written.append(tokens)
    written = np.concatenate(written, 1)
    return np.where(np.cumsum(written == text.EOS, 1) > 0, text.PAD, written)


def score(written, ids):
    """Exact sentences and right words at their place, as shares of all."""
    wanted = np.pad(ids, ((0, 0), (0, 1)))
    real = wanted != text.PAD
    return {
        "exact": float((written == wanted).all(1).mean()),
        "tokens": float((written == wanted)[real].mean()),
    }


def learn(model, rows, epochs, rng):
    """Train batch by batch in random order."""
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            model.train_on_batch(rows[order[at : at + BATCH]])


def stages(steps):
    """Name, switches and optimiser of each stage; every stage keeps the repairs before it."""

    def adam(**clip):
        return keras.optimizers.Adam(training.cosine_schedule(4e-3, steps), **clip)

    yield "the listing", {}, lambda: keras.optimizers.RMSprop()
    options = {"masked": True}
    yield "mask the padding", dict(options), lambda: keras.optimizers.RMSprop()
    yield "Adam, cosine schedule", dict(options), adam
    options["backwards"] = True
    yield "read backwards", dict(options), adam
    yield "clip the gradient", dict(options), lambda: adam(clipnorm=1.0)
    options["tied"] = True
    yield "one table of words", dict(options), lambda: adam(clipnorm=1.0)
    options["wide"] = True
    yield "word vectors of length one", dict(options), lambda: adam(clipnorm=1.0)
    options["repeated"] = True
    yield "show the code at every step", dict(options), lambda: adam(clipnorm=1.0)
    options["dropped"] = 0.2
    yield "drop words the decoder reads", dict(options), lambda: adam(clipnorm=1.0)


def climb(switches, optimizer, seed, rows, valid):
    """One stage with one seed."""
    training.set_seed(seed)
    model = Stage(**switches)
    model.compile(optimizer())
    learn(model, rows, EPOCHS, np.random.default_rng(seed))
    held_out = framed(valid)
    log_p = ops.convert_to_numpy(ops.log_softmax(model(held_out)))
    wanted = held_out[:, 1:]
    nats = -np.take_along_axis(log_p, wanted[..., None], -1)[..., 0]
    return {
        **score(repeat(model, valid), valid),
        "nats": float(nats[wanted != text.PAD].mean()),
        "parameters": model.count_params(),
    }


def ladder():
    """Every stage with every seed."""
    _, train, valid = corpus()
    rows = framed(train)
    kept = Kept(RECORDS / "repairs.part")
    names, parameters = [], []
    for name, switches, optimizer in stages(EPOCHS * (len(rows) // BATCH)):
        names.append(name)
        for seed in SEEDS:
            kept.get(f"{name}/{seed}", climb, switches, optimizer, seed, rows, valid)
        parameters.append(kept.runs[f"{name}/{SEEDS[0]}"]["parameters"])
    record = {
        "what": "held-out scores of free running, after the same number of updates",
        "stages": names,
        "parameters": parameters,
        "seeds": SEEDS,
        **{
            k: [[kept.runs[f"{n}/{s}"][k] for s in SEEDS] for n in names]
            for k in ("exact", "tokens", "nats")
        },
        "sentences": {"train": len(train), "validation": len(valid)},
        "epochs": EPOCHS,
        "batch_size": BATCH,
    }
    keep("repairs", record)
    kept.remove()


class OneHot(keras.utils.PyDataset):
    """The listing's arrays, made a batch at a time: all of them would not fit in memory."""

    def __init__(self, rows, rng):
        super().__init__()
        self.rows, self.rng, self.eye = rows, rng, np.eye(WORDS, dtype="float32")
        self.order = rng.permutation(len(rows))

    def __len__(self):
        return len(self.rows) // 64

    def __getitem__(self, i):
        rows = self.rows[self.order[64 * i : 64 * i + 64]]
        return (self.eye[rows[:, 1:]], self.eye[rows[:, :-1]]), self.eye[rows[:, 1:]]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.rows))


class StopAfter(keras.callbacks.Callback):
    """End training when its seconds are used up."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.start = seconds, None

    def on_train_batch_end(self, batch, logs=None):
        if self.start is None:
            self.start = time.perf_counter()  # the first batch compiles; it is not counted
        if time.perf_counter() - self.start > self.seconds:
            self.model.stop_training = True


def listing(units=UNITS):
    """The listing's three models: for training, its encoder, one step of its decoder."""
    encoder_inputs = layers.Input((None, WORDS))
    _, h, c = layers.LSTM(units, return_state=True)(encoder_inputs)
    decoder_inputs = layers.Input((None, WORDS))
    decoder_lstm = layers.LSTM(units, return_sequences=True, return_state=True)
    decoder_dense = layers.Dense(WORDS, activation="softmax")
    outputs = decoder_dense(decoder_lstm(decoder_inputs, initial_state=[h, c])[0])
    state = [layers.Input((units,)), layers.Input((units,))]
    stepped, *after = decoder_lstm(decoder_inputs, initial_state=state)
    return (
        keras.Model([encoder_inputs, decoder_inputs], outputs),
        keras.Model(encoder_inputs, [h, c]),
        keras.Model([decoder_inputs, *state], [decoder_dense(stepped), *after]),
    )


def listing_writes(encoder, stepper, ids):
    """What the listing writes greedily: (n, LONGEST + 1), padding from <eos> on."""
    eye = np.eye(WORDS, dtype="float32")
    state = encoder.predict_on_batch(eye[framed(ids)[:, 1:]])
    tokens, written = np.full(len(ids), text.BOS), []
    for _ in range(LONGEST + 1):
        p, *state = stepper.predict_on_batch([eye[tokens][:, None], *state])
        tokens = p[:, 0].argmax(-1)
        written.append(tokens)
    written = np.stack(written, 1)
    return np.where(np.cumsum(written == text.EOS, 1) > 0, text.PAD, written)


def duel():
    """The same data, parameters and seconds for the listing and for the final model."""
    _, train, valid = corpus()
    rows, results = framed(train), {}
    for seed in SEEDS:
        training.set_seed(seed)
        model, encoder, stepper = listing()
        model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
        stop = StopAfter(DUEL_SECONDS)
        batches = OneHot(rows, np.random.default_rng(seed))
        model.fit(batches, epochs=10_000, callbacks=[stop], verbose=0)
        written = listing_writes(encoder, stepper, valid)
        result = {**score(written, valid), "parameters": model.count_params()}
        result["updates"] = int(ops.convert_to_numpy(model.optimizer.iterations))
        results[f"listing/{seed}"] = result
        print(seed, result, flush=True)

        training.set_seed(seed)
        ours = Seq2SeqAutoencoder(WORDS, DUEL_UNITS, DUEL_EMBEDDING, code_size=256)
        # A schedule needs its length in advance: a few batches say how many will fit.
        ours.compile(keras.optimizers.Adam(1e-4, clipnorm=1.0))
        for _ in range(3):
            ours.train_on_batch(train[:BATCH])
        start = time.perf_counter()
        for at in range(15):
            ours.train_on_batch(train[at * BATCH : (at + 1) * BATCH])
        used = time.perf_counter() - start
        steps = int((DUEL_SECONDS - used) / used * 15 * 0.97)
        training.set_seed(seed)
        ours = Seq2SeqAutoencoder(WORDS, DUEL_UNITS, DUEL_EMBEDDING, code_size=256)
        rate = training.cosine_schedule(3e-3, steps)
        ours.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
        rng, done, start = np.random.default_rng(seed), 0, None
        while done < steps and (
            start is None or time.perf_counter() - start < DUEL_SECONDS - used
        ):
            order = rng.permutation(len(train))
            for at in range(0, len(order) - BATCH + 1, BATCH):
                ours.train_on_batch(train[order[at : at + BATCH]])
                start = start or time.perf_counter()
                done += 1
                if done >= steps or time.perf_counter() - start > DUEL_SECONDS - used:
                    break
        result = {
            **score(write_freely(ours, valid), valid),
            "parameters": ours.count_params(),
            "updates": done,
        }
        results[f"ours/{seed}"] = result
        print(seed, result, flush=True)
    record = {
        "what": "held-out scores of free running after the same seconds of training",
        "seconds": DUEL_SECONDS,
        "seeds": SEEDS,
        **{
            who: {
                k: [results[f"{who}/{seed}"][k] for seed in SEEDS]
                for k in ("exact", "tokens", "parameters", "updates")
            }
            for who in ("listing", "ours")
        },
        "sentences": {"train": len(train), "validation": len(valid)},
    }
    keep("duel", record)


def codes():
    """The chapter's model with codes of several sizes."""
    _, train, valid = corpus()
    kept = Kept(RECORDS / "text_code_size.part")

    def run(size, seed):
        training.set_seed(seed)
        model = Seq2SeqAutoencoder(WORDS, UNITS, EMBEDDING, code_size=size)
        rate = training.cosine_schedule(4e-3, EPOCHS * (len(train) // BATCH))
        model.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
        learn(model, train, EPOCHS, np.random.default_rng(seed))
        return score(write_freely(model, valid), valid)["exact"]

    exact = [[kept.get(f"{k}/{seed}", run, k, seed) for seed in SEEDS] for k in CODE_SIZES]
    record = {
        "what": "held-out sentences repeated exactly by free running, by code size",
        "code_sizes": CODE_SIZES,
        "seeds": SEEDS,
        "exact": exact,
        "epochs": EPOCHS,
        "sentences": {"train": len(train), "validation": len(valid)},
    }
    keep("text_code_size", record)
    kept.remove()


def write_freely(model, ids):
    """What a ``Seq2SeqAutoencoder`` writes greedily: (n, LONGEST + 1), padding after <eos>."""
    words = decoding.greedy(model, model.encode(ids), max_length=LONGEST + 1)
    words = np.pad(words, ((0, 0), (0, LONGEST + 1 - words.shape[1])))
    return np.where(words == text.EOS, text.PAD, words)


def keep(name, record):
    """Write a record with where it was made."""
    write_record(RECORDS / f"{name}.json", f"python -m benchmarks.repairs {name}", **record)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["ladder", "codes", "duel"])
    for name in parser.parse_args().what:
        {"ladder": ladder, "codes": codes, "duel": duel}[name]()


if __name__ == "__main__":
    main()
