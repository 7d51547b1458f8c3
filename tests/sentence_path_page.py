"""Pages with the explorer of the line between two sentences, and Keras to compare with."""

import base64
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ae_lib import data, text, text_models
from ae_lib.models import Seq2SeqAutoencoder
from ae_lib.widgets import SentencePath
from ae_lib.widgets import _int8 as int8
from tests.small_text_model import small_autoencoder, with_weights

ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build/html"))
MOUNT = 'data-ae-mount="sentence-path"'
REAL_PAGES = [p for p in sorted(SITE.glob("chapters/*.html")) if MOUNT in p.read_text("utf8")]
SHIPPED = text_models.shipped_file("text-autoencoder")
ENDS = "He likes tea.", "Where is the station?"
HELD_OUT = data.load_sentences("test")[:60]


class Pages:
    """By kind: the page's path, and Keras with the weights beside it.

    "small": two explorers of a small model of random weights; "shipped": two of the shipped
    model; "book": the book's own page.
    """

    def __init__(self, folder, blank):
        self.folder, self.blank, self.made = folder, blank, {}

    def __call__(self, kind):
        if kind not in self.made:
            self.made[kind] = self.make(kind)
        return self.made[kind]

    def make(self, kind):
        if kind == "book":
            if not REAL_PAGES:
                pytest.skip("the book's page with the explorer is not built: make book")
            return REAL_PAGES[0], beside(SITE / "_static")
        folder = self.folder / kind
        folder.mkdir(exist_ok=True)
        file = SHIPPED
        if kind == "small":
            file = folder / SHIPPED.name
            small_autoencoder().save(file)
        autoencoder = text_models.TextAutoencoder.load(file)
        return page_of(folder, self.blank, file, autoencoder), beside(folder / "_static")


def ae_weights():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        import ae_weights
    finally:
        sys.path.pop(0)
    return ae_weights


def page_of(folder, blank, model_file, autoencoder):
    """A page with two explorers, and the weights where the book's build puts them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_models, "WEIGHTS", model_file.parent)
        html = SentencePath(autoencoder, *ENDS).html()
    ae_weights().write_weights(folder / "_static", model_file)
    page = folder / "path.html"
    blank = blank.replace("<html ", '<html data-content_root="./" ', 1)  # as Sphinx does
    page.write_text(blank % (html + html), encoding="utf-8")
    return page


def beside(static):
    """The model in the script that the page loads."""
    script = (static / "text_autoencoder.js").read_text("utf8")
    raw = base64.b64decode(re.search(r'= "(.*)";\n$', script)[1])
    header, arrays = int8.unpack(raw)
    vocabulary = text.Vocabulary(header["tokens"], header["names"])
    sizes = arrays["embedding"].shape, arrays["to_code.kernel"].shape
    model = Seq2SeqAutoencoder(
        sizes[0][0], units=sizes[1][0] // 2, embedding_size=sizes[0][1], code_size=sizes[1][1]
    )
    autoencoder = text_models.TextAutoencoder(model, vocabulary)
    return with_weights(autoencoder, arrays)


class Explorer:
    """One explorer in an open page, and the Keras model it should agree with."""

    def __init__(self, page, autoencoder, index=0):
        self.page, self.autoencoder = page, autoencoder
        self.root = page.locator('[data-ae-explorer="sentence-path"]').nth(index)
        self.root.scroll_into_view_if_needed()
        self.inputs = self.root.get_by_role("textbox")
        self.slider = self.root.get_by_role("slider")
        self.path = self.root.get_by_role("list").get_by_role("button")
        self.sentence = self.root.locator(".aes-sentence")
        self.button = self.root.get_by_role("button", name="Load the model")

    def run(self, script, argument=None):
        """Evaluate ``(explorer, argument) => …``."""
        handle = self.root.element_handle()
        body = f"([root, argument]) => ({script})(root.aeExplorer, argument)"
        return self.page.evaluate(body, [handle, argument])

    def load(self):
        assert self.run("explorer => explorer.load()")
        return self

    def loaded(self):
        """Wait for the model that the reader has asked for."""
        self.root.locator(".aes-load").wait_for(state="hidden")

    def state(self):
        return self.run("explorer => explorer.state()")

    def settled(self):
        """Wait until nothing is being computed."""
        path = self.root.locator(".aes-path:not([aria-busy])")
        path.wait_for()
        self.page.evaluate("new Promise(r => requestAnimationFrame(() => setTimeout(r)))")
        return self.state()

    def write(self, k, sentence):
        self.inputs.nth(k).fill(sentence)
        self.inputs.nth(k).press("Enter")
        self.page.wait_for_function(
            "([root, k, text]) => root.aeExplorer.state().texts[k] === text",
            arg=[self.root.element_handle(), k, sentence],
        )
        return self.settled()

    def status(self, k):
        return self.root.locator(".aes-status").nth(k).inner_text()

    def agrees_with_keras(self):
        """Whether sentence and path are what Keras decodes from the same two sentences."""
        state = self.settled()
        a, b = self.autoencoder.encode(state["texts"]).astype("float64")
        places = np.array([*np.linspace(0, 1, 11), state["t"]])[:, None]
        wanted = self.autoencoder.decode(((1 - places) * a + places * b).astype("float32"))
        assert state["path"] == wanted[:-1]
        assert state["sentence"] == wanted[-1]
        assert self.sentence.inner_text() == wanted[-1]
        shown = self.root.locator(".aes-path .aes-words").all_inner_texts()
        assert shown == [s for i, s in enumerate(wanted[:-1]) if i == 0 or s != wanted[i - 1]]
        return True
