"""The explorer of compression under the reader's hand: its archives are Python's, to the byte."""

import numpy as np
import pytest

from ae_lib import compression, text_models
from ae_lib.widgets import Compress, compress
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import (
    HELD_OUT,
    PHONE,
    LoadingExplorer,
    book_page,
    write_page,
    write_weights,
)
from tests.page.test_sentence_words import ODD, random_texts

LINES = "Tom is here.\nWhere is Mary?\nI don't know where she is.\n"
REPEATED = "I go.\n" * 60  # Python stores it by LZMA
TEXTS = [
    "", "a", "\n", "\n\n\n", LINES, LINES[:-1], "\n".join(HELD_OUT)[:1990], "a\0b is here.",
    "\n".join(f"{i} {one[:20]}" for i, one in enumerate([*HELD_OUT, *HELD_OUT[:15]])),
    "I like tea.\r\nHe likes it.\r\n", "Où étais-tu ? Ça va bien, merci.", "Schöne   Grüße 😀\n",
    "\x85 a\x85b \ufeff c\ufeff d\x1c e\u2028 f\u00a0 g", "\ufeffI wrote this.",
    "\tTom   \t is. \n ", "The weather is bad, so we'll stay.", "\ud7ff\ue000\ufffd\ufffe",
]  # fmt: skip


class CompressExplorer(LoadingExplorer):
    """A text, its archive, and the text restored from the archive."""

    name = "compress"

    def __init__(self, page, index=0):
        super().__init__(page, index)
        self.input = self.root.get_by_label("Text", exact=True)
        self.hex = self.root.get_by_label("The archive in hexadecimal")
        self.button = self.root.get_by_role("button", name="Load the model")
        self.restore = self.root.get_by_role("button", name="Restore the text")
        self.sum, self.restored = self.root.locator(".aec-sum"), self.root.locator("pre")
        self.note, self.result = (self.root.locator(".aew-note").nth(k) for k in (0, 1))

    def assert_shows(self, words):
        """Wait for a text's archive: it is Python's, and each piece has its bits beside it."""
        self.wait("(e, words) => e.state().text === words", words)
        archive = compression.compress(words.encode())
        assert self.input.input_value() == words
        assert bytes.fromhex(self.hex.input_value()) == archive
        assert f"its archive {len(archive)}" in self.sum.inner_text()
        lines = compress._lines(words.encode())
        pieces = [(piece or "■\u00a0end").replace(" ", "␣") for line in lines for piece, _ in line]
        assert self.root.locator(".aec-line b").all_inner_texts() == pieces
        shown = self.root.locator(".aec-line small").all_inner_texts()
        bits = [bits for line in lines for _, bits in line]
        np.testing.assert_allclose([float(one.split()[0]) for one in shown], bits, atol=0.0551)


def write_compress_page(folder, words):
    """A page with the explorer, the shipped model's weights beside it."""
    widget = Compress(words)
    write_weights(folder, compress, widget._raw)
    return write_page(folder, widget.html())


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_compress_page(tmp_path_factory.mktemp("compress"), LINES)


@pytest.fixture
def small(open_page, address):
    return CompressExplorer(open_page(address))


def restores(explorer, words):
    explorer.restore.click()
    explorer.result.get_by_text(f"{len(words.encode())} bytes, the same as those of").wait_for()
    assert explorer.restored.evaluate("pre => pre.textContent") == words
    assert explorer.hex.get_attribute("aria-invalid") == "false"


def test_the_books_explorer(open_page):
    address, payload = book_page("compress", "11_*")
    shipped = int8.pack_file(text_models.shipped_file(compress.SHIPPED))
    assert payload["weights"]["version"] == int8.fingerprint(shipped)
    explorer = CompressExplorer(open_page(address))
    explorer.assert_shows(payload["stored"]["text"])
    restores(explorer, payload["stored"]["text"])


def test_the_same_archives_as_python(small):
    texts = [*TEXTS, *HELD_OUT[:5], *ODD[::3], *random_texts(8)]
    found = small.load().run("(explorer, texts) => explorer.compress(texts)", texts)
    for one, words in zip(found, texts, strict=True):
        raw = words.encode()
        assert one["archive"] == compression.compress(raw).hex(), words
        assert (
            small.run("(explorer, hex) => explorer.decompress(hex)", one["archive"]) == raw.hex()
        )
    (repeated,) = small.run("(explorer, texts) => explorer.compress(texts)", [REPEATED])
    assert compression.decompress(bytes.fromhex(repeated["archive"])).decode() == REPEATED


