"""Autoencoders as transformers of scikit-learn: codes as features (chapter 04)."""

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ae_lib._checks import as_size, brief, positive_number, sizes
from ae_lib.models._base import Autoencoder
from ae_lib.models.dense import dense_autoencoder


class CodeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rows of numbers to the codes of an autoencoder that is trained on them.

    It stands in a ``Pipeline``, a ``GridSearchCV`` or ``clone`` as any transformer of
    scikit-learn does, and passes ``sklearn.utils.estimator_checks``. Labels are not looked at.
    Why not ``keras.wrappers.SKLearnTransformer``: it gives the output of the model that it
    trains, here the reconstruction, and no code.

    Args:
        build: function of (``shape`` of an item, ``code_size``) that returns an
            ``ae_lib.models.Autoencoder``, not compiled. None: a dense one with 256 hidden units
            and an output without bounds. A function, not a model: each ``fit`` starts anew.
        code_size: passed to ``build``; None for a model whose code is a feature map.
        shape: of an item, such as (28, 28), to which rows are brought. None: (n_features,).
        epochs: passes over the rows; 0 leaves the encoder untrained.
        batch_size: rows in a step.
        learning_rate: of Adam, at the start; it falls to 0 along a cosine.
        random_state: None, int or ``RandomState``, as in scikit-learn. ``fit`` sets Keras's
            seed by it, and with that Python's and NumPy's.

    Attributes:
        model_: the autoencoder.
        n_features_in_: numbers in a row.

    Raises:
        TypeError, ValueError: rows as scikit-learn's own checks refuse them (NaN, another
            number of features, one row); a size below 1; rows that do not fill ``shape``; a
            ``build`` that gives no autoencoder.
        NotFittedError: ``transform`` before ``fit``.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> classifier = make_pipeline(CodeTransformer(code_size=8), LogisticRegression())
    """

    def __init__(
        self,
        build=None,
        code_size=32,
        *,
        shape=None,
        epochs=10,
        batch_size=64,
        learning_rate=1e-3,
        random_state=0,
    ):
        self.build = build
        self.code_size = code_size
        self.shape = shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train a new autoencoder on ``X``, (n, n_features); ``y`` is not used."""
        X = self._items(validate_data(self, X, dtype="float32", ensure_min_samples=2))
        epochs = as_size(self.epochs, "epochs", least=0)
        batch_size = as_size(self.batch_size, "batch_size")
        rate = positive_number(self.learning_rate, "learning_rate")
        keras.utils.set_random_seed(int(check_random_state(self.random_state).randint(2**31)))
        build = self.build or _dense
        if isinstance(build, keras.Model) or not callable(build):
            raise TypeError(f"build: expected a function that makes a model, got {brief(build)}")
        model = build(X.shape[1:], self.code_size)
        if not isinstance(model, Autoencoder):
            raise TypeError(
                f"build: gave a {type(model).__name__}; it must return an autoencoder of "
                "ae_lib.models, such as conv_autoencoder(shape, code_size)"
            )
        steps = max(1, epochs * -(-len(X) // batch_size))
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), "mse"
        )
        if epochs:
            model.fit(X, X, epochs=epochs, batch_size=batch_size, verbose=0)
        self.model_ = model
        return self

    def transform(self, X):
        """The codes of ``X``, (n, n_features): float32 (n, code_size)."""
        check_is_fitted(self)
        X = self._items(validate_data(self, X, dtype="float32", reset=False))
        codes = self.model_.encode(X)
        return codes.reshape(len(codes), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.model_.code_size

    def _items(self, X):
        shape = (X.shape[1],) if self.shape is None else sizes(self.shape, "shape")
        if np.prod(shape) != X.shape[1]:
            raise ValueError(
                f"shape: {shape} takes {np.prod(shape)} numbers, a row has {X.shape[1]}"
            )
        return X.reshape(-1, *shape)


def _dense(shape, code_size):
    return dense_autoencoder(shape, code_size, hidden=(256,), output="linear")
