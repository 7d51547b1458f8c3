"""Bytes as the pieces of words that language models know, line by line."""

from itertools import islice

import numpy as np

from ae_lib.text import BOS, EOS

_BITS = 24  # all the sizes of a step add up to at most 2^24
_SLOTS = 64  # lines that are coded side by side
_LINES = 17  # bits of their number: a chunk has at most 65,536 bytes
_PER, _REACH = 128, 16  # entries a nat, nats below the most probable piece: as good as never
_FINE = 2.0**-12
_POWERS = np.rint(2**24 * np.exp(-np.arange(_PER * _REACH + 1) / _PER)).astype("int64")
_HALVES = 4096  # entries for a number between ½ and 1
_LOGARITHMS = np.rint(np.log((np.arange(_HALVES) + 0.5) / _HALVES / 2 + 0.5) / _FINE) * _FINE
_LN2 = np.rint(np.log(2) / _FINE) * _FINE


class Logarithms:
    """A count model's logarithms of probabilities, from a table, in multiples of 2^−12 nats."""

    def __init__(self, model):
        self.start, self._model = model.start, model

    def step(self, state, words):
        """As ``ExactLM.step``."""
        p, state = self._model.step(state, words)
        part, power = np.frexp(np.maximum(p, 2.0**-40))
        return _LOGARITHMS[((2 * part - 1) * _HALVES).astype("int32")] + power * _LN2, state


class Pieces:
    """Lines as pieces of words; the probability of each from one model or more.

    Args:
        vocabulary: ``ae_lib.text.Subwords``.
        models: with ``start`` and ``step`` as ``ExactLM``; their scores are added.
        shares: what each one's are multiplied by first; multiples of 1/256.
    """

    def __init__(self, vocabulary, models, shares):
        self.vocabulary, self._models, self._shares = vocabulary, models, shares

    def pieces_per_byte(self, raw):
        """How well the vocabulary fits: 0.25 is usual for English sentences, 1 the worst."""
        return sum(len(self._row(line)) for line in raw.split(b"\n")) / max(1, len(raw))

    def _row(self, line):
        return [*self.vocabulary.encode_bytes(line), EOS]

    def code(self, coder, length, raw=None):
        """Code ``length`` bytes: those of ``raw``, or, without it, those that ``coder`` reads.

        Raises:
            ValueError: what is read is damaged.
        """
        rows = None
        if raw is not None:
            rows = [self._row(line) for line in raw.split(b"\n")]
            coder.encode(len(rows) - 1, 1, _LINES)
            count = len(rows)
        else:
            count = coder.target(_LINES) + 1
            coder.advance(count - 1, 1, _LINES)
        found, room = [[] for _ in range(count)], length + count
        waiting = iter(range(count))
        slots = np.array(list(islice(waiting, _SLOTS)))
        first = [model.start(1) for model in self._models]
        states = [model.start(len(slots)) for model in self._models]
        words = np.full(len(slots), BOS)
        while len(slots):
            scores = 0
            for i, (model, share) in enumerate(zip(self._models, self._shares, strict=True)):
                own, states[i] = model.step(states[i], words)
                scores = scores + share * own
            starts, sizes = _sizes(scores[:, EOS:])
            for r, line in enumerate(slots):
                known = rows and rows[line][len(found[line])] - EOS
                words[r] = EOS + _piece(coder, starts[r], sizes[r], known)
                found[line].append(int(words[r]))
            room -= len(slots)
            if room < 0:
                raise ValueError("damaged: it goes on behind its end")
            for r in np.flatnonzero(words == EOS):
                slots[r], words[r] = next(waiting, -1), BOS
                for state, fresh in zip(states, first, strict=True):
                    for whole, part in zip(state, fresh, strict=True):
                        whole[r] = part[0]
            left = slots >= 0
            slots, words = slots[left], words[left]
            states = [tuple(part[left] for part in state) for state in states]
        lines = (self.vocabulary.decode_bytes(row[:-1]) for row in found)
        return b"\n".join(lines)


def _piece(coder, starts, sizes, known):
    """Code one piece, whose number it gives back."""
    if known is not None:
        coder.encode(int(starts[known]), int(sizes[known]), _BITS)
        return known
    target = coder.target(_BITS)
    at = int(np.searchsorted(starts, target, "right")) - 1
    if target >= starts[at] + sizes[at]:
        raise ValueError("damaged: it names a piece that there is not")
    coder.advance(int(starts[at]), int(sizes[at]), _BITS)
    return at


def _sizes(scores):
    """Whole numbers, at least 1, in proportion to exp(score), that add up to 2^24 at most.

    Returns:
        ``(starts, sizes)``, int64 (n, V): where each begins, and how large it is.
    """
    below = np.rint((scores.max(1, keepdims=True) - scores) * _PER)
    powers = _POWERS[np.minimum(below, _PER * _REACH).astype("int32")]
    room = (1 << _BITS) - scores.shape[1]
    sizes = 1 + powers * room // powers.sum(1, keepdims=True)
    return np.cumsum(sizes, axis=1) - sizes, sizes
