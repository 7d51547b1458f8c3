"""The language models of chapter 10 beside their rivals, and beside PyTorch.

    python -m benchmarks.language_models rivals [--models build/language_model]
    python -m benchmarks.language_models speed [--rounds 9]

``rivals`` (no GPU, some minutes; it needs ``pip install "ae-lib[bench]"``) measures bits per byte
of the validation and test sentences, each with its line end, in the order of ``load_sentences``,
which is that of their hashes: neighbours have nothing to do with each other.

* A compressor is scored cold, on the held-out sentences alone, and primed: the bytes of training
  and held-out sentences together, less those of the training sentences alone.
* What can be set (the order of PPMd; order and pieces of the n-grams) is chosen on the validation
  sentences. The test sentences are scored once, with what was chosen.
* Reference points: the same test sentences, the words of each in random order; a model of random
  weights; bytes that are all alike, or have the training sentences' frequencies.

With ``--models`` the shipped models and the runs in the folder are scored in the same way.

``speed`` (a quiet machine): training, and writing with a cache, beside the same shapes in PyTorch;
writing with and without a cache by length. Every model has a process of its own; in every round
each takes some steps while the others wait, and a round in which any of them took more than
twice its own median is dropped whole: the rule was written before the run. Ratios are the median
within rounds with an interval of 95 % (rounds resampled). Without a cache our model runs over
all its places at every step, as a compiled loop's shapes are fixed; PyTorch's loop over those that
there are.
"""

import argparse
import bz2
import contextlib
import gzip
import json
import lzma
import statistics
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ae_lib import data, text
from benchmarks.environment import RECORDS, write_record
from benchmarks.lstm import interval, quiet, serve, waiting

RECORD, SPEED = "language_models", "language_model_speed"
PPMD_ORDERS, MEMORY = (4, 6, 8, 10, 12, 16), 256 << 20
ORDERS, PIECES = (3, 4, 5, 6), (500, 1000, 2000, 4000, 8000)


def joined(sentences):
    """The sentences' bytes, each with its line end."""
    return "".join(text.normalise(s) + "\n" for s in sentences).encode()


def compressors():
    """``{name: function from bytes to their compressed number}``, each at its strongest."""
    import brotli
    import pyppmd
    import zstandard

    long = zstandard.ZstdCompressionParameters.from_level(22, window_log=27)

    def ppmd(order):
        def size(raw):
            coder = pyppmd.Ppmd7Encoder(order, MEMORY)
            return len(coder.encode(raw) + coder.flush())

        return size

    return {
        "gzip": lambda raw: len(gzip.compress(raw, 9, mtime=0)),
        "bzip2": lambda raw: len(bz2.compress(raw, 9)),
        "xz": lambda raw: len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
        "zstd": lambda raw: len(zstandard.ZstdCompressor(compression_params=long).compress(raw)),
        "brotli": lambda raw: len(brotli.compress(raw, quality=11, lgwin=24)),
    }, {order: ppmd(order) for order in PPMD_ORDERS}


def compressed(size, primer=b""):
    """The score of a compressor: bits per byte of sentences."""
    before = size(primer) if primer else 0
    return lambda sentences: (
        8 * (size(primer + joined(sentences)) - before) / len(joined(sentences))
    )


def by_frequency(train):
    """The score of single bytes by their frequency in the training sentences, plus one."""
    counts = np.bincount(np.frombuffer(joined(train), "u1"), minlength=256) + 1
    bits = -np.log2(counts / counts.sum())
    return lambda sentences: bits[np.frombuffer(joined(sentences), "u1")].mean()


def chosen(tried, held_out):
    """The key of the score that is best on the held-out sentences, and what each gave."""
    found = {key: score(held_out) for key, score in tried.items()}
    print(found, flush=True)
    return min(found, key=found.get), {str(key): value for key, value in found.items()}


