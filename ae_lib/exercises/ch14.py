"""Exercises of chapter 14: small projects, each with a part that can be judged."""

from itertools import combinations

import numpy as np

from ae_lib.exercises._core import Exercise, has, normal, together
from ae_lib.exercises._readers import array, letters, number, truth, word

# answers.reference_points: metrics of rows whose three columns go together
_COVARIANCE = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.6], [0.5, 0.6, 1.0]])


def _rows(seed, n):
    return normal(seed, (n, 3))[0] @ np.linalg.cholesky(_COVARIANCE).T + 0.3


def _covariance(rows):
    return np.cov(rows.T, bias=True)


def likely(rows):
    """Mean log density, less a constant: one likely row, repeated, wins."""
    centred = rows - 0.3
    return -np.mean(np.sum(centred @ np.linalg.inv(_COVARIANCE) * centred, axis=1)) / 2


def varied(rows):
    """Mean variance of a column: blind to the order in it."""
    return rows.var(axis=0).mean()


def related(rows):
    """How much the columns go together: higher is better."""
    return abs(_covariance(rows)[np.triu_indices(3, 1)]).mean()


def distance(rows):
    """From the true covariance: lower is better."""
    return abs(_covariance(rows) - _COVARIANCE).mean()


_METRICS = tuple(
    (metric, _rows(0, 90), _rows(1, 70), metric is not distance, margin)
    for metric, margin in (
        (distance, 0.05), (likely, 0.05), (varied, 0.05), (related, 0.05), (distance, 0.9),
        (likely, 2.0),
    )
)  # fmt: skip


def _columns(rows):
    return np.stack([np.roll(column, i) for i, column in enumerate(rows.T)], axis=1)


def _points(metric, train, held_out, higher, margin, *, real=1, mean=0, mixed=1, shuffle=_columns,
            rule=min, size=float, sign=None, past=1):  # fmt: skip
    rows = train, held_out
    constant = np.tile(rows[mean].mean(axis=0), (len(held_out), 1))
    best, *others = map(metric, (rows[real], constant, shuffle(rows[mixed])))
    leads = [size((sign or 2 * higher - 1) * (best - other)) for other in others]
    return best, *others, bool(rule(leads) > past * margin)


def _say_points(found, right, metric, train, held_out, higher, margin):
    wanted, got = (", ".join(f"{v:.3f}" for v in values[:3]) for values in (right, found))
    return (
        f"The metric {metric.__name__!r}, with higher={higher}, gives {wanted} for real, constant "
        f"and shuffled rows. Whether it separates them by {margin}: {right[3]}. You have {got} "
        f"and {found[3]}."
    )


# answers.fair_arms
def _losses(seed, arms, rates, seeds):
    """What a seed does to all arms, what the rate does to an arm, and noise."""
    by_seed, by_rate, noise = normal(seed, (1, 1, seeds), (arms, rates, 1), (arms, rates, seeds))
    return 2 + 0.1 * by_seed + 0.03 * by_rate + 0.04 * noise


_TABLES = ((_losses(105, 3, 4, 8), 3, 2.776), (_losses(3, 2, 5, 12), 4, 2.365))


def _paired(a, b, ddof=1):
    return np.std(a - b, ddof=ddof) / np.sqrt(len(a))


def _unpaired(a, b):
    return np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))


def _arms(losses, tuning, t, *, seen="tuning", scored="report", by=np.mean, best=np.argmin,
          common=False, spread=_paired, sign=1, times=None):  # fmt: skip
    parts = {"tuning": losses[..., :tuning], "report": losses[..., tuning:], "all": losses}
    level = by(parts[seen], axis=2)
    level = np.broadcast_to(level.mean(axis=0), level.shape) if common else level
    own, found = parts[scored][np.arange(len(losses)), best(level, axis=1)], []
    for a, b in combinations(own, 2):
        middle, half = sign * (a - b).mean(), (times or t) * spread(a, b)
        found.append((middle, middle - half, middle + half))
    return np.array(found)


def _oracle(losses, tuning, t):
    """Each report seed at the rate that is best for it."""
    return _arms(losses[..., tuning:].min(axis=1)[:, None], 0, t, seen="report")


