"""A small GPT with its vocabulary, its weights random, whose words differ in probability."""

import numpy as np

from ae_lib import data, text, training
from ae_lib.models import TransformerLM
from ae_lib.text_models import LanguageModel


def small_language_model(path, seed=1):
    """As it comes back from a file of 8-bit weights at ``path``."""
    vocabulary = text.Subwords.build(data.load_sentences("validation")[:400], 400)
    training.set_seed(seed)
    model = TransformerLM(len(vocabulary), width=20, layers=2, heads=5, length=24)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0.1, 0.4, w.shape) for w in model.get_weights()])
    LanguageModel(model, vocabulary).save(path, "int8")
    return LanguageModel.load(path)
