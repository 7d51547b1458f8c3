"""Explorers: pictures that answer to the reader's hand, live and in the published page.

    >>> from ae_lib.widgets import LatentMap
    >>> explorer = LatentMap(decoder, codes, labels, names)

An explorer is a Python class and one JavaScript file. In Jupyter and Colab it is a widget
whose traits are synchronised; in a page without a kernel the same JavaScript runs on data
that stand in the page itself.
"""

import importlib

_HOMES = {
    "LatentMap": "latent_map",
    "NextWords": "next_words",
    "SentencePath": "sentence_path",
    "AttributePath": "attribute_path",
    "Translate": "translate",
    "Compress": "compress",
    "Tokenisers": "tokenisers",
    "DenoisingField": "denoising_field",
    "TrainingLoop": "training_loop",
    "ProductRoofline": "product_roofline",
}
__all__ = list(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"ae_lib.widgets has no {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return sorted([*globals(), *__all__])
