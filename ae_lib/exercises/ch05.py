"""Exercises of chapter 05, the variational autoencoder and the GAN beside it."""

import numpy as np

from ae_lib.exercises._core import Exercise, close, normal
from ae_lib.exercises._readers import Wrong, array, number, words

_MEAN, _LOG_VARIANCE = normal(0, (3, 4), (3, 4))


# variational.kl
def _kl(mean, log_variance, *, half=0.5, reduce=np.sum, axis=-1, variance=np.exp, log=None, one=1,
        square=2):  # fmt: skip
    log = log_variance if log is None else log(log_variance)
    return half * reduce(variance(log_variance) + mean**square - one - log, axis=axis)


# variational.draw
def _draw(mean, log_variance, samples, rng, *, size=None, deviation=lambda v: np.exp(v / 2),
          share=1):  # fmt: skip
    noise = rng.normal(size=(samples, *mean.shape) if size is None else size)
    return share * mean + deviation(log_variance) * noise


def _ask_draw(draw, mean, log_variance):
    """Of 4,000 draws: their spread over samples, between items, from call to call; moments; how
    far a call with an equal rng is off."""
    rng, s = np.random.default_rng(0), np.exp(log_variance / 2)
    first, second, again = (
        array(draw(mean, log_variance, 4000, each), "the codes")
        for each in (rng, rng, np.random.default_rng(0))
    )
    if first.shape != (4000, *mean.shape):
        raise Wrong(f"Expected codes of shape (samples, n, k), {(4000, *mean.shape)}, got "
                    f"{first.shape}.")  # fmt: skip
    if np.isnan(first).any():
        raise Wrong("Some codes are NaN. log_variance may be negative, so take no root and no "
                    "logarithm of it: the deviation is exp(log_variance / 2).")  # fmt: skip
    noise = (first - mean) / s
    return [
        first.std(axis=0).min(), np.abs(noise[:, 0] - noise[:, 1]).mean(),
        np.abs(noise[..., 0] - noise[..., 1]).mean(), np.abs(first - second).mean(),
        np.abs(first.mean(axis=0) - mean).max(), *(first.std(axis=0) / s).ravel()[:2],
        np.abs(first - again).mean(),
    ]  # fmt: skip


def _of_its_own(mean, log_variance, samples, rng, *, seed=0):
    return _draw(mean, log_variance, samples, np.random.default_rng(seed))


def _spread(deviation):
    """Recognises noise times ``deviation(log_variance)``, by its ratio to the right one."""
    ratio = np.abs(deviation(_LOG_VARIANCE) / np.exp(_LOG_VARIANCE / 2)).ravel()[:2]
    return lambda found, *_: np.allclose(found[5:7], ratio, rtol=0.1)


# variational.reduction
_PARTS = tuple(abs(part) for part in normal(1, (5, 12), (5, 3)))


def _loss(nll, kl, *, pixels=np.sum, code=np.sum, items=np.mean):
    return items(pixels(nll, axis=1) + code(kl, axis=1))


# variational.iwae
_LOG_W = normal(2, (4, 6))[0]


def _iwae(log_w, *, axis=1, scale=None, shift=True):
    top = log_w.max(axis=axis, keepdims=True) if shift else 0.0
    total = np.exp(log_w - top).sum(axis=axis)
    return np.log(total / (scale or log_w.shape[axis])) + (np.squeeze(top, axis) if shift else 0)


# variational.test_time
def _encode(x):
    return np.tanh(x[:, :3]), x[:, 3:] - 1


def _decode(z):
    return 1 / (1 + np.exp(-np.concatenate([z, z**2], axis=1)))


def _reconstruct(encode, decode, x):
    return decode(encode(x)[0])


def _sampled(encode, decode, x, samples=1, seed=None):
    mean, log_variance = encode(x)
    rng = np.random.default_rng(seed)
    draws = [mean + np.exp(log_variance / 2) * rng.normal(size=mean.shape) for _ in range(samples)]
    return np.mean([decode(z) for z in draws], axis=0)


def _ask_reconstruct(reconstruct, x):
    """The reconstruction twice, as one array."""
    return np.stack([array(reconstruct(_encode, _decode, x), "the images") for _ in range(2)])


# variational.beta
_BETA = {"a": "10", "b": "0.1", "c": "1"}


# variational.labels
_SCORES = (*normal(3, (6,), (6,)),)
_FAR = (np.array([900.0, -900.0]), np.array([-900.0, 900.0]))


def _softplus(a):
    return np.logaddexp(0, a)


def _d_loss(real, fake, *, f=lambda a: _softplus(-a), reduce=np.mean):
    return reduce(f(real - fake))


