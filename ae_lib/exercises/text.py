"""Exercises of chapter 06, text as numbers."""

import numpy as np

from ae_lib.exercises._old import Exercise
from ae_lib.exercises._text import (
    SILENT_STEPS,
    as_sets,
    bits_per_character,
    groups,
    judge_apart,
    judge_fair,
    judge_leaks,
    judge_masked,
    judge_merge,
    judge_one_hot,
    judge_silent,
    judge_waste,
    listing_sizes,
    masked_accuracy,
    mean_tokens,
    merge,
    merge_by_replacing,
    merge_once,
    merge_overlapping,
    one_word_apart,
    replaced_only,
    waste,
)

EXERCISES = [
    Exercise(
        name="text.one_word_apart",
        judge=judge_apart,
        right="A split that is checked this way measures what was learnt, not what was "
        "remembered.",
        hint="Walk along both lists while they agree. What must be true of the two rests?",
        solution=lambda: one_word_apart,
        wrong={
            "replacements only": (lambda: replaced_only, "one word was dropped"),
            "without order": (lambda: as_sets, "another order"),
            "at most one longer": (
                lambda: lambda a, b: abs(len(a) - len(b)) <= 1,
                "two words were replaced",
            ),
        },
        expects="a function of two lists of words",
    ),
    Exercise(
        name="text.leaks",
        judge=judge_leaks,
        right="Split first, by sentence; then let the training part alone decide, down to "
        "which words exist.",
        hint="Which lines look at sentences that will be held out? And is a row a sentence?",
        solution=lambda: "ad",
        wrong={
            "only the vocabulary": (lambda: "d", "several translations"),
            "only the rows": (lambda: "a", "which words exist"),
            "the shuffle": (lambda: "bd", "shuffles"),
            "the padding": (lambda: ["d", "f"], "their own longest"),
        },
        expects="two letters, such as 'ab'",
    ),
    Exercise(
        name="text.merge",
        judge=judge_merge,
        right="This function, some thousands of times over, is all that byte pair encoding is.",
        hint="Go from left to right with an index; after a merge, step over both symbols.",
        solution=lambda: merge,
        wrong={
            "a symbol used twice": (lambda: merge_overlapping, "a symbol that was used is gone"),
            "replacing text": (lambda: merge_by_replacing, "cannot be taken out of it"),
            "the first place only": (lambda: merge_once, "Both places"),
        },
        expects="a function of symbols and pair",
    ),
    Exercise(
        name="text.fair",
        judge=judge_fair,
        right="Losses per token are in different currencies; bits per character are not.",
        hint="The whole text costs nats_per_token × tokens. Then change the unit, then share "
        "it out over the characters.",
        solution=lambda: bits_per_character,
        wrong={
            "nats": (lambda: lambda nats, t, c: nats * t / c, "those are nats"),
            "per token": (lambda: lambda nats, t, c: nats / np.log(2), "bits per token"),
            "upside down": (
                lambda: lambda nats, t, c: nats / np.log(2) * c / t,
                "divide the other way",
            ),
            "multiplied by ln 2": (lambda: lambda nats, t, c: nats * np.log(2) * t / c, "1.443"),
        },
        expects="a function of nats_per_token, tokens and characters",
    ),
    Exercise(
        name="text.one_hot",
        judge=judge_one_hot,
        right="No laptop holds that, to say what a few megabytes of whole numbers say.",
        hint="sentences × steps × words is one array. How many arrays, and how many bytes "
        "an entry?",
        solution=lambda: 12 * np.prod([float(size) for size in listing_sizes()]) / 1e9,
        wrong={
            "one array": (lambda: 4 * np.prod([float(s) for s in listing_sizes()]) / 1e9, "three"),
            "entries": (lambda: 3 * np.prod([float(s) for s in listing_sizes()]) / 1e9, "float32"),
            "float64": (lambda: 24 * np.prod([float(s) for s in listing_sizes()]), "Eight bytes"),
            "indices": (
                lambda: 12 * np.prod([float(s) for s in listing_sizes()[:2]]) / 1e9,
                "a whole row",
            ),
        },
        expects="a number of gigabytes",
    ),
    Exercise(
        name="text.silent",
        judge=judge_silent,
        right="So an accuracy a little above this one may be padding and nothing else.",
        hint="A sentence of 7 words and an <eos> fills 8 of the 40 places.",
        solution=lambda: 1 - (mean_tokens() + 1) / SILENT_STEPS,
        wrong={
            "the real share": (
                lambda: (mean_tokens() + 1) / SILENT_STEPS,
                "share of real targets",
            ),
            "without <eos>": (lambda: 1 - mean_tokens() / SILENT_STEPS, "also has an <eos>"),
            "nothing": (lambda: 0, "counts other places"),
        },
        expects="a number between 0 and 1",
    ),
    Exercise(
        name="text.masked_accuracy",
        judge=judge_masked,
        right="Mask by the target, and divide by what is left.",
        hint="Choose the real places first, of targets and predictions alike; then take a mean.",
        solution=lambda: masked_accuracy,
        wrong={
            "no mask": (lambda: lambda t, p: (t == p).mean(), "counts as success."),
            "padding above the line": (
                lambda: lambda t, p: (t == p).sum() / (t != 0).sum(),
                "More than 1 is no share",
            ),
            "divided by everything": (
                lambda: lambda t, p: ((t == p) & (t != 0)).mean(),
                "still divided by",
            ),
            "masked by the prediction": (
                lambda: lambda t, p: (t == p)[p != 0].mean(),
                "its own exam",
            ),
            "sentence by sentence": (
                lambda: lambda t, p: np.mean([masked_accuracy(a, b) for a, b in zip(t, p)]),  # noqa: B905
                "over sentences first",
            ),
        },
        expects="a function of targets and predictions",
    ),
    Exercise(
        name="text.waste",
        judge=judge_waste,
        right="Now you can say what an order of the sentences costs before you train on it.",
        hint="Count places batch by batch: its items times its longest. What is not a token "
        "is padding.",
        solution=lambda: waste,
        wrong={
            "the rest": (lambda: lambda n, size: 1 - waste(n, size), "share of real tokens"),
            "mean of shares": (
                lambda: (
                    lambda n, size: np.mean(
                        [1 - sum(g) / (len(g) * max(g)) for g in groups(n, size)]
                    )
                ),
                "averaged the batches",
            ),
            "longest of all": (
                lambda: lambda n, size: 1 - sum(n) / (len(n) * max(n)),
                "the longest of all",
            ),
            "sorted": (lambda: lambda n, size: waste(sorted(n), size), "keep the given order"),
        },
        expects="a function of lengths and batch_size",
    ),
]
