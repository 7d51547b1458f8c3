"""Chapter 07's listing, trained for longer than the chapter does, looked at after each epoch.

    python -m benchmarks.listing

A thousand sentences, of which it keeps two hundred, as the chapter and the listing do. After
each epoch: the losses that Keras reports; the share of right tokens (padding left out) under
teacher forcing, once with each sentence's own code and once with that of the sentence before
it. At the end: how many of the chapter's validation sentences it repeats when it runs free.
Writes ``listing.json`` to ``ae_lib/data/records``.
"""

import numpy as np

from ae_lib import text, training
from benchmarks.environment import RECORDS, write_record
from benchmarks.repairs import WORDS, corpus, framed, listing, listing_writes, score

SENTENCES, HELD_OUT, EPOCHS, BATCH, SEEDS = 1000, 200, 25, 32, (0, 1, 2)


def one_run(seed, few, judged):
    """Train with one seed: a dict of lists by epoch, and ``exact`` of ``judged`` at the end."""
    training.set_seed(seed)
    model, encoder, stepper = listing()
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
    eye = np.eye(WORDS, dtype="float32")
    source, seen = eye[few[:, 1:]], eye[few[:, :-1]]
    held, wanted = slice(SENTENCES - HELD_OUT, None), few[SENTENCES - HELD_OUT :, 1:]
    real = wanted != text.PAD
    run = {key: [] for key in ("loss", "val_loss", "accuracy", "val_accuracy", "own", "other")}
    for _ in range(EPOCHS):
        options = {"batch_size": BATCH, "validation_split": HELD_OUT / SENTENCES, "verbose": 0}
        history = model.fit([source, seen], source, epochs=1, **options).history
        for key, values in history.items():
            run[key].append(float(values[0]))
        for key, code in (("own", source[held]), ("other", np.roll(source[held], 1, axis=0))):
            guess = model.predict([code, seen[held]], verbose=0).argmax(-1)
            run[key].append(float((guess == wanted)[real].mean()))
    run["exact"] = score(listing_writes(encoder, stepper, judged), judged)["exact"]
    print(seed, run["own"][-1], run["other"][-1], run["exact"], flush=True)
    return run


def main():
    _, train, judged, _ = corpus()
    few = framed(train[:SENTENCES])
    runs = [one_run(seed, few, judged) for seed in SEEDS]
    write_record(
        RECORDS / "listing.json",
        "python -m benchmarks.listing",
        what="the listing by epoch: losses, and right tokens with its own and another's code",
        seeds=SEEDS,
        epochs=EPOCHS,
        batch_size=BATCH,
        sentences={"train": SENTENCES - HELD_OUT, "validation": HELD_OUT, "judged": len(judged)},
        **{key: [run[key] for run in runs] for key in runs[0]},
    )


if __name__ == "__main__":
    main()
