"""The explorers on a page, and the Keras models that they should agree with."""

import base64
import json
import os
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ae_lib import data, text, text_models
from ae_lib.models import AttentionSeq2Seq, SentenceVAE, Seq2SeqAutoencoder
from ae_lib.widgets import SentencePath
from ae_lib.widgets import _int8 as int8
from tests.page.axe import assert_axe_finds_nothing
from tests.small_text_model import small_autoencoder, with_weights

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build/html"))
ENDS = "He likes tea.", "Where is the station?"
HELD_OUT = data.load_sentences("test")[:60]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# The theme's variables, in both its themes; a reader's own page may have none of them.
BLANK = """<!doctype html><html lang="en" data-content_root="./" data-theme="light">
<meta charset="utf-8"><title>Explorer</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  html { --pst-color-text-base: #222832; --pst-color-text-muted: #48566b;
    --pst-color-background: #fff; --pst-color-surface: #f3f4f5; --pst-color-border: #d1d5da; }
  html[data-theme=dark] { --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af;
    --pst-color-background: #14181e; --pst-color-surface: #29313d; }
  body { margin: 0; background: var(--pst-color-background); color: var(--pst-color-text-base); }
  main { max-width: 720px; margin: auto; padding: 16px; }
</style><body><main><h1>Explorer</h1>%s<p>The text goes on.</p></main></body></html>"""
# A notebook's view, as anywidget makes it: a widget's model, and the explorer in it.
LIVE = """async ([module, raw, state]) => {
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const { render } = (await import(url)).default;
  const handlers = {};
  const fire = (event, ...rest) => (handlers[event] ?? []).forEach((handler) => handler(...rest));
  const bytes = Uint8Array.from(atob(raw), (c) => c.charCodeAt(0));
  const model = {
    state, handlers, fire, sent: [], saved: 0,
    get: (key) => state[key],
    set: (key, value) => (state[key] = value),
    save_changes: () => model.saved++,
    on: (event, handler) => (handlers[event] ??= []).push(handler),
    off: (event, handler) => (handlers[event] = handlers[event].filter((h) => h !== handler)),
    send: (message) => {
      model.sent.push(message);
      fire("msg:custom", { kind: "something else" }, []);
      const answer = [new DataView(bytes.buffer, 4)];
      setTimeout(() => fire("msg:custom", { kind: "weights" }, answer), 50);
    },
  };
  window.model = model;
  const el = document.querySelector("main");
  el.replaceChildren();
  window.end = render({ model, el });
}"""


def write_page(folder, html):
    """A page with ``html`` on it; returns its address."""
    path = folder / "page.html"
    path.write_text(BLANK % html, encoding="utf-8")
    return path.as_uri()


def book_page(name, chapter="*"):
    """The book's page with the explorer ``name``: its address, and the explorer's payload."""
    pattern = rf'data-ae-mount="{name}".*?<template data-ae-script="../(_static/[0-9a-f]+.js)"'
    for path in sorted(SITE.glob(f"chapters/{chapter}.html")):
        if found := re.search(pattern, path.read_text("utf8"), re.DOTALL):
            script = (SITE / found[1]).read_text("utf8").split("textContent = ")[1]
            return path.as_uri(), json.loads(json.JSONDecoder().raw_decode(script)[0])
    pytest.fail(f"no page with the explorer {name}; run `make book`")


def come_near(place, made):
    """Bring ``place`` into view until ``made()``: what a page makes there is there."""
    for _ in range(200):  # what is laid out on the way moves it
        place.evaluate("place => place.scrollIntoView({ block: 'center' })")
        if made():
            break
        place.page.wait_for_timeout(50)


