"""Exercises of chapter 08, the sentence VAE, its collapse, and control."""

import numpy as np

from ae_lib.exercises._core import Exercise, normal
from ae_lib.exercises._readers import array, number, words

# sentence_vae.which_collapses
_WHICH = {"collapsed": "c", "looks alive": "a"}


# sentence_vae.negative_information
def _log_mean(log_w, axis):
    return np.logaddexp.reduce(log_w, axis=axis) - np.log(log_w.shape[axis])


def _information(mean, log_variance, z, *, first=lambda log_q, kl, prior: np.diag(log_q),
                 second=lambda log_q, prior: _log_mean(log_q, 1)):  # fmt: skip
    log_q = -0.5 * ((z[:, None] - mean) ** 2 / np.exp(log_variance) + log_variance).sum(2)
    prior = -0.5 * (z**2).sum(1)
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(1)
    return (first(log_q, kl, prior) - second(log_q, prior)).mean()


def _exact(log_q, kl, prior):
    """The exact KL, in place of the one that the draws give."""
    return kl + prior


def _codes(seed, offset, spread, log_variance):
    """Means, log-variances and one draw for each of six sentences."""
    a, b, noise = normal(seed, (6, 3), (6, 3), (6, 3))
    mean, log_variance = offset + spread * a, log_variance + 0.1 * b
    return mean, log_variance, mean + np.exp(log_variance / 2) * noise


# sentence_vae.perplexity
def _rows(seed, lengths, low=4):
    """Ids of sentences of these lengths, padded with 0."""
    rng, places = np.random.default_rng(seed), np.arange(max(lengths))
    there = places < np.array(lengths)[:, None]
    return np.where(there, rng.integers(low, 90, there.shape), 0)


def _weights(seed, lengths):
    """Log-weights of five draws, and the sentences."""
    (noise,) = normal(seed, (5, len(lengths)))
    return 1.5 * noise - 3.7 * np.array(lengths), _rows(seed, lengths)


def _places(tokens):
    return np.full(len(tokens), tokens.shape[1])


def _perplexity(log_w, tokens, *, bound=lambda w: _log_mean(w, 0), extra=lambda t: 1,
                real=lambda t: (t != 0).sum(1),
                share=lambda nats, count: np.exp(nats.sum() / count.sum())):  # fmt: skip
    return share(-bound(log_w), real(tokens) + extra(tokens))


# sentence_vae.padding
_EOS = 3


def _sentences(seed, lengths):
    """Nats of the places, targets with <eos>, KL of the numbers."""
    targets = np.pad(_rows(seed, lengths), ((0, 0), (0, 1)))
    targets[np.arange(len(lengths)), lengths] = _EOS
    return abs(normal(seed, targets.shape)[0]), targets, abs(normal(seed, (len(lengths), 3))[0])


def _summed(nats, real):
    return (nats * real).sum(1)


def _minus_elbo(nats, targets, kl, *, words=_summed, code=np.sum, weight=1, eos=True):
    real = (targets != 0) & (eos | (targets != _EOS))
    return words(nats, real) + weight * code(kl, axis=1)


# sentence_vae.free_bits
_KL = np.array([[0.2, 4.0, 0.0, 3.0], [0.1, 1.5, 0.3, 0.2], [2.5, 3.5, 0.6, 6.0]])


def _counted(kl, free, of, *, kind=None, share=None, over_batch=False, clip=np.maximum):
    each = (kind or of) == "number"
    kl = kl if each else kl.sum(axis=1, keepdims=True)
    kl = kl.mean(axis=0, keepdims=True) if over_batch else kl
    return clip(kl, free / (share or kl.shape[1])).sum(axis=1).mean()


# sentence_vae.uses_code
_LOST = 18.0  # nats, of each sentence of the decoder that uses its codes


def _owner(rows, known):
    """Which of the known rows each row is; -1 where it is none."""
    equal = (rows[:, None] == known).all(axis=2)
    return np.where(equal.any(1), equal.argmax(1), -1)


def _decoder(sentences, codes, lost):
    """nats(x, z) of a decoder that needs ``lost`` nats more with another sentence's code."""
    base = 3.0 * (sentences != 0).sum(1)

    def nats(x, z):
        x, z = np.asarray(x), np.asarray(z)
        if x.ndim != 2 or z.ndim != 2 or len(x) != len(z) or z.shape[1:] != codes.shape[1:]:
            raise ValueError(f"nats: expected sentences (n, T) and as many codes (n, k), got "
                             f"{x.shape} and {z.shape}")  # fmt: skip
        who, whose = _owner(x, sentences), _owner(z, codes)
        if (who < 0).any():
            raise ValueError("nats: a row of `sentences` is none of those that were given")
        worse = np.select([who == whose, whose >= 0, (z == 0).all(1)], [0, 1, 0.5], 2)
        return base[who] + worse * lost[who]

    return nats


