"""What the batch size and the precision do to training: throughput, held-out loss, accuracy.

    python -m benchmarks.training_curves [batch_size precision]

Writes ``batch_size.json`` and ``precision.json`` to ``ae_lib/data/records``. Finished runs are
kept at once, so an interrupted script continues where it stopped. Training sentences make
the updates, validation sentences choose the learning rate, test sentences give what is
reported beside it.

``batch_size``: ``Seq2SeqAutoencoder`` sees the same sentences the same number of times in
batches of 16 to 1024. For each size three learning rates are tried: the base rate times the
root of the batch size over 64 (the square root rule for Adam, Malladi et al. 2022), half of it
and twice it; while the best by validation loss is the first or last of those tried, one more
on that side. Then a second seed at the best. Throughput is measured apart from that, in rounds
in which every size takes its turn: the fastest of the rounds, the one that least else on the
machine disturbed; all rounds are on record.

``precision``: the model does not follow Keras's dtype policies, so an autoencoder of plain
Keras layers (``Embedding``, ``LSTM``, ``Dense``) is trained under each policy on PyTorch,
whose CPU kernels multiply in float16 and bfloat16 and add up in float32, as a GPU's do; its
words' vectors are drawn and shared as ``Seq2SeqAutoencoder``'s are. No seconds are recorded:
half precision has its speed on other machines. ``underflow`` is the share of the
gradient's entries that float32 has and the policy turns into zero, on one batch, at the float32
model's weights before and after training.
"""

import os
import subprocess
import sys
import time

import numpy as np

from ae_lib import data, text
from benchmarks.environment import short
from benchmarks.kept import measure_parts, search

BATCHES = (16, 32, 64, 128, 256, 512, 1024)
SIZES = {"units": 128, "embedding_size": 64, "code_size": 64}
BASE_RATE, BASE_BATCH = 4e-3, 64
A = {"words": 2000, "longest": 7, "sentences": 8192, "epochs": 5, "seeds": (0, 1)}
B = {"words": 1000, "longest": 5, "sentences": 4096, "epochs": 10, "seeds": (0, 1)}
B |= {"batch": 64, "rate": 8e-3}
POLICIES = {  # name: (Keras's dtype policy, whether the loss is scaled)
    "float32": ("float32", True),
    "mixed_bfloat16": ("mixed_bfloat16", True),
    "mixed_float16": ("mixed_float16", True),
    "mixed_float16, loss not scaled": ("mixed_float16", False),
}


def corpus(words, longest, sentences):
    """Vocabulary size and ids (n, longest) of training, validation and test sentences."""
    parts = {part: data.load_sentences(part) for part in ("train", "validation", "test")}
    vocabulary = text.Vocabulary.build(parts["train"], words)
    ids = {}
    for part, lines in parts.items():
        rows = vocabulary.encode_all(lines)
        rows = [row for row in rows if len(row) <= longest and text.UNK not in row]
        ids[part] = text.pad(rows[:sentences], longest)
    return len(vocabulary), ids


def tokens(ids):
    """Words and one <eos> a sentence."""
    return int((ids != text.PAD).sum() + len(ids))


