"""What the chapters assert: claims that fail when false, numbers glued into the prose.

The stored notebooks are the ledger. ``claim`` leaves in its cell's output a record of the
MIME type ``MIME``; from these records the book makes each claim on its page, and with
``read_ledger`` its page "What this book proves". ``code_sha256`` tells whether a stored
notebook's code is still the code that ran.
"""

import hashlib
import html
import json
import re

import numpy as np

from ae_lib._checks import as_size, brief, shorten
from ae_lib._display import anchor, emit
from ae_lib._files import as_path

MIME = "application/vnd.ae-claim+json"


class ClaimFailed(AssertionError):
    """A claim of the book that the run did not bear out."""


def claim(text, measured, holds, digits=3, at_most=None, unit=""):
    """State a result of this run; raise when it is not one.

    Args:
        text: the claim in words, with the bound it must keep.
        measured: the number it rests on, or a dict of numbers by name; a name may end with a
            unit of its own, ``", %"``.
        holds: whether the run bears it out: one bool.
        digits: significant digits shown of ``measured``.
        at_most: for a rounding error, whose digits differ between processors: its bound.
            Shown are the power of ten nearest to the largest size, and the bound:
            ``about 1e-07, bound 1e-05``.
        unit: what the numbers are counted in, as in ``"%"`` or ``"ms"``; the page shows it
            behind each.

    Raises:
        ClaimFailed: ``holds`` is false, or ``measured`` is over ``at_most``; the message has
            the text and the number.
        TypeError: ``holds`` is not one truth value, ``text`` no string, or ``measured``
            no number: a truth value says nothing when the claim fails.
        ValueError: ``measured`` is NaN or empty.

    Example:
        >>> claim("Two and two make four", 2 + 2, 2 + 2 == 4)
        ✓ Two and two make four [4]
    """
    if not isinstance(text, str) or not text.strip():
        raise TypeError("text: expected the claim in words")
    if np.ndim(holds) != 0 or not isinstance(holds, (bool, np.bool_)):
        raise TypeError(
            f"holds: expected one True or False, got {brief(holds)}; "
            "write a comparison, with .all() over an array"
        )
    number = format_measured(measured, digits)
    rows = _named(measured, digits)
    if not re.search(r"\d|\binf\b", number) or re.search(r"\bnan\b", number):
        raise ValueError(f"measured: {shorten(number) or 'empty'}; a claim needs a number")
    if not holds or (at_most is not None and not np.all(np.abs(measured) <= at_most)):
        raise ClaimFailed(f"Not so in this run: {text} [measured: {shorten(number)}]")
    if at_most is not None:
        largest = float(np.max(np.abs(measured)))
        size = f"about 1e{round(np.log10(largest)):+03d}" if largest else "0"
        number, rows = f"{size}, bound {at_most:g}", None
    elif unit:
        number = f"{number} {unit}"
    page = "".join(
        f"<{tag}>{html.escape(part)}</{tag}>" if tag else html.escape(part)
        for tag, part in inline_parts(text)
    )
    emit(
        {
            "text/plain": f"✓ {text} [{number}]",
            "text/html": f"<p>✓ {page} <strong>[{html.escape(number)}]</strong></p>",
            MIME: {
                "id": anchor("claim", text, words=8),
                "text": text,
                "measured": number,
                **({"rows": rows} if rows else {}),
                **({"unit": unit} if unit else {}),
            },
        }
    )


def glue(name, value, spec=""):
    """Keep a number of this run for the prose, where {glue:text}`name` prints it.

    Args:
        name: unique in the book, chapter first: ``"02-ratio"``.
        value: number or string.
        spec: format specification, as in ``format(value, ".3f")``.

    Raises:
        ValueError: the value is NaN or does not take ``spec``.
    """
    try:
        text = format(value, spec)
    except (TypeError, ValueError) as error:
        found = f"{brief(value)} does not take the format {brief(spec)}"
        raise ValueError(f"{name}: {found}: {shorten(str(error))}") from None
    if re.search(r"\bnan\b", text, re.I) and not isinstance(value, str):
        raise ValueError(f"{name}: the value is NaN")
    prefix = "application/papermill.record/"
    emit(
        {f"{prefix}text/plain": repr(text)},
        {"scrapbook": {"name": name, "mime_prefix": prefix}},
        silent=True,
    )