def shuffled(sentences):
    """The words of each sentence in random order."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.permutation(s.split())) for s in sentences]


def rivals(train, parts):
    """The table of all that is no neural network: bits per byte, and what was chosen."""
    from ae_lib.ngrams import KneserNey

    plain, ppmd = compressors()
    primer, tuned = joined(train), {}
    scores = {"uniform bytes": lambda sentences: 8.0, "order-0 bytes": by_frequency(train)}
    for name, given in (("cold", b""), ("primed", primer)):
        scores |= {f"{k}, {name}": compressed(size, given) for k, size in plain.items()}
        tried = {order: compressed(size, given) for order, size in ppmd.items()}
        order, found = chosen(tried, parts["validation"])
        scores[f"PPMd, {name}"], tuned[f"PPMd, {name}"] = tried[order], {"order": order, **found}
    best, tried = np.inf, {}
    for size in PIECES:
        vocabulary = text.Subwords.build(train, size)
        for order in ORDERS:
            model = KneserNey(vocabulary, order).fit(train)
            tried[f"{size} pieces, order {order}"] = bits = model.bits_per_byte(
                parts["validation"]
            )
            if bits < best:
                best, scores["Kneser–Ney"] = bits, model.bits_per_byte
                setting = {"pieces": size, "order": order}
            print(size, order, bits, flush=True)
    tuned["Kneser–Ney"] = setting | tried
    return {name: table(score, parts) for name, score in scores.items()}, tuned


def table(score, parts):
    """A score of each part, and of the test sentences with their words in random order."""
    row = {name: float(score(sentences)) for name, sentences in parts.items()}
    row["test, words in random order"] = float(score(shuffled(parts["test"])))
    print(row, flush=True)
    return row


def neural(folder, parts):
    """The shipped models, the runs in a folder, and a model of random weights."""
    import keras

    import ae_lib
    from ae_lib import text_models

    found = {}
    for name, (_, kind) in text_models.SHIPPED.items():
        if kind is text_models.LanguageModel and text_models.shipped_file(name).exists():
            model = ae_lib.pretrained(name)
            found[name] = table(model.bits_per_byte, parts)
            keras.utils.set_random_seed(0)
            untrained = type(model.model).from_config(model.model.get_config())
            untrained = text_models.LanguageModel(untrained, model.vocabulary)
            found[f"{name}, untrained"] = table(untrained.bits_per_byte, parts)
    for path in sorted(folder.glob("*/model.keras")):
        model = text_models.LanguageModel.load(path)
        found[path.parent.name] = table(model.bits_per_byte, parts)
    return found


def measure_rivals(models):
    """Write the record; with ``models``, a folder, its section of the networks alone."""
    path = RECORDS / f"{RECORD}.json"
    record = json.loads(path.read_text("utf8")) if path.exists() else {}
    parts = {name: data.load_sentences(name) for name in ("validation", "test")}
    if models:
        record["models"] = neural(models, parts)
    else:
        train = data.load_sentences("train", size="full")
        record["rivals"], record["chosen on validation"] = rivals(train, parts)
        record["bytes"] = {k: len(joined(v)) for k, v in {"train": train, **parts}.items()}
        packages = ("brotli", "pyppmd", "zstandard")
        record["compressors"] = {name: version(name) for name in packages}
    record |= {"what": __doc__.splitlines()[0], "unit": "bits per byte"}
    record.pop("environment", None), record.pop("made_by", None)
    return write_record(path, "python -m benchmarks.language_models rivals", **record)


# ---- speed ------------------------------------------------------------------------------

_SMALL = {"vocabulary": 2000, "width": 128, "layers": 2, "heads": 4, "batch": 4}
_GPT = {"vocabulary": 2000, "width": 256, "layers": 4, "heads": 4, "length": 48}
SHAPES = {
    "training": _GPT | {"batch": 128, "words": 15},
    "writing": _GPT | {"batch": 64},
    **{f"writing {n}": _SMALL | {"length": n} for n in (16, 64, 256, 512)},
    "tiny training": _SMALL | {"vocabulary": 50, "width": 8, "length": 8, "words": 5},
    "tiny writing 8": _SMALL | {"vocabulary": 50, "width": 8, "length": 8},
}


def weights(s):
    """Arrays for a ``TransformerLM`` of the shape, in Keras's order; <eos> is never written."""
    rng, w = np.random.default_rng(0), s["width"]
    sizes = [(w,), (w,), (w, 3 * w), (3 * w,), (w, w), (w,)]
    sizes += [(w,), (w,), (w, 4 * w), (4 * w,), (4 * w, w), (w,)]
    sizes = [(s["vocabulary"], w), (s["length"], w), *sizes * s["layers"], (w,), (w,)]
    found = [rng.normal(0, 0.2, size).astype("float32") for size in sizes]
    found[0][:4], found[1] = 0, 5 * found[1]  # the places make the words differ
    return found


