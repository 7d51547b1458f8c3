"""Predictions: a result opens when the reader has committed, over HTTP and from a stick."""

import json
import re

import pytest

from tests.page.axe import assert_axe_finds_nothing, in_both_schemes
from tests.page.explorers import come_near
from tests.page.test_pages import CHAPTERS, ROOT, SITE, find, read

NUMBER = ("chapters/13_long_runs.html", "13-interval")
CHOICE = ("chapters/13_long_runs.html", "13-missing")
# Whether the browser shows an element; what is closed takes no room.
SHOWN = "e => e.checkVisibility() && e.getBoundingClientRect().height > 0"
STATES = f"""name => [...document.querySelectorAll(`[data-ae-veil="${{name}}"]`)].map({SHOWN})"""
REFUSED = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})"
FULL = "Storage.prototype.setItem = () => { throw new Error('full') }"


class Guess:
    """One prediction on a page."""

    def __init__(self, page, name):
        self.page, self.name = page, name
        self.place = page.locator(f"#guess-{name}")
        self.said = self.place.get_by_role("status")

    @property
    def box(self):
        come_near(self.place, lambda: not self.place.locator("template").count())
        return self.place

    def words(self):
        """What the line says: also where the browser has not laid it out, after a reload."""
        return self.said.text_content()

    def press(self, words):
        self.box.get_by_role("button", name=words, exact=True).click()

    def answer(self, text):
        if self.box.get_by_role("radio").count():
            self.box.get_by_label(text, exact=True).check()
        else:
            self.box.get_by_label("Your guess").fill(text)
        self.press("Commit")

    def opened(self):
        """All that belongs to it is shown, True, or none of it, False."""
        (state,) = set(self.page.evaluate(STATES, self.name))
        return state


@pytest.fixture
def at(open_page, serve):
    """Open a prediction as a reader does: what is far off is not laid out."""

    def at(where, root=serve, script="", **options):
        name, guess = where
        return Guess(open_page(root + name, script=script, near_alone=True, **options), guess)

    return at


def written():
    """The predictions in the text of each chapter: ``{page: [id, …]}``."""
    found = {}
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf8"))["cells"]
        prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        found[f"chapters/{path.stem}.html"] = re.findall(
            r"^```\{predict\}.*\n:id: (\S+)", prose, re.M
        )
    return found


def test_each_chapter_asks_for_predictions_and_each_became_a_box():
    asked = written()
    assert sorted(asked) == sorted(CHAPTERS)
    for name, ids in asked.items():
        assert 2 <= len(ids) <= 4, name
        assert find(name, "//div/@data-ae-guess") == ids
        assert "{predict}" not in read(name)


@pytest.mark.parametrize("way", ["http", "stick"])
def test_a_number_is_compared_with_the_run_and_kept(at, serve, way):
    guess = at(NUMBER, serve if way == "http" else SITE.as_uri() + "/")
    assert not guess.opened()
    for text, verdict in [
        ("1,000", "You said 1,000 minutes. Measured: 13 minutes. Too high."),
        ("12,5", "You said 12,5 minutes. Measured: 13 minutes. Within a tenth."),
        ("3 min", "Write a number, such as 40 or 2.5."),
        ("", "Write a number, such as 40 or 2.5."),
        ("1e999", "Write a number, such as 40 or 2.5."),
        ("3", "You said 3 minutes. Measured: 13 minutes. Too low."),
    ]:
        guess.answer(text)
        assert guess.words() == verdict
        assert guess.opened() == verdict.startswith("You said")
        if guess.opened() and text != "3":
            guess.press("Guess again")
            assert guess.words() == ""
        assert guess.box.locator("input:focus").count() == (text != "3")
    guess.page.reload()
    assert guess.words() == verdict
    assert guess.opened()
    assert guess.box.get_by_role("status").is_visible()


def test_a_choice_by_keyboard_alone(at):
    guess = at(CHOICE)
    keys = guess.page.keyboard
    guess.box.get_by_role("button", name="Commit").press("Enter")
    assert guess.words() == "Choose one of them first."
    assert guess.box.locator("input:focus").get_attribute("value") == "the optimizer"
    keys.press("ArrowDown")
    keys.press("Enter")
    assert guess.words() == "You said: the random state. The run says: the optimizer."
    assert guess.opened()
    assert guess.box.locator("button:focus").inner_text() == "Guess again"
    keys.press("Enter")
    assert not guess.opened()
    keys.press("ArrowUp")
    keys.press("Enter")
    assert guess.words() == "You said: the optimizer. The run agrees."


