"""Train the sentence VAE of chapter 08 that ships with the book.

    python tools/train_sentence_vae.py [--seed 0] [--folder build/sentence_vae]

It is the laboratory's arm "free bits" (``benchmarks/text_vae.py``) in a larger size, on all the
training sentences. Each epoch ends with a checkpoint: an interrupted run goes on.

    python tools/train_sentence_vae.py --export

writes the best run by the bound on the validation sentences to ``ae_lib/weights``, in 8-bit
numbers, with a record of all runs and its scores on the test sentences.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME, ARM = "sentence-vae", "free bits"
RECIPE = {
    "units": 256, "embedding_size": 128, "min_count": 2, "sentences": None, "epochs": 10,
    "rate": 8e-3, "edges": [8, 12, 20],
}  # fmt: skip


def settings(tiny=False):
    from benchmarks import text_vae

    return {**text_vae.SETTINGS, **RECIPE, **(text_vae.DRY if tiny else {})}


def train(seed, folder, tiny=False):
    from ae_lib._files import write_json
    from ae_lib.text_models import TextVAE
    from benchmarks import text_vae
    from benchmarks.environment import environment

    s, folder = settings(tiny), folder / f"{ARM}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    corpus, weights = text_vae.Corpus(s), folder / "model.weights.h5"
    run = text_vae.train(ARM, s["rate"], seed, corpus, s, weights, folder)
    model = text_vae.build(ARM, corpus, s)
    model.load_weights(weights)
    vae = TextVAE(model, corpus.vocabulary)
    vae.learn_attributes(corpus.texts)
    vae.save(folder / "model.keras")
    write_json(folder / "run.json", {**run, "settings": s, "environment": environment()})
    print(folder.name, run["validation"])


def export(folder, tiny=False):
    """Write the best run's VAE, its scores on the test sentences and the record of all runs."""
    from ae_lib import text_models
    from ae_lib._files import write_json
    from benchmarks import text_vae

    found = {p.parent.name: json.loads(p.read_text("utf8")) for p in folder.glob("*/run.json")}
    best = min(found, key=lambda name: found[name]["validation"])
    vae = text_models.TextVAE.load(folder / best / "model.keras")
    record = {
        **text_models.export(NAME, vae),
        "shipped": best,
        "runs": dict(sorted(found.items())),
    }
    path, s = text_models.shipped_file(NAME), settings(tiny)
    model = text_models.TextVAE.load(path).model
    record["test"] = text_vae.judge(ARM, model, text_vae.Corpus(s), s)
    record["made_by"] = "python tools/train_sentence_vae.py"
    write_json(path.with_suffix(".json"), record)
    print(f"{best}: {record['bytes']:,} bytes, {json.dumps(record['test'])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/sentence_vae")
    parser.add_argument("--tiny", action="store_true", help="a few sentences, for a try")
    parser.add_argument("--export", action="store_true", help="write the best run's model")
    options = parser.parse_args()
    if options.export:
        export(options.folder, options.tiny)
    else:
        train(options.seed, options.folder, options.tiny)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
