"""Train the language model that ships with the book, beside its rivals.

    KERAS_BACKEND=jax python tools/train_language_model.py [--seconds 170] [--out FOLDER]

A small GPT and an LSTM of as many weights learn the training sentences in pieces of words,
each with three seeds and one more with another dropout, side by side on one GPU
(tools/side_by_side.py).
The best on the validation sentences then teach: a fresh GPT learns the mean of their
probabilities, on the training sentences and on sentences that they write (Hinton, Vinyals &
Dean 2015; Kim & Rush 2016). Each of the stages gpt, lstm, student is kept in a folder when it is
done, and a run that was stopped goes on with the next. ``--out`` gets what is needed later;
tools/export_language_model.py makes the shipped file of it.
"""

import argparse
import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("lstm", "gpt", "student")
SHARES = {"lstm": 0.25, "gpt": 0.4, "student": 0.35}  # of the seconds left after compiling
# What the first run on an H200 (November 2026, 157 s in all) taught: eleven models side by side
# are too many (GPT 6.0 s an epoch, LSTM 2.3 s: 5 and 17 epochs); nothing overfitted yet, so
# there was too much dropout (GPT 0.2, LSTM 0.3 were the least and the best); the highest rates
# were the best (GPT 4e-3 and LSTM 6e-3); and weights averaged with momentum 0.998 lag behind by
# more than the few steps there are.
RECIPE = {
    "pieces": 2000,
    "width": 256,
    "layers": 4,
    "heads": 4,
    "length": 48,
    "row": 32,  # tokens of a packed row of sentences
    "batch": 256,  # rows a step
    "decay": 0.1,
    "average": 0.99,
    "seeds": [0, 1, 2],
    "dropout": {
        "lstm": [0.2, 0.1],
        "gpt": [0.1, 0.2],
        "student": [0.1],
    },  # the first with all seeds
    "rate": {"lstm": 6e-3, "gpt": 4e-3, "student": 4e-3},
    "hard": [0.25, 0.5],
    "teachers": 3,  # of each kind
    "written": 330_000,  # sentences by the teachers, about
    "epochs": {"lstm": 60, "gpt": 60, "student": 40},
    "patience": 8,
}
TINY = {
    "pieces": 300, "width": 16, "layers": 1, "heads": 2, "row": 40, "batch": 4, "seeds": [0],
    "teachers": 2, "written": 60, "epochs": {"gpt": 2, "lstm": 2, "student": 2},
}  # fmt: skip


