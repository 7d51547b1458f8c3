"""Exercises of chapter 07, the sequence-to-sequence text autoencoder."""

import numpy as np

from ae_lib.exercises._old import Exercise
from ae_lib.exercises._seq2seq import (
    VOCABULARY,
    bleu,
    greedy,
    judge_bleu,
    judge_greedy,
    judge_initial_loss,
    judge_lstm_step,
    judge_masked_loss,
    judge_nucleus,
    judge_order,
    judge_shift,
    lstm,
    nucleus,
    order_score,
    shift,
    sigmoid,
)

# -- planted mistakes --------------------------------------------------------------------


def _late_eos(ids, bos, eos):
    inputs, targets = shift(ids, bos, eos)
    targets = np.where(targets == eos, 0, targets)
    targets[:, -1] = eos
    return inputs, targets


def _cells(log_p, targets):
    return -np.take_along_axis(log_p, targets[..., None], -1)[..., 0], targets != 0


def _loss_of_sentences(log_p, targets):
    each, real = _cells(log_p, targets)
    return np.mean([e[r].mean() for e, r in zip(each, real, strict=True)])


def _loss_right(log_p, targets):
    each, real = _cells(log_p, targets)
    return each[real].mean()


def _loss_half_masked(log_p, targets):
    each, real = _cells(log_p, targets)
    return (each * real).mean()


def _with_ties(p, mass):
    kept = p >= p[nucleus(p, mass) > 0].min()
    return np.where(kept, p, 0) / p[kept].sum()


