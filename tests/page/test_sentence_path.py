"""The line between two sentences under the reader's hand.

After each movement the sentences shown are compared with what Keras decodes with the weights
that the page loads: see explorers.py, and test_sentence_words.py for the sums.
"""

import gzip
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ae_lib.text_models import TextAutoencoder, shipped_file
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import (
    ENDS,
    HELD_OUT,
    PHONE,
    SITE,
    PathExplorer,
    autoencoder_beside,
    book_page,
)


def check_the_stored_path_then_load(explorer):
    """By keyboard: nothing is loaded for the stored path, and the model's path is the same."""
    state, press = explorer.state(), explorer.page.keyboard.press
    assert explorer.page.evaluate("window.aeWeights") is None
    assert explorer.sentence.inner_text() == state["path"][5]
    explorer.slider.focus()
    press("Home")
    for sentence in state["path"]:
        assert explorer.settled()["sentence"] == explorer.sentence.inner_text() == sentence
        press("ArrowRight")
    assert not explorer.state()["loaded"]
    explorer.button.focus()
    press("Enter")
    explorer.loaded()
    assert explorer.inputs.first.evaluate("input => document.activeElement === input")
    assert explorer.settled()["path"] == state["path"]
    explorer.assert_agrees_with_keras()


def check_a_written_sentence(explorer):
    explorer.write(1, "I was here with you.")
    explorer.assert_agrees_with_keras()
    back = explorer.autoencoder.reconstruct(["I was here with you."])[0]
    exact = back == "I was here with you."
    assert ("comes back exactly" if exact else f"comes back as {back}") in explorer.status(1)


def test_the_books_explorer(open_page):
    address, payload = book_page("sentence-path")
    shipped = int8.pack_model(TextAutoencoder.load(shipped_file("text-autoencoder")))
    assert payload["weights"]["version"] == int8.fingerprint(shipped)
    explorer = PathExplorer(open_page(address), autoencoder_beside(SITE))
    check_the_stored_path_then_load(explorer)
    check_a_written_sentence(explorer)
    explorer.assert_computes_as_keras_does(["Zorble!", "tea " * 90, *HELD_OUT])


# ---- the reader's hand ----


def test_writing_loads_the_model_and_mere_focus_does_not(small):
    small.inputs.first.click()
    small.page.keyboard.press("Tab")
    small.inputs.nth(1).focus()
    assert small.page.evaluate("document.querySelector('script[src]')") is None
    small.page.keyboard.type("!")
    small.loaded()
    small.assert_agrees_with_keras()


def test_the_reader_sees_how_much_has_come_and_can_cancel(open_page, serve):
    address, payload = book_page("sentence-path")
    page = open_page(serve + Path(urlsplit(address).path).relative_to(SITE).as_posix())
    explorer = PathExplorer(page, None)
    script = (SITE / "_static" / payload["weights"]["file"]).read_bytes()
    said = re.search(r"\(([\d.]+) MB\)", explorer.button.inner_text())[1]
    assert float(said) == pytest.approx(len(gzip.compress(script)) / 1e6, rel=0.03)
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "uploadThroughput": -1, "downloadThroughput": 2e6}
    line.send("Network.emulateNetworkConditions", slow)
    explorer.button.click()
    note, bar = explorer.root.locator(".aes-load p"), explorer.root.get_by_role("progressbar")
    note.get_by_text(re.compile(r"Loading the model: [1-9]\d? %")).wait_for()
    assert 0 < bar.evaluate("bar => bar.value") < 1
    explorer.root.get_by_role("button", name="Cancel").click()
    note.get_by_text("Cancelled; nothing was loaded.").wait_for()
    assert not bar.is_visible()
    explorer.inputs.first.fill("Tea.")  # who has cancelled is not asked to pay by writing
    explorer.inputs.first.press("Enter")
    explorer.root.get_by_text("The model is not here. The line still ends at").wait_for()
    assert page.evaluate("window.aeWeights") is None
    line.send("Network.emulateNetworkConditions", slow | {"downloadThroughput": -1})
    explorer.button.click()
    explorer.loaded()
    assert explorer.settled()["texts"][0] == "Tea."


