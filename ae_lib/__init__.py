"""The small library behind the book.

``import ae_lib`` is instant: each module is loaded when it is first used, and a deep
learning backend only when a model is made.

    >>> import ae_lib
    >>> fashion = ae_lib.data.load_fashion_mnist()
"""

import importlib
import os

# TensorFlow's start-up messages tell a reader nothing; its Python errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"

# One job a module; a module imports only from those below it in this list.
_MODULES = (
    "exercises",
    "widgets",
    "plotting",
    "claims",
    "training",
    "compression",
    "text_models",
    "ngrams",
    "decoding",
    "metrics",
    "models",
    "text",
    "data",
)
# Functions of the package itself, and the modules they are from.
_FUNCTIONS = {"pretrained": "text_models"}
__all__ = [*_MODULES, *_FUNCTIONS]


def __getattr__(name):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"ae_lib.{_FUNCTIONS[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"ae_lib.{name}")
    raise AttributeError(f"ae_lib has no {name!r}; it has {', '.join(_MODULES)}")


def __dir__():
    return sorted([*globals(), *__all__])
