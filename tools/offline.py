"""The book for reading offline: one PDF, one EPUB.

    python tools/offline.py pdf     _build/html/autoencoders.pdf, of the built pages
    python tools/offline.py epub    _build/html/autoencoders.epub, by Sphinx's builder

The PDF is printed by Chromium: $CHROMIUM, or one that the system has. The front page offers
those files that are there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from repository import address, pages

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
FRONT = "index.html"
MARK = "<!-- offline --><!-- end of offline -->"
FILES = {"autoencoders.pdf": "PDF", "autoencoders.epub": "EPUB"}


def find_chromium():
    """The browser's path: $CHROMIUM, or what the system or Playwright has; else None."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else ["chromium", "chromium-browser", "google-chrome"]:
        if found := shutil.which(name):
            return found
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:  # only the tests need it
        return None
    with sync_playwright() as play:
        path = play.chromium.executable_path
    return path if Path(path).exists() else None


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


def in_order(site):
    """The names of the pages as the side bar has them, the front page first."""
    front = (site / FRONT).read_text("utf8")
    linked = re.findall(
        r'<li class="toctree-l1[^>]*><a class="reference internal" href="(.+?)"', front
    )
    return [FRONT, *dict.fromkeys(linked)]


def as_one_page(site):
    """HTML of the whole book, which a browser puts together as it opens it."""
    texts = [(name, (site / name).read_text("utf8")) for name in in_order(site)]
    data = json.dumps({"pages": texts, "base": pages(address())}).replace("<", "\\u003c")
    script = Path(__file__).with_suffix(".js").read_text("utf8")
    parts = f'<script type="application/json" id="pages">{data}</script><script>{script}</script>'
    front = re.sub(r"<article.*</article>", "", texts[0][1], flags=re.S)  # no explorer twice
    return front.replace("</body>", f"{parts}</body>")


def make_pdf(site, path, chromium):
    """Print the book in the folder ``site`` to ``path``."""
    page = site / "one-page.part.html"
    page.write_text(as_one_page(site), "utf8")
    try:
        done = subprocess.run(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                "--disable-dev-shm-usage", "--generate-pdf-document-outline",
                "--export-tagged-pdf", "--virtual-time-budget=20000",
                f"--print-to-pdf={path}", page.as_uri(),
            ],
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip
    finally:
        page.unlink()
    if done.returncode or not path.exists():
        sys.exit(f"Chromium made no PDF:\n{done.stderr[-2000:]}")


def make_epub(folder):
    """Build the EPUB beneath ``folder``; its path."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT), "-nWq"]
    command += ["--keep-going", "--config", str(ROOT / "book/_config.yml")]
    command += ["--toc", str(ROOT / "book/_toc.yml"), "--path-output", str(folder)]
    command += ["--builder", "custom", "--custom-builder", "epub"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    path = folder / "_build" / "epub" / "autoencoders.epub"
    if done.returncode or not path.exists():
        sys.exit(f"Sphinx made no EPUB:\n{(done.stdout + done.stderr)[-3000:]}")
    return path


def main():
    kinds = {"pdf": "autoencoders.pdf", "epub": "autoencoders.epub"}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    if not (SITE / FRONT).exists():
        sys.exit(f"The book is not built: {SITE} is missing. Run `make book`.")
    path = SITE / kinds[sys.argv[1]]
    if sys.argv[1] == "pdf":
        found = find_chromium()
        if found is None:
            sys.exit("The PDF is printed by Chromium: install it, or name it in $CHROMIUM.")
        make_pdf(SITE, path, found)
    else:
        shutil.copy(make_epub(ROOT / "_build" / "offline"), path)
    offer(SITE)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
