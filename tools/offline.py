"""The book for reading offline: one PDF, one EPUB.

    python tools/offline.py pdf     _build/html/autoencoders.pdf, of the built pages
    python tools/offline.py epub    _build/html/autoencoders.epub

The front page offers those that are there.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
FRONT = "index.html"
MARK = "<!-- offline --><!-- end of offline -->"
FILES = {"autoencoders.pdf": "PDF", "autoencoders.epub": "EPUB"}


def offer(site):
    """Link on the front page in the folder ``site`` to the files that are there."""
    links = "".join(
        f' <a class="ae-link" href="{name}" download="{name}"><span>{kind}, '
        f"{(site / name).stat().st_size / 1e6:.0f} MB</span></a>"
        for name, kind in FILES.items()
        if (site / name).exists()
    )
    front = site / FRONT
    text = front.read_text("utf8")
    start, end = re.fullmatch("(<!--.*?-->)(<!--.*?-->)", MARK).groups()
    new = re.sub(f"{start}.*?{end}", f"{start}{links}{end}", text, flags=re.S)
    if new != text:
        front.write_text(new, "utf8")