def test_along_the_line_by_keyboard_and_by_mouse(small):
    small.load()
    small.inputs.first.focus()
    small.page.keyboard.press("Shift+Tab")
    reached = []
    for _ in range(7):
        reached.append(
            small.page.evaluate(
                """() => document.activeElement.ariaLabel || document.activeElement.type
                     + (document.activeElement.labels?.[0]?.textContent ?? "")"""
            )
        )
        small.page.keyboard.press("Tab")
    assert reached == [
        "Pick the first sentence from a list", "textFirst sentence",
        "Pick the second sentence from a list", "textSecond sentence",
        "Place t on the line from the first sentence to the second", "button", "button",
    ]  # fmt: skip
    small.slider.focus()
    press, mouse = small.page.keyboard.press, small.page.mouse
    for key, t in [("ArrowRight", 0.51), ("Home", 0), ("ArrowRight", 0.01), ("End", 1)]:
        press(key)
        assert small.state()["t"] == pytest.approx(t)
        assert small.slider.get_attribute("aria-valuetext") == f"t = {t:.2f}"
        small.assert_agrees_with_keras()
    press("PageDown")
    assert small.state()["t"] < 1
    press("End")
    small.slider.scroll_into_view_if_needed()
    box = small.slider.bounding_box()
    y = box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] / 2, y)
    mouse.down()
    for share in (0.45, 0.3, 0.27):
        mouse.move(box["x"] + share * box["width"], y)
        assert small.state()["t"] == pytest.approx(share, abs=0.03)
        small.assert_agrees_with_keras()
    mouse.up()
    small.run("explorer => explorer.setPlace(0.5)")
    for wrong in ["NaN", "'a'", "undefined", "[0.2, 0.3]"]:
        small.run(f"explorer => explorer.setPlace({wrong})")
    assert small.state()["t"] == 0.5
    small.run("explorer => explorer.setPlace(7)")
    assert small.state()["t"] == 1
    count = small.path.count()
    assert count >= 3
    for i in [0, count - 1, 1]:
        words = small.path.nth(i).locator(".aes-words").inner_text()
        small.path.nth(i).focus()
        small.page.keyboard.press("Enter")
        small.settled()
        assert small.sentence.inner_text() == words
        assert small.path.nth(i).get_attribute("aria-current") == "true"
        assert small.root.locator("[aria-current=true]").count() == 1
    small.path.first.click()
    assert small.state()["t"] == 0


def test_write_or_pick_a_sentence(small):
    small.load()
    check_a_written_sentence(small)
    small.inputs.first.fill("")
    small.page.keyboard.type("You are here.")  # taken without Enter
    small.has(0, "You are here.")
    small.assert_agrees_with_keras()
    pick = small.root.get_by_role("combobox").first
    words = pick.locator("option").nth(3).text_content()
    pick.select_option(words)
    small.has(0, words)
    assert small.inputs.first.input_value() == words
    small.assert_agrees_with_keras()
    small.write(0, "Zorble eats tea.")
    assert pick.input_value() == ""
    assert "not in the vocabulary: Zorble" in small.status(0)
    assert "Zorble" in small.root.locator(".aes-status mark").all_inner_texts()
    small.assert_agrees_with_keras()
    small.write(0, "I was here. " * 24)  # read to its end
    small.assert_agrees_with_keras()
    small.run(
        """(explorer, texts) => Promise.all(
             texts.map((text, i) => explorer.setEnd(i % 2, text)))""",
        HELD_OUT[:9],
    )
    assert small.settled()["texts"] == [HELD_OUT[8], HELD_OUT[7]]  # the last ones count
    small.assert_agrees_with_keras()
    small.write(0, "You WERE here.")
    assert "read in another case: WERE as were" in small.status(0)
    assert "not in the vocabulary" not in small.status(0)
    shouted = small.state()["path"]
    small.write(0, "You were here.")
    assert "another case" not in small.status(0)
    assert small.state()["path"] == shouted


def test_what_cannot_be_read_is_said_and_changes_nothing(small):
    small.load()
    before = small.settled()
    for sentence, words in [
        ("", "Write a sentence."),
        ("tea " * 2000, "Too long: 2001"),
        (" \u200b ", "Write a sentence."),
    ]:
        small.inputs.first.fill(sentence)
        small.inputs.first.press("Enter")
        small.root.locator(".aes-status").first.get_by_text(words).wait_for()
        assert before["texts"][0] in small.status(0)
        assert small.inputs.first.get_attribute("aria-invalid") == "true"
        assert small.settled() == before
    small.write(0, "I was here with you.")
    assert small.inputs.first.get_attribute("aria-invalid") == "false"


