"""A noisy point in the plane, and what the best denoiser of a finite data set answers."""

import json

import numpy as np
import traitlets

from ae_lib._checks import as_batch, positive_number
from ae_lib.widgets._explorer import Explorer, as_point
from ae_lib.widgets._static import as_name, payload_text

_MOST = 500  # points
_FACTORS = 1 / 6, 5  # of the first noise, where the slider ends


class DenoisingField(Explorer):
    """Explorer of the best denoiser in the plane, live in a notebook and in the published page.

    The reader moves a noisy point and sees the mean of the clean points, each weighted by how
    likely the noisy one came from it: the best answer to Gaussian noise if clean points are
    drawn from ``points``, each with the same probability. The arrow to this answer is the
    variance of the noise times the gradient of the log-density of noisy points (Tweedie's
    formula). A slider changes the noise; buttons apply the denoiser again and again.

    Args:
        points: (n, 2) clean points, at most 500.
        sigma: standard deviation of the noise, above 0; the slider goes from a sixth of it to
            five times as much.
        start: the noisy point shown first; by default the upper right corner of the data.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        point: the noisy point, a list of two floats; set it, or ``observe`` it.
        sigma: the noise, a float; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> import numpy as np
        >>> explorer = DenoisingField(np.array([[0.0, 0.0], [1.0, 0.0]]), sigma=0.5)
        >>> explorer.point = [0.5, 2.0]
        >>> explorer.denoised()
        [0.5, 0.0]
    """

    _kind = "denoising-field"
    point = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    sigma = traitlets.Float().tag(sync=True)

    def __init__(self, points, *, sigma=0.3, start=None, name="denoising-field"):
        self._name = as_name(name, "denoising-field")
        self._points = as_batch(points, "points", shape=(2,), dtype="float64")
        if len(self._points) > _MOST:
            raise ValueError(f"points: expected at most {_MOST}, got {len(self._points):,}")
        sigma = positive_number(sigma, "sigma")
        self._range = [factor * sigma for factor in _FACTORS]
        if start is None:
            start = self._points.max(axis=0)
        start = as_point(start, "start")
        first = {"point": start, "sigma": sigma}
        payload = payload_text({"name": name, **first, "points": self._points.tolist()})
        super().__init__(**first, payload=payload)

    @traitlets.validate("point")
    def _finite_point(self, proposal):
        if not np.isfinite(proposal.value).all():
            raise traitlets.TraitError(f"point: expected two finite numbers, got {proposal.value}")
        return proposal.value

    @traitlets.validate("sigma")
    def _sigma_in_range(self, proposal):
        low, high = self._range
        if not low * (1 - 1e-9) <= proposal.value <= high * (1 + 1e-9):
            raise traitlets.TraitError(
                f"sigma: expected {low:.3g} to {high:.3g}, got {proposal.value}"
            )
        return proposal.value

    def denoised(self):
        """The best denoiser's answer to ``point`` at the noise ``sigma``, a list of two floats."""
        squared = ((self._points - self.point) ** 2).sum(axis=1)
        weights = np.exp(-(squared - squared.min()) / (2 * self.sigma**2))
        return (weights @ self._points / weights.sum()).tolist()

    def _description(self):
        return (
            f"{len(self._points)} data points in the plane, a noisy "
            "point that can be moved, and the best denoiser's answer to it."
        )

    def __repr__(self):
        sigma = json.loads(self.payload)["sigma"]
        return f"<DenoisingField {self._name!r}: {len(self._points)} points, sigma {sigma:g}>"
