"""A model of bytes that learns while it codes, and needs no weights: context mixing.

Source: Mahoney (2005), *Adaptive weighing of context models for lossless data compression*
(PAQ), in the small form of his lpaq1 (2007). Whole numbers and tables alone.
"""

import math
from operator import mul

_TABLE = 22  # log2 of the histories that are kept for each context
_ORDERS = 6  # bytes that a context has at most; two more contexts are of words
_CONTEXTS = _ORDERS + 3
_BITS = 16  # of a coded probability
_ONE = (1 << _BITS) - 1
_HASH, _NODE, _SPREAD, _MASK = 0x2F0B4C47, 0x3D4D51CB, 0x9E3779B1, 0xFFFFFFFF
_PAST = 1 << 22  # bytes that are remembered
_LEARN = 3  # step of the mixing weights
_MATCH = 6  # bytes that must be alike before a match is looked at


def _stretch_table():
    """ln(p / (1 − p)) of p = (i + ½) / 4096, in 256ths, within ±2047."""
    values = (math.log((i + 0.5) / (4095.5 - i)) * 256 for i in range(4096))
    return [max(-2047, min(2047, round(v))) for v in values]


def _squash_table():
    """Its inverse: of x = i − 2047 in 256ths, in 4096ths, 1…4095."""
    values = (4096 / (1 + math.exp((2047 - i) / 256)) for i in range(4095))
    return [max(1, min(4095, round(v))) for v in values]


def _histories():
    """What is remembered of the bits after a context: how many zeros, ones, and the last one.

    Returns:
        ``(after, chance)``: after[2·state + bit] is the state that follows, chance[state] the
        probability of a one, in 65,536ths, before anything is learnt about the state.
    """
    order, after = [(0, 0, 0)], []
    names = {order[0]: 0}
    for zeros, ones, _ in order:
        for bit in (0, 1):
            seen = [zeros, ones]
            seen[bit] += 1
            if seen[1 - bit] > 2:  # a surprise: half of what was believed goes
                seen[1 - bit] = 1 + seen[1 - bit] // 2
            while sum(seen) > 20 or seen[0] * seen[1] > 40:  # so many fit in a byte
                seen[seen[1] > seen[0]] -= 1
            state = (*seen, bit)
            if state not in names:
                names[state] = len(order)
                order.append(state)
            after.append(names[state])
    return after, [int(65536 * (n1 + 0.4) / (n0 + n1 + 0.8)) for n0, n1, _ in order]


_STRETCH, _SQUASH = _stretch_table(), _squash_table()
_AFTER, _CHANCE = _histories()
_CORRECTED = [_SQUASH[max(0, min(4094, (j - 16) * 128 + 2047))] * 16 for j in range(33)]


