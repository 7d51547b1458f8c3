"""The book's models, on ``keras`` and ``keras.ops`` alone. Loading one loads Keras."""

import importlib

from ae_lib._jax import ensure_right_products

_WHERE = {
    "Autoencoder": "_base",
    "dense_autoencoder": "dense",
    "linear_autoencoder": "dense",
    "conv_autoencoder": "conv",
    "ContractiveAutoencoder": "regularised",
    "KSparse": "regularised",
    "CodeTransformer": "features",
    "VariationalAutoencoder": "variational",
    "dense_vae": "variational",
    "SentenceVAE": "variational",
    "GAN": "adversarial",
    "LSTM": "_lstm",
    "RecurrentLM": "recurrent",
    "Seq2SeqAutoencoder": "seq2seq",
    "AttentionSeq2Seq": "attention",
    "TransformerLM": "transformer",
    "MaskedLM": "transformer",
    "TransformerSeq2Seq": "transformer",
}
__all__ = list(_WHERE)


def __getattr__(name):
    if name in _WHERE:
        ensure_right_products()
        return getattr(importlib.import_module(f"ae_lib.models.{_WHERE[name]}"), name)
    raise AttributeError(f"ae_lib.models has no {name!r}; it has {', '.join(_WHERE)}")


def __dir__():
    return sorted([*globals(), *_WHERE])