class Run:
    """All stages of a run, what is kept of them, and the clock."""

    def __init__(self, options):
        from ae_lib import data, text

        self.start, self.options = time.perf_counter(), options
        self.recipe = {**RECIPE, **(TINY if options.tiny else {})}
        self.recipe |= {k: v for k in ("pieces", "width", "layers") if (v := getattr(options, k))}
        self.folder = options.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        training = data.load_sentences("train", size="full")
        validation = data.load_sentences("validation")
        if options.tiny:
            training, validation = training[:200], validation[:30]
        self.vocabulary = text.Subwords.build(training, self.recipe["pieces"])
        self.ids = self.vocabulary.encode_all(training)
        self.held_out = self.vocabulary.encode_all(validation)
        self.bytes = sum(len((s + "\n").encode()) for s in validation)
        sha256 = hashlib.sha256("\n".join(training).encode()).hexdigest()
        self.what = {"recipe": self.recipe, "sha256": sha256}
        self.what["vocabulary"] = self.vocabulary.fingerprint
        self.results = {**self.what, "units": self.units(), "groups": {}}
        self.best = {}
        self.say(f"{len(self.vocabulary)} pieces, {len(training)} sentences to train on")

    def say(self, words):
        print(f"[{time.perf_counter() - self.start:6.1f} s] {words}", flush=True)

    def left(self):
        """Seconds that are left, but for those that writing takes."""
        return self.options.seconds - (time.perf_counter() - self.start) - 4

    # What is trained

    def make(self, arm):
        """A fresh model, its products in bfloat16."""
        from ae_lib.models import RecurrentLM, TransformerLM

        r, size = self.recipe, len(self.vocabulary)
        kind = {"dtype": "mixed_bfloat16"}
        if arm != "lstm":
            return TransformerLM(size, r["width"], r["layers"], r["heads"], r["length"], **kind)
        return RecurrentLM(size, self.units(), r["width"], **kind)

    def units(self):
        """Of the LSTM, so that it has at most as many weights as the GPT."""
        w, depth, size = self.recipe["width"], self.recipe["layers"], len(self.vocabulary)
        most = (size + self.recipe["length"]) * w + depth * (12 * w * w + 13 * w) + 2 * w
        a, b, c = 4, 5 * w + 4, size * (w + 1) + w - most  # a·u² + b·u + c weights too many
        return int((-b + (b * b - 4 * a * c) ** 0.5) / (2 * a))

    def members(self, arm):
        r, rate = self.recipe, self.recipe["rate"][arm]
        if arm == "student":
            return [
                {"seed": 10 + seed, "dropout": dropout, "rate": rate, "hard": hard}
                for seed, hard in enumerate(r["hard"])
                for dropout in r["dropout"]["student"]
            ]
        first, *others = r["dropout"][arm]
        found = [{"seed": seed, "dropout": first, "rate": rate} for seed in r["seeds"]]
        return found + [{**found[0], "dropout": other} for other in others]

    def group(self, arm):
        import side_by_side

        logits = side_by_side.lstm_logits if arm == "lstm" else side_by_side.transformer_logits
        r, unit = self.recipe, self.bytes * np.log(2)
        sizes = {"batch": r["batch"], "decay": r["decay"], "average": r["average"], "unit": unit}
        return side_by_side.Group(lambda: self.make(arm), logits, self.members(arm), **sizes)

    # What is kept

    def kept(self, arm):
        """Whether an earlier run has done the stage; its results are then here."""
        path = self.folder / f"{arm}.json"
        if not path.exists():
            return False
        found = json.loads(path.read_text("utf8"))
        if found.pop("what") != json.loads(json.dumps(self.what)):
            raise SystemExit(f"{self.folder} holds a run of other settings: name another folder")
        with np.load(self.folder / f"{arm}.npz") as file:
            count = len(file.files) // len(found["members"])
            arrays = [file[str(i)].astype("float32") for i in range(len(file.files))]
        self.best[arm] = [arrays[i : i + count] for i in range(0, len(arrays), count)]
        self.results["groups"][arm] = found
        return True

    def keep(self, arm, best, found):
        self.best[arm], self.results["groups"][arm] = best, found
        flat = [w for weights in best for w in weights]
        _write_arrays(self.folder / f"{arm}.npz", flat, "float16")
        record = json.dumps({"what": self.what, **found})
        (self.folder / f"{arm}.json").write_text(record, "utf8")
        self.send(arm)

    def chosen(self, arm):
        """Numbers of the members of the setting that is best in the mean of its seeds."""
        found, settings = self.results["groups"][arm], {}
        for i, member in enumerate(found["members"]):
            key = json.dumps({k: v for k, v in member.items() if k != "seed"})
            settings.setdefault(key, []).append(i)
        most = max(map(len, settings.values()))  # only settings that have all the seeds
        full = [rows for rows in settings.values() if len(rows) == most]
        return min(full, key=lambda rows: np.mean([found["validation"][i] for i in rows]))

    def send(self, arm):
        """Write what is needed later to ``--out``: the chosen setting's weights, all results."""
        rows = self.chosen(arm)
        self.results["groups"][arm]["chosen"] = rows
        scores = [self.results["groups"][arm]["validation"][i] for i in rows]
        self.say(f"{arm}: {self.results['groups'][arm]['members'][rows[0]]}: {scores}")
        if out := self.options.out:
            out.mkdir(parents=True, exist_ok=True)
            for i in rows[:3] if arm != "student" else [int(np.argmin(scores))]:
                dtype = "float32" if arm == "student" else "float16"
                name = arm if arm == "student" else f"{arm}_{rows.index(i)}"
                _write_arrays(
                    out / f"{name}.npz", self.best[arm][rows[i] if arm == "student" else i], dtype
                )
            more = {"pieces": self.vocabulary.to_record(), "device": _device()}
            record = {**self.results, **more, "seconds": time.perf_counter() - self.start}
            (out / "results.json").write_text(json.dumps(record, ensure_ascii=False), "utf8")


