"""A range coder: whole numbers alone, so that it does the same on every machine."""

_TOP, _LOW = 48, 40  # bits of the interval; it never has fewer than the second
_ALL = 1 << _TOP
_REST = (1 << _LOW) - 1


class Encoder:
    """Symbols in, bytes out.

    Source: Martin (1979), *Range encoding*, with the carry of Schindler (1998).

    The interval is 48 bits wide, so that its products are exact in the floating-point numbers
    of a browser, too. A symbol of probability size / 2^bits narrows it to that share: the
    bytes grow by the symbol's bits, −log2 of its probability, and less than 0.01 % more.
    """

    def __init__(self):
        self._low, self._range, self._out = 0, _ALL, bytearray()

    def encode(self, start, size, bits):
        """Write a symbol.

        Args:
            start: whole number: the sizes of the symbols before it, added.
            size: its own, at least 1.
            bits: all sizes add up to at most 2^bits; at most 24.
        """
        part = self._range >> bits
        self._low += part * start
        self._range = part * size
        if self._low >= _ALL:
            self._low -= _ALL
            self._carry()
        while self._range <= _REST:
            self._out.append(self._low >> _LOW)
            self._low = (self._low & _REST) << 8
            self._range <<= 8

    def finish(self):
        """The bytes: as few as name a number in the last interval; a reader adds zeros."""
        for left in range(_LOW, -1, -8):
            number = -(-self._low >> left) << left  # rounded up
            if number < self._low + self._range:
                break
        if number >= _ALL:
            number -= _ALL
            self._carry()
        return bytes(self._out + number.to_bytes(_TOP // 8, "big")).rstrip(b"\0")

    def _carry(self):
        at = len(self._out) - 1
        while self._out[at] == 255:
            self._out[at] = 0
            at -= 1
        self._out[at] += 1


class Decoder:
    """The bytes of an ``Encoder`` in, its symbols out, the first one first."""

    def __init__(self, raw):
        self._raw, self._at, self._range = raw, _TOP // 8, _ALL
        self._code = int.from_bytes(raw[: self._at].ljust(self._at, b"\0"), "big")

    def target(self, bits):
        """A number below 2^bits: the symbol is the one whose sizes' interval it lies in."""
        return min(self._code // (self._range >> bits), (1 << bits) - 1)

    def advance(self, start, size, bits):
        """Leave the symbol that was found: its arguments as ``Encoder.encode`` had them."""
        part = self._range >> bits
        self._code -= part * start
        self._range = part * size
        while self._range <= _REST:
            following = self._raw[self._at] if self._at < len(self._raw) else 0
            self._code = (self._code << 8) | following
            self._range <<= 8
            self._at += 1
