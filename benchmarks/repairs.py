"""The listing of chapter 07 repaired one thing at a time, and listing against final model.

    python -m benchmarks.repairs [repairs text_code_size duel]

``repairs`` trains every stage from the same seeds with the same number of updates, and the
listing with either half of its mask. ``duel`` gives the listing and the final model the same
data, as many parameters and the same seconds. In both, each arm has its own learning rate: the
best on validation sentences after a whole run with ``TUNING_SEED``, by nats a token in the
repairs and by right tokens in the duel. The search halves and doubles the rate until the best
lies between two worse ones. The scores are of test sentences. ``text_code_size`` trains the final
model with codes of several sizes. The records have the parts' names; the chapter shows them.
Finished runs are kept at once, so an interrupted script continues where it stopped.

In the repairs the listing's one-hot rows times a matrix are looked up as rows of that matrix:
the same numbers in less time. The duel trains it on one-hot arrays, as it is written.
"""

import time

import keras
import numpy as np
from keras import layers, ops

from ae_lib import data, decoding, text, training
from ae_lib.models import LSTM, Seq2SeqAutoencoder
from benchmarks.kept import measure_parts, search

WORDS, LONGEST, UNITS, EMBEDDING = 2000, 7, 256, 128  # as in chapters/07
EPOCHS, BATCH, SEEDS = 8, 128, (0, 1, 2)
TUNING_SEED, FIRST_RATE = 100, 4e-3
HALVES = ("mask the loss only", "mask the encoder only")
CODE_SIZES = (4, 8, 16, 32, 64, 128, 256)
DUEL_UPDATES, DUEL_ROUNDS, DUEL_RATE = 250, 9, 4e-3
DUEL_UNITS, DUEL_EMBEDDING = 512, 300


def corpus():
    """Vocabulary and ids (n, LONGEST) of training, validation and test sentences."""
    parts = [data.load_sentences(part) for part in ("train", "validation", "test")]
    vocabulary = text.Vocabulary.build(parts[0], WORDS)
    ids = [
        [row for row in vocabulary.encode_all(part) if len(row) <= LONGEST and text.UNK not in row]
        for part in parts
    ]
    return vocabulary, *(text.pad(rows, LONGEST) for rows in ids)


