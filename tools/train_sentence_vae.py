"""Train the sentence VAE of chapter 08, and export the one that ships with the book.

    python tools/train_sentence_vae.py [--arm ARM] [--seed 0] [--folder build/sentence_vae]

The arms and how they are trained are those of ``benchmarks/text_vae.py``, on all the training
sentences; "language model" gives the model that the VAE is held against. Each epoch ends with a
checkpoint: an interrupted run goes on where it stopped.

    python tools/train_sentence_vae.py --export
    python tools/train_sentence_vae.py --test

The first writes the VAE with the best bound on the validation sentences to ``ae_lib/weights``, in
8-bit numbers, with the record of all runs; the second scores it on the test sentences and notes
the scores in its record.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME, ARM = "sentence-vae", "pretrained encoder, free bits"
RECIPE = {
    "units": 512, "embedding_size": 256, "sentences": None, "epochs": 12, "rate": 1e-3,
    "edges": [8, 12, 20],
}  # fmt: skip


def settings(tiny):
    from benchmarks import text_vae

    return {**text_vae.SETTINGS, **RECIPE, **(text_vae.DRY if tiny else {})}


def train(options):
    from ae_lib._files import write_json
    from ae_lib.text_models import TextVAE
    from benchmarks import text_vae
    from benchmarks.environment import environment

    s = settings(options.tiny)
    folder = options.folder / f"{options.arm}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    corpus, weights = text_vae.Corpus(s), folder / "model.weights.h5"
    run = text_vae.train(options.arm, s["rate"], options.seed, corpus, s, weights, folder)
    if "language model" not in options.arm:
        model = text_vae.build(options.arm, corpus, s)
        model.load_weights(weights)
        vae = TextVAE(model, corpus.vocabulary)
        vae.learn_attributes(corpus.texts)
        vae.save(folder / "model.keras")
    write_json(folder / "run.json", {**run, "settings": s, "environment": environment()})
    print(options.arm, run["validation"])


def export(folder):
    """Write the best run's VAE in 8-bit numbers, and the record of all runs."""
    from ae_lib._files import write_json
    from ae_lib.text_models import TextVAE, shipped_file

    found = {p.parent: json.loads(p.read_text("utf8")) for p in folder.glob("*/run.json")}
    best = min(
        (p for p in found if (p / "model.keras").exists()), key=lambda p: found[p]["validation"]
    )
    path, vae = shipped_file(NAME), TextVAE.load(best / "model.keras")
    vae.save(path, "int8")
    raw = path.read_bytes()
    record = {
        "what": "the sentence VAE that ships with the book",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "bytes": len(raw),
        "parameters": vae.model.count_params(),
        "shipped": best.name,
        "runs": {p.name: found[p] for p in sorted(found)},
        "made_by": "python tools/train_sentence_vae.py",
    }
    write_json(path.with_suffix(".json"), record)
    print(f"{best.name}: {len(raw):,} bytes")


def test():
    """Score the exported VAE on test sentences; note it in its record."""
    import ae_lib
    from ae_lib import text_models
    from ae_lib._files import write_json
    from benchmarks import text_vae

    record, s = text_models.record(NAME), settings(False)
    model = ae_lib.pretrained(NAME).model
    record["test"] = text_vae.judge(ARM, model, text_vae.Corpus(s), s)
    write_json(text_models.shipped_file(NAME).with_suffix(".json"), record)
    print(json.dumps(record["test"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arm", default=ARM)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/sentence_vae")
    parser.add_argument("--tiny", action="store_true", help="a few sentences, for a try")
    parser.add_argument("--export", action="store_true", help="write the best run's model")
    parser.add_argument("--test", action="store_true", help="score the exported model")
    options = parser.parse_args()
    if options.export:
        export(options.folder)
    elif options.test:
        test()
    else:
        train(options)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
