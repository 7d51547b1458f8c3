"""Exercises of chapter 10, language models."""

import numpy as np

from ae_lib.exercises._core import Exercise, Untouched, has, normal
from ae_lib.exercises._readers import Wrong, array, kind_of, letters, number, words

_TOKENS = np.array([[7, 5, 9, 6], [8, 4, 0, 0]])


# language.mask
def _sees(tokens, *, k=0, there="keys", upper=False):
    n, size = tokens.shape
    order = np.triu if upper else np.tril
    causal = order(np.ones((size, size), bool), k)
    real = {"keys": (tokens != 0)[:, None], "queries": (tokens != 0)[:, :, None]}
    return causal & real.get(there, np.ones((n, 1, 1), bool))


# language.perplexity
_REPORTS = ((24.0, 8_000, 46_000), (9.5, 14_500, 46_000))


def _bits(perplexity, tokens, size, *, log=np.log2, over=None):
    return log(perplexity) * (tokens / size if over is None else over(tokens, size))


# language.count
def _count(V, W, L, P, T, *, tables=1, places=1, block=12, small=13, last=2, deep=1, logits=1,
           pairs=2, extent=None):  # fmt: skip
    weights = tables * V * W + places * P * W + L * (block * W**2 + small * W) + last * W
    seen = extent(T) if extent else T**2
    return weights, T * ((deep * L) * block * W**2 + logits * V * W) + pairs * L * seen * W


# language.cache
def _softmax(a):
    e = np.exp(a - a.max())
    return e / e.sum()


def _step(x, cache, wq, wk, wv, *, own=True, keep=None, root=True, fixed=False):
    before, key, value = cache, x @ wk, x @ wv
    keys, mixed = np.vstack([cache[0], key]), np.vstack([cache[1], value])
    after = (keys, mixed)
    seen = after if own or not len(before[0]) else before
    k, v = (part if keep is None else part[-keep:] for part in seen)
    scores = k @ (x @ wq) / (np.sqrt(len(x @ wq)) if root else 1)
    return _softmax(scores) @ v, before if fixed and len(before[0]) else after


def _ask_cache(step, x, wq, wk, wv):
    """The outputs of all steps, in order."""
    cache = np.zeros((0, wk.shape[1])), np.zeros((0, wv.shape[1]))
    found = []
    for row in x:
        given = step(row.copy(), cache, wq, wk, wv)
        if given is None or given is ...:
            raise Untouched
        if not (isinstance(given, (tuple, list)) and len(given) == 2):
            raise Wrong(f"Return the output and the cache, in this order; got {kind_of(given)}.")
        if not (isinstance(given[1], (tuple, list)) and len(given[1]) == 2):
            raise Wrong(f"Expected the cache as a pair of arrays, got {kind_of(given[1])}.")
        out, cache = array(given[0], "the output"), given[1]
        found.append(out)
    return np.stack(found)


_JOBS = {"hidden word": "bert", "next words": "gpt", "gap of any length": "bart"}


def _instead(job, model):
    return {**_JOBS, job: model}


