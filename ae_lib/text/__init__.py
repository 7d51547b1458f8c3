"""Text as numbers: normalising, splitting, vocabularies, padding, batches by length."""

from ae_lib.text._attributes import attributes
from ae_lib.text._batches import bucket_batches, length_buckets, one_hot_bytes, pad
from ae_lib.text._noise import disturbed, hidden, pairs
from ae_lib.text._vocabulary import (
    BOS,
    EOS,
    PAD,
    SPECIALS,
    UNK,
    Characters,
    Subwords,
    Vocabulary,
    as_texts,
)
from ae_lib.text._words import LOWER, MARKERS, NO_SPACE, SPACE, join_words, normalise, split_words

__all__ = [
    "BOS",
    "EOS",
    "NO_SPACE",
    "LOWER",
    "MARKERS",
    "PAD",
    "SPACE",
    "SPECIALS",
    "UNK",
    "Characters",
    "Subwords",
    "Vocabulary",
    "as_texts",
    "attributes",
    "bucket_batches",
    "disturbed",
    "hidden",
    "join_words",
    "length_buckets",
    "normalise",
    "one_hot_bytes",
    "pad",
    "pairs",
    "split_words",
]
