"""What every autoencoder of the book can do: encode, decode, reconstruct, be saved."""

import keras
import numpy as np

from ae_lib._checks import as_batch, as_size


class Pair(keras.Model):
    """A model of two networks, its attributes named in ``parts``, which are saved with it."""

    parts = ("encoder", "decoder")

    def build(self, input_shape=None):
        """Nothing to do: the networks come built."""

    def get_config(self):
        parts = {p: keras.saving.serialize_keras_object(getattr(self, p)) for p in self.parts}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        read = keras.saving.deserialize_keras_object
        parts = {p: read(config[p], custom_objects=custom_objects) for p in cls.parts}
        return cls(**{**config, **parts})


@keras.saving.register_keras_serializable("ae_lib")
class Autoencoder(Pair):
    """Two models in a row: ``reconstruction = decoder(encoder(x))``.

    Args:
        encoder: Keras model from (batch, …) to codes (batch, k).
        decoder: Keras model from codes back to the shape of the input.
        value_range: (low, high) of the values it can reconstruct; inputs outside are
            refused. None: any.

    Raises:
        ValueError: the decoder does not take what the encoder gives, or does not give
            what the encoder takes.

    Train it with ``compile`` and ``fit(x, x)``; save it with ``save("file.keras")``.
    """

    def __init__(self, encoder, decoder, value_range=None, **options):
        super().__init__(**options)
        self._check_codes(encoder.output_shape[1:], decoder.input_shape[1:])
        if decoder.output_shape[1:] != encoder.input_shape[1:]:
            raise ValueError(
                f"decoder: gives {decoder.output_shape[1:]}, but the encoder takes "
                f"{encoder.input_shape[1:]}: the two cannot be compared"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.value_range = tuple(value_range) if value_range else None
        self.built = True

    @staticmethod
    def _check_codes(given, taken):
        """Raise ValueError unless the decoder takes what the encoder gives."""
        if given != taken:
            raise ValueError(
                f"decoder: takes codes of shape {taken}, but the encoder gives {given}"
            )

    def call(self, x, training=None):
        """Reconstruct a batch inside the graph."""
        return self.decoder(self.encoder(x, training=training), training=training)

    @property
    def item_shape(self):
        """Shape of one input, without the batch axis."""
        return tuple(self.encoder.input_shape[1:])

    @property
    def code_size(self):
        """Values in a code, k."""
        return int(np.prod(self.decoder.input_shape[1:]))

    def check_input(self, x, name="x"):
        """Return ``x`` as float32 (n, *item_shape), or raise ValueError saying what is wrong."""
        limits = dict(zip(("low", "high"), self.value_range or (), strict=False))
        return as_batch(x, name, shape=self.item_shape, **limits)

    def encode(self, x, batch_size=256):
        """Codes of ``x``.

        Args:
            x: (n, *item_shape), inside ``value_range``.

        Returns:
            float32 (n, k) NumPy array.

        Raises:
            ValueError: another shape, empty, NaN, or out of range.
        """
        return _in_batches(self.encoder, self.check_input(x), batch_size)

    def decode(self, z, batch_size=256):
        """Reconstructions from codes ``z`` (n, k): float32 (n, *item_shape)."""
        z = as_batch(z, "z", shape=tuple(self.decoder.input_shape[1:]))
        return _in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x, batch_size=256):
        """``decode(encode(x))``: float32 (n, *item_shape)."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def get_config(self):
        return {**super().get_config(), "value_range": self.value_range}


def _in_batches(model, x, batch_size):
    """Call ``model`` on slices of ``x`` without training behaviour; one NumPy array back."""
    batches = (
        model(x[start : start + batch_size], training=False)
        for start in range(0, len(x), as_size(batch_size, "batch_size"))
    )
    codes = np.concatenate([keras.ops.convert_to_numpy(batch) for batch in batches])
    return codes.astype("float32", copy=False)  # from bfloat16 or float64, as Keras is set
