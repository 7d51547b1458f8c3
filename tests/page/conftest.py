"""What the tests of the published pages share: the built site, a server, a browser.

The site is what ``make book`` built in ``_build/html``. Nothing but the loopback server
answers; a page that asks for anything else is caught.
"""

import contextlib
import functools
import gzip
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The theme's variables, in both its themes; a reader's own page may have none of them.
BLANK = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Explorer</title>
<link rel="icon" href="data:,">
<style>
  html { --pst-color-text-base: #222832; --pst-color-text-muted: #48566b;
    --pst-color-background: #fff; --pst-color-surface: #f3f4f5; --pst-color-border: #d1d5da; }
  html[data-theme=dark] { --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af;
    --pst-color-background: #14181e; --pst-color-surface: #29313d; }
  body { margin: 0; background: var(--pst-color-background); color: var(--pst-color-text-base); }
  main { max-width: 720px; margin: auto; padding: 16px; }
</style><body><main><h1>Explorer</h1>%s<p>The text goes on.</p></main></body></html>"""
COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".ipynb", ".txt"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, compressed with gzip as a host of pages does."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".woff": "font/woff",
        ".woff2": "font/woff2",
        ".ipynb": "application/json",
    }
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


def find_chromium():
    """The browser's path: $CHROMIUM, or what the system or playwright has; else None."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else ["chromium", "chromium-browser", "google-chrome"]:
        if found := shutil.which(name):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        path = play.chromium.executable_path
    return path if Path(path).exists() else None


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
def browser():
    """Headless Chromium."""
    path = find_chromium()
    if path is None:
        message = "no Chromium: install it, or name it in $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


class Watched:
    """A page, and what went wrong on it: ``errors`` and requests to ``foreign`` places."""

    def __init__(self, page, home):
        self.page = page
        self.home = home
        self.errors = []
        self.foreign = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", self._failed)
        page.route("**/*", self._route)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # left behind by going elsewhere
            self.errors.append(f"{request.url}: {request.failure}")

    def _route(self, route):
        url = route.request.url
        if url.startswith((self.home, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def open(self, path):
        """Go to a page of the book."""
        self.page.goto(self.home + path)
        return self.page

    def settle(self):
        """Lay out the whole page, at rest, and open what is folded."""
        self.page.add_style_tag(
            content="*, ::before, ::after { content-visibility: visible !important; "
            "transition: none !important; animation: none !important }"
        )
        self.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        self.page.evaluate(
            "() => document.fonts.ready.then(() => new Promise(requestAnimationFrame))"
        )

    def assert_clean(self):
        assert not self.foreign, f"asked a third party: {self.foreign}"
        assert not self.errors, self.errors


@pytest.fixture
def page(browser, serve, site):
    """Make a watched page: ``page(width=390, scheme="dark", home=None)``."""
    contexts = []

    def make(width=1280, height=900, scheme="light", home=None, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        contexts.append(context)
        return Watched(context.new_page(), home or serve)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def blank_page():
    """A page with the theme's colours and a place (%s) for what is to be tested."""
    return BLANK


@pytest.fixture(scope="session")
def path_pages(tmp_path_factory):
    """Pages with an explorer of the line between two sentences, made when asked for."""
    from tests.sentence_path_page import Pages

    return Pages(tmp_path_factory.mktemp("paths"), BLANK)


@pytest.fixture
def open_page(browser):
    """Opens an address with the network blocked; nothing may be asked for, nothing may fail."""
    contexts, complaints = [], []

    def open_page(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: re.match(r"file:|data:|blob:", r.url) or complaints.append(r.url),
        )
        page.goto(address)
        # What is far off the screen has no text and no size until the page lays it out.
        if options.get("java_script_enabled", True):
            page.add_style_tag(content="* { content-visibility: visible !important }")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def open_path(path_pages, open_page):
    """Opens the first explorer of the line between two sentences on a page of a kind."""
    from tests.sentence_path_page import Explorer

    def open_path(kind):
        page, autoencoder = path_pages(kind)
        return Explorer(open_page(page.as_uri()), autoencoder)

    return open_path


@pytest.fixture(params=["small", "shipped", "book"])
def kind(request):
    """Each kind of page that ``path_pages`` makes."""
    return request.param


@pytest.fixture
def explorer(open_path, kind):
    """The line between two sentences, on each kind of page; test_explorer.py has the map."""
    return open_path(kind)


@pytest.fixture
def small(open_path):
    """The line between two sentences, of a small model of random weights."""
    return open_path("small")
