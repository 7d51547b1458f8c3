"""Chapter 10: what each part of a Transformer is worth, and what another kind of text costs.

    python -m benchmarks.language_parts parts [--seeds 0 1 2]
    python -m benchmarks.language_parts domains [--seeds 0 1 2]

``parts`` trains small Transformers with one part removed; each arm has its own peak of the
learning rate, the best of ``RATES`` on the validation sentences, and the same updates.
``domains`` trains small language models on three kinds of text, as many bytes of each, and
scores them on what was held out of each kind. Every run is kept in ``--folder``: an interrupted
one goes on there. Records: ``ae_lib/data/records/transformer_parts.json``, ``domains.json``.
"""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np

RATES = (1e-3, 3e-3, 9e-3)
WORDS, LONGEST, SENTENCES = 2000, 9, 8000  # as in the chapter
DEPTHS = (2, 8)
ARMS = [  # model, depth, what is removed
    *[("gpt", d, part) for d in DEPTHS for part in ("", "normalisation", "residual")],
    *[(model, 2, part) for model in ("gpt", "bert") for part in ("positions", "")],
]
PARTS_WIDTH, PARTS_EPOCHS = 32, 4
KINDS = ("sentences", "speeches", "moby_dick")
SIZE, PIECES, EPOCHS, LONG, WIDTH, CONTEXT = 200_000, 600, 6, 16, 64, 96
SHARES = (0.01, 0.05, 0.20)


def cached(folder, key, run):
    """``run()``, or what it gave before."""
    path = Path(folder) / (key.replace("/", "_") + ".json")
    if not path.exists():
        from ae_lib._files import write_json

        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, run())
        print(key, path.read_text("utf8").replace("\n", " ")[:160], flush=True)
    return json.loads(path.read_text("utf8"))


def train(model, rows, rate, epochs, seed, edges, batch_size=64):
    """Adam on batches of like length, under a cosine; rows are lists of ids, or pairs (2, T)."""
    import keras

    from ae_lib import text, training

    lengths = [len(row[0]) if isinstance(row, tuple) else len(row) for row in rows]

    def batches(epoch):
        return text.bucket_batches(lengths, batch_size, edges, seed=1000 * seed + epoch)

    steps = epochs * len(batches(0))
    schedule = training.cosine_schedule(rate, steps)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0))
    for epoch in range(epochs):
        for edge, some in batches(epoch):
            chosen = [rows[i] for i in some]
            if isinstance(chosen[0], tuple):
                sides = [text.pad(list(side), int(edge)) for side in zip(*chosen, strict=True)]
                model.train_on_batch(text.pairs(*sides))
            else:
                model.train_on_batch(text.pad(chosen, int(edge)))
    return model


# -- parts ---------------------------------------------------------------------------------


def without(model, part):
    """Remove one part of a fresh model: "positions", "normalisation" or "residual"."""
    from keras import ops

    if part == "positions":
        model.positions.assign(np.zeros(model.positions.shape))
        model.positions.trainable = False
    for owner, names in ((model, ["norm"]), *((b, ["norm_1", "norm_2"]) for b in model.blocks)):
        for name in names if part == "normalisation" else ():
            getattr(owner, name).trainable = False
            setattr(owner, name, lambda x: x)

    def plain(block):
        def finish(x, mixed, memory=None, training=None):
            x = block.from_heads(ops.reshape(mixed, ops.shape(x)))
            return block.narrow(ops.gelu(block.widen(block.norm_2(x)), approximate=True))

        return finish

    for block in model.blocks if part == "residual" else ():
        block.finish = plain(block)
        # First weights that write to a stream are small; without a stream, as large as others.
        for dense in (block.to_qkv, block.from_heads, block.widen, block.narrow):
            rows = dense.kernel.shape[0]
            value = ops.convert_to_numpy(dense.kernel)
            dense.kernel.assign(value / value.std() / np.sqrt(rows))
    return model


def short_sentences():
    """The chapter's vocabulary and its sentences: ids to train on, ids held out."""
    from ae_lib import data, text

    train, valid = (data.load_sentences(part) for part in ("train", "validation"))
    vocabulary = text.Vocabulary.build(train, WORDS)

    def short(sentences):
        rows = [vocabulary.encode(s) for s in sentences if vocabulary.covers(s)]
        return [row for row in rows if len(row) <= LONGEST]

    return vocabulary, short(train)[:SENTENCES], short(valid)