def _say_arms(found, right, losses, tuning, t):
    i = int((abs(found - right) > 1e-6).any(axis=1).argmax())
    first, second = list(combinations(range(len(losses)), 2))[i]
    got, wanted = (", ".join(f"{value:.4f}" for value in rows[i]) for rows in (found, right))
    return f"For the arms {first} and {second}, row {i} is ({wanted}), not ({got})."


# answers.audit: claims that the measurements do not carry, and claims that they do
_FAULTS = {
    "b": "b: two effects were measured, a smoother code and a better accuracy. Nobody changed the "
    "smoothness alone, so it is not shown to be the cause.",
    "d": "d: one seed each. Such a small difference may be the seed's.",
    "f": "f: after standardising, each variance is 1 by construction, whatever a code holds. It "
    "could not have come out otherwise.",
    "g": "g: who always says 'no question' is right as often. Ask what a constant gets.",
    "i": "i: this is the score by which the best of 200 was chosen, so it is too good. Chapter 4 "
    "measures by how much.",
}
_SOUND = {
    "a": "a is carried: the training alone was changed, the draws are paired, and the interval "
    "does not contain 0.",
    "c": "c is carried: it says that no difference was seen, and the interval contains 0.",
    "e": "e is carried: the sentences were held out, and neither a constant nor the untrained "
    "model passes.",
    "h": "h is carried: it was one run each, and h says no more than what happened in it.",
}
_FOUND = "".join(_FAULTS)


def _lacks(letter):
    return lambda found: letter not in found


# answers.bits: the last model never pays
_NAT = np.log(2)  # a bit, in nats
_TEXTS = (
    (2.9, 0.3, 3.5e6, 2e7, 1.43),
    (1.2, 0.8, 2.4e5, 1e6, 2.31),
    (7.0, 0.3, 3.5e6, 1e6, 2.09),
)
_UNITS = (
    ({"unit": 1}, "The loss is in nats, all else in bits. A bit is ln 2 nats: divide by ln 2."),
    ({"octet": 1}, "model_bytes are bytes, and each has 8 bits."),
    ({"count": lambda t: 1}, "nats belong to a token. A byte has tokens_per_byte tokens: "
     "multiply."),
)  # fmt: skip


def _pays(nats, tokens, weights, text, rival, *, unit=_NAT, octet=8, count=lambda t: t,
          share=lambda text: 1 / text, again=0, never=np.inf):  # fmt: skip
    own, bits = nats * count(tokens) / unit, octet * weights
    total = own + share(text) * bits
    saved = rival - (total if again else own)
    return total, bits / saved if saved > 0 or never is None else never


# answers.which: for each need the right letter, and what is said to the others
_NEEDS = {
    "repair": ("c", {
        "a": "in chapter 3, on the damage of its training, a denoiser leads PCA, filters and a "
        "narrow code by over 1 dB, from each seed.",
        "b": "in chapter 3, the same wide model, trained on clean images, is over 2 dB worse at "
        "repair, from each seed.",
        "d": "chapter 3 lets no VAE repair. Which of the six saw the damage in its training?",
        "ef": "here are images, and this is for text. See chapter 3.",
    }),
    "labels": ("e", {
        "bd": "in chapter 4, with ten labels per class, codes of the text autoencoder and of the "
        "sentence VAE tell fewer questions than the mean states of a small GPT.",
        "ac": "chapter 4 has not tried it on sentences. Which three trained models has it tried?",
        "f": "it gives no vector of a sentence. Chapter 4 compares models that do.",
    }),
    "novel": ("f", {
        "e": "in chapter 11, the language model of short sentences needs more bits for the novel "
        "than PPMd, even without its weights. They pay on much text of its own kind.",
        "bd": "in chapter 11, already on short sentences, code and rest together need more bits "
        "than the language model. On the novel even that one is beaten.",
        "ac": "it gives back something near, and every byte is asked for. See chapter 11.",
    }),
    "between": ("d", {
        "b": "in chapter 8, midpoints of the autoencoder's codes have over five times the "
        "perplexity of its decoded ends.",
        "e": "chapter 10 says that it has no code, so no point lies between two sentences. "
        "Chapter 8 has two models with a code.",
        "acf": "chapter 8 goes between codes of sentences, with two models. This is neither.",
    }),
    "images": ("b", {
        "d": "in chapter 5's own run, a mixture fitted to the codes of another model covers more "
        "real images than each VAE.",
        "ac": "chapter 5 draws no garments from it. From which models does it draw some?",
        "ef": "here are images, and this is for text. See chapter 5.",
    }),
    "map": ("b", {
        "a": "in chapter 2, two numbers of a network that bends tell the class at least 10 points "
        "more often than PCA's two.",
        "cd": "chapter 2 makes no map with it. Which model has a code of two numbers there?",
        "ef": "here are images, and this is for text. See chapter 2.",
    }),
}  # fmt: skip
_WHICH = {need: letter for need, (letter, _) in _NEEDS.items()}
_MISMATCHES = [
    ([tuple({**_WHICH, need: letter}.values()) for letter in others], f"{need}: {message}")
    for need, (_, told) in _NEEDS.items()
    for others, message in told.items()
]


