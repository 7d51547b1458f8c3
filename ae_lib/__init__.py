"""The small library behind the book.

``import ae_lib`` is instant: each room is loaded when it is first used, and a deep
learning backend only when a model is made.

    >>> import ae_lib
    >>> fashion = ae_lib.data.load_fashion_mnist()
"""

import importlib
import os

# TensorFlow's start-up messages tell a reader nothing; its Python errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"

# One job a room; a room imports only from rooms below it in this list.
_ROOMS = (
    "exercises",
    "widgets",
    "plotting",
    "claims",
    "training",
    "text_models",
    "decoding",
    "metrics",
    "models",
    "text",
    "data",
)
# Functions that stand at the door: their rooms.
_AT_THE_DOOR = {"pretrained": "text_models"}
__all__ = [*_ROOMS, *_AT_THE_DOOR]


def __getattr__(name):
    if name in _AT_THE_DOOR:
        return getattr(importlib.import_module(f"ae_lib.{_AT_THE_DOOR[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"ae_lib.{name}")
    raise AttributeError(f"ae_lib has no room {name!r}; it has {', '.join(_ROOMS)}")


def __dir__():
    return sorted([*globals(), *__all__])