class Explorer:
    """One explorer in an open page."""

    name = None
    kind = None  # of its place in the page, where that is another

    def __init__(self, page, index=0):
        self.page = page
        self.root = page.locator(f'[data-ae-explorer="{self.name}"]').nth(index)
        mount = page.locator(f'[data-ae-mount="{self.kind or self.name}"]').nth(index)
        if mount.count():  # and not a widget
            self.root = mount.locator("[data-ae-explorer]")
            come_near(mount, self.root.is_visible)
        self.root.scroll_into_view_if_needed()

    def run(self, script, argument=None):
        """Evaluate ``(explorer, argument) => …``."""
        return self.root.evaluate(
            f"(root, argument) => ({script})(root.aeExplorer, argument)", argument
        )

    def state(self):
        return self.run("explorer => explorer.state()")

    def wait(self, script, argument=None):
        """Wait until ``(explorer, argument, root) => …`` holds."""
        self.page.wait_for_function(
            f"([root, argument]) => ({script})(root.aeExplorer, argument, root)",
            arg=[self.root.element_handle(), argument],
        )

    def show_as_widget(self, widget, **state):
        """Put a widget with its state into the page, as a notebook does, in place of all else."""
        raw = base64.b64encode(b"\0\0\0\0" + getattr(widget, "_raw", b"")).decode()
        self.page.evaluate(LIVE, [widget._esm, raw, {"payload": widget.payload, **state}])

    def assert_it_follows_python_and_python_it(self, trait):
        """What one writes the other has, and it is not sent back."""
        self.input.fill("Where is he?")
        self.assert_shows("Where is he?")
        assert self.page.evaluate(f"[model.state.{trait}, model.saved]") == ["Where is he?", 1]
        self.page.evaluate(f"model.state.{trait} = 'How is it?'; model.fire('change:{trait}')")
        self.assert_shows("How is it?")
        assert self.page.evaluate("model.saved") == 1
        self.assert_the_widget_ends()

    def assert_the_widget_ends(self):
        """And listens to its model no longer."""
        self.page.evaluate("end()")
        assert self.page.evaluate("Object.values(model.handlers).flat().length") == 0

    def assert_fits_a_phone(self, *controls):
        assert self.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert min(control.bounding_box()["height"] for control in controls) >= 24

    def assert_axe_finds_nothing(self):
        """In both themes. The page must have been opened with reduced motion."""
        self.page.mouse.move(0, 0)
        self.page.wait_for_function("!document.querySelector('[aria-busy=true]')")  # it is pale
        for theme in ("light", "dark"):
            self.set_theme(theme)
            assert_axe_finds_nothing(self.page, f'[data-ae-explorer="{self.name}"]')

    def set_theme(self, theme):
        self.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)

    def assert_the_theme_is_followed(self, words):
        """Dark ink on light paper becomes light ink on dark paper."""
        for theme in ("light", "dark"):
            self.set_theme(theme)
            colours = [
                self.root.evaluate("root => getComputedStyle(root).backgroundColor"),
                words.evaluate("node => getComputedStyle(node).color"),
            ]
            paper, ink = (np.mean([int(v) for v in re.findall(r"\d+", c)[:3]]) for c in colours)
            assert paper > 200 > 90 > ink if theme == "light" else ink > 150 > 64 > paper


class MapExplorer(Explorer):
    """The map of a two-dimensional code."""

    name = "latent-map"

    def __init__(self, page, decoder, index=0):
        super().__init__(page, index)
        self.decoder = decoder
        self.map = self.root.get_by_role("application")
        self.nearest = self.root.locator(".aex-nearest b")
        # What is far off the screen has no text until the page lays it out.
        self.wait("(_, __, root) => root.querySelector('.aex-nearest').innerText.trim()")

    def code(self):
        return self.run("explorer => explorer.getCode()")

    def set_code(self, code):
        self.run("(explorer, code) => explorer.setCode(code)", code)

    def canvas(self):
        """Grey levels of the decoded image, read from the canvas as the reader sees it."""
        pixels = self.root.locator("canvas[role=img]").evaluate(
            """canvas => [...canvas.getContext("2d")
                 .getImageData(0, 0, canvas.width, canvas.height).data]"""
        )
        return np.array(pixels).reshape(-1, 4)

    def assert_agrees_with_keras(self):
        code = keras.ops.convert_to_tensor([self.code()], "float32")
        values = keras.ops.convert_to_numpy(self.decoder(code)).ravel()
        seen = self.canvas()
        assert (seen[:, 3] == 255).all()
        assert (seen[:, :1] == seen[:, 1:3]).all()
        assert np.abs(seen[:, 0] - 255 * np.clip(values, 0, 1)).max() <= 1

    def handle(self):
        """The handle's middle, on the page."""
        box = self.root.locator(".aex-handle").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def map_picture(self):
        return self.root.locator(".aex-map > canvas").last.evaluate("c => c.toDataURL()")


