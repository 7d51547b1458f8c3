"""Train the language models of chapter 10, and export the one that ships with the book.

    python tools/train_language_model.py lstm [--seed 0] [--folder build/language_model]
    python tools/train_language_model.py gpt [--seed 0]
    python tools/train_language_model.py page

An LSTM and a small GPT of as many weights learn the training sentences in pieces of words; so
does a far smaller GPT, which the explorer ``NextWords`` runs in a page. Each epoch ends with a
checkpoint and a line of the run's record: an interrupted run goes on where it stopped, with the
same random numbers.

    python tools/train_language_model.py --export
    python tools/train_language_model.py --test

The first writes the best run on the validation sentences to ``ae_lib/weights``, in 8-bit numbers,
with the record of all runs, for each shipped model of which there are runs; the second scores
what is there on the test sentences, through the public functions alone, and notes the scores in
the records.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

# Memory that was freed is kept for the next step: a third of a step's time otherwise.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
ROOT = Path(__file__).resolve().parent.parent
# The shipped models, and the arms whose best run each of them is.
SHIPPED = {"language-model": ("lstm", "gpt"), "small-language-model": ("page",)}
RECIPE = {
    "pieces": 2000,
    "batch_size": 128,  # of sentences of nearly one length
    "edges": [6, 9, 12, 15, 18, 22, 28, 47],  # lengths that they are filled up to
    "decay": 0.05,
    "clipnorm": 1.0,
    "arms": {
        "lstm": {"peak": 3e-3, "epochs": 10, "units": 744, "embedding_size": 256, "dropout": 0.25},
        "gpt": {"peak": 2e-3, "epochs": 12, "width": 256, "layers": 4, "heads": 4, "length": 48,
                "dropout": 0.1},
        "page": {"peak": 3e-3, "epochs": 6, "width": 64, "layers": 3, "heads": 4, "length": 48,
                 "dropout": 0.0},
    },
}  # fmt: skip
TINY = {"pieces": 300, "edges": [47], "arms": {
    "lstm": {"peak": 3e-3, "epochs": 2, "units": 16, "embedding_size": 8, "dropout": 0.2},
    "gpt": {"peak": 2e-3, "epochs": 2, "width": 8, "layers": 1, "heads": 2, "length": 48,
            "dropout": 0.1},
}}  # fmt: skip


def make(arm, size, settings, **options):
    """A fresh model of an arm, for so many pieces."""
    from ae_lib.models import RecurrentLM, TransformerLM

    recipe = ("peak", "epochs", *RECIPE)
    sizes = {k: v for k, v in settings.items() if k not in recipe}
    return (RecurrentLM if arm == "lstm" else TransformerLM)(size, **sizes, **options)


class Run:
    """A training run in a folder of its own: what it is, how far it is."""

    def __init__(self, arm, seed, folder, tiny=False, dtype=None):
        from ae_lib import data, text, training

        self.folder, self.seed = Path(folder) / f"{arm}-{seed}", seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recipe = {**RECIPE, **(TINY if tiny else {})}
        self.settings = self.recipe["arms"][arm]
        sentences, self.validation = data.load_sentences("train", size="full"), None
        self.validation = data.load_sentences("validation")
        if tiny:
            sentences, self.validation = sentences[:300], self.validation[:50]
        self.vocabulary = text.Subwords.build(sentences, self.recipe["pieces"])
        self.rows = [r for r in self.vocabulary.encode_all(sentences) if len(r) < 48]
        sha256 = hashlib.sha256("\n".join(sentences).encode()).hexdigest()
        self.what = {"arm": arm, "seed": seed, "recipe": self.recipe, "dtype": dtype}
        self.what["data"] = {"sentences": len(self.rows), "sha256": sha256}
        self.state = {"what": self.what, "epoch": 0, "curve": [], "seconds": 0.0}
        training.set_seed(seed)
        self.model = make(arm, len(self.vocabulary), self.settings, dtype=dtype)
        self.reader = make(arm, len(self.vocabulary), self.settings)
        self._compile()
        self.checkpoints = training.Checkpoints(self.folder)
        if found := self.checkpoints.restore(self.model):
            if found["what"] != json.loads(json.dumps(self.what)):
                raise SystemExit(f"{self.folder} holds a run of other settings")
            self.state = {name: found[name] for name in self.state}

    def _compile(self):
        import keras

        from ae_lib import training

        steps = self.settings["epochs"] * len(self.batches(0))
        optimizer = keras.optimizers.AdamW(
            training.cosine_schedule(self.settings["peak"], steps),
            weight_decay=self.recipe["decay"],
            global_clipnorm=self.recipe["clipnorm"],
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        self.model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")

    def batches(self, epoch):
        """Sentences of like length, in the epoch's own order."""
        from ae_lib import text

        order = np.random.default_rng([self.seed, epoch]).integers(2**31)
        lengths = [len(r) for r in self.rows]
        recipe = {**self.recipe, **self.settings}  # an arm may have its own
        sizes = recipe["batch_size"], recipe["edges"]
        return text.bucket_batches(lengths, *sizes, seed=int(order))

    def epoch(self):
        """One pass over the sentences, the validation score, a checkpoint; the best is kept."""
        from ae_lib import text, training
        from ae_lib.text_models import LanguageModel

        number, start, loss = self.state["epoch"], time.perf_counter(), None
        training.set_seed(self.seed * 1000 + number)
        self.model.reset_metrics()
        for edge, some in self.batches(number):
            batch = text.pad([self.rows[i] for i in some], int(edge))
            loss = float(self.model.train_on_batch(batch))  # Keras's mean since the reset
        self.state["seconds"] += time.perf_counter() - start
        self.reader.set_weights(self.model.get_weights())
        bits = LanguageModel(self.reader, self.vocabulary).bits_per_byte(self.validation)
        if bits <= min((row["validation"] for row in self.state["curve"]), default=bits):
            LanguageModel(self.reader, self.vocabulary).save(self.folder / "model.keras")
        row = {"epoch": number + 1, "loss": loss, "validation": bits}
        self.state["curve"].append(row | {"seconds": round(time.perf_counter() - start)})
        self.state["epoch"] += 1
        self.checkpoints.save(self.model, number + 1, **self.state)
        print(json.dumps(self.state["curve"][-1]), flush=True)

    def finish(self):
        """Keep the run's record beside the checkpoints and the best epoch's model."""
        from ae_lib._files import write_json
        from benchmarks.environment import environment

        more = {"parameters": self.model.count_params(), "environment": environment()}
        write_json(self.folder / "run.json", {**self.state, **more})