def ours(s):
    """The book's model, its weights as of ``weights``; on TensorFlow XLA compiles its writing."""
    from ae_lib.models import TransformerLM

    sizes = {name: s[name] for name in ("width", "layers", "heads", "length")}
    model = TransformerLM(s["vocabulary"], **sizes, dropout=0.1)
    model.set_weights(weights(s))
    model.decodes_by_xla = True
    return model


def batch(s):
    rng = np.random.default_rng(0)
    return rng.integers(4, s["vocabulary"], (s["batch"], s["words"])).astype("int32")


def train_ours(s):
    import keras

    model, x = ours(s), batch(s)
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.05, global_clipnorm=1.0)
    model.compile(optimizer, jit_compile=True)
    return lambda: model.train_on_batch(x)


def train_torch(s, compiled=False):
    """The same with ``nn.TransformerEncoderLayer``, dropout where ours has it."""
    import torch
    from torch import nn

    table, places = (nn.Parameter(torch.tensor(w)) for w in weights(s)[:2])
    layer = nn.TransformerEncoderLayer(
        s["width"], s["heads"], 4 * s["width"], 0.1,
        lambda x: nn.functional.gelu(x, approximate="tanh"), batch_first=True, norm_first=True,
    )  # fmt: skip
    layer.self_attn.dropout, layer.dropout = 0.0, nn.Identity()
    body = nn.TransformerEncoder(
        layer, s["layers"], nn.LayerNorm(s["width"]), enable_nested_tensor=False
    )
    drop, parameters = nn.Dropout(0.1), [table, places, *body.parameters()]
    if compiled:
        body = torch.compile(body)
    optimizer = torch.optim.AdamW(parameters, 1e-3, weight_decay=0.05)
    x = torch.tensor(batch(s)).long()
    seen = nn.functional.pad(x, (1, 0), value=text.BOS)
    target = nn.functional.pad(x, (0, 1), value=text.EOS).flatten()
    mask = nn.Transformer.generate_square_subsequent_mask(seen.shape[1])

    def step():
        optimizer.zero_grad()
        states = body(drop(table[seen] + places[: seen.shape[1]]), mask, is_causal=True)
        loss = nn.functional.cross_entropy((states @ table.T).flatten(0, 1), target)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    return step


class Uncached:
    """A model without its cache, as ``ae_lib.decoding`` wants it: the words are the state."""

    decodes_by_xla = True

    def __init__(self, model):
        self.model, self.length = model, model.length

    def initial_state(self, n):
        from keras import ops

        return ops.zeros((), "int32"), ops.zeros((n, self.length), "int32")

    def step(self, state, tokens):
        from keras import ops

        at, words = state
        words = ops.where(ops.arange(self.length) == at, tokens[:, None], words)
        states = self.model.states(words[:, 1:])  # it puts <bos> before them itself
        return self.model.logits(ops.take(states, at, axis=1)), (at + 1, words)


def write_ours(s, cached=True):
    from ae_lib import decoding

    model = ours(s) if cached else Uncached(ours(s))
    return lambda: decoding.greedy(model, s["batch"], max_length=s["length"])