def part_run(arm, rate, seed):
    """Validation loss in nats a token; of BERT, a hidden token."""
    from keras import ops

    from ae_lib import models, text, training

    kind, depth, part = arm
    vocabulary, rows, held_out = short_sentences()
    training.set_seed(seed)
    sizes = {"width": PARTS_WIDTH, "layers": depth, "heads": 2, "length": 16}
    form = models.TransformerLM if kind == "gpt" else models.MaskedLM
    model = without(form(len(vocabulary), **sizes), part)
    if kind == "bert":
        rows, held_out = (
            list(zip(text.hidden(text.pad(r), 0.25, seed=k).tolist(), text.pad(r).tolist(),
                     strict=True)) for k, r in enumerate((rows, held_out))
        )  # fmt: skip
    train(model, rows, rate, PARTS_EPOCHS, seed, [LONGEST])
    if kind == "bert":
        held_out = text.pairs(*[np.array(side) for side in zip(*held_out, strict=True)])
    else:
        held_out = text.pad(held_out, LONGEST)
    loss = model.compute_loss(x=held_out, y_pred=model(held_out))
    return {"nats": float(ops.convert_to_numpy(loss)), "parameters": model.count_params()}


def parts(options):
    from benchmarks.environment import RECORDS, write_record

    found = []
    for arm in ARMS:
        name = "-".join(map(str, arm))

        def run(rate, seed, arm=arm, name=name):
            key = f"parts/{name}/{rate}/{seed}"
            return cached(options.folder, key, lambda: part_run(arm, rate, seed))

        tried = {str(rate): run(rate, 0)["nats"] for rate in RATES}
        rate = min(RATES, key=lambda r: tried[str(r)] if np.isfinite(tried[str(r)]) else np.inf)
        nats = [run(rate, seed)["nats"] for seed in options.seeds]
        found.append({"model": arm[0], "depth": arm[1], "removed": arm[2], "rate": rate,
                      "tried": tried, "nats": nats})  # fmt: skip
    settings = {"width": PARTS_WIDTH, "epochs": PARTS_EPOCHS, "sentences": SENTENCES}
    write_record(
        RECORDS / "transformer_parts.json", "python -m benchmarks.language_parts parts",
        what=__doc__.splitlines()[0], unit="nats a token, validation sentences",
        seeds=options.seeds, settings=settings, arms=found,
    )  # fmt: skip


# -- domains -------------------------------------------------------------------------------


def words_of(line):
    from ae_lib import text

    return [w.lower() for w in text.split_words(line)]


def runs(lines, lengths, seed=0):
    """The same words in lines of other lengths, drawn from those given; order is kept."""
    rng = np.random.default_rng(seed)
    words, found, at = " ".join(lines).split(" "), [], 0
    while at < len(words):
        size = int(rng.choice(lengths))
        found.append(" ".join(words[at : at + size]))
        at += size
    return found


def first_bytes(lines, size):
    """So many bytes of the lines, line ends included, or a line less."""
    ends = np.cumsum([len(line.encode()) + 1 for line in lines])
    return lines[: int(np.searchsorted(ends, size, side="right"))]


def corpora():
    """``{kind: (train, validation, held out)}``, each a list of lines."""
    from ae_lib import data

    valid = data.load_sentences("validation")
    found = {"sentences": (data.load_sentences("train"), valid[:500], valid[500:])}
    for kind in KINDS[1:]:
        parts = (data.load_prose(kind, part) for part in ("train", "validation", "test"))
        found[kind] = tuple([piece for s in part for piece in cut(s)] for part in parts)
    return {k: (first_bytes(train, SIZE), *rest) for k, (train, *rest) in found.items()}


