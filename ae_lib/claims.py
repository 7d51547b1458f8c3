"""What the chapters assert: claims that fail when false, numbers glued into the prose.

The stored notebooks are the ledger. ``claim`` leaves in its cell's output a record
(MIME type ``application/vnd.ae-claim+json``); ``read_ledger`` collects the records of
stored notebooks, and the book makes its page "What this book proves" from them.
"""

import html
import json
import re
from pathlib import Path

import numpy as np

MIME = "application/vnd.ae-claim+json"


class ClaimFailed(AssertionError):
    """A claim of the book that the run did not bear out."""


def claim(text, measured, holds, digits=3):
    """State a result of this run; raise when it is not one.

    Args:
        text: the claim in words, with the bound it must keep.
        measured: the number it rests on (or a dict or list of numbers, or a string).
        holds: whether the run bears it out: one bool.
        digits: significant digits shown of ``measured``.

    Raises:
        ClaimFailed: ``holds`` is false; the message has the text and the number.
        TypeError: ``holds`` is not one truth value, ``text`` no string, or ``measured``
            no number.
        ValueError: ``measured`` is NaN or empty.

    Example:
        >>> claim("Two and two make four", 2 + 2, 2 + 2 == 4)
        ✓ Two and two make four [4]
    """
    if not isinstance(text, str) or not text.strip():
        raise TypeError("text: expected the claim in words")
    if np.ndim(holds) != 0 or not isinstance(holds, (bool, np.bool_)):
        raise TypeError(
            f"holds: expected one True or False, got {holds!r}; "
            "write a comparison, with .all() over an array"
        )
    number = format_measured(measured, digits)
    if not number.strip() or re.search(r"\bnan\b", number):
        raise ValueError(f"measured: {number or 'empty'}; a claim needs a number")
    if not holds:
        raise ClaimFailed(f"Not so in this run: {text} [measured: {number}]")
    record = {"id": slug(text), "text": text, "measured": number, "holds": True}
    page = (
        f'<div class="ae-claim" id="{record["id"]}"><span class="ae-claim-mark" '
        f'aria-hidden="true">✓</span> <span class="ae-claim-text">{_inline(text)}</span> '
        f'<span class="ae-claim-number">{html.escape(number)}</span></div>'
    )
    _emit({"text/plain": f"✓ {text} [{number}]", "text/html": page, MIME: record})


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
        raise ValueError(f"{name}: {value!r} does not take the format {spec!r}: {error}") from None
    if re.search(r"\bnan\b", text, re.I) and not isinstance(value, str):
        raise ValueError(f"{name}: the value is NaN")
    prefix = "application/papermill.record/"
    _emit(
        {f"{prefix}text/plain": repr(text)},
        {"scrapbook": {"name": name, "mime_prefix": prefix}},
        silent=True,
    )


def format_measured(measured, digits=3):
    """The number as the book prints it: ``0.587``, ``12,300``, ``PCA 0.0153, ours 0.009``."""
    if isinstance(measured, str):
        return measured
    if isinstance(measured, dict):
        return ", ".join(f"{k} {format_measured(v, digits)}" for k, v in measured.items())
    if np.ndim(measured) > 0:
        return ", ".join(format_measured(v, digits) for v in np.ravel(measured))
    if isinstance(measured, (bool, np.bool_)):
        return "yes" if measured else "no"
    if isinstance(measured, (int, np.integer)):
        return f"{measured:,}"
    try:
        value = float(measured)
    except (TypeError, ValueError):
        raise TypeError(f"measured: expected a number, got {measured!r}") from None
    if np.isfinite(value) and abs(value) >= 10**digits - 0.5:  # .3g would say 1e+03
        return f"{round(value):,}"
    return f"{value:.{digits}g}"


def read_ledger(notebooks):
    """Collect the claims of stored notebooks.

    Args:
        notebooks: paths of ``.ipynb`` files.

    Returns:
        ``{path stem: [record, …]}`` in the order of the chapters; a record has ``id``,
        ``text``, ``measured``, ``holds``.

    Raises:
        ValueError: two claims of a chapter share an id.
    """
    ledger = {}
    for path in map(Path, notebooks):
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


def slug(text):
    """The claim's anchor in the page: ``claim-two-and-two-make-four``."""
    return "claim-" + "-".join(re.findall(r"[a-z0-9]+", text.lower())[:8])


def _inline(text):
    """Escape, then `code` and *emphasis* as in Markdown."""
    text = html.escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


def _emit(data, metadata=None, silent=False):
    """Display in a notebook; print the plain text anywhere else."""
    from ae_lib._display import emit

    emit(data, metadata, silent=silent)