def test_a_finger_on_a_phone_opens_without_a_guess(at):
    guess = at(CHOICE, width=390, height=844, has_touch=True, is_mobile=True)
    button = guess.box.get_by_role("button", name="Show the result without a guess")
    assert button.bounding_box()["height"] >= 24
    button.tap()
    assert guess.opened()
    assert guess.words() == "Shown without a guess."
    assert guess.page.evaluate("document.documentElement.scrollWidth") <= 390
    guess.page.reload()
    assert guess.opened()


@pytest.mark.parametrize("script", [REFUSED, FULL])
def test_where_nothing_is_kept_a_guess_holds_till_the_page_is_left(at, script):
    guess = at(NUMBER, script=script)
    guess.answer("13")
    assert guess.opened()
    assert guess.words().endswith("Within a tenth.")
    guess.page.reload()
    assert not guess.opened()


def test_what_is_closed_opens_for_paper_and_without_a_script(at, open_page):
    guess = at(NUMBER)
    assert not guess.opened()
    guess.page.emulate_media(media="print")
    assert guess.opened()
    assert not guess.box.locator(".ae-predict-form").is_visible()
    assert not guess.page.locator("[data-ae-veil-note='13-interval']").first.is_visible()
    page = open_page((SITE / CHOICE[0]).as_uri(), java_script_enabled=False)
    plain = Guess(page, CHOICE[1])
    assert plain.opened()
    assert plain.place.locator(".ae-predict-form").is_hidden()
    assert plain.place.get_by_text(
        "Choose: the optimizer; the random state; the place in the data."
    ).is_visible()


def test_a_link_into_what_is_closed_opens_it(at):
    guess = at(NUMBER)
    guess.page.evaluate("location.hash = '#fig-young'")
    guess.page.wait_for_function(  # it scrolls smoothly
        "document.getElementById('fig-young').getBoundingClientRect().y < 300"
    )
    assert guess.opened()
    guess.page.reload()
    assert guess.opened(), "the address still leads into it"
    guess.press("Guess")
    assert not guess.opened()


def test_a_search_in_the_page_opens_what_it_finds(at):
    guess = at(NUMBER)
    veil = guess.page.locator("[data-ae-veil='13-interval']").nth(1)
    assert veil.get_attribute("hidden") == "until-found"
    veil.dispatch_event("beforematch", {"bubbles": True})
    assert guess.opened()


def test_who_prefers_it_sees_all_results_and_can_take_that_back(at):
    guess = at(CHOICE)
    guess.press("Show all results from now on")
    assert guess.opened()
    assert "open from now on" in guess.words()
    guess.page.reload()
    assert set(
        guess.page.evaluate(f"[...document.querySelectorAll('.ae-veil')].map({SHOWN})")
    ) == {True}
    assert not guess.box.locator(".ae-predict-form").is_visible()
    page = guess.page
    page.goto(page.url.split("chapters/")[0] + "book/answers.html")
    place = page.locator("#ae-guesses")
    assert "All results are open" in place.inner_text()
    place.get_by_role("button").press("Enter")
    assert "opens when you have answered" in place.inner_text()
    page.go_back()
    page.reload()
    assert not guess.opened()


def test_to_delete_all_answers_deletes_guesses_too(at):
    guess = at(NUMBER)
    guess.answer("13")
    page, address = guess.page, guess.page.url
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address.split("chapters/")[0] + "book/answers.html")
    page.get_by_role("button", name="Delete all answers").click()
    page.get_by_text("All answers and predictions were deleted.").wait_for()
    page.goto(address)
    assert not guess.opened()


def test_axe_finds_nothing_before_and_after_a_guess(at):
    guess = at(CHOICE)
    mine = "#guess-13-missing, [data-ae-veil='13-missing'], [data-ae-veil-note='13-missing']"
    for act in (lambda: None, lambda: guess.answer("the optimizer")):
        act()
        for _ in in_both_schemes(guess.page):
            assert_axe_finds_nothing(guess.page, mine)


def test_the_page_is_right_before_its_script_comes(at):
    """So that nothing moves when it comes: closed at the first paint, or open if answered."""
    guess = at(NUMBER)
    guess.answer("300")
    guess.page.route("**/book.js*", lambda route: route.fulfill(body=""))
    guess.page.reload()
    assert guess.opened()
    assert not guess.place.locator(".ae-predict-form").is_visible()
    other = Guess(guess.page, CHOICE[1])
    assert not other.opened()
    room = other.place.locator(".ae-predict-form").bounding_box()["height"]
    guess.page.unroute("**/book.js*")
    guess.page.reload()
    assert other.box.locator(".ae-predict-form").bounding_box()["height"] < room + 40
