"""Data sets: those that ship with the book, and loaders for their full versions."""

from ae_lib.data._files import DataError, load_record, manifest
from ae_lib.data.fashion import CLASS_NAMES, FashionMNIST, Split, load_fashion_mnist

__all__ = [
    "CLASS_NAMES",
    "DataError",
    "FashionMNIST",
    "Split",
    "load_fashion_mnist",
    "load_record",
    "manifest",
]