def train(options):
    run = Run(options.arm, options.seed, options.folder, options.tiny, options.dtype)
    while run.state["epoch"] < run.settings["epochs"]:
        run.epoch()
    run.finish()


def export(folder):
    """Write each shipped model of which there are runs, and their record, both whole."""
    from ae_lib import text_models
    from ae_lib._files import write_json
    from ae_lib.data import load_sentences
    from ae_lib.text_models import LanguageModel, shipped_file

    held_out = load_sentences("validation")
    for name, arms in SHIPPED.items():
        found = {p.parent: json.loads(p.read_text("utf8")) for p in folder.glob("*/run.json")}
        found = {p: run for p, run in sorted(found.items()) if run["what"]["arm"] in arms}
        if not found:
            continue
        best = min(found, key=lambda p: min(row["validation"] for row in found[p]["curve"]))
        path, model = shipped_file(name), LanguageModel.load(best / "model.keras")
        record = {
            **text_models.export(name, model),
            "shipped": best.name,
            "runs": {p.name: run for p, run in found.items()},
            "validation": scores(LanguageModel.load(path), held_out),
            "made_by": "python tools/train_language_model.py",
        }
        write_json(path.with_suffix(".json"), record)
        print(f"{name}: {best.name}, {record['bytes']:,} bytes, {record['validation']}")


def scores(model, sentences):
    """Bits per byte of a ``LanguageModel``, and the bytes, each line end included."""
    count = sum(len((s + "\n").encode()) for s in sentences)
    return {"bits per byte": model.bits_per_byte(sentences), "bytes": count}


def test():
    """Score the exported models on validation and test sentences; note it in their records."""
    import ae_lib
    from ae_lib import text_models
    from ae_lib._files import write_json

    for name in SHIPPED:
        path = text_models.shipped_file(name).with_suffix(".json")
        if not path.exists():
            continue
        model, record = ae_lib.pretrained(name), text_models.record(name)
        for part in ("validation", "test"):
            record[part] = scores(model, ae_lib.data.load_sentences(part))
            print(name, part, json.dumps(record[part]))
        write_json(path, record)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arm", nargs="?", choices=list(RECIPE["arms"]))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/language_model")
    parser.add_argument("--dtype", help="mixed_bfloat16: faster where the processor has it")
    parser.add_argument("--tiny", action="store_true", help="a few sentences, for the tests")
    parser.add_argument("--export", action="store_true", help="write the best runs' models")
    parser.add_argument("--test", action="store_true", help="score the exported models")
    options = parser.parse_args()
    if options.export:
        export(options.folder)
    elif options.test:
        test()
    elif options.arm is None:
        parser.error("name an arm, or --export, or --test")
    else:
        if _MALLOC.items() - os.environ.items():
            os.environ.update(_MALLOC)
            os.execv(sys.executable, [sys.executable, *sys.argv])
        train(options)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