EXERCISES = [
    Exercise(
        name="language.mask", expects="a function of tokens that returns the mask",
        right="A word sees itself and what stands before it. With one diagonal more it sees its "
        "own target, and the loss looks wonderful.",
        hint="Row t of np.tril(np.ones((T, T))) has ones in columns 0…t. What has column t + 1?",
        what="the mask", read=array, cases=((_TOKENS,),), reference=_sees,
        slips=[
            ({"k": 1}, "Place t still sees place t + 1: that is the word which it must predict. "
             "The training loss falls far too low, and when it writes, that "
             "word is not there to be seen."),
            ({"k": -1}, "No place sees itself now, and the first sees nothing at all: its "
             "softmax has no number to share out."),
            ([{"upper": True}, {"upper": True, "k": 1}], "Turned round: place t sees what comes "
             "after it. Rows are the places that look, columns those that are seen."),
            ({"there": "none"}, "Causal, but padding is seen: the second sentence is two words "
             "long. (With padding on the right alone, no word sees it; places of padding do.)"),
            ({"there": "queries"}, "You blank the rows of padding. It is the columns, what is "
             "seen, that should be 0 there; a row without a single 1 makes NaN."),
            ({"k": 1, "there": "none"}, "The next word is seen, and so is padding."),
            ({"k": 1, "there": "queries"}, "Two mistakes: place t sees place t + 1, which it must "
             "predict; and padding hides the rows that look, not the columns that are seen."),
        ],
        otherwise="mask[i, t, s] says whether place t of sentence i sees place s: s ≤ t and "
        "tokens[i, s] is a word.",
    ),
    Exercise(
        name="language.position", expects="letters, such as 'ab'",
        right="Attention is a sum over a set. In an encoder nothing else tells the order; in a "
        "decoder the mask does, from the second layer on.",
        hint="Without positions, a word's first vector is the same wherever it stands. Which "
        "words does the full stop see, in layer 1? Have their vectors changed, in layer 2?",
        what="the cases with equal states", read=letters("abcd"), reference="abc",
        slips=[
            ("abcd", "d, too? In a decoder, before Tom there is <bos> alone in one sentence, and "
             "<bos>, Ann and 'saw' in the other. After one layer the vectors differ, and "
             "layer 2 sees that.",
             has("d")),
            ("ab", "And c? In the first layer the full stop of a decoder sees the same set of "
             "vectors in both sentences.", lambda found: "c" not in found),
            ("ac", "And b? In an encoder every word sees the same set in both sentences, so the "
             "words' vectors are equal after layer 1 as well, and so on upwards.",
             lambda found: "b" not in found),
            ("bc", "And a? One layer of an encoder sees the same set of vectors.",
             lambda found: "a" not in found),
        ],
    ),
    Exercise(
        name="language.count", expects="a function of V, W, L, P and T",
        right="The blocks cost 12 W² a layer for each token, whatever it says; the attention's "
        "own products grow with the square of the length and have no weights.",
        hint="In a block: W to 3 W, W to W, W to 4 W, 4 W to W, each with biases; two "
        "normalisations of 2 W. The products: T·T scores of W multiplications; as many to mix.",
        what=("the weights", "the multiply–adds"), read=number,
        cases=((1000, 64, 2, 16, 8), (2000, 256, 4, 48, 47)), reference=_count,
        slips=[
            ({"tables": 2}, "The table is counted twice: this GPT reads and writes with one."),
            ({"places": 0}, "The P positions have a vector of W weights each."),
            ({"small": 0, "last": 0}, "Only the matrices are counted. Biases and normalisations "
             "are 13 W a block, and 2 W at the end."),
            ({"small": 9}, "Biases are there; the two normalisations of a block have 2 W each."),
            ({"last": 0}, "The last normalisation, of 2 W weights, is missing."),
            ([{"block": 4}, {"block": 8}], "A block has 4 W² weights in the attention and 8 W² "
             "in the two layers after it."),
            ({"pairs": 0}, "The weights are right. Multiply–adds also go into the scores q·k and "
             "into the weighted sums of v: each T² W in every layer."),
            ({"pairs": 1}, "T² W a layer is the scores alone; the weighted sums cost as much."),
            ({"logits": 0}, "The scores of all V words cost V W for each token."),
            ({"extent": lambda t: t}, "Each of T places looks at T: the attention's part has T², "
             "not T."),
            ({"extent": lambda t: t * (t + 1) / 2}, "That leaves out what the mask hides. The "
             "product is made whole and masked afterwards: T² pairs."),
        ],
        otherwise="Weights: (V + P) W + L (12 W² + 13 W) + 2 W. And the operations of T tokens?",
    ),
    Exercise(
        name="language.gap", expects="a dictionary with a model for each job",
        right="Each does best what its mask lets it be trained for.",
        hint="What does each see while it is trained? How many words does it give for a place?",
        what="the models", read=words(list(_JOBS), "gpt", "bert", "bart"),
        reference=_JOBS,
        slips=[
            (_instead("hidden word", "gpt"), "A hidden word with words on both sides: GPT sees "
             "those on the left alone."),
            (_instead("hidden word", "bart"), "BART can do it, but it reads with one stack and "
             "writes with another: over twice the work. Which sees both sides in one pass?"),
            (_instead("next words", "bert"), "BERT has one answer for each place that is there. "
             "What comes next has no place yet."),
            (_instead("next words", "bart"), "BART would have to read something first. Which one "
             "is trained only to say the next word?"),
            (_instead("gap of any length", "bert"), "BERT gives one word for one place, so it "
             "cannot say two words, or none."),
            (_instead("gap of any length", "gpt"), "GPT writes on to the right; it does not see "
             "what follows the gap."),
        ],
        otherwise="More than one of the three is wrong. Who sees both sides? Who says the next "
        "word? Who reads with one stack and writes with another?",
    ),
    Exercise(
        name="language.perplexity",
        expects="a function of perplexity, tokens and size that returns bits per byte",
        right="The first report has the higher perplexity and the better model. A perplexity is "
        "the price of a token; the text's price is what compares.",
        hint="A perplexity is e to the mean nats a token, which is 2 to the mean bits a token.",
        what="the bits per byte", cases=_REPORTS, reference=_bits,
        slips=[
            ({"log": np.log}, "That is nats per byte; divide by ln 2, or take log2."),
            ({"over": lambda t, s: 1}, "Those are bits per *token*. They depend on how large a "
             "token is: multiply by the tokens, divide by the bytes."),
            ({"over": lambda t, s: s / t}, "Turned over: the text costs bits times tokens, and "
             "that is shared out over its bytes."),
            ({"log": lambda p: p}, "The perplexity itself is no number of bits: take log2 first."),
            ({"over": lambda t, s: 1 / s}, "Bits of one token over all bytes: multiply by the "
             "number of tokens."),
            ({"log": np.log10}, "log10 gives decimal digits; bits need log2."),
        ],
        otherwise="log2(perplexity) is bits a token. How many tokens are there to a byte?",
    ),
    Exercise(
        name="language.cache", expects="a function of x, cache, wq, wk and wv",
        right="Add first, then look: a word sees itself. An error here needs no retraining to "
        "do harm: every number of the model is right, and what it writes is wrong.",
        hint="Compare the first word's output with that of attention without a cache.",
        what="the outputs", read=array, ask=_ask_cache,
        cases=(normal(0, (6, 8), (8, 4), (8, 4), (8, 4)),), reference=_step,
        slips=[
            ({"own": False}, "A word still does not see itself: the new key and value come into "
             "the cache after the scores were taken."),
            ({"fixed": True}, "The cache that you return is the old one: later words see the "
             "first and themselves, and nothing between."),
            ({"keep": 1}, "Each output is the word's own value: the old keys, or the old values, "
             "are lost."),
            ({"root": False}, "The scores are no longer divided by √d; the shares come out too "
             "unequal."),
        ],
        otherwise="The outputs differ from those of attention without a cache.",
    ),
]  # fmt: skip