def write_torch(s, cached=True, compiled=False):
    """The same by hand in PyTorch: greedy, the cache growing by a place a step."""
    import torch
    from torch.nn import functional as F

    arrays = [torch.tensor(w) for w in weights(s)]
    table, places, last = *arrays[:2], arrays[-2:]
    blocks = [arrays[2 + 12 * i : 14 + 12 * i] for i in range(s["layers"])]

    def normed(x, scale, shift):
        return F.layer_norm(x, scale.shape, scale, shift, 1e-5)

    def step(words, caches, t):
        seen = words[:, -1:] if cached else words
        x = table[seen] + (places[t : t + 1] if cached else places[: t + 1])
        after = []
        for i, (a, b, qkv, qkv_0, out, out_0, c, d, *wide) in enumerate(blocks):
            parts = (normed(x, a, b) @ qkv + qkv_0).unflatten(-1, (3, s["heads"], -1))
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            if cached and caches:
                k, v = (torch.cat(p, 2) for p in zip(caches[i], (k, v), strict=True))
            after.append((k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=not cached)
            x = x + mixed.transpose(1, 2).flatten(2) @ out + out_0
            hidden = F.gelu(normed(x, c, d) @ wide[0] + wide[1], approximate="tanh")
            x = x + hidden @ wide[2] + wide[3]
        logits = normed(x[:, -1], *last) @ table.T
        logits[:, [text.PAD, text.BOS]] = -torch.inf
        return torch.cat([words, logits.argmax(1, keepdim=True)], 1), after

    if compiled:
        step = torch.compile(step, dynamic=True)

    @torch.inference_mode()
    def write():
        words, caches = torch.full((s["batch"], 1), text.BOS), []
        for t in range(s["length"]):
            words, caches = step(words, caches, t)
        return words[:, 1:].numpy()

    return write


MAKERS = {
    "ours": lambda s: train_ours(s) if "words" in s else write_ours(s),
    "torch": lambda s: train_torch(s) if "words" in s else write_torch(s),
    "torch, compiled": lambda s: (train_torch if "words" in s else write_torch)(s, compiled=True),
    "ours, no cache": lambda s: write_ours(s, cached=False),
    "torch, no cache": lambda s: write_torch(s, cached=False),
}


def speed(rounds, steps, shapes):
    """Tokens a second of each, and the ratios within rounds."""
    results = {}
    for shape in shapes:
        s, pairs = SHAPES[shape], [("ours", "torch")]
        if not shape[-1].isdigit():
            pairs += [("ours", "torch, compiled")]
        else:
            pairs += [("ours", "ours, no cache"), ("torch", "torch, no cache")]
        names = list(dict.fromkeys(name for pair in pairs for name in pair))
        tokens = s["batch"] * (s["words"] + 1 if "words" in s else s["length"])
        with contextlib.ExitStack() as stack:
            take = {
                name: stack.enter_context(waiting(shape, name, "benchmarks.language_models"))
                for name in names
            }
            found = [{k: tokens / take[k](steps) for k in names} for _ in range(rounds)]
        kept = quiet(found)
        ratios = {f"{a} over {b}": np.array([r[a] / r[b] for r in kept]) for a, b in pairs}
        results[shape] = {
            "shape": s,
            "tokens_per_second": {k: round(statistics.median(r[k] for r in kept)) for k in names},
            "ratios": {k: round(float(np.median(v)), 2) for k, v in ratios.items()},
            "intervals": {k: interval(v) for k, v in ratios.items()},
            "rounds": [{k: round(v) for k, v in r.items()} for r in found],
            "dropped": len(found) - len(kept),
        }
        print(shape, json.dumps(results[shape]["ratios"]), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=("rivals", "speed"), default="rivals")
    parser.add_argument("--models", type=Path, help="score the networks: folder of their runs")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3, help="of each model in a round")
    parser.add_argument("--serve", nargs=2, metavar=("SHAPE", "NAME"))
    options = parser.parse_args()
    if options.serve:
        shape, name = options.serve
        serve(MAKERS[name](SHAPES[shape]), warmup=2)
    elif options.part == "rivals":
        measure_rivals(options.models)
    else:
        shapes = [shape for shape in SHAPES if "tiny" not in shape]
        write_record(
            RECORDS / f"{SPEED}.json", "python -m benchmarks.language_models speed",
            what="Training, and writing with and without a cache, beside PyTorch.",
            unit="tokens a second", results=speed(options.rounds, options.steps, shapes),
        )  # fmt: skip


if __name__ == "__main__":
    main()
