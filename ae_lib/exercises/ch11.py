"""Exercises of chapter 11, compression."""

import numpy as np

from ae_lib.exercises._core import Exercise, _guarded, normal, together
from ae_lib.exercises._readers import Wrong, array, kind_of, letters, word

_NAT = np.log(2)  # a bit, in nats

# compression.random: 10,000 random bytes have 10,023 in gzip, about 10,065 with counts that learn,
# 26,858 by ae_lib.compression.bits. Fewer than 1/255 of all such files can become shorter.
_RANDOM = {"gzip": "longer", "order-0": "longer", "language model": "much longer", "true": "ce"}
_LENGTHS = word("shorter", "same", "longer", "much longer")


def _ask_random(answer):
    return tuple(answer.get(key) for key in _RANDOM) if isinstance(answer, dict) else answer


def _but(key, value):
    return tuple({**_RANDOM, key: value}.values())


def _says(letter, there=True):
    """The lengths are right, and this letter is among the others, or is not."""
    lengths = tuple(_RANDOM.values())[:3]
    return lambda found: found[:3] == lengths and (letter in found[3]) is there


# compression.per_byte
_LOSSES = (
    ([2.1, 3.4, 1.2], [9, 4, 6],
     ["Zoé is at the café.\n", "Nice 😀😀\n", "I know that he knows.\n"]),
    ([1.7, 4.0], [12, 3], ["This costs 20 € in the shop over there.\n", "Déjà vu?\n"]),
)  # fmt: skip
_NOT_BYTES = (
    ({"size": len}, "len(sentence) counts characters, not bytes. In UTF-8, é has two bytes and 😀 "
     "four: take len(sentence.encode())."),
    ({"unit": 1}, "The losses are in nats. A bit is ln 2 nats: divide by np.log(2)."),
    ({"once": False}, "You average ratios over sentences, so a byte of a short one counts more. "
     "Add all bits, add all bytes, and divide once."),
)  # fmt: skip


def _per_byte(nats, tokens, sentences, *, size=lambda s: len(s.encode()), unit=_NAT,
              once=True, count=lambda tokens: tokens):  # fmt: skip
    bits = np.array(nats) * count(np.array(tokens)) / unit
    sizes = np.array([size(sentence) for sentence in sentences])
    return bits.sum() / sizes.sum() if once else (bits / sizes).mean()


# compression.zero
_RARE = np.array([0.6, 0.3, 0.0999, 0.0001, 0.0])
_MANY = np.array([0.9, *[0.1 / 199] * 199])
_LEVEL = np.full(10, 0.1)


def _sizes(p, bits, *, floor=np.floor, least=1):
    return least + floor(p * (2**bits - least * len(p))).astype(int)


def _rounded(p, bits, least=1, to=np.round):
    return np.maximum(least, to(p * 2**bits).astype(int))


def _from_largest(p, bits):
    sizes = _rounded(p, bits)
    sizes[sizes.argmax()] -= sizes.sum() - 2**bits
    return sizes


def _read_sizes(answer, what):
    if array(answer, what).ndim != 1:
        raise Wrong(f"Expected a list with one size for each symbol, got {kind_of(answer)}.")
    return np.asarray(answer)


def _needs(sizes, p, bits):
    """Bits a symbol, in the mean, that the coder needs with these sizes."""
    there = p > 0
    return (p[there] * (bits - np.log2(sizes[there]))).sum()


def _say_zero(found, right, p, bits):
    return (
        f"A symbol of probability {p[(found < 1).argmax()]:g} has the size 0. If it comes once, "
        "it cannot be coded. Each symbol needs a size of 1 or more."
    )


def _say_sum(why):
    return lambda found, right, p, bits: (
        f"The sizes of {len(p)} symbols add up to {found.sum()}. There is room for 2^{bits} = "
        f"{2**bits}. {why}"
    )


def _say_waste(found, right, p, bits):
    return (
        f"The sizes are far from the probabilities. The coder needs {_needs(found, p, bits):.2f} "
        f"bits a symbol; {_needs(_sizes(p, bits), p, bits):.2f} are enough."
    )


# compression.order
_ORDERS = (([2, 0, 1, 1, 2, 2, 0, 2], 3), ([3, 3, 3, 1, 0, 3], 4))


def _intervals(symbols, kinds, *, ahead=(0, 0), shift=0, learns=True, own=0):
    def counts(k):
        return 1 + np.bincount(np.array(symbols[: max(0, k) * learns], int), minlength=kinds)

    rows = []
    for i, symbol in enumerate(symbols):
        now, sized, added = (counts(i + shift + a) for a in (0, *ahead))
        rows.append((now[: symbol + own].sum(), sized[symbol], added.sum()))
    return rows