def _write_arrays(path, arrays, dtype):
    np.savez(path, **{str(i): a.astype(dtype) for i, a in enumerate(arrays)})


def _device():
    import jax

    return f"{jax.devices()[0].device_kind}, jax {jax.__version__}"


def train(run):
    """All the stages that are not kept yet."""
    import jax

    import side_by_side

    r, say, width = run.recipe, run.say, run.recipe["row"]
    todo = [arm for arm in STAGES if arm in run.options.stages and not run.kept(arm)]
    say(f"{_device()}; to do: {', '.join(todo) or 'nothing'}")
    for arm in run.best:
        run.send(arm)
    batch = r["batch"]
    real = side_by_side.packed(run.ids, width)
    held_out = side_by_side.packed(run.held_out, width)
    held_out = _filled(held_out, -len(held_out["seen"]) % batch)
    scored = int((held_out["target"] == 3).sum())
    assert scored == len(run.held_out), f"only {scored} validation sentences fit into {width}"
    data, validation = (jax.device_put(x) for x in (real, held_out))
    tokens = int((real["target"] > 0).sum())
    say(f"{tokens} tokens in {len(real['seen'])} rows of {width}")
    pool, groups, programs = ThreadPoolExecutor(8), {}, {}

    def compiled(name, lowered):
        return pool.submit(_compiled, lowered, say, name)

    for arm in todo:
        group = groups[arm] = run.group(arm)
        if arm == "student":
            teachers = Teachers(run, real, held_out)
            given = teachers.shapes()
            programs |= {name: compiled(name, low) for name, low in teachers.lower()}
        else:
            given = data
        programs[arm] = compiled(arm, group.lower(given, validation))
        say(f"traced {arm}: {len(group.members)} models of {group.model.count_params()} weights")
    for i, arm in enumerate(todo):
        given, program = [data], programs.pop(arm).result()
        if arm == "student":
            given = teachers.teach({name: other.result() for name, other in programs.items()})
        limits = {"epochs": r["epochs"][arm], "patience": r["patience"], "seconds": None}
        if run.options.seconds:
            later = 12 if "student" in todo[i + 1 :] else 0  # what the teachers take
            share = SHARES[arm] / sum(SHARES[a] for a in todo[i:])
            limits["seconds"] = max(5.0, (run.left() - later) * share)
        best, found = groups.pop(arm).train(program, given, validation, **limits, say=say)
        run.keep(arm, best, found | (teachers.found if arm == "student" else {}))
    say("done")


def _compiled(lowered, say, name):
    """The program, with as little trying out of kernels as the compiler allows."""
    start = time.perf_counter()
    try:
        options = {"xla_gpu_enable_triton_gemm": False, "xla_gpu_autotune_level": 1}
        program = lowered.compile(compiler_options=options)
    except Exception as error:  # another version's options
        say(f"{name}: compiled without options ({error})")
        program = lowered.compile()
    say(f"compiled {name} in {time.perf_counter() - start:.1f} s")
    return program


def _filled(arrays, rows):
    """The rows and as many empty ones."""
    return {k: np.pad(a, ((0, rows), (0, 0))) for k, a in arrays.items()}


