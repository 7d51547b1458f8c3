"""Data sets that ship with the book, and records of long measurements."""

from ae_lib.data._files import DataError, load_record, manifest
from ae_lib.data.fashion import CLASS_NAMES, FashionMNIST, Split, load_fashion_mnist
from ae_lib.data.prose import load_prose
from ae_lib.data.sentences import SentencePair, load_compressions, load_pairs, load_sentences

__all__ = [
    "CLASS_NAMES",
    "DataError",
    "FashionMNIST",
    "SentencePair",
    "Split",
    "load_compressions",
    "load_fashion_mnist",
    "load_pairs",
    "load_prose",
    "load_record",
    "load_sentences",
    "manifest",
]
