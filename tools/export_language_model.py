"""Make the shipped language model of what tools/train_language_model.py wrote, and score it.

    python tools/export_language_model.py FOLDER
    python tools/export_language_model.py --test

The first writes the student in 8-bit numbers and its record to ``ae_lib/weights``, the second
scores it on validation and test sentences through the public functions alone. Both need the
model's line in ``ae_lib.text_models.SHIPPED``:
``"language-model": ("language_model.keras", LanguageModel)``.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def export(folder):
    """Write the student and the record of all stages to ``ae_lib/weights``."""
    from ae_lib import data, text
    from ae_lib._files import write_json
    from ae_lib.models import RecurrentLM, TransformerLM
    from ae_lib.text_models import LanguageModel, shipped_file
    from benchmarks.environment import environment

    results = json.loads((folder / "results.json").read_text("utf8"))
    recipe, groups = results["recipe"], results["groups"]
    vocabulary = text.Subwords.from_record(results.pop("pieces"))
    validation, size = data.load_sentences("validation"), len(vocabulary)

    def load(name):
        with np.load(folder / f"{name}.npz") as file:
            arrays = [file[str(i)].astype("float32") for i in range(len(file.files))]
        if name.startswith("lstm"):
            model = RecurrentLM(size, results["units"], recipe["width"])
        else:
            sizes = (recipe[k] for k in ("width", "layers", "heads", "length"))
            model = TransformerLM(size, *sizes)
        for weight, array in zip(model.trainable_variables, arrays, strict=True):
            weight.assign(array)
        return LanguageModel(model, vocabulary)

    for name, group in groups.items():
        rows = group["chosen"]
        group["curve"] = [
            {kind: [epoch[kind][i] for i in rows] for kind in ("validation", "loss")}
            for epoch in group.pop("history")
        ]
        files = [name] if name == "student" else [f"{name}_{i}" for i in range(len(rows))]
        files = [file for file in files if (folder / f"{file}.npz").exists()]
        group["in full precision"] = [load(f).bits_per_byte(validation) for f in files]
        print(name, group["in full precision"])
    path = shipped_file("language-model")
    student = load("student")
    student.save(path, "int8")
    raw = path.read_bytes()
    rounded = LanguageModel.load(path).bits_per_byte(validation)
    print(f"{len(raw):,} bytes; validation {rounded:.4f} bits per byte")
    record = {
        "what": "the language model that ships with the book",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "bytes": len(raw),
        "parameters": student.model.count_params(),
        "vocabulary": {"tokens": size, "fingerprint": vocabulary.fingerprint},
        "data": {"sha256": results["sha256"]},
        "recipe": recipe,
        "groups": groups,
        "seconds": results["seconds"],
        "device": results["device"],
        "validation": {"bits per byte": rounded},
        "made_by": "python tools/train_language_model.py",
        "environment": environment(),
    }
    write_json(path.with_suffix(".json"), record)


def test():
    """Score the exported model on validation and test sentences; note it in its record."""
    import ae_lib
    from ae_lib import text_models
    from ae_lib._files import write_json

    model, record = ae_lib.pretrained("language-model"), text_models.record("language-model")
    for part in ("validation", "test"):
        sentences = ae_lib.data.load_sentences(part)
        record[part] = {"bits per byte": model.bits_per_byte(sentences)}
        record[part]["bytes"] = sum(len((s + "\n").encode()) for s in sentences)
        print(part, json.dumps(record[part]))
    write_json(text_models.shipped_file("language-model").with_suffix(".json"), record)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="what --out was given")
    parser.add_argument("--test", action="store_true", help="score the exported model")
    options = parser.parse_args()
    if options.test:
        test()
    elif options.folder:
        export(options.folder)
    else:
        parser.error("name a folder, or --test")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
