"""The line between two sentences under the reader's hand, with the network off.

After each movement the sentences shown are compared with what Keras decodes with the weights
that the page loads: see tests/sentence_path_page.py, and test_sentence_words.py for the sums.
"""

import json
import re

import numpy as np
import pytest

from ae_lib.text_models import TextAutoencoder
from ae_lib.widgets import _int8 as int8
from tests.sentence_path_page import (
    ENDS,
    HELD_OUT,
    MOUNT,
    REAL_PAGES,
    SHIPPED,
    Explorer,
)

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


# ---- before the model is there ----


def test_a_stored_path_is_shown_before_anything_is_loaded(explorer):
    assert explorer.page.evaluate("window.aeWeights") is None
    state = explorer.state()
    assert not state["loaded"]
    assert explorer.sentence.inner_text() == state["path"][5]
    explorer.slider.focus()
    explorer.page.keyboard.press("Home")
    for sentence in state["path"]:
        assert explorer.settled()["sentence"] == sentence
        assert explorer.sentence.inner_text() == sentence
        explorer.page.keyboard.press("ArrowRight")
    assert not explorer.state()["loaded"]
    stored = explorer.state()["path"]
    explorer.load()
    assert explorer.settled()["path"] == stored  # this page's path is of this model
    assert explorer.agrees_with_keras()


def test_button_loads_the_model_and_hands_the_focus_on(explorer):
    explorer.button.focus()
    explorer.page.keyboard.press("Enter")
    explorer.loaded()
    assert explorer.inputs.first.evaluate("input => document.activeElement === input")
    assert explorer.agrees_with_keras()


def test_focus_on_a_sentence_loads_the_model(explorer):
    explorer.inputs.first.click()
    explorer.loaded()
    assert explorer.agrees_with_keras()


# ---- the reader's hand ----


def test_slide_by_keyboard(explorer):
    explorer.load()
    explorer.slider.focus()
    press = explorer.page.keyboard.press
    for key, t in [("ArrowRight", 0.51), ("Home", 0), ("ArrowRight", 0.01), ("End", 1)]:
        press(key)
        assert explorer.state()["t"] == pytest.approx(t)
        assert explorer.slider.get_attribute("aria-valuetext") == f"t = {t:.2f}"
        assert explorer.agrees_with_keras()
    press("PageDown")
    assert explorer.state()["t"] < 1


def test_slide_by_mouse(explorer):
    explorer.load()
    explorer.slider.scroll_into_view_if_needed()
    box, mouse = explorer.slider.bounding_box(), explorer.page.mouse
    y = box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] / 2, y)
    mouse.down()
    for share in (0.45, 0.3, 0.27):
        mouse.move(box["x"] + share * box["width"], y)
        assert explorer.state()["t"] == pytest.approx(share, abs=0.03)
        assert explorer.agrees_with_keras()
    mouse.up()


def test_a_sentence_on_the_way_takes_the_slider_there(explorer):
    explorer.load()
    count = explorer.path.count()
    assert count >= 3
    for i in [0, count - 1, 1]:
        words = explorer.path.nth(i).locator(".aes-words").inner_text()
        explorer.path.nth(i).focus()
        explorer.page.keyboard.press("Enter")
        explorer.settled()
        assert explorer.sentence.inner_text() == words
        assert explorer.path.nth(i).get_attribute("aria-current") == "true"
        current = explorer.root.locator("[aria-current=true]")
        assert current.count() == 1
    explorer.path.first.click()
    assert explorer.state()["t"] == 0


def test_write_a_sentence(explorer):
    explorer.inputs.nth(1).click()
    state = explorer.write(1, "I was here with you.")
    assert state["texts"][1] == "I was here with you."
    assert explorer.agrees_with_keras()
    back = explorer.autoencoder.reconstruct(["I was here with you."])[0]
    if back == "I was here with you.":
        assert "comes back exactly" in explorer.status(1)
    else:
        assert f"comes back as {back}" in explorer.status(1)


def test_typing_is_taken_without_enter(explorer):
    explorer.inputs.first.click()
    explorer.inputs.first.fill("")
    explorer.page.keyboard.type("You are here.")
    explorer.page.wait_for_function(
        "root => root.aeExplorer.state().texts[0] === 'You are here.'",
        arg=explorer.root.element_handle(),
    )
    assert explorer.agrees_with_keras()


def test_pick_a_sentence(explorer):
    picks = explorer.root.get_by_role("combobox")
    assert picks.count() == 2
    words = picks.first.locator("option").nth(3).text_content()
    picks.first.select_option(words)
    explorer.page.wait_for_function(
        "([root, words]) => root.aeExplorer.state().texts[0] === words",
        arg=[explorer.root.element_handle(), words],
    )
    assert explorer.inputs.first.input_value() == words
    assert explorer.agrees_with_keras()
    explorer.write(0, "I was here with you.")
    assert picks.first.input_value() == ""