class Online:
    """The chance of each bit of each byte, from those before it alone.

    Contexts are the last 0…6 bytes, the word so far, and that with the word before. Each keeps
    a short history of the bits that followed there; how often such a history was followed by a
    one is learnt, too. The longest match with what came before adds its own guess. Two neurons
    mix them: each adds the logits, weighed by numbers that it learns bit by bit; a last table
    corrects what they say. It takes about 100 MB, whatever is coded.
    """

    def __init__(self):
        self._seen = [bytearray(1 << _TABLE) for _ in range(_CONTEXTS)]
        self._chance = [list(_CHANCE) for _ in range(_CONTEXTS)]
        self._right = [52768] * 64  # chance that a match goes on, by its length
        self._by_match = [[8192] * (_CONTEXTS + 2) for _ in range((_ORDERS + 1) * 4)]
        self._by_node = [[8192] * (_CONTEXTS + 2) for _ in range(256)]
        self._corrected = {}
        self._past, self._at = bytearray(_PAST), 0  # a ring; how many bytes were in it
        self._places = [0] * (1 << 18)  # where the last bytes stood before
        self._match = self._length = self._word = self._before = 0

    def code(self, coder, length, raw=None):
        """Code ``length`` bytes: those of ``raw``, or, without it, those that ``coder`` reads."""
        out = bytearray()
        for i in range(length):
            out.append(self._byte(coder, None if raw is None else raw[i]))
            self._remember(out[-1])
        return bytes(out)

    def _last(self, k):
        return self._past[self._at - k & _PAST - 1]

    def _contexts(self):
        """A hash of each context but the empty one."""
        hashes, x = [], 0
        for k in range(1, _ORDERS + 1):
            x = (x * _HASH + self._last(k) + k * _SPREAD) & _MASK
            hashes.append(x)
        word = self._word * 3
        return [*hashes, (word + 1) * _HASH & _MASK, (word + self._before * 5 + 2) * _HASH & _MASK]

    def _byte(self, coder, known):
        """Code a byte, bit by bit, the highest first; ``node`` is a one and those so far."""
        hashes, last, node = self._contexts(), self._last(1) << 8, 1
        guess = self._past[self._match & _PAST - 1] | 256 if self._length else 0
        for place in range(7, -1, -1):
            slots = [((x + node * _NODE) * _SPREAD & _MASK) >> 32 - _TABLE for x in hashes]
            slots.insert(0, node)
            states = [table[i] for table, i in zip(self._seen, slots, strict=True)]
            expected = guess >> place & 1 if self._length and guess >> place + 1 == node else None
            inputs = self._inputs(states, expected)
            mixers = self._by_match[self._kind(states, expected)], self._by_node[node]
            sums = [_mixed(weights, inputs) for weights in mixers]
            logit = sum(sums) >> 1
            at, part = divmod((logit + 2048) * 32, 4096)
            table = self._corrected.get(last | node) or self._fresh(last | node)
            p = (table[at] * (4096 - part) + table[at + 1] * part) >> 12
            p = max(32, min(_ONE - 31, (_SQUASH[logit + 2047] * 16 + p) >> 1))
            bit = int(coder.target(_BITS) < p) if known is None else known >> place & 1
            start, size = (0, p) if bit else (p, _ONE + 1 - p)
            (coder.advance if known is None else coder.encode)(start, size, _BITS)
            _move(table, at + (part >> 11), bit)
            self._learn(bit, slots, states, inputs, mixers, sums)
            if expected is not None:
                _move(self._right, min(self._length, 63), expected == bit)
                self._length = self._length if expected == bit else 0
            node = 2 * node + bit
        return node & 255

    def _inputs(self, states, expected):
        """Logits in 256ths: of each context's history, of the match; and a one."""
        logits = [
            _STRETCH[chance[s] >> 4] if s else 0
            for chance, s in zip(self._chance, states, strict=True)
        ]
        match = 0 if expected is None else _STRETCH[self._right[min(self._length, 63)] >> 4]
        return [*logits, match if expected else -match, 256]

    def _kind(self, states, expected):
        """Which weights the first neuron takes: by the longest context and match known."""
        order = _ORDERS
        while order and not states[order]:
            order -= 1
        length = self._length
        return 4 * order + (0 if expected is None else 1 + (length > 15) + (length > 31))

    def _fresh(self, at):
        table = self._corrected[at] = list(_CORRECTED)
        return table

    def _learn(self, bit, slots, states, inputs, mixers, sums):
        """Move what was wrong: the mixing weights, the chances, the histories."""
        for weights, total in zip(mixers, sums, strict=True):
            error = ((bit << 12) - _SQUASH[total + 2047]) * _LEARN
            weights[:] = [
                w + (x * error + 8192 >> 14) for w, x in zip(weights, inputs, strict=True)
            ]
        for table, i, chance, s in zip(self._seen, slots, self._chance, states, strict=True):
            _move(chance, s, bit)
            table[i] = _AFTER[2 * s + bit]

    def _remember(self, byte):
        """Add a byte to the past; look for the longest match with what stood before."""
        self._past[self._at & _PAST - 1] = byte
        self._at += 1
        if self._length:
            self._match, self._length = self._match + 1, self._length + 1
        key = 0
        for k in range(1, _MATCH + 1):
            key = (key * _HASH + self._last(k) + 1) & _MASK
        key = (key * _SPREAD & _MASK) >> 14
        if not self._length and (before := self._places[key]):
            ends = (
                n for n in range(40) if self._past[before - 1 - n & _PAST - 1] != self._last(n + 1)
            )
            length = next(ends, 40)
            self._match, self._length = before, length if length >= _MATCH else 0
        self._places[key] = self._at
        if 97 <= byte | 32 <= 122 or byte > 127:
            self._word = (self._word * _HASH + (byte | 32) + 1) & _MASK
        elif self._word:
            self._before, self._word = self._word, 0


def _mixed(weights, inputs):
    return max(-2047, min(2047, sum(map(mul, weights, inputs)) >> 16))


def _move(chances, i, bit):
    """A 64th of the way from a chance, in 65,536ths, to what came."""
    chances[i] += ((_ONE if bit else 0) - chances[i]) >> 6