def test_by_keyboard_a_stored_archive_then_the_model_then_the_text_again(small):
    small.assert_shows(LINES)
    assert small.page.evaluate("window.aeWeights") is None
    small.button.focus()
    small.page.keyboard.press("Enter")
    small.loaded()
    assert small.input.evaluate("input => document.activeElement === input")
    small.assert_shows(LINES)
    restores(small, LINES)
    small.root.locator("[aria-live=polite]").get_by_text("Restored: 55 bytes").wait_for()


def test_writing_loads_the_model(small):
    small.input.fill("We had  tea.\nIt was 😀 good.")
    small.assert_shows("We had  tea.\nIt was 😀 good.")
    assert "the model would not make it shorter" not in small.root.inner_text()
    restores(small, "We had  tea.\nIt was 😀 good.")
    small.input.fill("zqxj")
    small.assert_shows("zqxj")
    assert "the model would not make it shorter" in small.root.inner_text()
    restores(small, "zqxj")
    small.input.fill("")
    small.assert_shows("")
    small.restore.click()
    small.result.get_by_text("Restored: 0 bytes").wait_for()


def test_what_is_damaged_or_too_long_is_said(small):
    small.input.fill("é" * 1001)
    small.note.get_by_text("Too long: 2,002 bytes, at most 2,000 are taken.").wait_for()
    assert small.input.get_attribute("aria-invalid") == "true"
    assert small.state()["text"] == LINES
    good = compression.compress(LINES.encode()).hex()
    lzma = compression.compress(REPEATED.encode()).hex()
    for archive, words in (
        (
            good[:28] + f"{15 - int(good[28], 16):x}" + good[29:],
            "Damaged: a checksum does not fit",
        ),
        (good[:-4] + "0" + good[-3:], "Damaged: a checksum does not fit"),
        (good[:-2], "it is cut short"),
        (good[:30], "it is cut short"),
        (good + "00", "its end is not where"),
        (good[:10] + "00" + good[12:], "another model"),
        ("ff" + good[2:], "its first bytes are others"),
        (lzma, "stored by LZMA"),
        (compression.compress(b"a" * 3000).hex(), "more than 2000 bytes"),
        (good[:-1], "Not hexadecimal: each byte has two digits"),
        ("Tom", "Not hexadecimal"),
    ):
        small.hex.fill(archive)
        assert small.result.inner_text() == ""
        small.restore.click()
        small.result.get_by_text(words).wait_for()
        assert small.hex.get_attribute("aria-invalid") == "true"
    small.hex.fill(good.upper())
    restores(small, LINES)


def test_everyone_can_use_it(small, open_page, address):
    live = small.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    small.assert_axe_finds_nothing()
    small.load()
    small.input.fill("Zorble eats tea.\n\nGood.")
    live.get_by_text("The text has 23 bytes, its archive").wait_for()
    restores(small, "Zorble eats tea.\n\nGood.")
    small.assert_axe_finds_nothing()
    small.assert_the_theme_is_followed(small.sum)
    phone = CompressExplorer(open_page(address, **PHONE))
    phone.button.tap()
    phone.loaded()
    phone.input.fill("I wrote " + "e" * 90 + "\n" + "\n".join(HELD_OUT[:9]))
    phone.assert_shows(phone.input.input_value())
    phone.assert_fits_a_phone(phone.input, phone.hex, phone.restore)
    plain = open_page(address, java_script_enabled=False)
    told = plain.locator(".ae-explorer-fallback").inner_text()
    assert "The text has 55 bytes, its archive 28. It needs JavaScript" in told


def test_live_it_asks_the_kernel_and_follows_python(small):
    widget = Compress(LINES)
    small.show_as_widget(widget, text="Mary is.")
    live = CompressExplorer(small.page)
    live.loaded().assert_shows("Mary is.")  # at once: Python's text is not the stored one
    assert small.page.evaluate("[model.sent, model.saved]") == [[{"kind": "weights"}], 0]
    live.assert_it_follows_python_and_python_it("text")
