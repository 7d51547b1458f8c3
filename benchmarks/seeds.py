"""Five seeds for what chapters 03 and 06 show from one.

    python -m benchmarks.seeds [convolution denoisers silence]

The models and their training are the chapters' own definitions, taken from the notebooks, so
that record and chapter cannot differ. Finished runs are kept at once: a script cut off goes on
where it stopped.

``convolution``: three autoencoders with a code of 32 (chapter 03), and the convolutional one on
images whose pixels are shuffled. ``denoisers``: one convolutional model, trained on clean,
noisy and masked images. Each arm has its own learning rate, the best by validation error with
seed 100. The five seeds of the record are others, 0 to 4.

``silence``: the next-word model of chapter 06, with padding in the loss, with a tenth of its
weight, without it, and with padding but without the bias of the output layer.
"""

from types import SimpleNamespace

import numpy as np

from ae_lib import data, metrics, models, text, training
from benchmarks.kept import measure_parts, search
from tests.chapter_code import definitions

SEEDS, TUNING_SEED = range(5), 100
FIRST_RATE = 3e-3
PRESET = {"images": 5000, "epochs": 5}  # chapter 03's small preset
NOISE, HOLE = 0.3, 0.5


def chapter_03(*names):
    """The chapter's definitions, with its small preset."""
    names = ("train", "output", "conv_ae", *names)
    return definitions("03", *names, given={"preset": SimpleNamespace(**PRESET)})


def images(shuffled=False):
    """Training, validation and test images; the pixels of all in one random order, if asked."""
    fashion = data.load_fashion_mnist()
    parts = fashion.train.x[: PRESET["images"]], fashion.validation.x, fashion.test.x
    if not shuffled:
        return parts
    order = np.random.default_rng(0).permutation(784)
    return [x.reshape(-1, 784)[:, order].reshape(-1, 28, 28) for x in parts]


def convolution(kept):
    """MSE of three autoencoders with a code of 32, and of one on shuffled pixels."""
    chapter = chapter_03()
    arms = {
        "dense, large": lambda: models.dense_autoencoder(code_size=32, hidden=(512, 256)),
        "dense, small": lambda: models.dense_autoencoder(code_size=32, hidden=(71,)),
        "convolutional": chapter["conv_ae"],
        "convolutional, shuffled": chapter["conv_ae"],
    }

    def run(arm, seed, rate):
        x_train, x_valid, x_test = images("shuffled" in arm)
        training.set_seed(seed)
        model = chapter["train"](arms[arm](), x_train, peak=rate, label=arm)
        return [float(metrics.mse(x, chapter["output"](model, x))) for x in (x_valid, x_test)]

    return sweep(kept, arms, run, ("validation", "test"))


def denoisers(kept):
    """PSNR on damaged validation images of three models that differ in the damage in training."""
    from keras import layers

    chapter = chapter_03("Mask")
    arms = {
        "clean": lambda: None,
        "noise": lambda: layers.GaussianNoise(NOISE),
        "mask": lambda: chapter["Mask"](HOLE),
    }
    x_train, x_valid, _ = images()
    rng = np.random.default_rng(1)  # as in the chapter
    noisy = (x_valid + NOISE * rng.normal(size=x_valid.shape)).astype("float32")
    masked = x_valid * (rng.uniform(size=x_valid.shape) >= HOLE).astype("float32")
    damaged = {"clean": x_valid, "noise": noisy, "mask": masked}

    def run(arm, seed, rate):
        training.set_seed(seed)
        model = chapter["conv_ae"](code_size=None, corruption=arms[arm]())
        epochs = PRESET["epochs"] - 1
        chapter["train"](model, x_train, epochs=epochs, peak=rate, label=arm)
        repaired = {
            kind: np.clip(chapter["output"](model, x), 0, 1) for kind, x in damaged.items()
        }
        own = metrics.mse(x_valid, repaired[arm])
        psnr = [metrics.psnr(x_valid, repaired[kind]) for kind in ("noise", "mask")]
        return [float(score) for score in (own, *psnr)]

    return sweep(kept, arms, run, ("own MSE", "noise", "mask"))


def sweep(kept, arms, run, scores):
    """Tune each arm, run its seeds; of the scores that ``run`` gives the first is tuned by."""
    rates, tried, found = {}, {}, {}
    for arm in arms:

        def error(rate, arm=arm):
            return kept.get(f"{arm}, rate {rate:g}", run, arm, TUNING_SEED, rate)[0]

        rates[arm], found_ = search(error, FIRST_RATE)
        tried[arm] = {f"{rate:g}": loss for rate, loss in found_.items()}
        rows = [kept.get(f"{arm}, seed {s}", run, arm, s, rates[arm]) for s in SEEDS]
        found[arm] = {score: [row[i] for row in rows] for i, score in enumerate(scores)}
    return {**PRESET, "rates": rates, "tried": tried, "results": found}


def silence(kept):
    """How silent chapter 06's next-word model falls, and how good it is after 100 steps."""
    train, valid = data.load_sentences("train"), data.load_sentences("validation")
    small = text.Vocabulary.build(train, 2000)
    names = "inputs_and_targets", "next_word_model", "record"
    chapter = definitions("06", *names, given={"small": small})
    rows = [small.encode(s) for s in train if small.covers(s)][:4000]
    held_rows = [small.encode(s) for s in valid if small.covers(s)][:150]
    chapter["x"], chapter["y"] = chapter["inputs_and_targets"](rows)
    chapter["x_held"], chapter["y_held"] = chapter["inputs_and_targets"](held_rows)
    chapter["real"] = chapter["y_held"] != text.PAD

    def run(seed, **options):
        step, everywhere, on_words, unsaid, mute = chapter["record"](seed=seed, **options)
        worst = int(unsaid.argmax())
        return {
            "step": int(step[worst]),
            "unsaid": float(unsaid[worst]),
            "mute": float(mute[worst]),
            "all places": float(everywhere[worst]),
            "first step, all places": float(everywhere[1]),
            "words at the end": float(on_words[-1]),
        }

    arms = {
        "plain": {"padding": 1},
        "a tenth": {"padding": 0.1},
        "masked": {"padding": 0},
        "no output bias": {"padding": 1, "bias": False},
    }
    found = {}
    for arm, options in arms.items():
        rows = [kept.get(f"{arm}, seed {s}", lambda s=s, o=options: run(s, **o)) for s in SEEDS]
        found[arm] = {score: [row[score] for row in rows] for score in rows[0]}
    return {"results": found}


def main():
    parts = (convolution, denoisers, silence)
    measure_parts(parts, "benchmarks.seeds", __doc__, seeds=list(SEEDS))


if __name__ == "__main__":
    main()
