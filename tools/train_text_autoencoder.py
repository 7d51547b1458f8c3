"""Train the text autoencoder that ships with the book, and export it to ``ae_lib/weights``.

    python tools/train_text_autoencoder.py [--epochs 14] [--folder build/text_autoencoder]

All English sentences of the source archive outside the held-out parts, as they are and
changed at random (other words, another order, halves of two sentences, no capital, no full
stop), so that the model learns to copy what it has never seen; towards the end mostly as
they are. Each epoch ends with a checkpoint: an interrupted run goes on where it stopped, with
the same random numbers. The best epoch on the validation sentences is exported at once.

    python tools/train_text_autoencoder.py --test

scores the exported model on the test sentences, through the public functions alone, and
notes the scores in its record.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"units": 448, "embedding_size": 256, "code_size": 448}
RECIPE = {
    "seed": 7,
    "min_count": 2,  # rarer words of the training sentences are unknown
    "batch_size": 256,  # of sentences of one length
    "peak": 2.5e-3,
    "clipnorm": 1.0,
    "changed": [0.5, 0.5, 0.1],  # share of changed sentences: at the start, at 60 %, at the end
    "frequency_power": 0.6,  # words put in at random, by frequency to this power
    "longest": 19,
}


def changed(ids, rng, share, chances, lower, plain):
    """A copy of the sentences, a share of them changed at random.

    Args:
        ids: int32 (n, T), right-padded with 0; the last columns are free.
        share: of sentences that are changed, in [0, 1].
        chances: (V,) of each word to be put in.
        lower: id of the marker of a small first letter.
        plain: (V,) of booleans: words that begin with a small letter.

    Returns:
        int32 (n, T).
    """
    n, width = ids.shape
    x, lengths = ids.copy(), (ids != 0).sum(1)
    kind = np.where(rng.random(n) < share, rng.choice(7, n, p=KINDS), -1)
    for row in np.flatnonzero(kind == 0):  # the first part of one, the last of another
        other = rng.integers(n)
        i, j = rng.integers(1, lengths[row]), rng.integers(1, lengths[other])
        both = np.concatenate([ids[row, :i], ids[other, j : lengths[other]]])[: width - 1]
        x[row] = 0
        x[row, : len(both)] = both
    rows = np.flatnonzero(kind == 1)  # from one other word to all of them
    rate = rng.random((len(rows), 1)) ** 2
    put = (rng.random((len(rows), width)) < rate) & (ids[rows] != 0)
    words = ids[rows]
    words[put] = rng.choice(len(chances), put.sum(), p=chances)
    x[rows] = words
    rows = np.flatnonzero(kind == 2)  # two neighbours change places
    first = (rng.random(len(rows)) * (lengths[rows] - 1)).astype(int)
    x[rows, first], x[rows, first + 1] = ids[rows, first + 1], ids[rows, first]
    for row in np.flatnonzero(kind == 3):  # a word is missing
        x[row, :-1] = np.delete(x[row], rng.integers(lengths[row]))
    for row in np.flatnonzero(kind == 4):  # no full stop
        x[row, lengths[row] - 1] = 0
    for row in np.flatnonzero((kind == 5) & plain[ids[:, 0]]):  # no capital
        x[row, 1:] = ids[row, :-1]
        x[row, 0] = lower
        if rng.random() < 0.5:
            x[row, lengths[row]] = 0
    for row in np.flatnonzero(kind == 6):  # a piece
        start = rng.integers(lengths[row])
        piece = ids[row, start : rng.integers(start + 1, lengths[row] + 1)]
        x[row] = 0
        x[row, : len(piece)] = piece
    return x


KINDS = np.array([0.3, 0.35, 0.1, 0.05, 0.07, 0.08, 0.05])


def one_length_batches(ids, size, rng):
    """Batches of sentences of one length, so that nothing is padded, in random order."""
    lengths = (ids != 0).sum(1)
    batches = []
    for length in np.unique(lengths[lengths > 0]):
        rows = rng.permutation(np.flatnonzero(lengths == length))
        batches += [ids[rows[i : i + size], :length] for i in range(0, len(rows), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def scores(autoencoder, sentences):
    """Exact matches and right tokens of free-running greedy decoding.

    Returns:
        dict: sentences, exact and tokens, shares in [0, 1]; tokens counted position by
        position over words, punctuation and the end.
    """
    split = autoencoder.vocabulary.split
    back = autoencoder.reconstruct(sentences)
    right = total = 0
    for sentence, result in zip(sentences, back, strict=True):
        a, b = ([*split(s), None] for s in (sentence, result))
        right += sum(p == q for p, q in zip(a, b, strict=False))
        total += len(a)
    exact = float(np.mean([a == b for a, b in zip(sentences, back, strict=True)]))
    return {"sentences": len(sentences), "exact": exact, "tokens": right / total}


def report(autoencoder, sentences):
    """Scores of all sentences, and of the kinds that matter.

    ``in vocabulary``: no unknown token. ``3,000 words``: none outside the vocabulary's
    3,000 most frequent. ``longer than 8 words``: of the latter, by white space.
    """
    vocabulary = autoencoder.vocabulary
    encoded = [vocabulary.encode(s) for s in sentences]
    known = [s for s, e in zip(sentences, encoded, strict=True) if 1 not in e]
    common = [s for s, e in zip(sentences, encoded, strict=True) if 1 not in e and max(e) < 3007]
    long = [s for s in common if len(s.split()) > 8]
    kinds = {"all": sentences, "in vocabulary": known, "3,000 words": common}
    kinds["3,000 words, longer than 8 words"] = long
    return {kind: scores(autoencoder, some) for kind, some in kinds.items()}


class Run:
    """A training run in a folder: what it is, how far it is."""

    def __init__(self, options):
        from ae_lib import data, text

        self.options = options
        sentences = data.load_sentences("train", size="full")
        self.validation = data.load_sentences("validation")
        self.vocabulary = text.Vocabulary.build(sentences, min_count=RECIPE["min_count"])
        rows = [r for r in self.vocabulary.encode_all(sentences) if len(r) <= RECIPE["longest"]]
        self.ids = text.pad(rows, RECIPE["longest"] + 2)
        self.data = {
            "sentences": len(rows),
            "sha256": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
        }
        counts = np.bincount(self.ids[self.ids > 0], minlength=len(self.vocabulary))
        counts[: 4 + len(text.MARKERS)] = 0
        chances = counts ** RECIPE["frequency_power"]
        self.chances = chances / chances.sum()
        self.lower = self.vocabulary.tokens.index(text.LOWER)
        self.plain = np.array([t[:1].islower() for t in self.vocabulary.tokens])
        settings = {**SETTINGS, "matmul_dtype": options.matmul_dtype}
        self.what = {"recipe": RECIPE, "settings": settings, "data": self.data}
        self.what["epochs"] = options.epochs
        self.state = {"what": self.what, "epoch": 0, "curve": [], "seconds": 0.0, "best": -1.0}
        self._resume()

    def _resume(self):
        import keras

        from ae_lib import training
        from ae_lib.models import Seq2SeqAutoencoder

        training.set_seed(RECIPE["seed"])
        size, settings = len(self.vocabulary), self.what["settings"]
        self.model = Seq2SeqAutoencoder(size, **settings)
        steps = self.options.epochs * (len(self.ids) // RECIPE["batch_size"] + 10)
        rate = training.cosine_schedule(RECIPE["peak"], steps)
        self.model.compile(
            keras.optimizers.Adam(rate, global_clipnorm=RECIPE["clipnorm"]),
            jit_compile=keras.backend.backend() == "jax",
        )
        self.model(self.ids[:1])  # builds it
        self.checkpoints = training.Checkpoints(self.options.folder)
        if found := self.checkpoints.restore(self.model):
            if found["what"] != self.what:
                raise SystemExit(f"{self.options.folder} holds a run of other settings")
            self.state = {name: found[name] for name in self.state}

    def epoch(self):
        """One pass over the sentences, then the validation scores, a checkpoint, an export."""
        number = self.state["epoch"]
        rng = np.random.default_rng([RECIPE["seed"], number])
        share = np.interp(number / max(1, self.options.epochs - 1), [0, 0.6, 1], RECIPE["changed"])
        start = time.perf_counter()
        ids = changed(self.ids, rng, share, self.chances, self.lower, self.plain)
        loss, tokens = None, 0
        self.model.reset_metrics()
        for batch in one_length_batches(ids, RECIPE["batch_size"], rng):
            loss = float(self.model.train_on_batch(batch))  # Keras's mean since the reset
            tokens += batch.size + len(batch)
        seconds = time.perf_counter() - start
        known = [s for s in self.validation if self.vocabulary.covers(s)]
        found = scores(self._autoencoder(), known)
        row = {"epoch": number + 1, "changed": float(share), "loss": loss}
        row |= {"validation": found, "seconds": seconds, "tokens_per_second": tokens / seconds}
        self.state["curve"].append(row)
        self.state["epoch"] += 1
        self.state["seconds"] += seconds
        if better := found["exact"] >= self.state["best"]:
            self.state["best"] = found["exact"]
        if better:
            self.export()
        self.checkpoints.save(self.model, number + 1, **self.state)
        print(json.dumps(row), flush=True)

    def _autoencoder(self):
        """What the model would be for a reader, in full precision."""
        from ae_lib.models import Seq2SeqAutoencoder
        from ae_lib.text_models import TextAutoencoder

        if not hasattr(self, "_reader"):
            model = Seq2SeqAutoencoder(len(self.vocabulary), **SETTINGS)
            self._reader = TextAutoencoder(model, self.vocabulary)
        self._reader.model.set_weights(self.model.get_weights())
        return self._reader

    def export(self):
        """Write the model file in half precision and its record, both whole."""
        from ae_lib._files import write_json
        from ae_lib.text_models import shipped_file
        from benchmarks.environment import environment

        path = shipped_file("text-autoencoder")
        path.parent.mkdir(exist_ok=True)
        self._autoencoder().save(path, "float16")
        raw = path.read_bytes()
        record = {
            "what": "the text autoencoder that ships with the book",
            "sha256": hashlib.sha256(raw).hexdigest(),
            "bytes": len(raw),
            "parameters": self.model.count_params(),
            "vocabulary": {
                "tokens": len(self.vocabulary),
                "fingerprint": self.vocabulary.fingerprint,
            },
            **self.what,
            "seconds": round(self.state["seconds"]),
            "curve": self.state["curve"],
            "made_by": "python tools/train_text_autoencoder.py",
            "environment": environment(),
        }
        write_json(path.with_suffix(".json"), record)


def test():
    """Score the exported model on validation and test sentences; note it in its record."""
    import ae_lib
    from ae_lib import text_models
    from ae_lib._files import write_json

    autoencoder = ae_lib.pretrained("text-autoencoder")
    record = text_models.record("text-autoencoder")
    for part in ("validation", "test"):
        record[part] = report(autoencoder, ae_lib.data.load_sentences(part))
        print(part, json.dumps(record[part], indent=1))
    write_json(text_models.shipped_file("text-autoencoder").with_suffix(".json"), record)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--folder", default="build/text_autoencoder", help="for checkpoints")
    parser.add_argument("--matmul-dtype", help="bfloat16: faster where the processor has it")
    parser.add_argument("--test", action="store_true", help="score the exported model")
    options = parser.parse_args()
    if options.test:
        test()
        return
    from benchmarks.text_run import keep_memory

    keep_memory()
    run = Run(options)
    while run.state["epoch"] < options.epochs:
        run.epoch()


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    main()
