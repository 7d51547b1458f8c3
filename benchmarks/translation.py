"""Chapter 09's models: English to French with and without attention; sentences made shorter.

    python -m benchmarks.translation train ARM [--seed 0] [--folder build/translation]
    python -m benchmarks.translation score [--folder build/translation]
    python -m benchmarks.translation ship [--folder build/translation]
    python -m benchmarks.translation captions --stamps usr/share/tuxpaint/stamps

An arm is one of ``RECIPE["arms"]``. Its epochs end with checkpoints: an interrupted run goes on.
``score`` translates the validation sentences by each run's best epoch, and the test sentences by
the runs of the best rate of each arm, once; ``ship`` exports the best translator and the best
compressor, by validation.

``captions`` translates text of another kind with the shipped model and its rivals: what the
stamps of Tux Paint, a painting program for children, show ("A red-nosed reindeer."). They come
with people's translations, in Debian's package ``tuxpaint-stamps-default``; unpack it, nothing of
it is shipped. Those of 3 to 10 words are taken that no training sentence equals.
"""

import argparse
import hashlib
import itertools
import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from ae_lib import data, models, pretrained, text, text_models
from ae_lib._files import write_json
from ae_lib.models.attention import ATTENTIONS
from ae_lib.text_models import Translator
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept
from benchmarks.text_run import TextRun, keep_memory
from tests.chapter_code import definitions

# fmt: off
_SMALL = {"units": 192, "embedding_size": 128, "dropout": 0.2, "smoothing": 0.1}
_FULL = {"units": 384, "embedding_size": 256, "dropout": 0.2, "smoothing": 0.1,
         "attention": "general", "pieces": 6000, "size": "full", "epochs": 8, "rates": [2e-3]}
RECIPE = {
    "size": "small",  # of ``data.load_pairs``
    "pieces": 4000, "batch_size": 128, "decay": 0.01, "clipnorm": 1.0, "epochs": 6,
    "edges": [9, 13, 22],  # pieces that a batch is filled up to; longer pairs are left out
    "rates": [3e-3, 6e-3],
    "arms": {
        **{name: {**_SMALL, "attention": name} for name in ATTENTIONS},
        "full": _FULL,
        "full, last": {**_FULL, "attention": "last"},
        "compress": {**_FULL, "units": 256, "embedding_size": 128, "pieces": 3000,
                     "edges": [12, 18, 30], "epochs": 5, "rates": [3e-3]},
    },
}
TINY = {
    "pieces": 300, "edges": [20], "epochs": 2, "rates": [3e-3], "size": "full",
    "arms": {
        "general": {"units": 16, "embedding_size": 8, "attention": "general"},
        "compress": {"units": 16, "embedding_size": 8, "attention": "general"},
    },
}
# fmt: on
LENGTHS, DRAWS = (3, 6, 8, 11), 1000  # words of the source; draws of the bootstrap


class Run(TextRun):
    """Pairs of sentences: English and French, or disturbed and whole."""

    wrapper, kept_as = Translator, "int8"

    def load(self, tiny):
        parts = [
            data.load_pairs(part, size=self.option("size")) for part in ("train", "validation")
        ]
        if tiny:
            parts = [parts[0][:400], parts[1][:40]]
        both = [([p.english for p in part], [p.french for p in part]) for part in parts]
        if self.arm == "compress":  # English, once each; what is read is made anew each epoch
            both = [(own := list(dict.fromkeys(english)), own) for english, _ in both]
            both[1] = text.disturbed(both[1][1], seed=1), both[1][1]
            texts = [*both[0][1], *(f"{n}:" for n in range(1, 30))]
        else:
            texts = [t for p in parts[0] for t in (p.english, p.french)]
        self.vocabulary = text.Subwords.build(texts, self.option("pieces"))
        self.train_texts, self.read_in = both[0], None
        kept = self._short(*both[1])[1]
        self.held_out = [[side[i] for i in kept] for side in both[1]]
        sha256 = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        return {"pairs": len(parts[0]), "sha256": sha256}

    def _short(self, seen, written):
        """The ids of the pairs that are not too long, and which they are."""
        longest = self.option("edges")[-1]
        both = [*zip(*map(self.vocabulary.encode_all, (seen, written)), strict=True)]
        kept = [i for i, pair in enumerate(both) if max(map(len, pair)) <= longest]
        return [both[i] for i in kept], kept

    def make(self, **options):
        return models.AttentionSeq2Seq(len(self.vocabulary), **self.sizes(), **options)

    def lengths(self, epoch):
        if self.arm != "compress":
            epoch = 0  # always the same
        if self.read_in != epoch:
            seen, written = self.train_texts
            if self.arm == "compress":
                seed = int(np.random.default_rng([self.seed, epoch, 2]).integers(2**31))
                seen = text.disturbed(written, seed=seed)
            self.rows, self.read_in = self._short(seen, written)[0], epoch
        return [max(map(len, row)) for row in self.rows]

    def batch(self, some, edge):
        seen, written = zip(*(self.rows[i] for i in some), strict=True)
        return text.pairs(text.pad(seen, edge), text.pad(written, edge))

    def score(self, model):
        """Nats per piece and <eos> of the validation pairs."""
        return float(np.concatenate(model.nats(*self.held_out)).mean())


