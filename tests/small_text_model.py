"""A small text autoencoder with random weights, whose sentences are long and various."""

import keras
import numpy as np

from ae_lib import data, text
from ae_lib.models import Seq2SeqAutoencoder
from ae_lib.text_models import TextAutoencoder


def small_autoencoder(seed=1):
    """Of odd sizes, so that sums in fours have something left over."""
    vocabulary = text.Vocabulary.build(data.load_sentences("validation")[:400], min_count=2)
    keras.utils.set_random_seed(seed)
    sizes = {"units": 23, "embedding_size": 17, "code_size": 19}
    model = Seq2SeqAutoencoder(len(vocabulary), **sizes)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.7, w.shape).astype("float32") for w in model.get_weights()])
    return TextAutoencoder(model, vocabulary)


def with_weights(autoencoder, arrays):
    """A copy of the autoencoder with other weights, by name."""
    from ae_lib.text_models import named_weights

    config = autoencoder.model.get_config()
    names = ("vocabulary_size", "units", "embedding_size", "code_size")
    model = Seq2SeqAutoencoder(**{name: config[name] for name in names})
    for name, weight in named_weights(model).items():
        weight.assign(arrays[name])
    return TextAutoencoder(model, autoencoder.vocabulary)
