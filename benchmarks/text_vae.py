"""The laboratory of chapter 08: sentence VAEs against collapse, one budget, one table.

    python -m benchmarks.text_vae [--folder build/text_vae]       hours on two cores, or a GPU
    python -m benchmarks.text_vae --arms plain "free bits"        a part, beside another process
    python -m benchmarks.text_vae --dry-run [--out FOLDER]

Every arm sees the same sentences in as many updates of all or a part of its weights: what the
pretrained encoder's autoencoder and the aggressive encoder take, their VAEs lack. Each arm's
learning rate is the best of ``rates`` on seed 0, by the validation sentences'
importance-weighted bound (a language model's: its exact value). Test sentences are scored once a
run. Every run is a file in ``--folder``: the same command goes on where it was cut off.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops

from ae_lib import data, decoding, metrics, models, text, training
from ae_lib._files import write_json
from ae_lib.text import EOS, PAD
from benchmarks.environment import RECORDS, write_record

SETTINGS = {
    "units": 128, "embedding_size": 96, "code_size": 32, "dropout": 0.2,
    "min_count": 3,  # of a word in the training sentences; rarer ones are <unk>
    "edges": [8, 12],  # tokens that a batch is filled up to; longer sentences are left out
    "sentences": 24_000, "epochs": 8, "batch_size": 128, "rates": [8e-3, 1.6e-2], "clipnorm": 5.0,
    "seeds": [0, 1, 2],
    "draws": 500, "scored": 250,  # of the importance-weighted NLL; of how many test sentences
    "validation_draws": 50, "validated": 500,
}  # fmt: skip
DRY = {
    "units": 12, "embedding_size": 8, "code_size": 4, "edges": [7], "sentences": 300,
    "epochs": 4, "batch_size": 32, "rates": [1.6e-2], "seeds": [0], "draws": 6, "scored": 40,
    "validation_draws": 3, "validated": 40,
}  # fmt: skip
FREE = {"free_bits": 8.0, "free_bits_of": "number"}
ARMS = {
    "plain": {},
    "annealing": {"ramp": 0.3},  # share of the updates
    "cycles": {"cycles": 4},
    "word dropout": {"word_dropout": 0.4},
    "free bits": FREE,
    # "first": share of the epochs whose updates the encoder, or the autoencoder before, gets.
    "aggressive encoder": {"updates": 5, "first": 0.5},
    "pretrained encoder, free bits": {**FREE, "first": 0.25, "ramp": 0.3},
    "normalised posterior": {"posterior_std": 0.6},
    "language model": {"wider": False},  # the decoder without its code
    "language model, as many weights": {"wider": True},
}


class Corpus:
    """Rows of ids, padded, of three parts; how many different ids there are."""

    def __init__(self, s):
        parts, most = ("train", "validation", "test"), s["sentences"]
        texts = {part: data.load_sentences(part, size="full")[:most] for part in parts}
        self.texts = texts["train"]
        self.vocabulary = text.Vocabulary.build(self.texts, min_count=s["min_count"])
        rows = {part: self.vocabulary.encode_all(texts[part]) for part in parts}
        self.size = len(self.vocabulary)
        longest = s["edges"][-1]
        kept = {p: [r for r in rows[p] if 0 < len(r) <= longest] for p in parts}
        self.left_out = {p: len(rows[p]) - len(kept[p]) for p in parts}
        self.rows = kept["train"]
        self.train, self.validation, self.test = (text.pad(kept[p], longest) for p in parts)
        ids = np.concatenate([*self.rows, [EOS] * len(self.rows)]).astype(int)
        self.counts = np.bincount(ids, minlength=self.size)


class Batches(keras.utils.PyDataset):
    """Whole batches of sentences of like length; Keras shuffles them."""

    def __init__(self, corpus, s, seed):
        super().__init__()
        self.rows, size, lengths = corpus.rows, s["batch_size"], [len(row) for row in corpus.rows]
        order = text.bucket_batches(lengths, size, s["edges"], seed=seed)
        self.order = [(int(edge), some) for edge, some in order if len(some) == size]

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i):
        edge, some = self.order[i]
        return text.pad([self.rows[j] for j in some], edge)


def build(arm, corpus, s):
    """A fresh model of an arm."""
    sizes = (corpus.size, s["units"], s["embedding_size"])
    names = ("word_dropout", "free_bits", "free_bits_of", "posterior_std")
    options = {name: ARMS[arm][name] for name in names if name in ARMS[arm]}
    vae = models.SentenceVAE(*sizes, s["code_size"], dropout=s["dropout"], **options)
    if "wider" not in ARMS[arm]:
        return vae
    width, (size, wide) = s["units"], sizes[::2]
    if ARMS[arm]["wider"]:  # RecurrentLM's number of weights, as its docstring has it
        weights = (
            (u, size * (wide + 1) + 4 * u * (wide + u + 1) + (u + 1) * wide)
            for u in itertools.count(width)
        )
        width = next(u for u, count in weights if count >= vae.count_params())
    return models.RecurrentLM(size, width, wide, dropout=s["dropout"])


def fit(model, batches, epochs, rate, s, callbacks=(), checkpoints=None):
    schedule = training.cosine_schedule(rate, epochs * len(batches))
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=s["clipnorm"])
    model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
    options = {"callbacks": list(callbacks), "checkpoints": checkpoints}
    return training.fit(model, batches, epochs=epochs, **options)


def train(arm, rate, seed, corpus, s, path, checkpoints=None):
    """Train a model, keep its weights at ``path``; its validation score and learning curve.

    With ``checkpoints``, a folder, it goes on inside a run.
    """
    start, how, epochs = time.perf_counter(), ARMS[arm], s["epochs"]
    keras.utils.clear_session()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()  # of the run before
    training.set_seed(seed)
    model, callbacks, curve = build(arm, corpus, s), [], {}
    batches = Batches(corpus, s, seed)
    first = max(1, round(how["first"] * epochs)) if "first" in how else 0
    epochs -= first
    if "updates" in how:
        more = {"updates": how["updates"], "batch_size": s["batch_size"], "seed": seed}
        steps = first * len(batches) // how["updates"]
        callbacks.append(training.aggressive_encoder(corpus.train, steps, **more))
    elif first:
        sizes = (corpus.size, s["units"], s["embedding_size"], s["code_size"])
        reader = models.Seq2SeqAutoencoder(*sizes)
        kept = checkpoints and checkpoints / "autoencoder"
        curve["autoencoder"] = fit(reader, batches, first, rate, s, (), kept)["loss"]
        model.embedding.assign(reader.embedding)
        model.encoder.set_weights(reader.encoder.get_weights())
        means = zip(reader.to_code.get_weights(), model.to_code.get_weights(), strict=True)
        model.to_code.set_weights(
            [np.concatenate([ours, theirs[..., s["code_size"] :]], -1) for ours, theirs in means]
        )
    updates = epochs * len(batches)
    if "ramp" in how:
        callbacks.append(training.kl_schedule(max(1, round(how["ramp"] * updates))))
    if "cycles" in how:
        callbacks.append(training.kl_schedule(updates, cycles=how["cycles"], ramp=0.5))
    curve |= fit(model, batches, epochs, rate, s, callbacks, checkpoints and checkpoints / "vae")
    seconds = time.perf_counter() - start
    model.save_weights(path)
    held_out = corpus.validation[: s["validated"]]
    if "wider" in how:
        score = sentence_nats(model, held_out).mean()
    else:
        score = -metrics.iwae(model, held_out, s["validation_draws"]).mean()
    more = {"minutes": seconds / 60, "parameters": model.count_params(), "curve": curve}
    return {"arm": arm, "rate": rate, "seed": seed, "validation": float(score), **more}


def sentence_nats(model, tokens, size=250):
    """− log p of each sentence under a language model, (n,)."""
    found, target = [], ops.convert_to_numpy(model.decoder_target(tokens))
    for i in range(0, len(tokens), size):
        part = target[i : i + size]
        logits = model(tokens[i : i + size], training=False)
        nats = ops.convert_to_numpy(model.token_nats(part, logits)).astype("float64")
        found.append(np.where(part == PAD, 0, nats).sum(1))
    return np.concatenate(found)


def rates(nats, tokens):
    """Nats per sentence, and perplexity: exp(all nats / all words, an <eos> a sentence too)."""
    count = int((tokens != PAD).sum()) + len(tokens)
    return {"nll": float(nats.mean()), "perplexity": float(np.exp(nats.sum() / count))}


def judge(arm, model, corpus, s):
    """The columns of the table, on the test sentences."""
    x, few = corpus.test, corpus.test[: s["scored"]]
    if "wider" in ARMS[arm]:
        nats = sentence_nats(model, x)
        return {**rates(nats[: len(few)], few), "nll_all": float(nats.mean())}
    mean, log_variance = model.posterior(x)
    kl = metrics.gaussian_kl(mean, log_variance)
    own, other = (metrics.distortion(model, x, shuffled=moved) for moved in (False, True))
    written = decoding.greedy(model, mean, max_length=x.shape[1] + 1)
    return {
        **rates(-metrics.iwae(model, few, s["draws"]), few),
        "elbo_scored": float(-(own + kl)[: len(few)].mean()),  # of the same sentences
        "reconstruction": float(own.mean()),
        "kl": float(kl.mean()),
        "elbo": float(-(own + kl).mean()),
        "shuffled": float(other.mean()),
        "mutual_information": metrics.mutual_information(mean, log_variance),
        "of": len(x),
        "ln_of": float(np.log(len(x))),
        "active_units": metrics.active_units(mean),
        **stored(written, x, corpus),
    }


def stored(written, x, corpus):
    """What greedy sentences from the means have of the originals."""
    import sacrebleu

    rows = [[int(w) for w in row if w not in (PAD, EOS)] for row in written]
    wanted = [[int(w) for w in row if w != PAD] for row in x]
    lines = [[" ".join(map(str, row)) for row in some] for some in (rows, wanted)]
    full = np.zeros_like(x)
    full[:, : written.shape[1]] = np.where(written == EOS, PAD, written)[:, : x.shape[1]]
    hit, word, length = full == x, x != PAD, (x != PAD).sum(1)
    exact = np.array([a == b for a, b in zip(rows, wanted, strict=True)])
    rank = np.argsort(np.argsort(-corpus.counts, kind="stable"))[x]
    bins = {"50 most frequent": rank < 50, "to 500": (rank >= 50) & (rank < 500)}
    bins["rarer"] = rank >= 500

    def share(what):
        return float(what.mean()) if what.size else None

    return {
        "exact": share(exact),
        "bleu": sacrebleu.corpus_bleu(lines[0], [lines[1]], tokenize="none", force=True).score,
        "exact_by_length": {str(n): share(exact[length == n]) for n in np.unique(length)},
        "right_by_position": [share(hit[word[:, i], i]) for i in range(x.shape[1])],
        "right_by_frequency": {n: share(hit[word & some]) for n, some in bins.items()},
    }


def words_alone(corpus, s):
    """The dumbest model: each word and <eos> by its share of the training text, one added."""
    few = corpus.test[: s["scored"]]
    logp = np.log((corpus.counts + 1) / (corpus.counts + 1).sum())
    return rates(-np.where(few == PAD, 0, logp[few]).sum(1) - logp[EOS], few)


def laboratory(corpus, s, folder, arms=ARMS):
    """All runs of some arms; the record's parts."""

    def once(key, run):
        path = folder / f"{key}.json"
        if not path.exists():
            write_json(path, run())
            print(key, path.read_text("utf8")[:600], flush=True)
        return json.loads(path.read_text("utf8"))

    def run(arm, rate, seed):
        key = f"{arm}, rate {rate:g}, seed {seed}"

        def attempt():
            try:
                return train(arm, rate, seed, corpus, s, folder / f"{key}.weights.h5")
            except ValueError as error:
                if "the loss of" not in str(error):
                    raise
                return {"validation": 1e9, "failed": str(error)}  # no number: JSON has no infinity

        return once(key, attempt)

    def judged(arm, rate, seed):
        model = build(arm, corpus, s)
        model.load_weights(folder / f"{arm}, rate {rate:g}, seed {seed}.weights.h5")
        return judge(arm, model, corpus, s)

    found = {}
    for arm in arms:
        tried = {rate: run(arm, rate, 0) for rate in s["rates"]}
        best = min(tried, key=lambda rate: tried[rate]["validation"])
        ends = {
            f"{rate:g}": {
                "validation": r["validation"],
                "kl": r.get("curve", {}).get("kl", [0])[-1],
            }
            for rate, r in tried.items()
        }
        found[arm] = {"rate": best, "tried": ends, "seeds": []}
    for seed in s["seeds"]:  # a whole table of one seed first
        for arm, row in found.items():
            trained = run(arm, row["rate"], seed)
            key = f"{arm}, seed {seed}, test"
            scores = once(key, lambda arm=arm, row=row, seed=seed: judged(arm, row["rate"], seed))
            row["seeds"].append({**trained, **scores})
    sizes = {"sentences": len(corpus.rows), "words": corpus.size, "left_out": corpus.left_out}
    return {"data": sizes, "arms": found, "words alone": words_alone(corpus, s)}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/text_vae"))
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="run these alone: no record")
    parser.add_argument("--dry-run", action="store_true", help="tiny: does it run?")
    parser.add_argument("--out", type=Path, default=RECORDS, help="folder of the record")
    options = parser.parse_args(arguments)
    s = {**SETTINGS, **(DRY if options.dry_run else {})}
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = options.folder / "settings.json"
    if not kept.exists():
        write_json(kept, s)
    if json.loads(kept.read_text("utf8")) != s:
        parser.error(f"{options.folder} holds runs of other settings")
    if keras.backend.backend() == "jax":  # each shape is compiled once, not once a run
        import jax

        jax.config.update("jax_compilation_cache_dir", str((options.folder / "jax").resolve()))
    arms = options.arms or ARMS
    found = laboratory(Corpus(s), s, options.folder, arms)
    if not options.arms:
        record = {"settings": s, "how": ARMS, **found}
        write_record(options.out / "text_vae.json", "python -m benchmarks.text_vae", **record)


if __name__ == "__main__":
    main()
