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
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks.text_run import TextRun, keep_memory  # noqa: E402

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
        "second": {"peak": 3e-3, "epochs": 11, "units": 704, "embedding_size": 256,
                   "dropout": 0.4},
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


class Run(TextRun):
    """A language model that learns the training sentences."""

    def __init__(self, arm, *where, tiny=False, **options):
        super().__init__({**RECIPE, **(TINY if tiny else {})}, arm, *where, tiny, **options)

    def load(self, tiny):
        from ae_lib import data, text
        from ae_lib.text_models import LanguageModel

        self.wrapper = LanguageModel
        sentences = data.load_sentences("train", size="full")
        self.validation = data.load_sentences("validation")
        if tiny:
            sentences, self.validation = sentences[:300], self.validation[:50]
        self.vocabulary = text.Subwords.build(sentences, self.recipe["pieces"])
        self.rows = [r for r in self.vocabulary.encode_all(sentences) if len(r) < 48]
        sha256 = hashlib.sha256("\n".join(sentences).encode()).hexdigest()
        return {"sentences": len(self.rows), "sha256": sha256}

    def make(self, **options):
        from ae_lib.models import RecurrentLM, TransformerLM

        kind = RecurrentLM if "units" in self.settings else TransformerLM
        return kind(len(self.vocabulary), **self.sizes(), **options)

    def lengths(self, epoch):
        return [len(row) for row in self.rows]

    def batch(self, some, edge):
        from ae_lib import text

        return text.pad([self.rows[i] for i in some], edge)

    def score(self, model):
        return model.bits_per_byte(self.validation)


def train(options):
    more = {"tiny": options.tiny, "dtype": options.dtype}
    Run(options.arm, options.seed, options.folder, **more).train()


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
        keep_memory()
        train(options)


if __name__ == "__main__":
    main()