def test_two_explorers_are_independent(small):
    first, second = small.load(), PathExplorer(small.page, small.autoencoder, 1).load()
    first.write(0, HELD_OUT[0])
    second.run("explorer => explorer.setPlace(0.2)")
    assert first.state()["texts"] == [HELD_OUT[0], ENDS[1]]
    assert second.state()["texts"] == list(ENDS)
    first.assert_agrees_with_keras()
    second.assert_agrees_with_keras()
    ids = small.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids)) >= 10


# ---- everyone ----


def test_says_what_happens_to_screen_readers(small):
    live = small.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    small.load()
    live.get_by_text("The model is loaded").wait_for(timeout=5000)
    small.run("explorer => explorer.setPlace(0.3)")
    sentence = small.settled()["sentence"]
    live.get_by_text(f"t = 0.30: {sentence}", exact=True).wait_for(timeout=5000)
    small.write(0, "Zorble eats tea.")
    live.get_by_text("Not in the vocabulary: Zorble").wait_for(timeout=5000)
    status = small.inputs.first.get_attribute("aria-describedby")
    assert small.root.locator(f"#{status}").inner_text() == small.status(0)


def test_both_themes_and_no_motion(small):
    small.assert_axe_finds_nothing()
    small.load()
    small.write(0, "Zorble eats tea.")
    small.inputs.nth(1).fill("")
    small.inputs.nth(1).press("Enter")
    small.assert_axe_finds_nothing()
    small.assert_the_theme_is_followed(small.sentence)
    moving = """root => [root, ...root.querySelectorAll("*")].filter((node) =>
      getComputedStyle(node).transitionDuration !== "0s"
        || getComputedStyle(node).animationName !== "none").length"""
    assert small.root.evaluate(moving) == 0


def test_phone(open_page, small_page):
    address, autoencoder = small_page
    explorer = PathExplorer(open_page(address, device_scale_factor=2, **PHONE), autoencoder)
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
    explorer.assert_agrees_with_keras()


def test_without_javascript_the_path_stands_there(open_page, small_page):
    page = open_page(small_page[0], java_script_enabled=False)
    words = page.locator(".ae-explorer-fallback").first.inner_text()
    assert "needs JavaScript" in words
    assert words.count("→") >= 3


# ---- what can be missing ----


@pytest.fixture
def alone(small_page, browser, tmp_path):
    """Opens a changed copy of the small page in a folder without the weights."""
    source = Path(urlsplit(small_page[0]).path)
    page = browser.new_page()

    def alone(change=lambda html: html):
        (tmp_path / "page.html").write_text(change(source.read_text("utf8")), encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield alone
    page.close()


def test_without_its_model_it_says_so_and_tries_again(alone, small_page, tmp_path):
    explorer = PathExplorer(alone(), small_page[1])
    explorer.button.click()
    explorer.root.get_by_text("The model is not here: text_autoencoder.js could not").wait_for()
    explorer.inputs.first.fill("Tea.")
    explorer.inputs.first.press("Enter")
    explorer.root.get_by_text(f"The line still ends at “{ENDS[0]}”").wait_for()
    assert explorer.state()["texts"] == list(ENDS)
    script = tmp_path / "_static" / "text_autoencoder.js"
    script.parent.mkdir()
    script.write_text('(window.aeWeights ??= {})["text-autoencoder"] = "QUJDRA==";')
    again = explorer.root.get_by_role("button", name="Try again")
    again.click()
    explorer.root.get_by_text("the model's data are damaged").wait_for()
    explorer.page.evaluate("delete window.aeWeights")
    shutil.copy(Path(urlsplit(small_page[0]).path).parent / "_static" / script.name, script)
    again.click()
    explorer.has(0, "Tea.")
    explorer.assert_agrees_with_keras()


def test_a_model_that_does_not_travel_leaves_the_stored_path(alone):
    page = alone(lambda html: re.sub(r'"weights":\{.*?\}', '"weights":null', html))
    explorer = PathExplorer(page, None)
    explorer.root.get_by_text("does not travel with the page").wait_for()
    assert explorer.button.count() == 0
    explorer.inputs.first.click()
    explorer.page.keyboard.type("Tea.")
    assert explorer.inputs.first.input_value() == ENDS[0]
    explorer.path.last.click()
    assert explorer.settled()["sentence"] == explorer.state()["path"][10]


def test_a_damaged_payload_is_said(alone):
    page = alone(lambda html: html.replace('"path":[', '"path":[[', 1))
    assert "could not start" in page.locator(".ae-explorer-fallback").first.inner_text()
