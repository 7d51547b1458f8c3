"""The map of a two-dimensional code: drag a point, and see what it decodes to."""

import numpy as np
import traitlets

from ae_lib._checks import as_batch, as_size, brief
from ae_lib.widgets._chain import read_chain
from ae_lib.widgets._explorer import Explorer, as_point
from ae_lib.widgets._static import as_name, base64_text, payload_text

_MAX_CODES = 20_000
_SAMPLE = 256


class LatentMap(Explorer):
    """Explorer of a two-dimensional code, live in a notebook and in the published page.

    On the left the codes, coloured by class, and a handle; on the right the image that the
    decoder makes of the handle's code, computed in the reader's browser.

    Args:
        decoder: a built Keras model, one chain of Dense layers (with activations linear,
            relu, leaky_relu, elu, selu, silu, gelu, tanh or sigmoid) from codes (n, 2) to
            images of ``shape``, at most 500,000 parameters. Values are shown as grey,
            clipped to [0, 1].
        codes: (n, 2) codes of known images, at most 20,000.
        labels: (n,) whole numbers, indices into ``class_names``.
        class_names: one name a class, at most 10.
        shape: height and width of the image.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.
        start: the first code shown; by default the one in the middle of the first class.
        prior: whether codes have a standard normal prior. It is drawn then, as circles of one,
            two and three standard deviations, and a button draws a code from it.

    Attributes:
        code: the handle's code, a list of two floats; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> explorer = LatentMap(decoder, codes, labels, names)
        >>> explorer.observe(lambda change: print(change.new), "code")
        >>> explorer.code = [0.5, -1.0]
        [0.5, -1.0]
    """

    _kind = "latent-map"
    code = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)

    def __init__(
        self, decoder, codes, labels, class_names, *,
        shape=(28, 28), name="latent-map", start=None, prior=False,
    ):  # fmt: skip
        shape, name = _as_shape(shape), as_name(name, "latent-map")
        codes = as_batch(codes, "codes", shape=(2,))
        if len(codes) > _MAX_CODES:
            raise ValueError(f"codes: expected at most {_MAX_CODES:,}, got {len(codes):,}")
        names = _as_class_names(class_names)
        labels = _as_labels(labels, len(codes), len(names))
        start = _middle(codes, labels) if start is None else as_point(start, "start")
        sample = codes[np.linspace(0, len(codes) - 1, min(_SAMPLE, len(codes))).astype(int)]
        chain = read_chain(decoder, shape[0] * shape[1], sample)
        self._name = name
        self._summary = (
            f"LatentMap {name!r}: {len(codes):,} codes in {len(names)} classes, "
            f"decoder {'-'.join(map(str, chain.widths))}"
        )
        payload = _payload(chain, codes, labels, names, shape, name, start, bool(prior))
        super().__init__(code=start, payload=payload)

    @traitlets.validate("code")
    def _finite_code(self, proposal):
        if not np.isfinite(proposal.value).all():
            raise traitlets.TraitError(f"code: expected two finite numbers, got {proposal.value}")
        return proposal.value

    def _description(self):
        return "a map of the codes, and the image that any point of it decodes to."

    def __repr__(self):
        return f"<{self._summary}>"


def _payload(chain, codes, labels, names, shape, name, start, prior):
    """The explorer's data as JSON text; codes are 16-bit fractions of their range."""
    low, high = codes.min(axis=0).astype("float64"), codes.max(axis=0).astype("float64")
    span = np.where(high > low, high - low, 1.0)
    return payload_text(
        {
            "name": name,
            "shape": list(shape),
            "start": start,
            **({"prior": True} if prior else {}),
            "classes": names,
            "colours": _palette()[: len(names)],
            "low": [_rounded(v) for v in low],
            "span": [_rounded(v) for v in span],
            "codes": base64_text(np.rint((codes - low) / span * 65535).astype("<u2").tobytes()),
            "labels": base64_text(labels.astype("u1").tobytes()),
            "steps": chain.steps,
            "weights": base64_text(chain.float16),
        }
    )


def _rounded(value):
    """The shortest decimal that still is this float32."""
    return float(str(np.float32(value)))


def _palette():
    """The book's colours as ``#rrggbb``."""
    from matplotlib.colors import to_hex

    from ae_lib.plotting import PALETTE

    return [to_hex(colour) for colour in PALETTE]


def _middle(codes, labels):
    """The code nearest the median of the first class: a place where there is much to see."""
    codes = codes[labels == labels.min()]
    nearest = ((codes - np.median(codes, axis=0)) ** 2).sum(axis=1).argmin()
    return [_rounded(v) for v in codes[nearest]]


def _as_shape(shape):
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise ValueError(f"shape: expected (height, width), got {brief(shape)}")
    return tuple(as_size(side, "shape") for side in shape)


def _as_class_names(class_names):
    names = [] if isinstance(class_names, str) or class_names is None else list(class_names)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"class_names: expected a list of names, got {brief(class_names)}")
    names = [str(name) for name in names]
    most = len(_palette())
    if len(names) > most or len(set(names)) < len(names):
        raise ValueError(
            f"class_names: expected at most {most} different names, got {brief(names)}"
        )
    return names


def _as_labels(labels, count, classes):
    labels = np.asarray(labels)
    if labels.shape != (count,):
        hint = "; from one-hot rows: labels.argmax(axis=1)" if labels.ndim == 2 else ""
        raise ValueError(
            f"labels: expected shape ({count},), one label a code, got {labels.shape}{hint}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels: expected whole numbers, got dtype {labels.dtype}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels: expected 0 to {classes - 1}, indices into class_names, "
            f"got {labels.min()} to {labels.max()}"
        )
    return labels