def cut(line):
    """A sentence in pieces of at most ``LONG`` words, of nearly equal length."""
    words = line.split(" ")
    return [" ".join(part) for part in np.array_split(words, -(-len(words) // LONG))]


def lengths_of(lines):
    return [len(line.split(" ")) for line in lines]


def training_texts(kinds):
    """``{name: lines}`` that models are trained on, as many bytes of each."""
    found = {kind: kinds[kind][0] for kind in KINDS}
    for kind in KINDS[1:]:
        found[f"{kind} in the sentences' lengths"] = runs(
            kinds[kind][0], lengths_of(kinds["sentences"][0])
        )
        found[f"sentences in {kind}'s lengths"] = runs(
            kinds["sentences"][0], lengths_of(kinds[kind][0])
        )
        for share in SHARES:
            mixed = first_bytes(kinds[kind][0], share * SIZE)
            rest = first_bytes(kinds["sentences"][0], (1 - share) * SIZE)
            found[f"sentences with {share:.0%} {kind}"] = rest + mixed
    return found


def bits(model, vocabulary, lines):
    """Bits a byte; a line that is too long for the model is an error."""
    from ae_lib.text_models import LanguageModel

    return LanguageModel(model, vocabulary).bits_per_byte(lines)


def domain_run(name, rate, seed, tuning=False):
    """Bits a byte on what was held out of each kind, whole and of known words alone."""
    from ae_lib import models, text, training

    kinds = corpora()
    lines = training_texts(kinds)[name]
    vocabulary = text.Subwords.build(lines, PIECES)
    rows = [r for r in vocabulary.encode_all(lines) if len(r) < CONTEXT]
    training.set_seed(seed)
    model = models.TransformerLM(len(vocabulary), WIDTH, 2, 2, CONTEXT)
    train(model, rows, rate, EPOCHS, seed, [20, 40, CONTEXT - 1])
    if tuning:
        return {"bits": bits(model, vocabulary, kinds[name][1])}
    found = {"rate": rate, "dropped": len(lines) - len(rows)}
    for kind in KINDS:
        held_out = [s for s in kinds[kind][2] if len(vocabulary.encode(s)) < CONTEXT]
        found[kind] = {"all": bits(model, vocabulary, held_out)}
        for source in KINDS:
            if known := known_lines(kinds, source, held_out):
                found[kind][f"known to {source}"] = bits(model, vocabulary, known)
    return found


def known_lines(kinds, source, lines):
    """Those all of whose words the source's training text has."""
    known = {w for line in kinds[source][0] for w in words_of(line)}
    return [line for line in lines if known.issuperset(words_of(line))]


def domains(options):
    from benchmarks.environment import RECORDS, write_record

    rates, tried = {}, {}
    for kind in KINDS:
        tried[kind] = {
            str(rate): cached(options.folder, f"domains/tune/{kind}/{rate}",
                              lambda k=kind, r=rate: domain_run(k, r, 0, True))["bits"]
            for rate in RATES
        }  # fmt: skip
        rates[kind] = min(RATES, key=lambda r: tried[kind][str(r)])
    kinds, found = corpora(), {}
    for name in training_texts(kinds):
        rate = rates[name.split(" ")[0]]  # a changed text has the rate of what it is made of
        found[name] = [
            cached(options.folder, f"domains/{zlib.crc32(name.encode()):08x}/{seed}",
                   lambda n=name, r=rate, s=seed: domain_run(n, r, s))
            for seed in options.seeds
        ]  # fmt: skip
    known = {
        f"{kind}, known to {source}": {
            "lines": len(some := known_lines(kinds, source, kinds[kind][2])),
            "of": len(kinds[kind][2]),
            "bytes": sum(len(line.encode()) + 1 for line in some),
        }
        for kind in KINDS for source in KINDS if kind != source
    }  # fmt: skip
    lengths = {kind: float(np.mean(lengths_of(kinds[kind][2]))) for kind in KINDS}
    settings = {
        "bytes": SIZE,
        "pieces": PIECES,
        "epochs": EPOCHS,
        "width": WIDTH,
        "layers": 2,
        "most words": LONG,
    }
    write_record(
        RECORDS / "domains.json", "python -m benchmarks.language_parts domains",
        what=__doc__.splitlines()[0], unit="bits a byte, held-out text",
        seeds=options.seeds, settings=settings, tried=tried, lines=known, words=lengths,
        models=found,
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["parts", "domains"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default="build/language_parts")
    options = parser.parse_args()
    {"parts": parts, "domains": domains}[options.what](options)


if __name__ == "__main__":
    main()