def _ask_lost(answer):
    """The results for three decoders: one ignores its codes, one uses them, one does in part."""
    mixed = np.array([6.0, -2, 9, 0, -1, 4, 3, 0, -1])
    found = []
    for seed, lost in enumerate((np.zeros(7), np.full(7, _LOST), mixed)):
        sentences = _rows(seed, np.arange(3, 3 + len(lost)))
        (codes,) = normal(seed, (len(lost), 4))
        kl = 8.0 + abs(normal(seed, (len(lost),))[0])
        given = answer(_decoder(sentences, codes, lost), sentences.copy(), codes.copy(), kl)
        found.append(number(given, "the nats lost"))
    return found


def _lost(nats, sentences, codes, kl, *, given=lambda codes: np.roll(codes, 1, axis=0),
          difference=lambda other, own: (other - own).mean()):  # fmt: skip
    return difference(nats(sentences, given(codes)), nats(sentences, codes))


EXERCISES = [
    Exercise(
        name="sentence_vae.which_collapses",
        expects='a dict with a letter for "collapsed" and one for "looks alive"',
        right="A KL of 0 tells of a collapse. A KL above 0 does not tell that the decoder uses "
        "its code. A reconstruction that is better than the language model's does.",
        hint="Look at the last epoch. A decoder without a code can reach 26.7 nats. Which "
        "decoders know more than that?",
        read=words(list(_WHICH), "a", "b", "c"), reference=_WHICH,
        slips=[
            ({"collapsed": "a", "looks alive": "c"}, "Turned round: c ends with a KL of 0, so its "
             "codes are drawn from the prior. The KL of a stays at 8.",
             lambda found: found == {"collapsed": "a", "looks alive": "c"}),
            (_WHICH | {"collapsed": "a"}, "a has not collapsed to the prior: its KL stays at 8 "
             "nats. It is another one that ends at 0.", lambda found: found["collapsed"] == "a"),
            (_WHICH | {"collapsed": "b"}, "b has a KL of 8.2 nats and reconstructs 5 nats better "
             "than a language model can: its code is in use.",
             lambda found: found["collapsed"] == "b"),
            (_WHICH | {"looks alive": "b"}, "b is alive: with its code it reconstructs 5 nats "
             "better than the language model. Which one has such a KL and no such gain?",
             lambda found: found["looks alive"] == "b"),
            (_WHICH | {"looks alive": "c"}, "c looked alive for some epochs. At the end its KL is "
             "0, and nobody takes that for a code in use.",
             lambda found: found["looks alive"] == "c"),
        ],
    ),
    Exercise(
        name="sentence_vae.negative_information",
        expects="a function of mean, log_variance and z that returns nats",
        right="Both terms come from the same draws and the same sentences. Where all sentences "
        "have one distribution the result is exactly 0. It cannot exceed ln n; with few draws it "
        "may still lie a little below 0.",
        hint="In the mean over draws, the KL of a sentence is log q(z | x) − log p(z). Which part "
        "of it is left when the second term is subtracted?",
        what="the mutual information", reference=_information,
        cases=(_codes(0, 0.5, 0.1, -0.2), _codes(1, 0.0, 1.5, -1.0)),
        slips=[
            ({"first": _exact}, "In a nearly collapsed model the result is {found:.2f} nats; it "
             "should be {right:.2f}. The KL is exact, but log q(z) − log p(z) depends on the "
             "draws. So their chance stays in the difference."),
            ([lambda *case: max(0.0, _information(*case, first=_exact)),
              lambda *case: abs(_information(*case, first=_exact))], "You hide results below 0. "
             "The error is still there, above 0 as well. Take both terms from z."),
            ([{"first": _exact, "second": lambda log_q, prior: prior},
              {"second": lambda log_q, prior: prior}], "That is the mean KL. It also "
             "counts how far all codes together lie from the prior; subtract that, "
             "log q(z) − log p(z)."),
            ({"second": lambda log_q, prior: log_q.mean(1)}, "You take the mean of the "
             "logarithms. q(z) is a mean of densities: the logarithm comes after it."),
            ({"second": lambda log_q, prior: _log_mean(log_q, 0)}, "You average over the codes of "
             "one sentence. q(z) of one code is the mean over all sentences: over the columns, "
             "axis 1."),
            ({"second": lambda log_q, prior: np.logaddexp.reduce(log_q, 1)}, "You add the "
             "densities of the n sentences. q(z) is their mean: divide by n."),
            (lambda *case: -_information(*case), "The sign: it is log q(z | x) − log q(z)."),
        ],
        otherwise="It is the mean over n of log q(z_n | x_n) − log mean_m q(z_n | x_m), "
        "with the draws z in both terms.",
    ),
    Exercise(
        name="sentence_vae.perplexity",
        expects="a function of log_w and tokens that returns a perplexity",
        right="All nats over all words, and an <eos> is a word: the model must say where a "
        "sentence ends. With the ELBO in its place a VAE looks worse than it is.",
        hint="Per sentence: the logarithm of the mean weight. Then one sum over sentences, one "
        "division, one exp.",
        what="the perplexity", reference=_perplexity, every=True,
        cases=(_weights(0, [2, 9, 4]), _weights(1, [250, 210])),
        slips=[
            ({"bound": lambda w: w.mean(0)}, "You average the logarithms. That is the ELBO, the "
             "bound of one sample. Here the mean is inside of the logarithm."),
            ({"extra": lambda t: 0}, "The <eos> is not counted. The model pays for it, so it is "
             "one more word in each sentence."),
            ([{"share": lambda nats, count: np.exp((nats / count).mean())},
              {"share": lambda nats, count: np.exp(nats / count).mean()}], "You average within "
             "each sentence first, so a word in a short sentence counts more. Divide all nats by "
             "all words."),
            ([{"real": _places}, {"real": _places, "extra": lambda t: 0}], "You count the "
             "padding. A word is where tokens is not 0."),
            ({"share": lambda nats, count: np.exp(nats.mean())}, "That is per sentence. Divide by "
             "all words."),
            ({"share": lambda nats, count: nats.sum() / count.sum()}, "Those are nats per word; "
             "the perplexity is e to this power."),
            ({"bound": lambda w: np.logaddexp.reduce(w, 0)}, "You take the logarithm of the sum "
             "of the weights; it is the logarithm of their mean."),
            ({"bound": lambda w: _log_mean(w, 1)}, "You average over the sentences. A column is "
             "a sentence, and its rows are the samples: axis 0."),
            ({"bound": lambda w: np.log(np.exp(w).mean(0))}, "e to the −900 is 0 for a computer. "
             "Use np.logaddexp.reduce, or take each sentence's largest log-weight out first.",
             lambda found, w, t: w.min() < -700 and not np.isfinite(found)),
        ],
        otherwise="exp(sum of − log mean_samples w over the sentences, divided by all words and "
        "one <eos> a sentence).",
    ),
    Exercise(
        name="sentence_vae.padding",
        expects="a function of nats, targets and kl that returns (n,) nats",
        right="A sentence's words and its <eos> add up, and so do the KLs of its code's numbers. "
        "With a mean over twelve places, the KL would count twelve times.",
        hint="log p(x | z) of a sentence is a sum over its words and <eos>. What do the places "
        "after <eos> add to it?",
        what="minus the ELBO", read=array, reference=_minus_elbo,
        cases=(_sentences(0, [6, 2, 0, 4]), _sentences(1, [1, 3])),
        slips=[
            ({"words": lambda nats, real: nats.mean(1)}, "You average over all places, padding "
             "too, so a sentence with more padding looks better. And the KL, which is a sum, "
             "counts as many times as there are places."),
            ({"words": lambda nats, real: (nats * real).mean(1)}, "Padding is masked, but you "
             "still divide by all places. The words of a sentence add up."),
            ({"words": lambda nats, real: _summed(nats, real) / real.sum(1)}, "That is a mean "
             "over the words. Nats per word and a KL per sentence do not add up: take the sum."),
            ({"words": lambda nats, real: nats.sum(1)}, "The sum goes over the padding, too. "
             "What the model says there is part of no sentence."),
            ({"eos": False}, "The <eos> is left out. The model must say where a sentence ends, "
             "and pays for it."),
            ({"words": lambda nats, real: nats.mean(1), "code": np.mean}, "Now both parts are "
             "means. The KL weighs (places) / (numbers of the code) times what it should."),
            ({"code": np.mean}, "The words are right. The KL of a code is the sum over its "
             "numbers."),
            ({"weight": -1}, "The KL is subtracted. Minus the ELBO is −log p(x | z) + KL."),
            ({"weight": 0}, "The KL is missing."),
            (lambda *case: -_minus_elbo(*case), "This is the ELBO itself; minus it was asked."),
            ([lambda *case: _minus_elbo(*case).mean(), lambda *case: _minus_elbo(*case).sum()],
             "One number came. Each sentence has its own bound: return (n,)."),
        ],
        otherwise="For each sentence: the sum of nats where targets is not 0, plus the sum of kl.",
    ),
    Exercise(
        name="sentence_vae.free_bits",
        expects="a function of kl, free and of that returns nats",
        right="With \"number\", the loss rewards no number for a KL below its share. With "
        "\"code\", one number may have all of the free nats.",
        hint="A budget for the code, or a share of free / d for each number. Which comes first in "
        "each case, the sum or the maximum?",
        what="what the loss counts", reference=_counted,
        cases=((_KL, 4.0, "code"), (_KL, 4.0, "number"), (_KL[:, :3], 6.0, "number")),
        slips=[
            ({"share": 1}, "Each number has the whole budget here: that is d times as many free "
             "nats as asked for. With \"number\" its share is free / d."),
            (lambda kl, free, of: _counted(kl, free, "number" if of == "code" else "code"),
             "The two are exchanged: \"code\" sums before the maximum, \"number\" after it."),
            ({"kind": "code"}, "\"code\" is right. With \"number\", each number is compared with "
             "its own share, before the sum."),
            ({"kind": "number"}, "\"number\" is right. With \"code\", a sentence's whole KL is "
             "compared with the whole budget, after the sum."),
            ({"over_batch": True}, "You average over the sentences first. Then one sentence's KL "
             "makes up for another's. Here each sentence is compared by itself."),
            ({"clip": lambda kl, free: np.maximum(kl - free, 0)}, "You subtract the free nats. "
             "The gradient is the same, but not the number: the loss counts max(KL, free)."),
            ({"clip": np.minimum}, "The minimum punishes the KL up to the budget and nothing "
             "above it. Free nats need the maximum."),
            ({"share": _KL.shape[1]}, "With \"code\" you divide the budget by the numbers of the "
             "code. A sentence's KL is compared with all of it."),
        ],
        otherwise=lambda found, right, kl, free, of: f'With of="{of}" and free={free:g} it should '
        f"be {right:.3f}, not {found:.3f}.",
    ),
    Exercise(
        name="sentence_vae.uses_code",
        expects="a function of nats, sentences, codes and kl that returns nats",
        right="The exchanged codes are codes that the decoder knows, so the difference comes from "
        "one thing alone: they belong to other sentences.",
        hint="Which codes does the decoder know, other than the sentence's own? "
        "np.roll(a, 1, axis=0) moves each row to the next place.",
        what="the nats lost", read=array, ask=_ask_lost, reference=_lost,
        slips=[
            (lambda nats, sentences, codes, kl: kl.mean(), "That is the KL. For a decoder that "
             "ignores its codes you return {found[0]:.1f} nats; it loses nothing. Give it wrong "
             "codes and see."),
            ({"given": lambda codes: codes}, "For a decoder that loses 18 nats by another "
             "sentence's code you return 0. Both times each sentence had the same code."),
            ({"difference": lambda other, own: (own - other).mean()}, "The sign: a loss is more "
             "nats with the wrong code than with the own one."),
            ({"given": np.zeros_like}, "You compare with a code of zeros, the mean of the prior. "
             "The decoder may never have met it, so the nats may tell of that alone. Use codes "
             "of other sentences."),
            ([{"given": lambda codes: np.roll(codes, 1)},
              {"given": lambda codes: np.random.default_rng(0).normal(size=codes.shape)}], "Your "
             "wrong codes belong to no sentence: they are drawn anew, mixed or averaged. What a "
             "decoder does there shows little. Move whole rows: np.roll(codes, 1, axis=0)."),
            ([{"difference": lambda other, own: other.mean()},
              {"difference": lambda other, own: own.mean()}], "Your result is {found[0]:.1f} nats "
             "for a decoder that ignores its codes: these are the nats of one kind of code. Take "
             "the difference of both."),
            ([{"difference": lambda other, own: abs(other - own).mean()},
              {"difference": lambda other, own: np.maximum(other - own, 0).mean()}], "Some "
             "sentences happen to gain by another's code. You count them as losing, or not at "
             "all. Take the plain mean of the differences."),
            ([{"given": lambda codes: codes[::-1]},
              {"given": lambda codes: np.repeat(codes[:1], len(codes), axis=0)}], "Some sentence "
             "keeps its own code: the middle one when rows are turned round, any when they "
             "are shuffled. So the result is too small. Each needs another's code.",
             lambda found: abs(found[0]) < 1e-6 and 0.1 < found[1] < _LOST - 0.1),
        ],
        otherwise="For three decoders you return {found[0]:.1f}, {found[1]:.1f} and "
        "{found[2]:.1f} nats; they lose 0, 18 and 2 in the mean. Does each sentence have "
        "another sentence's code?",
    ),
]  # fmt: skip
