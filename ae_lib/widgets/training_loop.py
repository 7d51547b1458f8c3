"""Gradient descent on two numbers and a code of one, step by step under the reader's hand."""

import numpy as np
import traitlets

from ae_lib._checks import as_batch, as_size, brief, positive_number
from ae_lib.widgets._explorer import Explorer
from ae_lib.widgets._static import as_name, payload_text

_MOST = 100
_LARGEST = 1000.0  # of the weights at the start
_LOWEST, _HIGHEST, _RATES = 0.02, 3.0, 61  # of the slider, in units of the limit


class TrainingLoop(Explorer):
    """Explorer of a training loop, live in a notebook and in the published page.

    The model has a code of one number, z = w · x, and the reconstruction z v; it has no
    activation and no bias. The loss is the mean squared error over all numbers of all points.
    The reader chooses the step size, takes steps, and sees the points, their reconstructions and
    the losses. All is computed in the browser.

    Args:
        points: (n, 2) numbers, at most 100 points, not all zero. Subtract their mean: the model
            has no bias.
        start: the weights at the start, (w, v), two numbers each, at most 1,000 in size.
        rate: the first step size, by default a fifth of ``limit``.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        rate: the step size, a number above zero; set it, or ``observe`` it.
        limit: no larger step size can settle at the least loss. Near a minimum a step multiplies
            the distance along an eigenvector of the Hessian by 1 - rate · eigenvalue, so it
            must be at most 2 / eigenvalue. The minima are w = c u, v = u / c, with u the first
            eigenvector of the mean of x xᵀ, and its eigenvalue L. The Hessian's largest
            eigenvalue there is L (c² + 1 / c²), which is least, 2 L, at c = 1. So the limit
            is 1 / L.
        least: the least loss there is, half the other eigenvalue: that of PCA.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> explorer = TrainingLoop([[1.0, 0.5], [-1.0, -0.5]], ([0.5, 0.0], [0.0, 0.5]))
        >>> explorer.rate = 0.4
        >>> explorer.losses(2).round(3)
        array([0.531, 0.412, 0.262])
    """

    _kind = "training-loop"
    rate = traitlets.Float().tag(sync=True)

    def __init__(self, points, start, *, rate=None, name="training-loop"):
        self._name = as_name(name, "training-loop")
        self._points = _as_points(points)
        self._start = _as_start(start)
        second, first = np.linalg.eigvalsh(self._points.T @ self._points / len(self._points))
        self.limit, self.least = float(1 / first), float(max(second, 0) / 2)
        rates = np.geomspace(_LOWEST * self.limit, _HIGHEST * self.limit, _RATES)
        rate = self.limit / 5 if rate is None else positive_number(rate, "rate")
        self._check_there_is_something_to_learn()
        payload = payload_text(
            {
                "name": name,
                "points": self._points.tolist(),
                "start": [part.tolist() for part in self._start],
                "rates": [float(f"{one:.3g}") for one in rates],
                "rate": float(f"{rate:.3g}"),
                "limit": self.limit,
                "least": self.least,
            }
        )
        super().__init__(rate=float(f"{rate:.3g}"), payload=payload)

    def _check_there_is_something_to_learn(self):
        w, v = self._start
        loss = ((np.outer(self._points @ w, v) - self._points) ** 2).mean()
        if loss <= (1 + 1e-6) * self.least + 1e-12 / self.limit:
            raise ValueError(f"start: its loss, {loss:.3g}, already is the least; take others")

    @traitlets.validate("rate")
    def _possible(self, proposal):
        try:
            return positive_number(proposal.value, "rate")
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    def losses(self, steps):
        """The losses before the first step and after each of ``steps``, as the page shows them.

        Where training diverges, the page stops; here the last ones are infinite or NaN.
        """
        (w, v), x, found = self._start, self._points, []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(as_size(steps, "steps", least=0) + 1):
                z = x @ w
                error = np.outer(z, v) - x
                found.append((error**2).mean())
                slopes = 2 * error / error.size
                w, v = w - self.rate * (x.T @ (slopes @ v)), v - self.rate * (z @ slopes)
        return np.array(found)

    def _description(self):
        return (
            "a training loop with a step size to choose, the points, "
            "their reconstructions and the loss of each step."
        )

    def __repr__(self):
        return f"<TrainingLoop {self._name!r}: {len(self._points)} points, limit {self.limit:.3g}>"


def _as_points(points):
    points = as_batch(points, "points", shape=(2,), dtype="float64")
    if len(points) > _MOST:
        raise ValueError(f"points: expected at most {_MOST}, got {len(points):,}")
    size = np.abs(points).max()
    if not 1e-6 <= size <= 1e6:
        raise ValueError(f"points: expected the largest number in [1e-6, 1e6], got {size:.3g}")
    return points


def _as_start(start):
    try:
        weights = as_batch(
            start, "start", shape=(2,), dtype="float64", low=-_LARGEST, high=_LARGEST
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}; start is (w, v), two numbers each") from None
    if weights.shape != (2, 2) or not weights.any():
        raise ValueError(f"start: expected (w, v), not all zero, got {brief(start)}")
    return weights