# variational.memory
def _nearest(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(axis=1)


def _memory(samples, train, held_out, *, statistic=np.median, of=None, relative=True):
    near, usual = (statistic(_nearest(x, train)) for x in (samples, held_out))
    if of == "held out":
        near = statistic(_nearest(samples, held_out))
    return 1 - near / usual if relative else usual - near


def _ask_memory(score):
    """Scores of copies, new points, half and half; copies, all times 10⁶; one copy in 100."""
    train, held_out, new = normal(4, (200, 5), (100, 5), (100, 5))
    copies = train[:100] + 1e-6
    half = np.concatenate([train[:55] + 1e-6, new[:45]])
    cases = [(copies, train, held_out), (new, train, held_out), (half, train, held_out)]
    cases.append(tuple(1e6 * part for part in cases[0]))
    cases.append((np.concatenate([new[:99], train[:1] + 1e-6]), train, held_out))
    return [number(score(*(np.array(part) for part in case)), "the score") for case in cases]


EXERCISES = [
    Exercise(
        name="variational.kl", expects="a function of mean and log_variance",
        right="It is 0 only for mean 0 and variance 1; each number of the code adds its own part.",
        hint="For one number: ∫ q log(q / p). Only E z = m and E z² = m² + s² are needed.",
        what="the KL of each item", read=array, cases=((_MEAN, _LOG_VARIANCE),), reference=_kl,
        slips=[
            ({"half": 1}, "Twice too much: each of the two normal densities has a ½ in its "
             "exponent."),
            ({"half": -0.5}, "The sign is turned: a KL is never negative."),
            ({"reduce": np.mean}, "You average over the numbers of the code. They are "
             "independent, so their log-ratios add up."),
            ({"variance": lambda v: np.exp(2 * v)}, "You square what is a variance already: "
             "exp(log_variance) is s²."),
            ({"variance": np.square, "log": lambda v: np.log(v**2)}, "You take log_variance for "
             "the standard deviation. The variance is exp(log_variance)."),
            ({"one": 0}, "The −1 of each number is missing: at mean 0 and log-variance 0 the KL "
             "must be 0."),
            ({"square": 1}, "The mean enters squared: a code to the left of 0 is as far off as "
             "one to the right."),
            ({"axis": 0}, "You add over the items. Each item has its own KL: add over the last "
             "axis."),
        ],
        otherwise="For one number of the code it is ½ (s² + m² − 1 − log s²).",
    ),
    Exercise(
        name="variational.draw",
        expects="a function of mean, log_variance, samples and rng that returns codes",
        right="Mean and deviation stay outside of the noise, so a gradient can reach both.",
        hint="The noise needs the shape (samples, n, k), and is drawn from rng at each call. The "
        "deviation is the square root of the variance.",
        what="what the codes show", read=array, unique=False, ask=_ask_draw, reference=_draw,
        cases=((_MEAN, _LOG_VARIANCE),),
        slips=[
            (lambda m, v, n, rng: np.repeat(_draw(m, v, 1, rng), n, axis=0), "All samples of an "
             "item are equal: the noise was drawn once, and used again for every sample.",
             lambda found, *_: found[0] < 1e-9),
            (_of_its_own, "Two calls give the same codes. Draw from rng, which goes on where it "
             "stopped; a new generator with the same seed begins anew.",
             lambda found, *_: found[3] < 1e-9),
            (lambda *given: _of_its_own(*given, seed=None), "The noise does not come from rng: "
             "two generators with one seed give different codes. Use rng.normal.",
             lambda found, *_: found[7] > 1e-9),
            (lambda m, v, n, rng: _draw(m, v, n, rng, size=(n, 1, m.shape[1])), "All items get "
             "the same noise. It needs the shape (samples, n, k).",
             lambda found, *_: found[1] < 1e-9),
            (lambda m, v, n, rng: _draw(m, v, n, rng, size=(n, len(m), 1)), "All numbers of a "
             "code get the same noise. It needs the shape (samples, n, k).",
             lambda found, *_: found[2] < 1e-9),
            ({"share": 0}, "The codes lie around 0. Each lies around its own mean.",
             lambda found, *_: found[4] > 0.3 and np.allclose(found[5:7], 1, atol=0.2)),
            ({"deviation": np.exp}, "You multiply the noise by the variance, exp(log_variance). "
             "The deviation is its root: exp(log_variance / 2).", _spread(np.exp)),
            ({"deviation": lambda v: v}, "You multiply the noise by log_variance itself.",
             _spread(lambda v: v)),
            ({"deviation": lambda v: 0 * v + 1}, "All codes have the deviation 1. Each number has "
             "its own.", _spread(lambda v: 0 * v + 1)),
            ({"deviation": lambda v: np.exp(2 * v)}, "The first number spreads {found[5]:.2g} "
             "times as far as it should. The noise is standard normal, and exp(log_variance / 2) "
             "stands before it.", lambda found, *_: not np.allclose(found[5:7], 1, atol=0.1)),
        ],
    ),
    Exercise(
        name="variational.reduction", expects="a function of nll and kl that returns the loss",
        right="Both are sums: log-probabilities of independent pixels add up, and so do the KLs "
        "of the code's numbers. Only over the items one averages.",
        hint="Write the bound for one image, with every sum in it. Then average over the images.",
        what="the loss", cases=(_PARTS,), reference=_loss,
        slips=[
            ({"pixels": np.mean, "code": np.mean}, "Both parts are averaged. The KL then weighs "
             "(number of pixels) / (size of the code) times what it should: 4 times here, and "
             "98 times for 784 pixels and a code of 8."),
            ({"code": np.mean}, "The KL is averaged over the code, the rest is not: it weighs "
             "1 / (size of the code) of what it should."),
            ({"pixels": np.mean}, "The pixels are averaged, the KL is not: it weighs 784 times "
             "too much for our images, and the code will say nothing."),
            ({"items": np.sum}, "This is the sum over the batch. Average over the items, or the "
             "learning rate depends on the batch."),
            (lambda nll, kl: nll.sum(axis=1).mean() - kl.sum(axis=1).mean(), "The KL is "
             "subtracted. The bound is log p − KL; the loss is minus the bound."),
            (lambda nll, kl: -_loss(nll, kl), "This is the ELBO itself. The loss is minus it."),
            (lambda nll, kl: nll.sum(axis=1).mean(), "The KL is missing: this is a plain "
             "autoencoder with noise in its code."),
        ],
        otherwise="Sum over the pixels, sum over the code, add, average over the items.",
    ),
    Exercise(
        name="variational.iwae", expects="a function of log_w, (n, K), that returns (n,) nats",
        right="The logarithm of a mean, not the mean of logarithms; and the largest is taken out "
        "first, since e⁻⁹⁰⁰ is 0 for a computer.",
        hint="log (1/K) Σ exp(log_w): subtract each row's maximum inside, add it outside.",
        what="the bound of each item", read=array, reference=_iwae,
        cases=((_LOG_W,), (_LOG_W - 900,), (_LOG_W - 900 * np.arange(4)[:, None],)),
        slips=[
            (lambda w: w.mean(axis=1), "That is the mean of the logarithms: the ELBO with K "
             "draws. Here the mean is inside of the logarithm."),
            ({"scale": 1}, "You take the logarithm of the sum. Subtract log K, or the bound grows "
             "with K for no reason."),
            ({"shift": False}, "With weights of e⁻⁹⁰⁰ your sum is 0, and its logarithm −inf. Take "
             "each row's maximum out first.",
             lambda found, w: w.max() < -800 and not np.isfinite(found).all()),
            ({"axis": 0}, "You average over the items. Each item, a row, has its own K draws."),
            (lambda w: np.full(len(w), np.log(np.exp(w - w.max()).mean()) + w.max()), "All rows "
             "get one value. Each row is an item of its own."),
            (lambda w: np.log(np.exp(w - w.max()).mean(axis=1)) + w.max(), "You take the largest "
             "of all rows out. Where a row lies far below it, the sum is 0 again: take each row's "
             "own maximum."),
            (lambda w: w.max(axis=1), "That is the largest weight alone. The others count too."),
        ],
        otherwise="For each row: maximum + log(mean(exp(log_w − maximum))).",
    ),
    Exercise(
        name="variational.test_time", expects="a function of encode, decode and x",
        right="The mean of q is one code for one image, the same at each call.",
        hint="encode gives mean and log-variance of q. Which one code stands for the image?",
        what="the images", read=array, ask=_ask_reconstruct, reference=_reconstruct,
        cases=((normal(5, (4, 6))[0],),),
        slips=[
            (_sampled, "Two calls give different images: the code is drawn. For a reconstruction "
             "take the mean of q.", lambda found, x: not close(found[0], found[1])),
            (lambda e, d, x: _sampled(e, d, x, seed=0), "The same images each time, but from a "
             "drawn code: a fixed seed hides the noise. Take the mean of q.",
             lambda found, x: close(found[0], _sampled(_encode, _decode, x, seed=0))),
            (lambda e, d, x: d(e(x)[1]), "You decode the log-variance. encode returns the mean "
             "first."),
            (lambda e, d, x: d(e(x)[0] + np.exp(e(x)[1] / 2)), "You decode a code one deviation "
             "off the mean."),
        ],
        otherwise="Decode the mean of q.",
    ),
    Exercise(
        name="variational.beta", expects="a dict with 0.1, 1 or 10 for a, b and c",
        right="A larger β gives a lower rate and a higher distortion; as a bound on log p(x), "
        "their plain sum is best near β = 1.",
        hint="The loss counts each nat of KL β times. With a large β, is a high KL worth it?",
        reference=_BETA, read=words("abc", "0.1", "1", "10"),
        slips=[
            (_BETA | {"a": "0.1", "b": "10"}, "Turned round: β = 10 counts the KL ten "
             "times, so that model keeps it low.", lambda found: found["a"] == "0.1"),
            (_BETA | {"b": "1", "c": "0.1"}, "b has the highest KL and the best reconstructions: "
             "its loss counted the KL least.", lambda found: found["b"] != "0.1"),
            (_BETA | {"a": "1", "c": "10"}, "a has the lowest KL. Did its loss count the KL "
             "often, or seldom?"),
        ],
        otherwise="Each β belongs to one model: the larger it is, the lower is the KL.",
    ),
    Exercise(
        name="variational.labels", expects="a function of real and fake that returns the loss",
        right="It falls when the real image is rated above its sample, and it cannot overflow.",
        hint="Should the loss be small when real is large, or when fake is? log(1 + e^a) for a "
        "large a: np.logaddexp(0, a).",
        what="the loss", cases=(_SCORES, _FAR), reference=_d_loss,
        slips=[
            ({"f": _softplus}, "The labels are swapped: this loss falls when the *sample* is "
             "rated above the real image. It is the generator's."),
            ({"f": lambda a: np.log1p(np.exp(-a))}, "e⁹⁰⁰ overflows: the loss is inf or NaN. "
             "np.logaddexp(0, a) computes log(1 + e^a) for every a.",
             lambda found, real, fake: real.max() > 800 and not np.isfinite(found)),
            ({"reduce": np.sum}, "That is the sum; the loss is the mean over the pairs."),
            (lambda r, f: _softplus(-(r.mean() - f.mean())), "You compare the means of both "
             "groups. Each real image is compared with one sample, and then one averages."),
            ({"f": lambda a: 1 / (1 + np.exp(np.clip(a, -700, 700)))}, "That is a probability. "
             "The loss is −log of the probability that the real one wins."),
            (lambda r, f: (_softplus(-r) + _softplus(f)).mean(), "That is the older loss, which "
             "rates each image alone. Here a pair is compared: real − fake."),
        ],
        otherwise="The mean of log(1 + exp(−(real − fake))).",
    ),
    Exercise(
        name="variational.memory", expects="a function of samples, train and held_out",
        right="Held-out images tell how near is near: only a sample that is nearer than they are "
        "was copied.",
        hint="How far is a sample from its nearest training image? And a held-out image?",
        what="the scores", read=array, unique=False, ask=_ask_memory, reference=_memory,
        slips=[
            (lambda s, t, h: np.mean(_nearest(s, t) == 0), "Copies of training points score "
             "{found[0]:.2f}: you look for distances of exactly 0, and a copy with a tiny change "
             "escapes. Compare with the distances of held-out points.",
             lambda found: not found[:4].any()),
            (lambda s, t, h: 1 - _memory(s, t, h), "Turned round: copies score {found[0]:.2f}, "
             "new points {found[1]:.2f}.", lambda found: found[0] < 0.2 and found[1] > 0.7),
            (lambda s, t, h: np.mean(_nearest(s, t)[:, None] < _nearest(h, t)), "New points score "
             "{found[1]:.2f}, copies {found[0]:.2f}: this is a share of pairs, which is a half "
             "where nothing was copied. Subtract ½ and double it.",
             lambda found: found[0] > 0.9 and abs(found[1] - 0.5) < 0.1),
            (lambda s, t, h: -np.median(_nearest(s, t)), "For new points, which were drawn as the "
             "training points were, your score is {found[1]:.2f}; it should be near 0. How near "
             "do held-out points come?", lambda found: abs(found[1]) > 0.2),
            ({"relative": False}, "All distances times 10⁶, and your score changes from "
             "{found[0]:.2f} to {found[3]:.2f}. Divide by the distance of held-out points.",
             lambda found: not close(found[0], found[3], 1e-2)),
            ({"of": "held out"}, "Copies of training points score {found[0]:.2f}, hardly other "
             "than new points. Compare with the *training* points: these can be copied.",
             lambda found: found[0] < 0.5),
            (lambda s, t, h: float((_nearest(s, t) < _nearest(h, t).min()).all()), "Half of the "
             "samples are copies, and your score is {found[2]:.2f}: it should be well above 0.",
             lambda found: found[2] < 0.2),
            ({"statistic": np.min}, "One copy among a hundred samples, and your score is "
             "{found[4]:.2f}. The smallest distance alone tells of one sample: take the median.",
             lambda found: found[4] > 0.3),
        ],
    ),
]  # fmt: skip