def _ask_which(answer):
    return tuple(answer.get(need) for need in _NEEDS) if isinstance(answer, dict) else answer


EXERCISES = [
    Exercise(
        name="answers.reference_points",
        expects="a function of metric, train, held_out, higher and margin",
        right="By a metric that real rows do not win, no model can be judged. Of these four, one "
        "is won by a constant, and one is blind to the order in a column.",
        hint="First three arrays with as many rows as held_out, then their scores, then two "
        "leads of the real rows. Which sign has a lead if lower is better?",
        what=("the real rows' score", "the constant rows'", "the shuffled rows'",
              "whether the metric separates them"),
        read=(number, number, number, truth), cases=_METRICS, reference=_points,
        slips=[
            ([{"real": 0}, {"real": 0, "mixed": 0}], "Your real rows are training rows. A model "
             "may know them by heart: real means held out."),
            ({"mixed": 0}, "You shuffle training rows. Shuffle those that were held out."),
            ({"mean": 1}, "Your constant is the mean of the held-out rows. A model has not seen "
             "them: take the mean of train."),
            ({"shuffle": lambda rows: np.roll(rows, 1, axis=0)}, "Whole rows change places, so "
             "each is still a real one. Move column i by i places."),
            ({"size": abs}, "The metric tells them apart, but once "
             "a constant wins by it. Real rows must be better, not only different."),
            ({"rule": lambda leads: leads[1]}, "You compare with the shuffled rows alone. By one "
             "metric a constant beats real rows, and you call it separating."),
            ({"rule": lambda leads: leads[0]}, "You compare with the constant alone. One metric "
             "cannot tell shuffled rows from real ones, and you call it separating."),
            ({"rule": max}, "Better than one of the two is not enough: compare with both."),
            ({"sign": 1}, "You take higher for better each time. If higher is False, real rows "
             "lead when their score is lower."),
            ({"sign": -1}, "You take lower for better each time. See what higher says."),
            ({"rule": lambda leads: min(-lead for lead in leads)}, "The direction is turned "
             "round: if higher is True, a lead is the real score minus the other."),
            ({"past": 0}, "The margin is not used. Rounding or chance would be lead enough."),
        ],
        otherwise=_say_points,
    ),
    Exercise(
        name="answers.fair_arms", expects="a function of losses, tuning and t",
        right="Each arm has its own rate, and the seeds that chose it are not reported. In "
        "chapter 3, at another rate, the denoiser's lead on noise would have been a tie.",
        hint="From losses[:, :, :tuning]: which rate has the least mean in each arm? From the "
        "other seeds at this rate, a row for each arm. Then the differences of two rows.",
        what="the rows of mean, lower and upper end", read=array, cases=_TABLES, reference=_arms,
        slips=[
            ({"common": True}, "One rate for all arms: it may suit one and harm another. Choose "
             "for each arm."),
            ({"seen": "report"}, "You choose the rates by the seeds that you report, so the "
             "losses are too good. Choose by the first seeds alone."),
            ({"seen": "all"}, "You choose the rates by all seeds, also by those that you report. "
             "Choose by the first seeds alone."),
            (_oracle, "Each seed has the rate that is best for it, which nobody knows "
             "beforehand. An arm has one rate."),
            ([{"scored": "all"}, {"scored": "tuning"}], "Tuning seeds are in the differences. "
             "They chose the rate, so their losses are too low: report the others alone."),
            ({"spread": _unpaired}, "The means are right, the intervals are unpaired. What a seed "
             "does to both arms cancels: take the spread of the differences."),
            ({"by": np.min}, "You choose the rate of the luckiest seed. Take the mean over the "
             "tuning seeds."),
            ({"best": np.argmax}, "You choose the worst rate. In losses, lower is better."),
            ({"sign": -1}, "The sign is turned round: the first arm's loss minus the second's."),
            ({"spread": lambda a, b: np.std(a - b, ddof=1)}, "√n is missing: the half-width is "
             "t s / √n."),
            ({"spread": lambda a, b: _paired(a, b, 0)}, "The standard deviation has the divisor "
             "n. A sample's has n − 1: take ddof=1."),
            ({"times": 1.96}, "1.96 is for many seeds. These are few: take t."),
        ],
        otherwise=_say_arms,
    ),
    Exercise(
        name="answers.audit", expects="the letters of the claims that are not carried",
        right="A cause that was not tested, one seed, a number true by construction, a constant "
        "that passes, a score that did the choosing: look for these five in each report.",
        hint="Ask of each: could it have come out otherwise? Would a constant pass? Would another "
        "seed say the same? Did these numbers choose something? Does it say why?",
        what="the letters", read=letters("abcdefghi"), reference=_FOUND,
        slips=[
            *((_FOUND + letter, why, has(letter)) for letter, why in _SOUND.items()),
            *((_FOUND.replace(letter, ""), f"One that is not carried is missing. {why}",
               _lacks(letter)) for letter, why in _FAULTS.items()),
        ],
    ),
    Exercise(
        name="answers.bits",
        expects="a function of nats, tokens_per_byte, model_bytes, text_bytes and rival",
        right="The weights are sent once, and each byte of text wins a little back. A model that "
        "needs more bits than its rival never wins them back.",
        hint="How many bits does a byte of text need, without the weights? How many bits have the "
        "weights? How many bits does each byte save?",
        what=("the bits per byte with the weights", "the length from which it pays"),
        cases=_TEXTS, reference=_pays,
        slips=[
            *_UNITS,
            *together(_UNITS),
            ({"unit": 1 / _NAT}, "You multiply by ln 2. A nat is more than a bit: divide."),
            ({"count": lambda t: 1 / t}, "You divide by tokens_per_byte. A byte has so many "
             "tokens, and each costs its nats: multiply."),
            ({"share": lambda text: 0}, "The weights are missing in the bits per byte. The bytes "
             "of the text share them."),
            ({"share": lambda text: 1}, "You add all bits of the weights to one byte. The bytes "
             "of the text share them: divide by text_bytes."),
            ({"again": 1}, "The weights are counted twice in the length. A byte saves the rival's "
             "bits minus the model's, without the weights."),
            ([{"never": None}, {"never": 0}], "If the model needs more bits than its rival, no "
             "text is long enough: return np.inf."),
        ],
        otherwise="For {0} nats, {1} tokens per byte, {2:g} bytes of weights, {3:g} bytes of text "
        "and a rival of {4}, it is {right[0]:.3f} and {right[1]:.4g}, not {found[0]:.3f} and "
        "{found[1]:.4g}.",
    ),
    Exercise(
        name="answers.which", expects=f"a dict with a letter for each of {', '.join(_NEEDS)}",
        right="Each model is good at what its training asks of it, or at what was fitted to its "
        "codes. On the novel, of these six, the one that only counts wins.",
        hint="What was each model trained on? Which rival stands beside it in its chapter? One "
        "letter is right twice, and one never.",
        what=tuple(_NEEDS), ask=_ask_which, read=word(*"abcdef"), reference=_WHICH,
        slips=_MISMATCHES,
    ),
]  # fmt: skip
