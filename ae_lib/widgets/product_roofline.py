"""A matrix product on a machine's roofline, moved by the reader's hand."""

from collections.abc import Mapping

import traitlets

from ae_lib._checks import as_size, brief, positive_number
from ae_lib.widgets._explorer import Explorer
from ae_lib.widgets._static import as_name, payload_text

_MACHINES = 12
_LARGEST = {"m": 2**16, "n": 2**14}


class ProductRoofline(Explorer):
    """Explorer of a roofline, live in a notebook and in the published page.

    A batch of ``m`` rows, (m, n), is multiplied by weights (n, n), each number ``width`` bytes
    wide: 2 m n n operations, width (2 m n + n n) bytes. The reader moves ``m`` and ``n`` through
    the powers of two, chooses the machine and the bytes of a number, and sees the product's
    place under the roof, its least time, and whether arithmetic or bytes set it.

    Args:
        machines: ``{name: (operations, bandwidth)}``, at most 12. ``operations`` is a dict, the
            most operations a second by the bytes of a number: ``{4: 67e12, 2: 989e12}``;
            ``bandwidth`` is the most bytes a second.
        m: rows at first, at most 65,536.
        n: width of the weights at first, at most 16,384.
        machine: the first machine, by default the first of ``machines``.
        width: bytes of a number at first, by default the machine's first.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        m, n, machine, width: as above; set them, or ``observe`` them.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> explorer = ProductRoofline({"H100": ({4: 67e12, 2: 989e12}, 3350e9)}, m=1, n=1024)
        >>> explorer.bound()
        (1.2544764179104477e-06, 'bytes')
    """

    _kind = "product-roofline"
    m = traitlets.Int().tag(sync=True)
    n = traitlets.Int().tag(sync=True)
    machine = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)

    def __init__(
        self, machines, *, m=1, n=1024, machine=None, width=None, name="product-roofline"
    ):
        self._name = as_name(name, "product-roofline")
        self._machines = _as_machines(machines)
        machine = next(iter(self._machines)) if machine is None else machine
        operations, _ = self._machines[self._as_machine(machine)]
        width = next(iter(operations)) if width is None else _as_width(width, operations, machine)
        first = {"m": _as_side(m, "m"), "n": _as_side(n, "n"), "machine": machine, "width": width}
        rows = [
            {"name": key, "operations": list(operations.items()), "bandwidth": bandwidth}
            for key, (operations, bandwidth) in self._machines.items()
        ]
        payload = payload_text({"name": name, "machines": rows, "first": first})
        super().__init__(**first, payload=payload)

    def bound(self):
        """The least seconds of the product, and what sets them: "bytes" or "arithmetic"."""
        operations, bandwidth = self._machines[self.machine]
        arithmetic = 2 * self.m * self.n * self.n / operations[self.width]
        moving = self.width * (2 * self.m * self.n + self.n * self.n) / bandwidth
        return max(arithmetic, moving), "arithmetic" if arithmetic > moving else "bytes"

    @traitlets.validate("m", "n", "machine")
    def _possible(self, proposal):
        name = proposal.trait.name
        try:
            if name == "machine":
                return self._as_machine(proposal.value)
            return _as_side(proposal.value, name)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.validate("width")
    def _known(self, proposal):
        try:
            return _as_width(proposal.value, self._machines[self.machine][0], self.machine)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.observe("machine")
    def _same_width(self, change):
        operations, _ = self._machines[self.machine]
        if self.width and self.width not in operations:
            self.width = next(iter(operations))

    def _as_machine(self, machine):
        if not isinstance(machine, str) or machine not in self._machines:
            known = ", ".join(map(repr, self._machines))
            raise ValueError(f"machine: no {brief(machine)}; there is {known}")
        return machine

    def _description(self):
        return "a roofline, and on it a matrix product whose sizes can be changed."

    def __repr__(self):
        return f"<ProductRoofline {self._name!r}: {', '.join(self._machines)}>"


def _as_machines(machines):
    if not isinstance(machines, Mapping) or not 1 <= len(machines) <= _MACHINES:
        wanted = f"expected a dict of 1 to {_MACHINES} machines"
        error = ValueError if isinstance(machines, Mapping) else TypeError
        raise error(
            f"machines: {wanted}, {{name: (operations, bandwidth)}}, got {brief(machines)}"
        )
    found = {}
    for name, limits in machines.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"machines: expected names, got {brief(name)}")
        pair = isinstance(limits, (tuple, list)) and len(limits) == 2
        if not pair or not isinstance(limits[0], Mapping) or not limits[0]:
            wanted = "expected ({bytes of a number: operations a second}, bytes a second)"
            raise TypeError(f"machines: {name}: {wanted}, got {brief(limits)}")
        what = f"machines: {name}: operations"
        operations = {
            as_size(width, f"{what}, bytes of a number"): positive_number(one, what)
            for width, one in limits[0].items()
        }
        found[name] = operations, positive_number(limits[1], f"machines: {name}: bandwidth")
    return found


def _as_side(value, name):
    size = as_size(value, name)
    if size > _LARGEST[name]:
        raise ValueError(f"{name}: expected at most {_LARGEST[name]:,}, got {size:,}")
    return size


def _as_width(width, operations, machine):
    size = as_size(width, "width")
    if size not in operations:
        known = ", ".join(map(str, operations))
        raise ValueError(f"width: {machine} has no {size} bytes a number; it has {known}")
    return size