def decoder_of(payload):
    """The Keras model of the weights in a page."""
    weights = np.frombuffer(base64.b64decode(payload["weights"]), "<f2").astype("float32")
    layers = [keras.Input((2,))]
    for step in payload["steps"]:
        if step["op"] == "dense":
            layers.append(keras.layers.Dense(step["out"]))
        elif step["op"] == "scale":
            layers.append(keras.layers.Rescaling(step["scale"], step["offset"]))
        elif step["name"] == "leaky_relu":
            layers.append(keras.layers.LeakyReLU(negative_slope=step["alpha"]))
        elif step["name"] == "elu":
            layers.append(keras.layers.ELU(alpha=step["alpha"]))
        else:
            layers.append(keras.layers.Activation(step["name"]))
    model = keras.Sequential(layers)
    sizes = [w.size for w in model.get_weights()]
    parts = np.split(weights, np.cumsum(sizes))
    assert parts.pop().size == 0
    model.set_weights(
        [part.reshape(w.shape) for part, w in zip(parts, model.get_weights(), strict=True)]
    )
    return model


class PathExplorer(Explorer):
    """The line between two sentences."""

    name = "sentence-path"

    def __init__(self, page, autoencoder, index=0):
        super().__init__(page, index)
        self.autoencoder = autoencoder
        self.inputs = self.root.get_by_role("textbox")
        self.slider = self.root.get_by_role("slider")
        self.path = self.root.get_by_role("list").get_by_role("button")
        self.sentence = self.root.locator(".aes-sentence")
        self.button = self.root.get_by_role("button", name="Load the model")

    def load(self):
        assert self.run("explorer => explorer.load()")
        return self

    def loaded(self):
        """Wait for the model that the reader has asked for."""
        self.root.locator(".aes-load").wait_for(state="hidden")

    def settled(self):
        """Wait until nothing is being computed."""
        self.root.locator(".aes-path:not([aria-busy])").wait_for()
        self.page.evaluate("new Promise(r => requestAnimationFrame(() => setTimeout(r)))")
        return self.state()

    def write(self, k, sentence):
        self.inputs.nth(k).fill(sentence)
        self.inputs.nth(k).press("Enter")
        return self.has(k, sentence)

    def has(self, k, sentence):
        """Wait until the line's end ``k`` is this sentence."""
        self.wait("(explorer, [k, text]) => explorer.state().texts[k] === text", [k, sentence])
        return self.settled()

    def status(self, k):
        return self.root.locator(".aes-status").nth(k).inner_text()

    def assert_agrees_with_keras(self):
        """Sentence and path are what Keras decodes from the same two sentences."""
        state = self.settled()
        *path, sentence = self.by_keras(state)
        assert state["path"] == path
        assert state["sentence"] == self.sentence.inner_text() == sentence
        shown = self.root.locator(".aes-path .aes-words").all_inner_texts()
        assert shown == [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]

    def by_keras(self, state):
        """The sentences of the path, and the one at the reader's place."""
        a, b = self.autoencoder.encode(state["texts"]).astype("float64")
        places = np.array([*np.linspace(0, 1, 11), state["t"]])[:, None]
        return self.autoencoder.decode(((1 - places) * a + places * b).astype("float32"))

    def assert_computes_as_keras_does(self, sentences):
        """Word numbers, codes (to 1e-4) and written words of the sentences."""
        found = self.run(
            """(explorer, texts) => texts.map((text) => {
                 const model = explorer.model();
                 const ids = model.read(text).map((word) => word.id);
                 const code = model.encode(ids);
                 return [ids, [...code], model.write(model.decode(code))];
               })""",
            sentences,
        )
        ids, codes, written = zip(*found, strict=True)
        assert list(ids) == self.autoencoder.vocabulary.encode_all(sentences)
        wanted = self.autoencoder.encode(sentences)
        assert np.abs(np.array(codes) - wanted).max() < 1e-4
        assert list(written) == self.autoencoder.decode(wanted)
        assert len(set(written)) >= 50