def test_an_unknown_word_is_marked(explorer):
    explorer.load()
    explorer.write(0, "Zorble eats tea.")
    assert "not in the vocabulary: Zorble" in explorer.status(0)
    assert "Zorble" in explorer.root.locator(".aes-status mark").all_inner_texts()
    assert explorer.agrees_with_keras()
    explorer.write(0, "brillig, slithy")
    assert "brillig, slithy" in explorer.status(0)
    assert explorer.agrees_with_keras()


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("", "Write a sentence."),
        (" \u200b ", "Write a sentence."),
        ("tea " * 2000, "Too long: 2001"),
    ],
)
def test_what_cannot_be_read_is_said_and_changes_nothing(explorer, sentence, words):
    explorer.load()
    before = explorer.settled()
    explorer.inputs.first.fill(sentence)
    explorer.inputs.first.press("Enter")
    explorer.root.locator(".aes-status").first.get_by_text(words).wait_for()
    assert before["texts"][0] in explorer.status(0)
    assert explorer.inputs.first.get_attribute("aria-invalid") == "true"
    assert explorer.settled() == before
    assert explorer.agrees_with_keras()
    explorer.write(0, "I was here with you.")
    assert explorer.inputs.first.get_attribute("aria-invalid") == "false"


def test_a_long_sentence_is_read_to_its_end(explorer):
    explorer.load()
    explorer.write(0, "I was here. " * 24)
    assert explorer.agrees_with_keras()
    explorer.write(1, "Ee" * 400)
    assert explorer.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert explorer.agrees_with_keras()


def test_a_place_that_is_none_changes_nothing(small):
    small.load()
    for wrong in ["NaN", "'a'", "undefined", "[0.2, 0.3]"]:
        small.run(f"explorer => explorer.setPlace({wrong})")
    assert small.state()["t"] == 0.5
    small.run("explorer => explorer.setPlace(7)")
    assert small.state()["t"] == 1
    assert small.agrees_with_keras()


def test_the_last_of_many_sentences_counts(small):
    small.load()
    small.run(
        """(explorer, texts) => Promise.all(
             texts.map((text, i) => explorer.setEnd(i % 2, text)))""",
        HELD_OUT[:9],
    )
    assert small.settled()["texts"] == [HELD_OUT[8], HELD_OUT[7]]
    assert small.agrees_with_keras()


def test_two_explorers_are_independent(path_pages, open_page):
    page, autoencoder = path_pages("small")
    opened = open_page(page.as_uri())
    first, second = (Explorer(opened, autoencoder, i).load() for i in (0, 1))
    first.write(0, HELD_OUT[0])
    second.run("explorer => explorer.setPlace(0.2)")
    assert first.state()["texts"] == [HELD_OUT[0], ENDS[1]]
    assert second.state()["texts"] == list(ENDS)
    assert first.agrees_with_keras()
    assert second.agrees_with_keras()
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids)) >= 10


# ---- everyone ----


def test_everything_is_reached_by_tab(explorer):
    explorer.load()
    explorer.inputs.first.focus()
    explorer.page.keyboard.press("Shift+Tab")
    reached = []
    for _ in range(7):
        reached.append(
            explorer.page.evaluate(
                """() => document.activeElement.ariaLabel || document.activeElement.type
                     + (document.activeElement.labels?.[0]?.textContent ?? "")"""
            )
        )
        explorer.page.keyboard.press("Tab")
    assert reached == [
        "Pick the first sentence from a list", "textFirst sentence",
        "Pick the second sentence from a list", "textSecond sentence",
        "Place t on the line from the first sentence to the second", "button", "button",
    ]  # fmt: skip