def train(options):
    recipe = {**RECIPE, **(TINY if options.tiny else {})}
    rates = {**recipe, **recipe["arms"][options.arm]}["rates"]
    recipe["peak"] = options.peak or rates[-1]
    folder = options.folder / f"{recipe['peak']:g}"
    Run(recipe, options.arm, options.seed, folder, options.tiny, options.dtype).train()


def references(part):
    """``{English sentence: its French ones}`` of a held-out part, in its order."""
    found = {}
    for pair in data.load_pairs(part, size="full"):
        found.setdefault(pair.english, []).append(pair.french)
    return found


def scores(hypotheses, found, draws=0):
    """BLEU and chrF of translations, with one and with all references, and by length.

    Args:
        hypotheses: list of str, one for each of ``found``.
        found: of ``references``.
        draws: of the bootstrap that gives BLEU's interval of 95 %; 0: none.
    """
    one = [[french[0] for french in found.values()]]
    every = [list(stream) for stream in itertools.zip_longest(*found.values())]
    bleu = BLEU().corpus_score(hypotheses, one, n_bootstrap=draws or 1)
    half = {"half_interval": bleu._ci} if draws else {}
    words = [len(sentence.split()) for sentence in found]
    by_length = {}
    for low, high in itertools.pairwise(LENGTHS):
        rows = [i for i, n in enumerate(words) if low <= n < high]
        picked = [hypotheses[i] for i in rows], [[one[0][i] for i in rows]]
        by_length[f"{low} to {high - 1}"] = BLEU().corpus_score(*picked).score
    several = BLEU()
    return {
        "bleu": bleu.score, **half, "chrf": CHRF().corpus_score(hypotheses, one).score,
        "bleu_all": several.corpus_score(hypotheses, every).score,
        "chrf_all": CHRF().corpus_score(hypotheses, every).score,
        "ratio": bleu.ratio, "by_length": by_length, "signature": str(several.get_signature()),
    }  # fmt: skip


def translated(folder, arm, parts):
    """The scores of a run's best epoch on both parts; of the full model also by beam width."""
    translator = Translator.load(folder / "model.keras")
    found = {
        part: scores(translator.translate(list(pairs)), pairs, DRAWS if part == "test" else 0)
        for part, pairs in parts.items()
    }
    if arm == "full":
        held_out = parts["validation"]
        found["beams"] = {
            width: scores(translator.translate(list(held_out), width), held_out)
            for width in (1, 2, 4, 8, 16)
        }
    return found


def score(options):
    """Score the best rate of each arm on the validation and test sentences; a record of all."""
    runs = {p.parent: json.loads(p.read_text("utf8"))
            for p in sorted(options.folder.glob("*/*/run.json"))}  # fmt: skip
    best = {}
    for folder, run in runs.items():
        arm, loss = run["what"]["arm"], min(row["validation"] for row in run["curve"])
        print(folder, f"{loss:.4f} nats per piece")
        if arm not in best or loss < best[arm][0]:
            best[arm] = (loss, folder)
    parts = {part: references(part) for part in ("validation", "test")}
    kept, found = Kept(options.folder / "scores.json"), {}
    for arm, (loss, folder) in best.items():
        name = str(folder.relative_to(options.folder))
        found[arm] = {"run": name, "validation_nats": loss}
        if arm != "compress":
            found[arm] |= kept.get(name, translated, folder, arm, parts)
    runs = {str(p.relative_to(options.folder)): run for p, run in runs.items()}
    write_record(options.out / "translation.json", "python -m benchmarks.translation score",
                 recipe=RECIPE, arms=found, runs=runs)  # fmt: skip


def ship(options):
    """Export the translator and the compressor of which there is a run, with its record."""
    for name, arm in (("translate-en-fr", "full"), ("compress", "compress")):
        path = next(options.folder.glob(f"*/{arm}-0/run.json"), None)
        if path is None:
            continue
        run = json.loads(path.read_text("utf8"))
        record = {
            **text_models.export(name, Translator.load(path.parent / "model.keras")), **run,
            "made_by": f"python -m benchmarks.translation train {arm}",
        }  # fmt: skip
        write_json(text_models.shipped_file(name).with_suffix(".json"), record)
        print(f"{name}: {record['bytes']:,} bytes")


