"""The one way to the notebook's output, and a plain print where there is no notebook."""

import hashlib
import re
import sys
import unicodedata


def anchor(prefix, text, words):
    """An anchor from the first words of a text: ``claim-two-and-two-make-four``.

    Where a text has words of another script, or mostly letters that are left out, those left
    say too little; a hash of the text follows them. (A single Greek letter is a symbol.)
    """
    kept = re.findall(r"[a-z0-9]+", text.lower())
    other = [c for c in text if c.isalnum() and not c.isascii()]
    foreign = [c for c in other if not unicodedata.name(c, "").startswith(("LATIN", "SUPER"))]
    hashed = len(other) >= len("".join(kept)) or len(foreign) > 1
    short = [hashlib.sha256(text.encode()).hexdigest()[:8]] if hashed else []
    return "-".join([prefix, *kept[:words], *short])


def in_notebook():
    """Whether this runs in a Jupyter kernel (a notebook, nbval, Colab)."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def emit(data, metadata=None, *, silent=False, display_id=None, update=False):
    """Show a MIME bundle in a notebook; elsewhere print its ``text/plain``.

    A sign that the console cannot show is printed as "?".

    Args:
        data: ``{MIME type: content}``.
        metadata: the output's metadata.
        silent: print nothing outside a notebook.
        display_id, update: as in ``IPython.display.display``: update what was shown.
    """
    if in_notebook():
        from IPython.display import display

        extra = {} if display_id is None else {"display_id": display_id, "update": update}
        display(data, raw=True, metadata=metadata or {}, **extra)
    elif not silent and "text/plain" in data:
        code = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(data["text/plain"].encode(code, "replace").decode(code))
