"""Exercises of chapter 04, features for classifiers, and choosing settings."""

import numpy as np

from ae_lib.exercises._core import Exercise, has, normal
from ae_lib.exercises._readers import letters, number, word


# features.leak: the folds have equally many rows, so the mean over folds is the share of all rows.
def _rows(seed, shift):
    """100 rows of 600 numbers, labels, k, folds; ``shift`` moves 5 columns by the label."""
    (X,), y = normal(seed, (100, 600)), np.arange(100) % 2
    X[:, :5] += shift * y[:, None]
    return X, y, 10, np.arange(100) // 2 % 5


def _choose(X, y, k):
    return np.argsort(abs(X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)))[-k:]


def _nearest_mean(X, y, X_new):
    means = np.array([X[y == label].mean(axis=0) for label in (0, 1)])
    return ((X_new[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)


def _score(X, y, k, folds, *, choose="others", fit="others", test="held"):
    scores = []
    for held in (folds == fold for fold in np.unique(folds)):
        rows = {"others": ~held, "held": held, "all": held | ~held}
        x = X[:, _choose(X[rows[choose]], y[rows[choose]], k)]
        labels = _nearest_mean(x[rows[fit]], y[rows[fit]], x[rows[test]])
        scores.append(np.mean(labels == y[rows[test]]))
    return np.mean(scores)


# features.draws
def _draws_of(seed, n, share):
    """Accuracies of two kinds of features; what a draw does to both, and to each alone."""
    both, a, b = normal(seed, (n,), (n,), (n,))
    return 0.72 + 0.02 * (both + share * a), 0.71 + 0.02 * (both + share * b)


_DRAWS = ((*_draws_of(5, 10, 0.5), 0.005), (*_draws_of(1, 6, 0.8), 0.0015))


def _unpaired(a, b):
    return np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))


def _draws(a, b, width, *, spread=None, ddof=1, times=1.96, power=2, to=np.ceil):
    s = spread(a, b) if spread else np.std(a - b, ddof=ddof)
    return to((times * s / width) ** power)


# features.optimism
def _chances(n):
    """P(X = 0), …, P(X = n) of the right labels X among n."""
    row = np.ones(1)
    for _ in range(n):
        row = np.convolve(row, [0.5, 0.5])
    return row


def _best(m, n, *, below=slice(0, -1), size=None):
    return np.sum(1 - np.cumsum(_chances(n))[below] ** m) / (size or n)


def _worst(m, n):
    return np.sum((1 - np.cumsum(_chances(n))[:-1]) ** m) / n


def _added_up(m, n):
    return np.arange(n + 1) @ np.cumsum(_chances(n)) ** m / n


def _simulated(m, n):
    return np.random.default_rng(0).binomial(n, 0.5, (4000, m)).max(axis=1).mean() / n


# features.balanced: both times a class is in guesses alone, and a class is never guessed
_LABELS = (
    (np.repeat([0, 1, 4], [9, 4, 3]), np.array([0] * 7 + [1, 2] + [1, 1, 0, 2] + [3, 0, 0])),
    (np.repeat([2, 5, 0], [8, 3, 1]), np.array([2] * 7 + [6] + [5, 2, 1] + [2])),
)


def _balanced(y, guesses, *, classes=lambda y, guesses: y, of=lambda c, y, guesses: y == c):
    kinds = np.unique(classes(y, guesses))
    return np.mean([np.sum((y == c) & (guesses == c)) / max(1, of(c, y, guesses).sum())
                    for c in kinds])  # fmt: skip


def _guessed(c, y, guesses):
    return guesses == c


# features.halving: in each table the best at the end is not among the best at the start.
def _table(seed, candidates, rungs):
    (steps,) = normal(seed, (candidates, rungs))
    scores = 0.5 + 0.05 * steps.cumsum(axis=1)
    scores[scores[:, 0].argmin(), -1] = scores.max() + 0.05
    return scores


_TABLES = (
    (_table(1, 10, 3), [1, 3, 9], 3),
    (_table(2, 7, 3), [2, 4, 8], 2),
    (_table(0, 4, 3), [1, 4, 16], 4),
)