def read_captions(folder):
    """Captions of 3 to 10 words that are no training sentence, with their French.

    Returns:
        ``(found, patterns)``: ``{English: [French]}``, and which of them are of letters, coins
        and signs, whose captions follow a few patterns ("The letter p.").
    """
    known = {pair.english.lower() for pair in data.load_pairs("train", size="full")}
    found, patterns = {}, set()
    for path in sorted(folder.rglob("*.txt")):
        first, *lines = path.read_text("utf8").splitlines() or [""]
        english = text.normalise(first)
        french = [line.split("=", 1)[1] for line in lines if line.startswith("fr.utf8=")]
        if french and 3 <= len(english.split()) <= 10 and english.lower() not in known:
            found.setdefault(english, [text.normalise(french[0])])
            if "symbols" in path.parts:
                patterns.add(english)
    return found, patterns


def captions(options):
    """The shipped model and its rivals on captions of pictures; a record."""
    (found, patterns), train = read_captions(options.stamps), data.load_pairs("train", size="full")
    # The word list and the memory are the chapter's own.
    names = ("words", "learn_dictionary", "word_by_word", "remembered")
    chapter = definitions("09", *names, given={"pairs": {"train": train}})
    chapter["dictionary"] = chapter["learn_dictionary"](train[:40_000])
    chapter["tfidf"] = chapter["TfidfVectorizer"](token_pattern=r"\w+|\?", ngram_range=(1, 2))
    chapter["memory"] = chapter["tfidf"].fit_transform([pair.english for pair in train])
    asked, translator = list(found), pretrained("translate-en-fr")
    picked = np.random.default_rng(0).integers(len(train), size=len(asked))
    systems = {
        "copy of the source": asked,
        "a random sentence": [train[i].french for i in picked],
        "word by word": [chapter["word_by_word"](e) for e in asked],
        "translation memory": chapter["remembered"](asked),
        "this model, greedy": translator.translate(asked, 1),
        "this model, beam": translator.translate(asked),
    }
    known = {w for pair in train for w in chapter["words"](pair.english)}
    strange = np.array([not set(chapter["words"](e)) <= known for e in asked])
    pattern = np.array([e in patterns for e in asked])
    parts = {"all": strange | True, "no patterns": ~pattern, "all words seen": ~pattern & ~strange,
             "an unseen word": ~pattern & strange}  # fmt: skip
    record = {part: compared(systems, found, np.flatnonzero(rows)) for part, rows in parts.items()}
    things = [i for i in range(len(asked)) if not pattern[i]]
    examples = [{"english": asked[i], "french": found[asked[i]][0],
                 **{name: texts[i] for name, texts in systems.items()}}
                for i in things[:: len(things) // 6][:6]]  # fmt: skip
    write_record(options.out / "captions.json", "python -m benchmarks.translation captions",
                 what="Captions of Tux Paint's stamps, English to French.", captions=record,
                 examples=examples)  # fmt: skip


def compared(systems, found, rows):
    """Scores of all systems on some sentences, and p beside the model, of a paired bootstrap."""
    some = {e: french for i, (e, french) in enumerate(found.items()) if i in set(rows)}
    picked = {name: [texts[i] for i in rows] for name, texts in systems.items()}
    rivals = ("this model, beam", "translation memory", "word by word")
    _, tested = PairedTest(
        [(name, picked[name]) for name in rivals], {"BLEU": BLEU(), "chrF": CHRF()},
        [[french for (french,) in some.values()]], test_type="bs", n_samples=DRAWS,
    )()  # fmt: skip
    p = {name: {k: float(row[i].p_value) for k, row in tested.items() if k != "System"}
         for i, name in enumerate(rivals) if i}  # fmt: skip
    table = {name: scores(texts, some) for name, texts in picked.items()}
    return {"sentences": len(rows), "systems": table, "p_beside_this_model": p}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "score", "ship", "captions"])
    parser.add_argument("arm", nargs="?", choices=list(RECIPE["arms"]))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/translation"))
    parser.add_argument("--stamps", type=Path, help="the folder of Tux Paint's stamps")
    parser.add_argument("--out", type=Path, default=RECORDS)
    parser.add_argument("--peak", type=float, help="of the learning rate")
    parser.add_argument("--dtype", help="mixed_bfloat16: faster where the processor has it")
    parser.add_argument("--tiny", action="store_true", help="a few sentences, for the tests")
    options = parser.parse_args()
    if options.command == "train":
        keep_memory()
        train(options)
    else:
        {"score": score, "ship": ship, "captions": captions}[options.command](options)


if __name__ == "__main__":
    main()