def format_measured(measured, digits=3):
    """The number as the book prints it: ``0.587``, ``12,300``, ``PCA 0.0153, ours 0.009``."""
    digits = as_size(digits, "digits")
    if isinstance(measured, str):
        raise TypeError(f"measured: expected a number, got {brief(measured)}")
    if isinstance(measured, dict):
        return ", ".join(f"{k} {format_measured(v, digits)}" for k, v in measured.items())
    if isinstance(measured, (list, tuple)) or np.ndim(measured) > 0:
        return ", ".join(format_measured(v, digits) for v in measured)
    if isinstance(measured, (bool, np.bool_)):
        raise TypeError(
            f"measured: got the truth value {measured}; give the number that was compared, such "
            "as the largest difference or how many differ, and the comparison as holds"
        )
    if isinstance(measured, (int, np.integer)):
        return f"{measured:,}"
    try:
        value = float(measured)
    except (TypeError, ValueError):
        raise TypeError(f"measured: expected a number, got {brief(measured)}") from None
    if np.isfinite(value) and abs(value) >= 10**digits - 0.5:  # .3g would say 1e+03
        return f"{round(value):,}"
    return f"{value:.{digits}g}"


def _named(measured, digits):
    """``[[name, number], …]`` of a dict; None of anything else."""
    if not isinstance(measured, dict):
        return None
    return [[str(name), format_measured(value, digits)] for name, value in measured.items()]


def rows_of(record):
    """A stored claim's numbers, as a page shows them.

    Args:
        record: as ``read_ledger`` gives it.

    Returns:
        list of ``(name, value, unit, bound)``, strings set for print; name, unit and bound
        may be empty.
    """
    measured, unit = record["measured"], record.get("unit", "")
    if rounding := re.fullmatch(r"(about \S+|0), bound (\S+)", measured):
        return [("", typeset(rounding[1]), unit, typeset(rounding[2]))]
    rows = []
    for name, value in record.get("rows") or [["", measured.removesuffix(f" {unit}")]]:
        name, percent = re.fullmatch(r"(.*?)(,? in %|, %)?", name).groups()
        rows.append((typeset(name), typeset(value), "%" if percent else unit, ""))
    return rows


def typeset(text):
    """Numbers as they are printed: ``1e-06`` is 10⁻⁶, ``2^15`` is 2¹⁵, ``-3`` has a minus."""

    def power(found):
        mantissa, exponent = found[1], str(int(found[2])).translate(_RAISED)
        return f"{'' if mantissa == '1' else f'{mantissa} × '}10{exponent}"

    text = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([-+]?\d+)\b", power, text)
    text = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)
    text = re.sub(r"(?<=\d)\^(\d+)", lambda found: found[1].translate(_RAISED), text)
    return re.sub(r"(?<![\w)\]])-(?=\d)", "−", text)


_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def read_ledger(notebooks):
    """Collect the claims of stored notebooks.

    Args:
        notebooks: paths of ``.ipynb`` files.

    Returns:
        ``{path stem: [record, …]}`` in the order of the chapters; a record has ``id``,
        ``text``, ``measured``, and perhaps ``rows`` and ``unit``: see ``rows_of``.

    Raises:
        ValueError: two claims of a chapter share an id.
    """
    ledger = {}
    for path in map(as_path, notebooks):
        cells = json.loads(path.read_text("utf8"))["cells"]
        records = [
            output["data"][MIME]
            for cell in cells
            for output in cell.get("outputs", [])
            if MIME in output.get("data", {})
        ]
        ids = [record["id"] for record in records]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"{path.name}: two claims named {twice}; word them differently")
        ledger[path.stem] = records
    return ledger


def code_sha256(cells):
    """Digest of a notebook's code: of the sources of its code cells, in order.

    ``make chapters`` stores it in the metadata of the notebook that ran. Prose, outputs and
    metadata do not count, nor blank cells, nor the cell tagged ``setup``, whose text follows
    from the book's address.

    Args:
        cells: the notebook's cells as in its JSON; a source may be one string or lines.

    Returns:
        str of 64 hexadecimal digits.
    """
    sources = [
        "\n".join("".join(cell["source"]).splitlines())
        for cell in cells
        if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", ())
    ]
    kept = [source for source in sources if source.strip()]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def stale(notebook):
    """What is wrong if a notebook's code is not the code that ran; None if it is.

    Args:
        notebook: the notebook's JSON.
    """
    stored = notebook["metadata"].get("ae_lib", {}).get("code_sha256")
    if stored == code_sha256(notebook["cells"]):
        return None
    return "the code is not the code that the stored outputs are of"


def inline_parts(text):
    """Split a claim's text: ``[("", "so "), ("code", "x"), ("em", "y")]``.

    Backquotes make code and asterisks emphasis; all else, ``<unk>`` too, stays as it is.
    """
    parts = re.split(r"`([^`]+)`|\*([^*]+)\*", text)
    tagged = zip([*("", "code", "em") * (len(parts) // 3), ""], parts, strict=True)
    return [(tag, part) for tag, part in tagged if part]