def _say_order(found, right, symbols, kinds):
    i = int((abs(found - right) > 1e-9).any(axis=1).argmax())
    got, wanted = (", ".join(f"{value:g}" for value in rows[i]) for rows in (found, right))
    return (
        f"For symbols {symbols}, interval {i} is ({got}). At this step the decoder's counts say "
        f"({wanted}): they know the {i} symbols before it, and no more."
    )


# compression.stack
_STACKS = (([2, 0, 3, 3, 1, 2], [3, 1, 4, 8]), ([0, 2, 1, 2, 0, 0, 1, 2] * 8, [5, 2, 9]))


def _stack(*, first=1, last_first=True, turned=False, start=True, take=True, pushed=1, popped=1,
           kind=int, moves=True):  # fmt: skip
    def encode(symbols, sizes):
        state = kind(first)
        for symbol in symbols[::-1] if last_first else symbols:
            above, inside = divmod(state, sizes[symbol])[::pushed]
            state = sum(sizes) * above + sum(sizes[:symbol]) * start + inside
        return state

    def decode(state, n, sizes):
        symbols = []
        for _ in range(n):
            above, place = divmod(state, sum(sizes))
            symbol = int((np.cumsum(sizes) <= place).sum())
            above, inside = (above, place - sum(sizes[:symbol]) * take)[::popped]
            state = sizes[symbol] * above + inside if moves else state
            symbols.append(symbol)
        return symbols[::-1] if turned else symbols

    return encode, decode


def _ask_stack(answer, symbols, sizes):
    pair = isinstance(answer, (tuple, list)) and len(answer) == 2
    if not pair or not all(map(callable, answer)):
        raise Wrong(f"Give both functions, (stack_encode, stack_decode); got {kind_of(answer)}.")
    encode, decode = map(_guarded, answer)
    state = _read_state(encode(list(symbols), list(sizes)))
    return state, decode(state, len(symbols), list(sizes))


def _read_state(answer, what="the state"):
    if not isinstance(answer, (int, np.integer)):
        raise Wrong(f"Expected {what} as a whole number, got {kind_of(answer)}. Divide with //.")
    return int(answer)


def _say_stack(found, right, symbols, sizes):
    if found[0] != right[0]:
        return (
            f"For {len(symbols)} symbols of sizes {sizes}, your state is not what the formula "
            "gives. Begin at 1, and push the last symbol first."
        )
    return "The state is right, but decode does not undo what encode did. What does it pop first?"


# compression.bits_back
def _images(seed, n, k, width):
    """log p(x|z) in nats, a code z of each image, q's mean and log variance, cells' width."""
    mean, log_variance, noise, loss = normal(seed, (n, k), (n, k), (n, k), (n,))
    log_variance -= 1
    return -80 + 9 * loss, mean + np.exp(log_variance / 2) * noise, mean, log_variance, width


def _log_normal(z, mean, deviation, scale=None):
    scale = deviation if scale is None else scale
    return -((((z - mean) / scale) ** 2 + np.log(2 * np.pi)) / 2 + np.log(deviation))


def _net(log_px, z, mean, log_variance, width, *, spread=0.5, scale=None, back=1, unit=_NAT,
         cells=0, image=-1, over=np.sum, give=np.mean, exact=False):  # fmt: skip
    deviation = np.exp(spread * log_variance)
    scale = deviation if scale is None else np.exp(scale * log_variance)
    extra = back * _log_normal(z, mean, deviation, scale) - _log_normal(z, 0, 1)
    if exact:
        extra = (np.exp(log_variance) + mean**2 - 1 - log_variance) / 2
    extra = extra - cells * np.log(width)
    return give((image * log_px + over(extra, axis=1)) / unit)