def learn(model, rows, batch, epochs, seed):
    """Train in batches of random order, the last of an epoch left out if it is not whole."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for at in range(0, len(order) - batch + 1, batch):
            model.train_on_batch(rows[order[at : at + batch]])


def nats(model, rows, batch=500):
    """Mean loss in nats per token of held-out rows."""
    from keras import ops

    total = 0.0
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        loss = model.compute_loss(x=part, y_pred=model(part))
        total += float(ops.convert_to_numpy(loss)) * tokens(part)
    return total / tokens(rows)


# Batch size


def small_model(vocabulary, rate):
    import keras

    from ae_lib.models import Seq2SeqAutoencoder

    model = Seq2SeqAutoencoder(vocabulary, **SIZES)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), jit_compile=False)
    return model


def run(vocabulary, ids, batch, rate, seed):
    """Validation and test loss after one training run."""
    from ae_lib import training

    training.set_seed(seed)
    steps = A["epochs"] * (len(ids["train"]) // batch)
    model = small_model(vocabulary, training.cosine_schedule(rate, steps))
    learn(model, ids["train"], batch, A["epochs"], seed)
    return {part: nats(model, ids[part]) for part in ("validation", "test")}


def best_rate(kept, vocabulary, ids, batch):
    """The best rate of a batch size by validation, and the losses of all that were tried."""

    def loss(rate):
        key = f"batch {batch}, rate {rate:.3g}, seed {A['seeds'][0]}"
        return kept.get(key, run, vocabulary, ids, batch, rate, A["seeds"][0])["validation"]

    best, tried = search(loss, BASE_RATE * (batch / BASE_BATCH) ** 0.5)
    return best, {f"{rate:.3g}": nats for rate, nats in tried.items()}


def throughput(vocabulary, ids, rounds=20, sentences=2048):
    """Sentences a second by batch size, one list over the rounds each."""
    models = {batch: small_model(vocabulary, 1e-3) for batch in BATCHES}
    rows, found = ids["train"], {batch: [] for batch in BATCHES}
    for batch, model in models.items():
        for _ in range(4):
            model.train_on_batch(rows[:batch])
    for _ in range(rounds):
        for batch, model in models.items():
            count = min(40, sentences // batch)
            start = time.perf_counter()
            for i in range(count):
                model.train_on_batch(rows[i * batch : (i + 1) * batch])
            found[batch].append(count * batch / (time.perf_counter() - start))
    return {str(batch): values for batch, values in found.items()}


def batch_size(kept):
    """Throughput and held-out loss by batch size, the sentences seen being the same."""
    vocabulary, ids = corpus(A["words"], A["longest"], A["sentences"])
    rounds = kept.get("throughput", throughput, vocabulary, ids)
    per_sentence = tokens(ids["train"]) / len(ids["train"])
    results = []
    for batch in BATCHES:
        rate, tried = best_rate(kept, vocabulary, ids, batch)
        runs = [
            kept.get(f"batch {batch}, rate {rate:.3g}, seed {seed}", run, vocabulary, ids, *of)
            for seed in A["seeds"]
            for of in [(batch, rate, seed)]
        ]
        speeds = rounds[str(batch)]
        results.append(
            {
                "batch": batch,
                "steps": A["epochs"] * (len(ids["train"]) // batch),
                "rate": short(rate, 3),
                "validation_by_rate": {k: round(v, 4) for k, v in tried.items()},
                "validation_loss": [round(r["validation"], 4) for r in runs],
                "test_loss": [round(r["test"], 4) for r in runs],
                "sentences_per_second": round(max(speeds), 1),
                "tokens_per_second": round(max(speeds) * per_sentence),
                "rounds": [round(speed, 1) for speed in speeds],
            }
        )
    shape = {**SIZES, "vocabulary": vocabulary, **A, "held_out": {}}
    shape["sentences"] = len(ids["train"])
    shape["held_out"] = {part: len(ids[part]) for part in ("validation", "test")}
    shape["rate_rule"] = f"{BASE_RATE} · √(batch / {BASE_BATCH}), times powers of two"
    return {"unit": "nats a token; sentences a second", "results": {**shape, "sizes": results}}


# Precision


def plain_model(vocabulary, policy):
    """An autoencoder of plain Keras layers under a dtype policy; float32 logits and loss."""
    import keras
    from keras import layers, ops

    keras.mixed_precision.set_global_policy(policy)
    units, embedding = SIZES["units"], SIZES["embedding_size"]

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            scale = keras.initializers.RandomNormal(stddev=embedding**-0.5)
            self.embedding = layers.Embedding(vocabulary, embedding, scale)
            self.reader = layers.LSTM(units, return_state=True)
            self.to_code = layers.Dense(SIZES["code_size"])
            self.to_h, self.to_c = layers.Dense(units, "tanh"), layers.Dense(units)
            self.writer = layers.LSTM(units, return_sequences=True)
            self.to_word = layers.Dense(embedding)

        def encode(self, rows):
            backwards = ops.flip(rows, axis=1)
            _, h, c = self.reader(self.embedding(backwards), mask=backwards != text.PAD)
            return self.to_code(ops.concatenate([h, c], axis=-1))

        def write(self, codes, seen):
            words = self.embedding(seen)
            shown = ops.repeat(codes[:, None], seen.shape[1], axis=1)
            both = ops.concatenate([words, ops.cast(shown, words.dtype)], axis=-1)
            outputs = self.writer(both, initial_state=[self.to_h(codes), self.to_c(codes)])
            table = ops.cast(self.embedding.embeddings, words.dtype)
            logits = ops.matmul(self.to_word(outputs), ops.transpose(table))
            return ops.cast(logits, "float32")

        def call(self, rows):
            seen = ops.pad(rows, ((0, 0), (1, 0)), constant_values=text.BOS)
            return self.write(self.encode(rows), seen)

        def compute_loss(
            self, x=None, y=None, y_pred=None, sample_weight=None, training=False, **_
        ):
            target = ops.convert_to_tensor(framed(ops.convert_to_numpy(x)))
            weight = ops.cast(target != text.PAD, "float32")
            loss = ops.sparse_categorical_crossentropy(target, y_pred, from_logits=True)
            return ops.sum(loss * weight) / ops.sum(weight)

    return Plain()


def framed(rows):
    """Words and <eos>, padded: (n, longest + 1)."""
    target = np.pad(rows, ((0, 0), (0, 1))).astype("int32")
    target[np.arange(len(rows)), (rows != text.PAD).sum(1)] = text.EOS
    return target


def exact(model, rows):
    """Share of sentences that a plain model repeats word for word, writing freely."""
    from keras import ops

    codes = model.encode(rows)
    seen = np.full((len(rows), 1), text.BOS, "int32")
    for _ in range(rows.shape[1] + 1):
        logits = ops.convert_to_numpy(model.write(codes, seen))[:, -1]
        seen = np.concatenate([seen, logits.argmax(-1).astype("int32")[:, None]], 1)
    return _same(seen[:, 1:], rows)


def _same(written, rows):
    ended = np.cumsum(written == text.EOS, 1) > 0
    wanted = np.pad(rows, ((0, 0), (0, written.shape[1] - rows.shape[1])))
    whole = (np.where(ended, text.PAD, written) == wanted).all(1)
    return float((whole & ended.any(1)).mean())


def train_plain(vocabulary, ids, name, seed):
    """Scores of one policy; with the float32 model's weights, all policies' underflow."""
    import keras

    from ae_lib import training

    policy, scaled = POLICIES[name]
    training.set_seed(seed)
    model = plain_model(vocabulary, policy)
    batch = ids["train"][: B["batch"]]
    model(batch)
    result = {}
    if name == "float32":
        result["underflow before training"] = underflow(vocabulary, model, batch)
        keras.mixed_precision.set_global_policy(policy)
    rate = training.cosine_schedule(B["rate"], B["epochs"] * (len(ids["train"]) // B["batch"]))
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer, jit_compile=False, auto_scale_loss=scaled)
    learn(model, ids["train"], B["batch"], B["epochs"], seed)
    for part in ("validation", "test"):
        result[f"{part} loss"] = nats(model, ids[part])
        result[f"{part} exact"] = exact(model, ids[part])
    if name == "float32":
        result["underflow after training"] = underflow(vocabulary, model, batch)
    return result


def gradients(model, batch, scale=1.0):
    """The loss's gradient times ``scale``, one NumPy array a weight, on PyTorch."""
    for weight in model.trainable_weights:
        weight.value.grad = None
    (model.compute_loss(x=batch, y_pred=model(batch)) * scale).backward()
    return [w.value.grad.detach().float().cpu().numpy() for w in model.trainable_weights]