def test_says_what_happens_to_screen_readers(explorer):
    live = explorer.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    explorer.load()
    live.get_by_text("The model is loaded").wait_for(timeout=5000)
    explorer.run("explorer => explorer.setPlace(0.3)")
    sentence = explorer.settled()["sentence"]
    live.get_by_text(f"t = 0.30: {sentence}", exact=True).wait_for(timeout=5000)
    explorer.write(0, "Zorble eats tea.")
    live.get_by_text("Not in the vocabulary: Zorble").wait_for(timeout=5000)
    status = explorer.inputs.first.get_attribute("aria-describedby")
    assert explorer.root.locator(f"#{status}").inner_text() == explorer.status(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("loaded", [False, True])
def test_axe_finds_nothing(explorer, theme, loaded):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    explorer.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    if loaded:
        explorer.load()
        explorer.write(0, "Zorble eats tea.")
        explorer.inputs.nth(1).fill("")
        explorer.inputs.nth(1).press("Enter")
    explorer.page.mouse.move(0, 0)
    explorer.page.wait_for_timeout(300)
    root = '[data-ae-explorer="sentence-path"]'
    found = axe.run(explorer.page, context=root, options={"preload": False})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_is_followed(explorer, theme):
    explorer.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    paper = explorer.root.evaluate("root => getComputedStyle(root).backgroundColor")
    ink = explorer.sentence.evaluate("node => getComputedStyle(node).color")
    brightness = [np.mean([int(v) for v in re.findall(r"\d+", c)[:3]]) for c in (paper, ink)]
    assert (brightness[0] > 200 > 90 > brightness[1]) == (theme == "light")
    assert (brightness[1] > 150 > 64 > brightness[0]) == (theme == "dark")


def test_phone(path_pages, open_page, kind):
    page, autoencoder = path_pages(kind)
    explorer = Explorer(open_page(page.as_uri(), device_scale_factor=2, **PHONE), autoencoder)
    wide = "document.documentElement.scrollWidth"
    assert explorer.page.evaluate(wide) <= 390
    explorer.button.tap()
    explorer.loaded()
    explorer.write(0, "Zorble eats tea with " + "e" * 80)
    explorer.path.first.tap()
    assert explorer.state()["t"] == 0
    assert explorer.page.evaluate(wide) <= 390
    tops = [explorer.inputs.nth(k).bounding_box()["y"] for k in (0, 1)]
    assert tops[1] > tops[0] + 40
    for control in [*explorer.path.all(), *explorer.inputs.all(), explorer.slider]:
        assert control.bounding_box()["height"] >= 24
    assert explorer.agrees_with_keras()


def test_nothing_moves_by_itself(small):
    moving = """root => [root, ...root.querySelectorAll("*")].filter((node) =>
      getComputedStyle(node).transitionDuration !== "0s"
        || getComputedStyle(node).animationName !== "none").length"""
    assert small.root.evaluate(moving) == 0


def test_without_javascript_the_path_stands_there(path_pages, open_page):
    page = open_page(path_pages("small")[0].as_uri(), java_script_enabled=False)
    words = page.locator(".ae-explorer-fallback").first.inner_text()
    assert "needs JavaScript" in words
    assert words.count("→") >= 3


# ---- what can be missing ----


def alone(path_pages, folder, change=lambda html: html):
    """A copy of the small page in an empty folder."""
    html = path_pages("small")[0].read_text("utf8")
    (folder / "page.html").write_text(change(html), encoding="utf-8")
    return folder / "page.html"


def test_without_its_model_it_says_so_and_tries_again(path_pages, browser, tmp_path):
    page = browser.new_page()
    page.goto(alone(path_pages, tmp_path).as_uri())
    explorer = Explorer(page, path_pages("small")[1])
    explorer.button.click()
    words = explorer.root.get_by_text("The model is not here: text_autoencoder.js could not")
    words.wait_for()
    explorer.inputs.first.fill("Tea.")
    explorer.inputs.first.press("Enter")
    explorer.root.get_by_text(f"The line still ends at “{ENDS[0]}”").wait_for()
    assert explorer.state()["texts"] == list(ENDS)
    (tmp_path / "_static").mkdir()
    script = tmp_path / "_static" / "text_autoencoder.js"
    script.write_text('(window.aeWeights ??= {})["text-autoencoder"] = "QUJDRA==";')
    explorer.root.get_by_role("button", name="Try again").click()
    explorer.root.get_by_text("the model's data are damaged").wait_for()
    page.evaluate("delete window.aeWeights")
    script.write_bytes((path_pages("small")[0].parent / "_static" / script.name).read_bytes())
    explorer.root.get_by_role("button", name="Try again").click()
    page.wait_for_function(
        "root => root.aeExplorer.state().texts[0] === 'Tea.'", arg=explorer.root.element_handle()
    )
    assert explorer.agrees_with_keras()
    page.close()


def test_a_model_that_does_not_travel_leaves_the_stored_path(path_pages, open_page, tmp_path):
    def without(html):
        return re.sub(r'"weights":\{.*?\}', '"weights":null', html)

    explorer = Explorer(open_page(alone(path_pages, tmp_path, without).as_uri()), None)
    explorer.root.get_by_text("does not travel with the page").wait_for()
    assert explorer.button.count() == 0
    explorer.inputs.first.click()
    explorer.page.keyboard.type("Tea.")
    assert explorer.inputs.first.input_value() == ENDS[0]
    explorer.path.last.click()
    assert explorer.settled()["sentence"] == explorer.state()["path"][10]


def test_a_damaged_payload_is_said(path_pages, browser, tmp_path):
    page = browser.new_page()
    path = alone(path_pages, tmp_path, lambda html: html.replace('"path":[', '"path":[[', 1))
    page.goto(path.as_uri())
    assert "could not start" in page.locator(".ae-explorer-fallback").first.inner_text()
    page.close()


def test_the_book_s_explorer_is_of_the_shipped_model():
    for page in REAL_PAGES:
        payload = re.search(MOUNT + r'.*?json">(.*?)</script>', page.read_text("utf8"), re.DOTALL)
        weights = json.loads(payload[1])["weights"]
        shipped = int8.pack_model(TextAutoencoder.load(SHIPPED))
        assert weights["version"] == int8.fingerprint(shipped)