EXERCISES = [
    Exercise(
        name="compression.random",
        expects='a dict with words for "gzip", "order-0" and "language model", letters for "true"',
        right="A coder makes short what its model expects, and pays with what it does not expect. "
        "Of random bytes nothing can be expected, and there are too few short files for all.",
        hint="Each byte is one of 256, all as probable: how many bits is that? What does a file "
        "format add? How many files have fewer than 10,000 bytes?",
        what=tuple(_RANDOM), ask=_ask_random, read=(*[_LENGTHS] * 3, letters("abcde", least=0)),
        reference=_RANDOM,
        slips=[
            (_but("gzip", "shorter"), "gzip: it looks for repeats and for frequent bytes. Here "
             "each byte needs 8 bits, whatever stands before it."),
            (_but("gzip", "same"), "gzip: it stores the bytes as they are. But a file needs a "
             "head, a checksum and a length, too: 23 bytes more."),
            ([_but("order-0", "shorter"), _but("order-0", "same")], "order-0: by chance some "
             "bytes are more frequent in this file. But the coder must learn that while it codes. "
             "This costs more than it saves: the file becomes about 65 bytes longer."),
            ([_but("language model", "shorter"), _but("language model", "same")], "language "
             "model: a byte costs −log2 of its probability. The model gives most of the "
             "probability to text, and these bytes are no text."),
            (_but("language model", "longer"), "language model: it expects letters and words, "
             "and gives strange bytes far less than 1/256. It does not learn while it codes."),
            (_but("true", "ace"), "a: there are fewer shorter files than files of 10,000 "
             "bytes. So two of them would have the same archive.", _says("a")),
            (_but("true", "bce"), "b: a good archive looks like random bytes. The first gzip has "
             "used what it could find.", _says("b")),
            (_but("true", "cde"), "d: without its key, what a good cipher writes looks like "
             "random bytes. Compress first, then encrypt.", _says("d")),
            (_but("true", "e"), "c: gzip writes 'the same again' for up to 258 bytes at once. "
             "10,000 zeros need about 40 such marks.", _says("c", False)),
            (_but("true", "c"), "e: count. There are 256^10000 such files; all shorter files "
             "together are 1/255 of that.", _says("e", False)),
        ],
        otherwise="What does a byte cost in each way, if all 256 values are as probable?",
    ),
    Exercise(
        name="compression.per_byte",
        expects="a function of nats, tokens and sentences that returns bits per byte",
        right="Bytes are the same for every model, tokens and characters are not. And a sum of "
        "bits over a sum of bytes is what the archive will have.",
        hint="How many nats does a whole sentence cost? How many bits is that? How many bytes has "
        '"é"?',
        what="the bits per byte", cases=_LOSSES, reference=_per_byte,
        slips=[
            *_NOT_BYTES,
            *together(_NOT_BYTES),
            ({"unit": 1 / np.log(2)}, "You multiply by ln 2. A nat is more than a bit, 1.44 bits: "
             "divide by ln 2."),
            ({"count": lambda tokens: 1}, "nats is the mean of a token. The sentence costs that "
             "times its tokens."),
            (lambda nats, tokens, sentences: np.dot(nats, tokens) / np.sum(tokens) / np.log(2),
             "Those are bits per token: divide by the bytes."),
        ],
        otherwise="For {0}, {1} and {2} it is {right:.3f} bits per byte, not {found:.3f}.",
    ),
    Exercise(
        name="compression.zero", expects="a function of p and bits that returns the sizes",
        right="One for each symbol first, then the rest in proportion, rounded down. A size of 0 "
        "shows only when such a symbol comes, and it may be rare.",
        hint="Give each symbol 1 first. How much room is left for the shares, and which way may "
        "you round?",
        what="the sizes", read=_read_sizes, cases=((_RARE, 8), (_MANY, 8), (_LEVEL, 4)),
        reference=_sizes, unique=False,
        slips=[
            ([lambda p, bits: _sizes(p, bits)[p > 0]], "Symbols are lost. Each needs a size, one "
             "of probability 0, too, or the numbers of all that follow change.",
             lambda found, p, bits: len(found) != len(p)),
            (lambda p, bits: 1 + np.floor(p * (2**bits - len(p))), "These are floating-point "
             "numbers. The coder calculates with whole numbers: .astype(int).",
             lambda found, p, bits: found.dtype.kind not in "iu"),
            (_from_largest, "The excess was taken from one symbol, which had less: a size is "
             "below 0. Share it out, or leave room before you round.",
             lambda found, p, bits: (found < 0).any()),
            ([lambda p, bits: _rounded(p, bits, 0), {"least": 0},
              lambda p, bits: _rounded(p, bits) * 2**bits // _rounded(p, bits).sum()],
             _say_zero, lambda found, p, bits: (found < 1).any()),
            ([_rounded, lambda p, bits: _rounded(p, bits, to=np.floor)],
             _say_sum("What max(1, …) gives to rare symbols must be taken away elsewhere."),
             lambda found, p, bits: found.sum() > 2**bits and (p * 2**bits < 0.5).any()),
            ({"floor": np.round}, _say_sum("Rounding goes up for many symbols at once."),
             lambda found, p, bits: found.sum() > 2**bits),
            ([lambda p, bits: np.full(len(p), 2**bits // len(p)),
              lambda p, bits: np.ones(len(p), int)], _say_waste, lambda found, p, bits:
             _needs(found, p, bits) > _needs(_sizes(p, bits), p, bits) + 0.1),
        ],
    ),
    Exercise(
        name="compression.order", expects="a function of symbols and kinds that returns intervals",
        right="The encoder may use only what the decoder knows at the same step. Code first, then "
        "update, on both sides.",
        hint="Before the decoder has read the first symbol, what are its counts? What does the "
        "encoder use for this symbol?",
        what="the intervals", read=array, cases=_ORDERS, reference=_intervals,
        slips=[
            ({"ahead": (1, 1)}, "The counts are updated before the symbol is coded. The decoder "
             "would have to know the symbol in order to read it."),
            ([{"ahead": (1, 0)}, {"ahead": (0, 1)}], "Start, size and total are of different "
             "steps: one is taken after the update, the others before. Take all three first."),
            ({"learns": False}, "The counts never change. The decoder's do, from the first "
             "symbol on."),
            ({"shift": -1}, "The counts are one symbol late: you update with the symbol before. "
             "The decoder has read it already, and updates at once."),
            ({"own": 1}, "The start includes the symbol's own size. It is the sum of the counts "
             "of the symbols before it in the alphabet."),
        ],
        otherwise=_say_order,
    ),
    Exercise(
        name="compression.stack", expects="the pair (stack_encode, stack_decode)",
        right="What was pushed last is popped first. So the encoder begins at the end of the "
        "text, and the decoder reads from its beginning.",
        hint="Popping: state % total lies in the interval of one symbol. Then solve the formula "
        "of push for the old state.",
        what=("the state", "the symbols"), ask=_ask_stack, read=(_read_state, array),
        cases=_STACKS, reference=_stack(),
        slips=[
            (_stack(last_first=False), "The symbols come back with the last one first: ANS is a "
             "stack. The encoder must push the last symbol first."),
            (_stack(last_first=False, turned=True), "The symbols are right, but decode has to pop "
             "all of them before it knows the first. Turn the order round in encode."),
            ([_stack(start=False), _stack(start=False, take=False)], "encode forgets the start. "
             "Then all symbols share the places from 0 on, and decode cannot tell them apart."),
            (_stack(take=False), "The state is right. But decode forgets the start: subtract it "
             "from state % total."),
            ([_stack(pushed=-1), _stack(pushed=-1, popped=-1)], "encode exchanges // and %. "
             "state // size is multiplied by the total, and state % size is added."),
            (_stack(popped=-1), "The state is right. But decode exchanges // and %: state // "
             "total is multiplied by the size."),
            (_stack(moves=False), "The state is right. But decode does not change it after a "
             "symbol, so it reads the same symbol again."),
            (_stack(first=0), "Your state begins at 0. Begin at 1, as the exercise says."),
            (_stack(kind=np.int64), "The state has overflowed: NumPy's whole numbers have 64 "
             "bits. Use Python's, which have no limit."),
        ],
        otherwise=_say_stack,
    ),
    Exercise(
        name="compression.bits_back", expects="a function that returns the net bits of an image",
        right="Its mean over z is the negative ELBO in bits. The width of the cells is in both "
        "terms of z, and so it falls out.",
        hint="Three terms. Which two are written, and which one is read from the state, and so "
        "comes back? A cell's probability is density times width, for p and for q.",
        what="the net bits", cases=(_images(1, 5, 3, 2.0**-10), _images(2, 4, 6, 2.0**-5)),
        reference=_net,
        slips=[
            ([{"spread": 1}, {"scale": 1}, {"spread": 1, "scale": 0.5}], "The variance is taken "
             "for the standard deviation. The deviation is np.exp(log_variance / 2), in the "
             "square and in the logarithm."),
            ({"back": -1}, "The sign of q is wrong: with it, z is paid for twice. Its bits are "
             "read from the state, so they come back: + log2 q(z|x)."),
            ({"back": 0}, "No bits come back. Reading z by q shortens the state by −log2 q(z|x) "
             "bits: take them off."),
            ([{"cells": n} for n in (1, -1, 2, -2)], "The width of the cells is still in the sum. "
             "Pushing z costs −log2 of density times width, popping it gives the same back for q. "
             "So the width comes in with both signs, and falls out."),
            ({"unit": 1}, "Those are nats: divide by np.log(2)."),
            (lambda log_px, z, mean, log_variance, width:
             _net(0 * log_px, z, mean, log_variance, width) - log_px.mean(), "log_px is still in "
             "nats: divide it by np.log(2), too."),
            ({"image": 1}, "The sign of log_px is wrong: an image costs −log2 p(x|z)."),
            ({"exact": True}, "That is the Kullback–Leibler divergence, the mean over all z. Here "
             "one z is given: take the densities at it."),
            ({"over": np.mean}, "You average over the numbers of a code. All of them are coded: "
             "add."),
            ({"give": np.sum}, "Those are the bits of all images; return the mean of an image."),
        ],
        otherwise=lambda found, right, log_px, *rest: f"For {len(log_px)} images the mean is "
        f"{right:.2f} bits, not {found:.2f}. The normal density has the factor 1/√(2π).",
    ),
]  # fmt: skip