EXERCISES = [
    Exercise(
        name="seq2seq.lstm_step",
        judge=judge_lstm_step,
        right="Four affine maps, three gates, one memory that is only scaled and added to: that "
        "is all there is in an LSTM.",
        hint="a = x @ W + h @ U + b; np.split(a, 4, axis=-1) gives i, f, g, o before their "
        "squashing functions.",
        solution=lambda: lstm,
        wrong={
            "blocks in another order": (
                lambda: lambda *a: lstm(*a, order="ifog"),
                "another order",
            ),
            "no forget gate": (lambda: lambda *a: lstm(*a, forget=False), "forget gate"),
            "no tanh on c": (lambda: lambda *a: lstm(*a, out=lambda v: v), "on the way out"),
            "sigmoid candidate": (lambda: lambda *a: lstm(*a, squash=sigmoid), "candidate"),
            "c before h": (lambda: lambda *a: lstm(*a)[::-1], "order is h, c"),
        },
        expects="a function of x, h, c, W, U and b that returns h and c",
    ),
    Exercise(
        name="seq2seq.initial_loss",
        judge=judge_initial_loss,
        right="ln V nats a token. If the first loss is far from it, something is wrong before "
        "training began.",
        hint="Every word is equally likely. What is −log of one of V equal probabilities?",
        solution=lambda: float(np.log(VOCABULARY)),
        wrong={
            "bits": (lambda: float(np.log2(VOCABULARY)), "bits"),
            "the probability": (lambda: 1 / VOCABULARY, "minus its logarithm"),
            "base ten": (lambda: float(np.log10(VOCABULARY)), "base 10"),
        },
        expects="a number of nats",
    ),
    Exercise(
        name="seq2seq.shift",
        judge=judge_shift,
        right="The input is the target, one step late. A decoder that sees its target learns "
        "nothing, and its training curve looks wonderful.",
        hint="Write the row 5 6 0 by hand: what has the decoder read when it must say 5? And "
        "when it must stop?",
        solution=lambda: shift,
        wrong={
            "not shifted": (lambda: lambda ids, bos, eos: (ids, ids), "the same"),
            "exchanged": (lambda: lambda *a: shift(*a)[::-1], "exchanged"),
            "eos after the padding": (lambda: _late_eos, "after the last word"),
            "no eos": (
                lambda: lambda i, b, e: (shift(i, b, e)[0], np.pad(i, ((0, 0), (0, 1)))),
                "learns to stop",
            ),
        },
        expects="a function of ids, bos and eos that returns inputs and targets",
    ),
    Exercise(
        name="seq2seq.masked_loss",
        judge=judge_masked_loss,
        right="Per real token, in nats: a number that does not change when somebody pads more.",
        hint="np.take_along_axis picks log_p at the targets; targets != 0 says which are real.",
        solution=lambda: _loss_right,
        wrong={
            "padding counted": (lambda: lambda p, t: _cells(p, t)[0].mean(), "padding"),
            "divided by all cells": (lambda: _loss_half_masked, "divide"),
            "mean of means": (lambda: _loss_of_sentences, "short sentence"),
            "a sum": (lambda: lambda p, t: _cells(p, t)[0][t != 0].sum(), "sum"),
        },
        expects="a function of log_p and targets",
    ),
    Exercise(
        name="seq2seq.greedy",
        judge=judge_greedy,
        right="Carry the state, look along the words, remember who has finished: three lines, "
        "and each of them is a famous bug.",
        hint="p, state = lstm(tokens, state); tokens = p.argmax(axis=-1); done |= tokens == eos.",
        solution=lambda: greedy,
        wrong={
            "state not carried": (lambda: lambda *a: greedy(*a, carry=False), "not carried"),
            "argmax over sentences": (lambda: lambda *a: greedy(*a, axis=0), "axis 0"),
            "never stops": (lambda: lambda *a: greedy(*a, stop=False), "goes on talking"),
            "a row a step": (lambda: lambda *a: greedy(*a).T, "row a step"),
        },
        expects="a function of step, state, bos, eos and steps",
    ),
    Exercise(
        name="seq2seq.nucleus",
        judge=judge_nucleus,
        right="The nucleus grows where the model is unsure and shrinks where it is sure: that is "
        "what a fixed k cannot do.",
        hint="Sort downwards; keep a word if the sum of those *before* it is still below mass; "
        "put zeros elsewhere; divide by the sum.",
        solution=lambda: nucleus,
        wrong={
            "not renormalised": (
                lambda: lambda p, m: nucleus(p, m, renormalise=False),
                "sums to less",
            ),
            "crossing word dropped": (
                lambda: lambda p, m: nucleus(p, m, keep_crossing=False),
                "crosses the line",
            ),
            "ties kept": (lambda: _with_ties, "are not needed"),
            "left in sorted order": (
                lambda: lambda p, m: nucleus(p, m, ordered=True),
                "left their words",
            ),
        },
        expects="a function of p and mass",
    ),
    Exercise(
        name="seq2seq.bleu",
        judge=judge_bleu,
        right="Outputs first, then a list of sets of references; and report it as sacrebleu "
        "does, so that numbers can be compared.",
        hint="help(sacrebleu.corpus_bleu): hypotheses, then references, a list of lists.",
        solution=lambda: lambda outputs, originals: bleu(outputs, [originals]),
        wrong={
            "exchanged": (lambda: lambda o, r: bleu(r, [o]), "not symmetric"),
            "a set for each": (lambda: lambda o, r: bleu(o, [[t] for t in r]), "one set"),
            "mean of sentences": (
                lambda: (
                    lambda o, r: np.mean([bleu([a], [[b]]) for a, b in zip(o, r, strict=True)])
                ),
                "whole corpus",
            ),
        },
        expects="a function of outputs and originals",
    ),
    Exercise(
        name="seq2seq.order",
        judge=judge_order,
        right="Same words in another order: only a code that holds the order moves. Dividing by "
        "the distance of strangers makes the number mean something.",
        hint="Shuffle the words of each sentence with rng.permutation; compare the distance to "
        "the own shuffled code with the distance to another sentence's.",
        solution=lambda: order_score,
        wrong={
            "nothing changed": (
                lambda: lambda encode, s, rng: 0.0 * np.asarray(encode(s)).sum(),
                "as they are",
            ),
            "letters shuffled": (
                lambda: lambda *a: order_score(*a, letters=True),
                "other words",
            ),
            "no scale": (lambda: lambda *a: order_score(*a, relative=False), "1,000"),
            "yes or no": (lambda: lambda *a: float(order_score(*a) > 1e-6), "faint trace"),
        },
        expects="a function of encode, sentences and rng",
    ),
]
