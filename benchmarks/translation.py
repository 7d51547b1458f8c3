"""Chapter 09's models: English to French with and without attention; sentences made shorter.

    python -m benchmarks.translation train ARM [--seed 0] [--folder build/translation]
    python -m benchmarks.translation score [--folder build/translation]
    python -m benchmarks.translation ship [--folder build/translation]

An arm is one of ``RECIPE["arms"]``. Its epochs end with checkpoints: an interrupted run goes on.
``score`` translates the validation sentences by each run's best epoch, and the test sentences by
the runs of the best rate of each arm, once; ``ship`` exports the best translator and the best
compressor, by validation.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from ae_lib import data, models, text, text_models
from ae_lib._files import write_json
from ae_lib.models.attention import ATTENTIONS
from ae_lib.text_models import Translator
from benchmarks.environment import RECORDS, write_record
from benchmarks.text_run import TextRun, keep_memory

_LSTM = {"units": 512, "embedding_size": 256, "dropout": 0.3, "smoothing": 0.1}
RECIPE = {
    "pieces": 8000, "batch_size": 256, "decay": 0.01, "clipnorm": 1.0, "epochs": 8,
    "edges": [9, 13, 22],  # pieces that a batch is filled up to; longer pairs are left out
    "rates": [1.5e-3, 3e-3],
    "arms": {
        **{name: {**_LSTM, "attention": name} for name in ATTENTIONS},
        "transformer": {"width": 256, "layers": 3, "heads": 4, "length": 64, "dropout": 0.1,
                        "rates": [7e-4, 1.5e-3]},
        "long": {**_LSTM, "attention": "general", "epochs": 20},
        "compress": {"units": 256, "embedding_size": 128, "dropout": 0.2, "attention": "general",
                     "smoothing": 0.1, "pieces": 3000, "edges": [12, 18, 30]},
    },
}  # fmt: skip
TINY = {
    "pieces": 300, "edges": [20], "epochs": 2, "rates": [3e-3],
    "arms": {
        "general": {"units": 16, "embedding_size": 8, "attention": "general"},
        "compress": {"units": 16, "embedding_size": 8, "attention": "general"},
    },
}  # fmt: skip


class Run(TextRun):
    """Pairs of sentences: English and French, or disturbed and whole."""

    wrapper, kept_as = Translator, "int8"

    def load(self, tiny):
        self.compresses = self.arm == "compress"
        parts = [data.load_pairs(part, size="full") for part in ("train", "validation")]
        if tiny:
            parts = [parts[0][:400], parts[1][:40]]
        if self.compresses:
            self.sentences = [list(dict.fromkeys(p.english for p in part)) for part in parts]
            texts = [*self.sentences[0], *(f"{n}:" for n in range(1, 30))]
        else:
            texts = [t for p in parts[0] for t in (p.english, p.french)]
        self.vocabulary = text.Subwords.build(texts, self.option("pieces"))
        self.kept = {}
        if not self.compresses:
            train, held_out = parts
            self.rows = self._encode([p.english for p in train], [p.french for p in train])
            self.held_out = self._encode([p.english for p in held_out],
                                         [p.french for p in held_out])  # fmt: skip
        else:
            seen = text.disturbed(self.sentences[1], seed=1)
            self.held_out = self._encode(seen, self.sentences[1])
        sha256 = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        return {"pairs": len(parts[0]), "sha256": sha256}

    def _encode(self, seen, written):
        longest = self.option("edges")[-1]
        both = zip(*map(self.vocabulary.encode_all, (seen, written)), strict=True)
        return [(a, b) for a, b in both if max(len(a), len(b)) <= longest]

    def _rows(self, epoch):
        if not self.compresses:
            return self.rows
        if epoch not in self.kept:
            seed = int(np.random.default_rng([self.seed, epoch, 2]).integers(2**31))
            seen = text.disturbed(self.sentences[0], seed=seed)
            self.kept = {epoch: self._encode(seen, self.sentences[0])}
        return self.kept[epoch]

    def make(self, **options):
        kind = models.TransformerSeq2Seq if "width" in self.settings else models.AttentionSeq2Seq
        return kind(len(self.vocabulary), **self.sizes(), **options)

    def lengths(self, epoch):
        self.now = self._rows(epoch)
        return [max(map(len, row)) for row in self.now]

    def batch(self, some, edge):
        return _pairs([self.now[i] for i in some], edge)

    def score(self, model):
        """Nats per piece and <eos> of the validation pairs."""
        total, count = 0.0, 0
        for start in range(0, len(self.held_out), 256):
            batch = _pairs(self.held_out[start : start + 256], self.option("edges")[-1])
            batch = np.pad(batch, ((0, 256 - len(batch)), (0, 0), (0, 0)))  # one shape
            there = np.asarray(keras.ops.convert_to_numpy(model.model.decoder_target(batch)))
            there[len(self.held_out) - start :] = 0
            logits = model.model.predict_on_batch(batch)
            nats = model.model.token_nats(there, keras.ops.convert_to_tensor(logits))
            total += float((keras.ops.convert_to_numpy(nats) * (there != 0)).sum())
            count += int((there != 0).sum())
        return total / count


def _pairs(rows, edge):
    seen, written = zip(*rows, strict=True)
    return text.pairs(text.pad(seen, edge), text.pad(written, edge))


def train(options):
    recipe = {**RECIPE, **(TINY if options.tiny else {})}
    rates = {**recipe, **recipe["arms"][options.arm]}["rates"]
    recipe["peak"] = options.peak or rates[-1]
    if options.loop:
        models._lstm.UNROLL = 0
    folder = options.folder / f"{recipe['peak']:g}"
    Run(recipe, options.arm, options.seed, folder, options.tiny).train()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "score", "ship"])
    parser.add_argument("arm", nargs="?", choices=list(RECIPE["arms"]))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/translation"))
    parser.add_argument("--peak", type=float, help="of the learning rate")
    parser.add_argument("--loop", action="store_true", help="recurrences as loops of the "
                        "backend: slower, but little to compile")  # fmt: skip
    parser.add_argument("--tiny", action="store_true", help="a few sentences, for the tests")
    options = parser.parse_args()
    if options.command == "train":
        keep_memory()
        train(options)


if __name__ == "__main__":
    main()
