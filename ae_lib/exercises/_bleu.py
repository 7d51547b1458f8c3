"""BLEU of a corpus for pages that cannot import sacrebleu; a test compares the two."""

import re
from collections import Counter
from types import SimpleNamespace

import numpy as np

_MARKS = re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])")


def corpus_bleu(outputs, streams):
    """BLEU from 0 to 100, as ``sacrebleu.corpus_bleu(outputs, streams).score`` gives it.

    Papineni et al. (2002), with sacrebleu's defaults: tokens by the rules "13a", and a precision
    of 0 halved for each further order (smoothing "exp").

    Args:
        outputs: list of str.
        streams: list of lists of str: each is one reference for every output.

    Returns:
        An object whose ``score`` is the BLEU.
    """
    found, written = np.zeros(4), np.zeros(4)
    own = nearest = 0
    for output, texts in zip(outputs, zip(*streams, strict=False), strict=False):
        tokens = _tokens(output)
        references = [_tokens(text) for text in texts]
        own += len(tokens)
        nearest += min((abs(len(r) - len(tokens)), len(r)) for r in references)[1]
        for n in range(4):
            best = Counter()
            for reference in references:
                best |= _runs(reference, n + 1)
            runs = _runs(tokens, n + 1)
            found[n] += sum((runs & best).values())
            written[n] += sum(runs.values())
    return SimpleNamespace(score=_score(found, written, own, nearest))


def _score(found, written, own, nearest):
    if not found.any():
        return 0.0
    halved, logs = 1.0, []
    for hits, of in zip(found, written, strict=True):
        if of == 0:
            return 0.0
        if hits == 0:
            halved *= 2
            hits = 1 / halved
        logs.append(np.log(hits / of))
    short = min(0.0, 1 - nearest / own)
    return float(100 * np.exp(short + np.mean(logs)))


def _tokens(text):
    """The tokens of mteval-v13a: marks apart, but points and commas inside numbers."""
    text = _MARKS.sub(r" \1 ", f" {text.rstrip()} ")
    text = re.sub(r"([^0-9])([\.,])", r"\1 \2 ", text)
    text = re.sub(r"([\.,])([^0-9])", r" \1 \2", text)
    return re.sub(r"([0-9])(-)", r"\1 \2 ", text).split()


def _runs(tokens, n):
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))