def small_vae():
    """Of random weights, as ``small_autoencoder``, with attributes of some sentences."""
    vocabulary = small_autoencoder().vocabulary
    model = SentenceVAE(len(vocabulary), units=23, embedding_size=17, code_size=19)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(0, 0.7, weight.shape))
    vae = text_models.TextVAE(model, vocabulary)
    vae.learn_attributes(data.load_sentences("validation")[:200])
    return vae


class LoadingExplorer(Explorer):
    """An explorer whose model comes on request."""

    def loaded(self):
        self.root.locator(".aet-load").wait_for(state="hidden")
        return self

    def load(self):
        assert self.run("explorer => explorer.load()")
        return self


def small_translator(folder, attention="general"):
    """Of random weights, as it comes back from a file of 8 bits."""
    sentences = data.load_sentences("validation")[:300]
    vocabulary = text.Subwords.build([*sentences, "Où étais-tu ? Ça va."], 400)
    model = AttentionSeq2Seq(len(vocabulary), units=22, embedding_size=17, attention=attention)
    rng = np.random.default_rng(1)
    size = 0.5 if attention == "additive" else 0.7  # larger, and errors of rounding grow
    model.set_weights([rng.normal(0, size, w.shape) for w in model.get_weights()])
    shown = [vocabulary.decode([i]).isprintable() for i in range(len(vocabulary))]
    bias = np.where(shown, 0, -99) + 3 * np.eye(len(vocabulary))[text.EOS]  # some come to an end
    model.word_bias.assign(bias)
    text_models.Translator(model, vocabulary).save(folder / "translate_en_fr.keras", "int8")
    kept = text_models.Translator.load(folder / "translate_en_fr.keras").model
    # In random weights an error of rounding grows from piece to piece: no 32 bits, as in the page.
    double = AttentionSeq2Seq.from_config({**kept.get_config(), "dtype": "float64"})
    double.set_weights(kept.get_weights())
    return text_models.Translator(double, vocabulary)


def write_weights(folder, explorer, raw):
    """The script with weights that a page in ``folder`` loads; of the explorer's module."""
    (folder / "_static").mkdir()
    script = int8.page_script(explorer.SHIPPED, raw)
    (folder / "_static" / explorer.PAGE_FILE).write_text(script, encoding="utf-8")


def write_path_page(folder):
    """A page with two explorers of a small model of random weights, these beside it.

    Returns the page's address and the autoencoder with the weights beside the page.
    """
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        import ae_weights
    finally:
        sys.path.pop(0)
    autoencoder = small_autoencoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_models, "WEIGHTS", folder)
        file = text_models.shipped_file("text-autoencoder")
        autoencoder.save(file)
        html = SentencePath(autoencoder, *ENDS).html()
    ae_weights.write_weights(folder / "_static", "text-autoencoder", folder)
    return write_page(folder, html + html), autoencoder_beside(folder)


def autoencoder_beside(folder, file="text_autoencoder.js"):
    """The model in the script that a page in ``folder`` loads."""
    script = (folder / "_static" / file).read_text("utf8")
    header, arrays = int8.unpack(base64.b64decode(re.search(r'= "(.*)";\n$', script)[1]))
    vocabulary = text.Vocabulary(header["tokens"], header["names"])
    sizes = arrays["embedding"].shape, arrays["to_code.kernel"].shape
    model = Seq2SeqAutoencoder(
        sizes[0][0], units=sizes[1][0] // 2, embedding_size=sizes[0][1], code_size=sizes[1][1]
    )
    return with_weights(text_models.TextAutoencoder(model, vocabulary), arrays)