def underflow(vocabulary, model, batch, scale=2.0**15):
    """Shares of the float32 gradient's entries that are zero under another policy."""
    whole = gradients(model, batch)
    shares = {}
    cases = (("mixed_bfloat16", 1.0), ("mixed_float16", 1.0), ("mixed_float16", scale))
    for policy, factor in cases:
        other = plain_model(vocabulary, policy)
        other(batch)
        other.set_weights(model.get_weights())
        found = gradients(other, batch, factor)
        lost = sum(int(((w != 0) & (f == 0)).sum()) for w, f in zip(whole, found, strict=True))
        infinite = sum(int((~np.isfinite(f)).sum()) for f in found)
        shares[policy + (f", loss times {factor:g}" if factor > 1 else "")] = {
            "lost": lost / sum(int((w != 0).sum()) for w in whole),
            "not finite": infinite / sum(w.size for w in whole),
        }
    return shares


def precision(kept):
    """Held-out loss and exact sentences by precision, after the same updates."""
    vocabulary, ids = corpus(B["words"], B["longest"], B["sentences"])
    found = {
        name: [
            kept.get(f"{name}, seed {seed}", train_plain, vocabulary, ids, name, seed)
            for seed in B["seeds"]
        ]
        for name in POLICIES
    }
    scores = ("validation loss", "validation exact", "test loss", "test exact")
    results = {**SIZES, "vocabulary": vocabulary, **B, "sentences": len(ids["train"])}
    results["steps"] = B["epochs"] * (len(ids["train"]) // B["batch"])
    results["held_out"] = {part: len(ids[part]) for part in ("validation", "test")}
    results["plain Keras layers"] = {
        name: {s.replace(" ", "_"): [round(r[s], 4) for r in found[name]] for s in scores}
        for name in POLICIES
    }
    results["underflow"] = {
        when: [run[f"underflow {when} training"] for run in found["float32"]]
        for when in ("before", "after")
    }
    return {"unit": "nats a token; share of sentences", "results": results}


BACKENDS = {"batch_size": "tensorflow", "precision": "torch"}


def main():
    if len(sys.argv) == 2:  # one part, in this process
        if backend := BACKENDS.get(sys.argv[1]):
            os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        measure_parts((batch_size, precision), "benchmarks.training_curves", __doc__)
        return
    for name in sys.argv[1:] or BACKENDS:
        subprocess.run([sys.executable, "-m", "benchmarks.training_curves", name], check=True)


if __name__ == "__main__":
    main()