def _up(alive, factor):
    return -(-alive // factor)


def _halving(scores, budgets, factor, *, sign=-1, keep=_up, rank=lambda rung: rung,
             own=True, alone=True, pays=lambda before, after: before):  # fmt: skip
    alive, cost = np.arange(len(scores)), 0
    for rung, budget in enumerate(budgets):
        if len(alive) == 1 and not alone:
            break
        before, order = len(alive), np.argsort(sign * scores[alive, rank(rung)])
        kept = keep(before, factor) if rung < len(budgets) - 1 else 1
        alive = alive[order[:kept]]
        cost += budget * pays(before, kept)
    return (alive[0] if own else order[0]), cost


def _grid(scores, budgets, factor):
    return scores[:, -1].argmax(), len(scores) * sum(budgets)


# features.refute
def _without(letter, *others):
    """The ``when`` of an answer without the letter, and with all of the others."""
    return lambda found: letter not in found and all(other in found for other in others)


EXERCISES = [
    Exercise(
        name="features.leak", expects="a function of X, y, k and folds",
        right="Whatever looks at labels belongs inside the folds. On noise the score is now near "
        "½, and where there is a signal it is still far above.",
        hint="Which labels does toy_choose see? For each fold, which of them must it not see?",
        what="the mean accuracy", cases=(_rows(0, 0.0), _rows(1, 1.2)), reference=_score,
        slips=[
            ({"choose": "all"}, "{found:.2f} on labels of pure noise: the features are still "
             "chosen by all labels, also by those of the held-out rows. Choose again in each "
             "fold, by the other rows."),
            ({"choose": "held"}, "In each fold you choose the features by the held-out rows. "
             "Their labels are for the count at the end alone. Choose by the other rows."),
            ({"fit": "all"}, "The choice is right. But the class means are taken over all rows, "
             "and the held-out rows are among them."),
            ([{"choose": "all", "fit": "all", "test": test} for test in ("held", "all")],
             "{found:.2f} on labels of pure noise: choice and class means both see the held-out "
             "rows. Take both from the other rows."),
            ([{"test": "others"}, {"test": "all"}], "{found:.2f} on labels of pure noise: you "
             "count on rows that the classifier was given. Count on the held-out rows alone."),
            ({"choose": "held", "fit": "held", "test": "others"}, "The rows have changed places: "
             "one fold is held out, all others are for the choice and for the class means."),
        ],
        otherwise="For {2} features of {0.shape[1]} the mean accuracy is {right:.3f}, not "
        "{found:.3f}. The two helpers stay as they are.",
    ),
    Exercise(
        name="features.draws", expects="a function of a, b and width",
        right="What a draw does to both kinds of features is not in the paired difference. "
        "Half the width needs four times as many draws.",
        hint="Solve 1.96 s / √n ≤ width for n. Of which numbers is s the standard deviation?",
        what="the number of draws", cases=_DRAWS, reference=_draws,
        slips=[
            ({"spread": _unpaired}, "{found:g} draws: you add the variances of a and b. That is "
             "for independent draws. Here both have the same draws: take the spread of a − b."),
            ({"times": 2 * 1.96}, "{found:g} draws: you take width for the whole interval. It "
             "is the half-width, from the mean to one end."),
            ({"times": 0.98}, "{found:g} draws: the half-width is 1.96 s/√n itself. Do not halve "
             "it again."),
            ({"power": 1}, "{found:g} draws: the square is missing. The half-width falls with "
             "√n, so n grows with the square of s / width."),
            ({"ddof": 0}, "{found:g} draws: s has the divisor n. A sample's standard deviation "
             "has n − 1: take ddof=1."),
            ([{"to": np.floor}, {"to": np.round}], "{found:g} draws: that is rounded down, and "
             "the half-width is then above width. Round up."),
            ({"to": np.float64}, "{found:.2f} is no whole number of draws. Round up."),
            ({"times": 1}, "{found:g} draws: the factor 1.96 is missing. One standard error to "
             "both sides gives an interval of 68 %, not of 95 %."),
            ({"spread": lambda a, b: np.std(a - b, ddof=1) / np.sqrt(len(a))}, "{found:g} draws: "
             "you divide s by √n of the draws that you have. s is the spread of one difference."),
        ],
        otherwise="For {0.size} draws and width {2} it takes {right:g} draws, not {found:g}.",
    ),
    Exercise(
        name="features.optimism", expects="a function of m and n",
        right="No candidate is better than ½, and still the best of their scores is. So the score "
        "that chose a candidate is no estimate of it: take new labels.",
        hint="All m have fewer than x right with probability P(X < x)^m. The mean of a whole "
        "number ≥ 0 is the sum of P(best ≥ x) over x = 1, …, n.",
        what="the expected best accuracy", cases=((5, 10), (50, 1000), (1000, 20)),
        reference=_best,
        slips=[
            (lambda m, n: 0.5, "½ is what each candidate expects. But you keep the best of {0}, "
             "and that one was lucky."),
            (lambda m, n: 1.0, "1 is the largest possible accuracy. With {0} candidates and {1} "
             "labels the mean of the best is smaller."),
            ({"size": 1}, "{found:.2f} is the number of right labels. Divide by n = {1}."),
            ({"below": slice(1, None)}, "One too few: you take P(X ≤ x) to the power m. The best "
             "reaches x unless all m stay below x: take P(X < x)."),
            (_worst, "{found:.3f} is below ½: that is the worst of the {0}. The power belongs to "
             "P(X < x), not to P(X ≥ x)."),
            (_added_up, "P(X ≤ x)^m is the probability that the best is x or fewer. That the "
             "best is x has the difference of two such numbers as its probability."),
            (lambda m, n: 0.5 + np.sqrt(np.log(m) / n / 2), "{found:.3f} comes from a normal "
             "approximation for many candidates. With {1} labels it is far off: {right:.3f}. Use "
             "the distribution function of the number of right labels."),
            (_simulated, "{found:.4f} is near {right:.4f}, but not exact. The distribution "
             "function gives it without a simulation.",
             lambda found, m, n: abs(found - _best(m, n)) < 0.01),
        ],
        otherwise="For {0} candidates and {1} labels it is {right:.4f}, not {found:.4f}.",
    ),
    Exercise(
        name="features.balanced", expects="a function of y and guesses",
        right="Each class counts the same, however rare. A model that always gives the most "
        "frequent class scores one over the number of classes.",
        hint="For one class: which images have this label, and which share of them is right?",
        what="the balanced accuracy", cases=_LABELS, reference=_balanced,
        slips=[
            (lambda y, guesses: np.mean(y == guesses), "{found:.3f} is plain accuracy: each image "
             "counts the same, so a frequent class outweighs a rare one."),
            ([{"of": _guessed}, {"of": _guessed, "classes": lambda y, guesses: guesses},
              {"of": _guessed, "classes": np.append}], "{found:.3f} is a mean of precisions: you "
             "divide by how often a class was guessed. Divide by how often it is in y."),
            ([{"classes": lambda y, guesses: np.arange(max(*y, *guesses) + 1)},
              {"classes": lambda y, guesses: np.arange(max(y) + 1)}], "{found:.3f}: classes that "
             "are not in y count as 0. They have no images, so they have no share."),
            ({"classes": lambda y, guesses: guesses}, "{found:.3f}: you average over the classes "
             "in guesses. Take those in y: a class that is never guessed counts, as 0."),
            ({"classes": np.append}, "{found:.3f}: you average over the classes in y and in "
             "guesses. A class that is in guesses alone has no images: leave it out."),
        ],
        otherwise="For y = {0} and guesses = {1} it is {right:.3f}, not {found:.3f}.",
    ),
    Exercise(
        name="features.halving", expects="a function of scores, budgets and factor",
        right="Most candidates cost little. But in these tables the best at the end began worst "
        "and was dropped: where curves cross, halving fails.",
        hint="Keep an array of the candidates' numbers. At each rung: pay for all of them, sort "
        "by this rung's scores, keep the first ones.",
        what=("the winner's number", "the total cost"), read=number, cases=_TABLES,
        reference=_halving,
        slips=[
            ({"sign": 1}, "You keep the worst. np.argsort sorts upwards, and a higher score is "
             "better."),
            ([_grid, {"rank": lambda rung: -1}], "That is a full grid: all candidates run at all "
             "rungs. Rank by this rung's scores, and pay for those who are still there."),
            ({"rank": lambda rung: 0}, "You rank by the first rung's scores each time. The "
             "candidates that are left have new scores at each rung."),
            ({"own": False}, "Winner {found[0]:g} is a place among those who are left. Return the "
             "winner's row in scores."),
            ({"pays": lambda before, after: 1}, "The cost {found[1]:g} is the winner's alone. The "
             "others were run, too, up to the rung that dropped them."),
            ({"pays": lambda before, after: after}, "The cost {found[1]:g} leaves out those whom "
             "a rung drops. They were run at it first: pay before you drop."),
            ([{"keep": lambda alive, factor: max(1, alive // factor)},
              {"keep": lambda alive, factor: alive // factor}], "Too few are kept: you round "
             "down. Of 10 candidates and factor 3, 4 stay. Of 2 candidates, 1 stays, not none."),
            ({"keep": lambda alive, factor: max(1, alive - _up(alive, factor))}, "You drop "
             "1/factor of the candidates and keep the others. It is the other way round."),
            ({"alone": False}, "The cost {found[1]:g} ends when one candidate is left. It is "
             "still run at each rung that follows."),
        ],
        otherwise="For {0.shape[0]} candidates, budgets {1} and factor {2}, the winner is "
        "{right[0]:g} and the cost {right[1]:g}, not {found[0]:g} and {found[1]:g}.",
    ),
    Exercise(
        name="features.fewest", expects="a letter from a to d",
        right="Each leaf needs 20 images, and there are ten. So no tree has a split, the answer "
        "is always the same class, and the accuracy is 10 %.",
        hint="How many images are there in all? Which setting asks for more than that?",
        what="the letter", read=word("a", "b", "c", "d"), reference="c",
        slips=[
            ("a", "k-NN with k = 1 answers with the class of the nearest of the ten images. So "
             "one image of a class is enough for it to work."),
            ("b", "Logistic regression has more weights than images. But its penalty keeps them "
             "small, and so it learns from ten images."),
            ("d", "A single tree splits until its leaves are pure: a leaf may hold one image. It "
             "learns little from ten images, but it learns."),
        ],
    ),
    Exercise(
        name="features.refute", expects="the letters of the arms and rules that are needed",
        right="One thing changes, the training, and each difference is paired. If the untrained "
        "arm is as good, the claim is refuted.",
        hint="The claim is about one change. Which two arms differ in this alone? What else could "
        "make them differ?",
        what="the letters", read=letters("abcdef"), reference="acd",
        slips=[
            ("acde", "e: a classifier that is tuned on the test images has seen them, and then "
             "its score is no held-out score. Tune on other images.", has("e")),
            (["bc", "bcd"], "c against b changes two things at once: pixels have no such "
             "architecture and no training. Which arm has the architecture alone?",
             _without("a", "b", "c")),
            (["cf", "cdf"], "f: both arms are trained, and the architecture is another. So what "
             "differs is not the training. Which arm has the architecture alone?",
             _without("a", "c", "f")),
            (["cd", "c", "bd"], "An arm without training is missing. The claim says that training "
             "makes the difference: what is the trained encoder compared with?", _without("a")),
            (["ad", "a", "abd"], "The trained encoder is missing: it is what the claim is about.",
             _without("c")),
            (["ac", "abc"], "Both arms are there. But with other labelled images for each arm, "
             "the draw's luck is in the difference. What makes it paired?", _without("d")),
            ("acdf", "f: another, larger architecture says nothing about training. Change one "
             "thing.", has("f")),
            ("abcd", "b: pixels are good to see beside the others. But whatever they score, the "
             "claim about training may hold or not. It asks for what is needed.", has("b")),
        ],
    ),
]  # fmt: skip