@keras.saving.register_keras_serializable("ae_benchmarks")
class Stage(keras.Model):
    """An LSTM autoencoder in which each repair of the chapter can be on or off.

    With all of them off, it computes what the listing computes.
    """

    def __init__(
        self,
        mask_loss=False,
        mask_encoder=False,
        backwards=False,
        narrow=False,  # vectors of EMBEDDING numbers on their way to the gates and from the state
        tied=False,  # one narrow table at all three places
        wide=False,  # vectors of length one from the start
        repeated=False,
        dropped=0.0,
    ):
        super().__init__()
        self.mask_loss, self.mask_encoder, self.backwards = mask_loss, mask_encoder, backwards
        self.narrow, self.wide, self.repeated, self.dropped = narrow, wide, repeated, dropped
        widths = [EMBEDDING] * 3 if narrow else [4 * UNITS, 4 * UNITS, UNITS]
        tables = [
            self.table(f"table_{i}", width) for i, width in enumerate(widths[: 1 if tied else 3])
        ]
        self.tables = tables * 3 if tied else tables  # of the encoder, the decoder, the output
        self.encoder, self.decoder = LSTM(UNITS), LSTM(UNITS)
        for lstm in (self.encoder, self.decoder):
            lstm.build((None, None, EMBEDDING if narrow else 0))
        self.to_word = layers.Dense(EMBEDDING) if narrow else None
        self.output_bias = self.add_weight(shape=(WORDS,), initializer="zeros")
        self.to_gates = layers.Dense(4 * UNITS, use_bias=False) if repeated else None
        self.seeds = keras.random.SeedGenerator(0)

    def table(self, name, width):
        wide = keras.initializers.RandomNormal(stddev=width**-0.5)  # rows of length one
        start = wide if self.wide else "glorot_uniform"
        return self.add_weight(shape=(WORDS, width), initializer=start, name=name)

    def inputs(self, lstm, which, tokens):
        """(T, n, 4·units): what the words add to the gates."""
        rows = ops.take(self.tables[which], ops.transpose(tokens), axis=0)
        return lstm.project(rows) if self.narrow else rows + lstm.bias

    def read(self, tokens):
        mask = (
            ops.cast(tokens != text.PAD, "float32")
            if self.mask_encoder
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
        if self.narrow:
            outputs = self.to_word(outputs)
        return outputs @ ops.transpose(self.tables[2]) + self.output_bias, h, c

    def call(self, tokens, training=None):
        h, c = self.read(tokens[:, 1:])
        seen = tokens[:, :-1]
        if training and self.dropped:
            chance = keras.random.uniform(ops.shape(seen), seed=self.seeds)
            seen = ops.where(chance < self.dropped, text.UNK, seen)
        return ops.transpose(self.write(seen, h, c, h)[0], (1, 0, 2))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        nats = ops.sparse_categorical_crossentropy(x[:, 1:], y_pred, from_logits=True)
        weight = (
            ops.cast(x[:, 1:] != text.PAD, "float32") if self.mask_loss else ops.ones_like(nats)
        )
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
    """Exact sentences, right words at their place, and those of the rarer half; as shares."""
    wanted = np.pad(ids, ((0, 0), (0, 1)))
    real, rare = wanted != text.PAD, wanted >= WORDS // 2  # ids are sorted by frequency
    return {
        "exact": float((written == wanted).all(1).mean()),
        "tokens": float((written == wanted)[real].mean()),
        "rare": float((written == wanted)[rare].mean()),
    }


def learn(model, rows, epochs, rng):
    """Train batch by batch in random order."""
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            model.train_on_batch(rows[order[at : at + BATCH]])


def stages():
    """Name, switches and optimiser of each stage; every stage keeps the repairs before it.

    The ``HALVES`` are the exception: two ways from the listing to its mask.
    """

    def rmsprop(rate, steps):
        return keras.optimizers.RMSprop(rate)

    def adam(rate, steps):
        return keras.optimizers.Adam(training.cosine_schedule(rate, steps))

    def clipped(rate, steps):
        return keras.optimizers.Adam(training.cosine_schedule(rate, steps), clipnorm=1.0)

    options = {}
    for name, added, optimizer in (
        ("the listing", {}, rmsprop),
        (HALVES[0], {"mask_loss": True}, rmsprop),
        (HALVES[1], {"mask_loss": False, "mask_encoder": True}, rmsprop),
        ("mask the padding", {"mask_loss": True}, rmsprop),
        ("Adam, cosine schedule", {}, adam),
        ("read backwards", {"backwards": True}, adam),
        ("clip the gradient", {}, clipped),
        ("three narrow tables", {"narrow": True}, clipped),
        ("one table of words", {"tied": True}, clipped),
        ("word vectors of length one", {"wide": True}, clipped),
        ("show the code at every step", {"repeated": True}, clipped),
        ("drop words the decoder reads", {"dropped": 0.2}, clipped),
    ):
        options = {**options, **added}
        yield name, options, optimizer


def climb(switches, optimizer, rate, seed, rows, held_out):
    """One stage with one seed: its scores on the ids ``held_out``."""
    training.set_seed(seed)
    model = Stage(**switches)
    model.compile(optimizer(rate, EPOCHS * (len(rows) // BATCH)))
    learn(model, rows, EPOCHS, np.random.default_rng(seed))
    nats, framed_ids = [], framed(held_out)
    for at in range(0, len(held_out), 512):
        wanted = framed_ids[at : at + 512]
        log_p = ops.convert_to_numpy(ops.log_softmax(model(wanted)))
        found = -np.take_along_axis(log_p, wanted[:, 1:, None], -1)[..., 0]
        nats.append(found[wanted[:, 1:] != text.PAD])
    return {
        **score(repeat(model, held_out), held_out),
        "nats": float(np.concatenate(nats).mean()),
        "parameters": model.count_params(),
    }


def repairs(kept):
    """Test scores of free running, after the same number of updates."""
    _, train, valid, test = corpus()
    rows, runs, rate = framed(train), {}, FIRST_RATE

    for name, switches, optimizer in stages():

        def one(rate, seed, held_out, name=name, arm=(switches, optimizer)):
            return kept.get(f"{name}/{rate}/{seed}", climb, *arm, rate, seed, rows, held_out)

        rate, tried = search(lambda rate, one=one: one(rate, TUNING_SEED, valid)["nats"], rate)
        scores = [one(rate, seed, test) for seed in SEEDS]
        runs[name] = {
            "parameters": scores[0]["parameters"],
            "rate": rate,
            "tried": {str(k): round(v, 3) for k, v in tried.items()},
            **{k: [score[k] for score in scores] for k in ("exact", "tokens", "rare", "nats")},
        }
    halves = {name: runs.pop(name) for name in HALVES}
    return {
        "stages": list(runs),
        **{key: [run[key] for run in runs.values()] for key in halves[HALVES[0]]},
        "halves": halves,
        "seeds": SEEDS,
        "tuning": {"what": "validation nats a token, by rate", "seed": TUNING_SEED},
        "sentences": {"train": len(train), "validation": len(valid), "test": len(test)},
        "epochs": EPOCHS,
        "batch_size": BATCH,
    }


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


def fight_listing(rate, seed, updates, rows, held_out):
    """The listing after so many updates: its scores on the ids ``held_out``."""
    training.set_seed(seed)
    model, encoder, stepper = listing()
    model.compile(keras.optimizers.RMSprop(rate), loss="categorical_crossentropy")
    batches = OneHot(rows, np.random.default_rng(seed))
    for done in range(updates):
        model.train_on_batch(*batches[done % len(batches)])
        if done % len(batches) == len(batches) - 1:
            batches.on_epoch_end()
    written = listing_writes(encoder, stepper, held_out)
    return {**score(written, held_out), "parameters": model.count_params(), "updates": updates}


def duellist(rate):
    """The final model with as many parameters as the listing."""
    model = Seq2SeqAutoencoder(WORDS, DUEL_UNITS, DUEL_EMBEDDING, code_size=256)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
    return model


def fight_ours(peak, seed, updates, train, held_out):
    """The final model after so many updates: its scores on the ids ``held_out``."""
    training.set_seed(seed)
    model = duellist(training.cosine_schedule(peak, updates))
    rng, batches = np.random.default_rng(seed), []
    for _ in range(updates):
        batches = batches or np.array_split(rng.permutation(len(train)), len(train) // BATCH)
        model.train_on_batch(train[batches.pop()[:BATCH]])
    found = score(write_freely(model, held_out), held_out)
    return {**found, "parameters": model.count_params(), "updates": updates}


def pace(rows, train):
    """Milliseconds of an update of the listing and of the final model, which take turns.

    A list for each, one number a round of five updates, and the median ratio within rounds.
    """
    theirs, ours = listing()[0], duellist(1e-4)
    theirs.compile(keras.optimizers.RMSprop(1e-4), loss="categorical_crossentropy")
    batches = OneHot(rows, np.random.default_rng(0))
    arms = {
        "listing": lambda i: theirs.train_on_batch(*batches[i]),
        "ours": lambda i: ours.train_on_batch(train[i * BATCH : (i + 1) * BATCH]),
    }
    took = {who: [] for who in arms}
    for number in range(DUEL_ROUNDS + 1):  # the first compiles
        for who, update in arms.items():
            start = time.perf_counter()
            for i in range(5):
                update(5 * number + i)
            took[who].append(round(200 * (time.perf_counter() - start), 2))
    took = {who: rounds[1:] for who, rounds in took.items()}
    return {**took, "ratio": float(np.median(np.divide(took["ours"], took["listing"])))}


def duel(kept):
    """Test scores of free running after the same seconds of training."""
    # The final model makes DUEL_UPDATES updates; the listing as many as it makes in that time, by
    # ``pace``. So the scores do not depend on how busy the machine is.
    _, train, valid, test = corpus()
    rows = framed(train)
    milliseconds = kept.get("pace", pace, rows, train)
    updates = {"listing": round(DUEL_UPDATES * milliseconds["ratio"]), "ours": DUEL_UPDATES}
    results = {}
    for who, fight, data_ in (("listing", fight_listing, rows), ("ours", fight_ours, train)):

        def one(rate, seed, held_out, arm=(who, fight, data_)):
            who, fight, data_ = arm
            return kept.get(
                f"{who}/{rate}/{seed}", fight, rate, seed, updates[who], data_, held_out
            )

        def loss(rate, one=one):
            return -one(rate, TUNING_SEED, valid)["tokens"]

        rate, tried = search(loss, DUEL_RATE)
        scores = [one(rate, seed, test) for seed in SEEDS]
        results[who] = {
            "rate": rate,
            "tried": {str(k): -round(v, 4) for k, v in tried.items()},
            **{k: [score[k] for score in scores] for k in scores[0]},
        }
    return {
        "milliseconds": milliseconds,
        "seeds": SEEDS,
        "tuning": {"what": "validation tokens right, by rate", "seed": TUNING_SEED},
        **results,
        "sentences": {"train": len(train), "validation": len(valid), "test": len(test)},
    }


def text_code_size(kept):
    """Held-out sentences repeated exactly by free running, by code size."""
    _, train, valid, _ = corpus()

    def run(size, seed):
        training.set_seed(seed)
        model = Seq2SeqAutoencoder(WORDS, UNITS, EMBEDDING, code_size=size)
        rate = training.cosine_schedule(4e-3, EPOCHS * (len(train) // BATCH))
        model.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
        learn(model, train, EPOCHS, np.random.default_rng(seed))
        return score(write_freely(model, valid), valid)["exact"]

    exact = [[kept.get(f"{k}/{seed}", run, k, seed) for seed in SEEDS] for k in CODE_SIZES]
    return {
        "code_sizes": CODE_SIZES,
        "seeds": SEEDS,
        "exact": exact,
        "epochs": EPOCHS,
        "sentences": {"train": len(train), "validation": len(valid)},
    }


def write_freely(model, ids):
    """What a ``Seq2SeqAutoencoder`` writes greedily: (n, LONGEST + 1), padding after <eos>."""
    words = decoding.greedy(model, model.encode(ids), max_length=LONGEST + 1)
    words = np.pad(words, ((0, 0), (0, LONGEST + 1 - words.shape[1])))
    return np.where(words == text.EOS, text.PAD, words)


def main():
    measure_parts((repairs, text_code_size, duel), "benchmarks.repairs", __doc__)


if __name__ == "__main__":
    main()
