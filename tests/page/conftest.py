"""What the tests of the published pages share: the built site, a server, a browser.

The site is what ``make book`` built in ``_build/html``. Nothing but the loopback server
answers; a page that asks for anything else is caught.
"""

import contextlib
import functools
import gzip
import http.server
import os
import threading
from pathlib import Path

import pytest

from offline import find_chromium

ROOT = Path(__file__).parents[2]
OURS = ("file:", "data:", "blob:", "http://127.0.0.1:")
COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".ipynb", ".txt"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, compressed with gzip as a host of pages does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path = path / "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Cache-Control", "max-age=600")
        if path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = _gzip(path, path.stat().st_mtime_ns)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@functools.lru_cache(256)
def _gzip(path, _changed):
    return gzip.compress(path.read_bytes(), 9, mtime=0)


@contextlib.contextmanager
def serving(folder):
    """Serve ``folder`` on the loopback; yields the address, with a slash at its end."""
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def site():
    """The folder of the built book."""
    folder = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
    if not (folder / "index.html").exists():
        pytest.fail(f"the book is not built: {folder}/index.html is missing; run `make book`")
    return folder


@pytest.fixture(scope="session")
def serve(site):
    """The address of the built book on the loopback."""
    with serving(site) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    """Chromium's path. Without one its tests are skipped; they fail with the variable CI set."""
    path = find_chromium()
    if path is None:
        message = "no Chromium: install it, or name it in $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def browser(chromium):
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser):
    """Open an address. Nothing may be asked of a third party, nothing may fail on the page."""
    contexts, complaints = [], []

    def open_page(address, width=1280, height=900, script="", near_alone=False, **options):
        """``script`` runs before the page's; ``near_alone``: what is far off is not laid out."""
        options = {"viewport": {"width": width, "height": height}} | options
        contexts.append(browser.new_context(**options))
        contexts[-1].add_init_script(script)
        page = contexts[-1].new_page()
        page.on(
            "console",  # but for advice about the tests' own reading of a canvas
            lambda m: (
                m.type in ("error", "warning")
                and "willReadFrequently" not in m.text
                and complaints.append(f"{m.type}: {m.text}")
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "requestfailed",  # but for those left behind by going elsewhere
            lambda r: "ABORTED" in r.failure or complaints.append(f"{r.url}: {r.failure}"),
        )
        page.on(
            "request",
            lambda r: r.url.startswith(OURS) or complaints.append(f"asked for {r.url}"),
        )
        page.goto(address)
        # What is far off the screen has no text and no size until the page lays it out.
        if options.get("java_script_enabled", True) and not near_alone:
            page.add_style_tag(content="* { content-visibility: visible !important }")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def small_page(tmp_path_factory):
    """A page with the line between two sentences, of a small model; and Keras's copy of it."""
    from tests.page.explorers import write_path_page

    return write_path_page(tmp_path_factory.mktemp("path"))


@pytest.fixture
def small(open_page, small_page):
    """The line between two sentences, of a small model of random weights."""
    from tests.page.explorers import PathExplorer

    address, autoencoder = small_page
    return PathExplorer(open_page(address), autoencoder)