class Teachers:
    """The best of both kinds, what they write, and what they say of each next word.

    The student's rows, real and written ones mixed, come in parts of one shape, whose
    probabilities are fewer than 2³¹ numbers.
    """

    def __init__(self, run, real, held_out):
        self.run, self.real, self.held_out = run, real, held_out
        r = run.recipe
        self.n = max(16, min(16384, r["written"] // (2 * r["teachers"])))
        most = 2**31 // (r["row"] * len(run.vocabulary))
        tokens = int((real["target"] > 0).sum())
        self.written = int(r["written"] * tokens / len(run.ids) * 0.9 / r["row"])
        rows = len(real["seen"]) + self.written
        self.parts = -(-rows // most)
        self.rows = -(-rows // self.parts // r["batch"]) * r["batch"]  # of a part
        self.written = self.parts * self.rows - len(real["seen"])
        self.models = {arm: run.make(arm) for arm in ("gpt", "lstm")}

    def shapes(self):
        """Of a part, for compiling."""
        import jax

        rows, width = self.rows, self.run.recipe["row"]
        of = dict.fromkeys(("seen", "target", "place"), ((rows, width), "int32"))
        of["soft"] = (rows, width, len(self.run.vocabulary)), "bfloat16"
        of["real"] = (rows,), "float32"
        return {name: jax.ShapeDtypeStruct(*what) for name, what in of.items()}

    def lower(self):
        """Pairs of a name and a traced program."""
        import jax

        import side_by_side

        r, stacks = self.run.recipe, []
        for arm, model in self.models.items():
            weights = [w.value for w in model.trainable_variables]
            draw = side_by_side.sampler(model, self.n, r["row"])
            yield f"write {arm}", draw.lower(weights, jax.random.key(0))
            shapes = [(r["teachers"], *w.shape) for w in weights]
            stacks.append([jax.ShapeDtypeStruct(shape, "float32") for shape in shapes])
        kinds = [(self.models["gpt"], side_by_side.transformer_logits)]
        kinds += [(self.models["lstm"], side_by_side.lstm_logits)]
        rows = {k: v for k, v in self.shapes().items() if k not in ("soft", "real")}
        mean = side_by_side.mean_probabilities(kinds, r["batch"])
        yield "probabilities", mean.lower(tuple(stacks), rows)

    def teach(self, programs):
        """The student's data: a list of parts."""
        import jax

        import side_by_side

        run, r, say = self.run, self.run.recipe, self.run.say
        stacks, sentences, rng = [], [], np.random.default_rng(0)
        for arm in self.models:
            best = np.argsort(run.results["groups"][arm]["validation"])[: r["teachers"]]
            chosen = [run.best[arm][i] for i in best]
            stacks.append([jax.numpy.asarray(np.stack(w)) for w in zip(*chosen, strict=True)])
            for number, weights in enumerate(chosen):
                weights = [jax.numpy.asarray(w) for w in weights]
                for again in range(-(-r["written"] // (2 * len(best) * self.n))):
                    seed = (len(stacks) * 100 + number) * 100 + again
                    drawn = programs[f"write {arm}"](weights, jax.random.key(seed))
                    sentences += side_by_side.sentences_of(drawn)
            some = [run.vocabulary.decode(ids) for ids in sentences[-3:]]
            say(f"{len(sentences)} sentences written, the last by {arm}: {some}")
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
        new = side_by_side.packed(sentences, r["row"], self.written)
        full = float((new["target"] > 0).mean())
        share = np.repeat(np.array([1, 0], "float32"), [len(self.real["seen"]), self.written])
        mixed = rng.permutation(len(share))
        ours = {k: np.concatenate([self.real[k], new[k]])[mixed] for k in new}
        parts = []
        for start in range(0, len(share), self.rows):
            part = {k: jax.device_put(a[start : start + self.rows]) for k, a in ours.items()}
            soft = programs["probabilities"](tuple(stacks), part)
            real = jax.device_put(share[mixed][start : start + self.rows])
            parts.append({**part, "soft": soft, "real": real})
        say(f"{self.parts} parts of {self.rows} rows; the written ones are {full:.2f} full")
        count = len(self.held_out["seen"])
        held_out = _filled(self.held_out, self.rows - count)
        soft = programs["probabilities"](tuple(stacks), held_out)[:count].astype("float32")
        target = self.held_out["target"]
        p = np.take_along_axis(np.asarray(soft), target[:, :, None], 2)[:, :, 0]
        bits = float(-np.log2(p[target > 0]).sum() / run.bytes)
        say(f"the teachers together: {bits:.4f} bits per byte")
        found = {"validation": bits, "of each kind": r["teachers"], "full": full}
        self.found = {"teachers": found | {"written": len(sentences), "parts": self.parts}}
        return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0, help="to train in; 0: no limit")
    parser.add_argument("--folder", type=Path, default=Path("build/language_model"))
    parser.add_argument("--out", type=Path, help="folder for what is needed later")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--pieces", type=int, help="entries of the vocabulary")
    parser.add_argument("--width", type=int)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: does it run?")
    train(Run(parser.parse_args()))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
