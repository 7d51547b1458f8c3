"""Exercises answered in the published page: over HTTP, from a stick, and with the network off.

Every exercise of every chapter is put to the page's own Python: its starter, its solution and each
of its slips. The verdicts have to be those of the Python that runs this test.
"""

import ast
import functools
import gzip
import json

import pytest

from ae_lib import exercises
from ae_lib.exercises import _page, judge
from tests.page.explorers import come_near
from tests.page.test_pages import CHAPTERS, SITE, find
from tests.test_exercises import solutions

FIRST = "chapters/01_what_is_an_autoencoder.html"
MINE = "basics.tied_gradient"
RIGHT = (
    "def tied_gradient(W, x):\n    error = x @ W @ W.T - x\n    g = 2 * error / error.size\n"
    "    return x.T @ g @ W + g.T @ x @ W"
)
SLOW = 120_000  # milliseconds: Python has to start, on a busy machine


def records():
    """What the boxes of all pages hold."""
    for name in CHAPTERS:
        for text in find(name, "//div[@class='ae-live']/script/text()"):
            yield name, json.loads(text)


RECORDS = {record["name"]: (page, record) for page, record in records() if record["name"]}


def test_every_exercise_has_its_box():
    assert set(RECORDS) == set(exercises.names())
    for name in RECORDS:
        (place,) = find(RECORDS[name][0], f"//div[@data-ae-live='{name}']")
        assert place.get("hidden") is not None, "without JavaScript there is nothing to press"


def test_what_goes_with_an_exercise_does_not_answer_it():
    for name, (_, record) in RECORDS.items():
        told = _page.run("", name, record["answer"], record["given"])
        assert told["state"] == "wrong", name
        assert "Give your answer the name" in told["text"], name


def test_the_list_of_exercises_leads_to_them(open_page, serve):
    page = open_page(serve + "book/answers.html")
    chapters = page.evaluate("AE_CHAPTERS")
    listed = [item["name"] for chapter in chapters for item in chapter["exercises"]]
    assert sorted(listed) == sorted(exercises.names())
    for chapter in chapters:
        for item in chapter["exercises"]:
            assert find(chapter["page"], f"//div[@id='{item['at']}']")
            assert item["label"].startswith(f"Exercise {chapter['number']}.")


def test_what_python_weighs():
    """What comes at the first check, compressed as it is sent; and what every page carries."""
    script = (SITE / "_static/live.js").read_text("utf8")
    parts = json.loads(script.split("const AE_PYTHON = ", 1)[1].split(";\n", 1)[0])["parts"]
    sent = [gzip.compress((SITE / "_static" / part["file"]).read_bytes()) for part in parts]
    assert sum(map(len, sent)) < 9.5e6
    assert len(gzip.compress((SITE / "_static/editor.js").read_bytes())) < 135_000
    assert len(gzip.compress((SITE / "_static/book.js").read_bytes())) < 24_000


class Live:
    """One exercise's box on a page. A page makes it when its cell is a screen away."""

    def __init__(self, page, name=MINE):
        self.page = page
        self.place = page.locator(f"[data-ae-live='{name}']").first

    @property
    def box(self):
        come_near(self.place.locator(".."), self.place.is_visible)
        return self.place

    def press(self, words):
        self.box.get_by_role("button", name=words, exact=True).click()

    def open(self, words="Answer here"):
        self.press(words)
        self.box.locator(".cm-content").wait_for()

    def write(self, code):
        self.box.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def verdict(self):
        told = self.box.locator(".ae-check")
        told.wait_for(timeout=SLOW)
        return told.inner_text().strip()

    def check(self, code):
        self.write(code)
        self.page.keyboard.press("Control+Enter")
        return self.verdict()


@pytest.fixture
def first(open_page, serve):
    """The first exercise of chapter 01, over HTTP."""
    return Live(open_page(serve + FIRST))


def test_a_newcomer_solves_the_first_exercise_from_a_stick(open_page, site):
    live = Live(open_page((site / FIRST).as_uri()))
    live.open()
    live.press("Check")
    assert live.verdict() == "○ Not answered yet: give a function of (W, x)."
    live.press("Hint")
    live.box.get_by_text(f"○ Hint: {exercises.load(MINE).hint}").wait_for()
    live.press("Reset")
    assert "encoder alone" in live.check(RIGHT.replace(" + g.T @ x @ W", ""))
    assert live.check(RIGHT) == f"✓ Right. {exercises.load(MINE).right}"
    assert live.box.locator(".ae-stale").count() == 0
    live.write(RIGHT + "\n")
    live.write(RIGHT)
    assert live.box.locator(".ae-stale").count() == 1
    assert live.verdict().endswith("(Said before your last change.)")
    assert live.verdict().count("change") == 1
    assert live.page.locator("#ex-basics-tied-gradient.ae-is-solved").count() == 1
    assert live.page.locator("nav.bd-links .ae-solved").first.inner_text() == "1/7"
    live.press("Show the solution")
    assert live.page.locator("details.ae-solution[open] summary:focus").count() == 1


def test_the_readers_errors_are_shown_as_theirs_and_a_loop_is_stopped(first):
    first.open()
    told = first.check("def tied_gradient(W, x):\n    return (W\n")
    assert "stopped in line 2: SyntaxError: '(' was never closed" in told
    told = first.check("import numpy\n\nq = scipy.stats")
    assert "line 3: NameError: name 'scipy' is not defined. Defined here: np." in told
    assert "the name tied_gradient" in first.check("def tied(W, x):\n    return W")
    told = first.check("def tied_gradient(W, x):\n    print('seen', W.shape)\n    return [1][2]")
    assert "IndexError: list index out of range, in tied_gradient: return [1][2]" in told
    assert first.box.locator(".ae-live-printed").inner_text() == "seen (5, 2)\n"
    first.write("while True:\n    pass")
    first.press("Check")
    first.press("Stop")
    assert first.verdict() == "○ Stopped."
    focused = first.box.locator("button:focus")
    assert focused.inner_text() == "Check", "the button that had the focus is gone"
    first.page.keyboard.press("Enter")
    first.press("Stop")
    first.verdict()
    assert focused.inner_text() == "Check"
    first.page.clock.install()
    first.write("while True:\n    pass")
    first.page.keyboard.press("Control+Enter")
    first.box.get_by_text("Running …").wait_for(timeout=SLOW)
    first.page.clock.fast_forward(20_000)
    assert "stopped after 20 s" in first.verdict()
    assert first.check(RIGHT).startswith("✓ Right.")


def test_answers_stay_and_two_pages_and_a_file_share_them(first, tmp_path):
    first.open()
    first.check(RIGHT)
    page = first.page
    page.reload()
    assert page.locator("#ex-basics-tied-gradient.ae-is-solved").count() == 1
    first.open("Show your answer")
    other = Live(page.context.new_page())
    other.page.goto(page.url)
    other.open("Show your answer")
    other.write(RIGHT + "  # mine")
    other.page.keyboard.press("Escape")
    first.box.locator(".cm-line", has_text="# mine").wait_for()

    other.page.goto(page.url.replace(FIRST, "book/answers.html"))
    answers = other.page.locator("#ae-answers")
    assert answers.locator("summary").first.inner_text().endswith("(1 of 7 solved)")
    with other.page.expect_download() as download:
        answers.get_by_role("button", name="Save to a file").click()
    download.value.save_as(tmp_path / "answers.json")
    kept = json.loads((tmp_path / "answers.json").read_text("utf8"))["answers"]
    assert kept == {MINE: {"code": RIGHT + "  # mine", "solved": True}}
    other.page.on("dialog", lambda dialog: dialog.accept())
    answers.get_by_role("button", name="Delete all answers").click()
    assert answers.locator("summary").first.inner_text().endswith("(0 of 7 solved)")
    first.box.locator(".cm-content", has_text="return ...").wait_for()
    ours = "Object.keys(localStorage).filter((key) => key.startsWith('ae-answer:'))"
    assert page.evaluate(ours) == [], "what was deleted there is not kept again here"
    broken = tmp_path / "broken.json"
    broken.write_text('{"answers": null}')
    answers.locator("input[type=file]").set_input_files(broken)
    answers.get_by_text("This is no file of answers").wait_for()
    answers.locator("input[type=file]").set_input_files(tmp_path / "answers.json")
    answers.get_by_text("1 answer was read").wait_for()
    assert answers.locator("summary").first.inner_text().endswith("(1 of 7 solved)")
    older = {
        MINE: {"code": "pass", "values": "abc"},
        "<b>": {"code": "x"},
        "text.fair": {"code": 5},
    }
    broken.write_text(json.dumps({"answers": older}))
    answers.locator("input[type=file]").set_input_files(broken)
    answers.get_by_text("2 answers were read").wait_for()
    assert answers.locator("summary").first.inner_text().endswith("(1 of 7 solved)")
    page.reload()
    first.open("Show your answer")
    # What another page wrote arrives when the browser's processes have told each other.
    first.box.locator(".cm-content").get_by_text("pass", exact=True).wait_for()
    first.press("Reset")
    assert "return ..." in first.box.locator(".cm-content").inner_text()


def test_a_verdict_of_a_text_that_has_changed_meanwhile_says_so(first):
    first.open()
    first.write(RIGHT)
    first.page.keyboard.press("Control+Enter")
    first.page.keyboard.type(" # more")
    assert first.verdict().startswith("✓ Right.")
    assert first.box.locator(".ae-check.ae-stale").count() == 1


def test_an_address_that_is_no_text_stops_no_script(open_page, serve):
    Live(open_page(serve + FIRST + "#50%")).open()


def test_where_storage_is_refused_answers_are_checked_all_the_same(open_page, serve):
    page = open_page(serve + "book/answers.html")
    page.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})"
    )
    page.goto(serve + FIRST)
    live = Live(page)
    live.open()
    assert live.check(RIGHT).startswith("✓ Right.")
    assert page.locator("#ex-basics-tied-gradient.ae-is-solved").count() == 1


@pytest.mark.parametrize("kept", ['{"code": 5}', '{"values": "abc"}', "null", "[", '"a"', "7"])
def test_what_is_kept_may_be_broken(open_page, serve, kept):
    page = open_page(serve + "book/answers.html")
    for name in (MINE, "basics.families"):
        page.evaluate("([k, v]) => localStorage.setItem(k, v)", ["ae-answer:" + name, kept])
    page.reload()
    assert page.locator("#ae-answers summary").count() == 14
    page.goto(serve + FIRST)
    Live(page).open()
    assert Live(page, "basics.families").box.get_by_label("GPT").input_value() == ""


def test_letters_that_are_unticked_again_stay_so(open_page, serve):
    page = open_page(serve + "chapters/06_text_as_numbers.html")
    live = Live(page, "text.leaks")
    live.box.get_by_label("a", exact=True).check()
    live.box.get_by_label("d", exact=True).check()
    live.press("Check")
    assert live.verdict().startswith("✓ Right.")
    for letter in "ad":
        live.box.get_by_label(letter, exact=True).uncheck()
    page.reload()
    assert live.box.locator("input").count() == 6
    assert live.box.locator("input:checked").count() == 0


def test_predictions_have_fields(open_page, serve):
    page = open_page(serve + FIRST, width=390, height=844, color_scheme="dark")
    floor = Live(page, "basics.bce_floor")
    floor.press("Check")
    assert floor.verdict() == "○ Not answered yet: give a number of nats."
    field = floor.box.get_by_role("textbox")
    field.fill("-np.log(0.8)")
    field.press("Enter")
    floor.box.get_by_text("as if the pixel were 1").wait_for(timeout=SLOW)
    for text in ("50 %", "half", "1 / 0"):
        field.fill(text)
        field.press("Enter")
        floor.box.get_by_text("✗ Write a number, or a formula in Python").wait_for(timeout=SLOW)
        floor.press("Reset")
    field.fill("75,012")
    field.press("Enter")
    assert floor.verdict() == "○ 75,012: write 75012 or 75.012; the comma can mean either."
    field.fill("0,5004")
    field.press("Enter")
    floor.box.get_by_text("✓ Right.").wait_for(timeout=SLOW)
    kinds = Live(page, "basics.families")
    kinds.box.get_by_label("GPT").select_option("repair")
    kinds.press("Check")
    assert "has no answer yet" in kinds.verdict()
    page.reload()
    assert kinds.box.get_by_label("GPT").input_value() == "repair"
    assert floor.box.get_by_role("textbox").input_value() == "0,5004"
    kinds.press("Reset")
    assert kinds.box.get_by_label("GPT").input_value() == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_answer_is_for_everyone_and_stays_off_paper(open_page, site, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page((site / FIRST).as_uri(), width=390, height=844, color_scheme=scheme)
    live = Live(page)
    live.open()
    assert page.locator(".cm-content:focus").count() == 1
    live.write("print(1)")
    live.press("Check")
    live.verdict()
    assert live.box.locator(".ae-live-printed").is_visible()
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, context=".ae-live", options=options).response["violations"]
    assert found == []
    listing = page.locator(".cell:has(> [data-ae-live='basics.tied_gradient']) > .cell_input")
    assert not listing.is_visible()
    page.emulate_media(media="print")
    assert listing.is_visible()
    assert not live.place.is_visible()


def test_a_part_that_does_not_come_can_be_asked_for_again(browser, serve):
    page = browser.new_page()
    page.goto(serve + FIRST)
    live = Live(page)
    for answer in (lambda route: route.abort("connectionaborted"), lambda route: route.fulfill()):
        page.route("**/editor.js*", answer)
        live.press("Answer here")
        assert "Are you offline? Try again." in live.verdict()
        page.unroute("**/editor.js*")
    live.open()
    page.route("**/python/*.js", lambda route: None)  # it never comes
    page.keyboard.press("Control+Enter")
    live.press("Stop")
    live.box.get_by_text("✗ Stopped.").wait_for()
    page.unroute("**/python/*.js")
    page.route("**/python/*.js", lambda route: route.abort("connectionaborted"))
    live.press("Check")
    live.box.get_by_text("Python could not be loaded").wait_for(timeout=SLOW)
    page.unroute("**/python/*.js")
    page.route("**/python/*.js", lambda route: route.fulfill(body="'a sign-in page'"))
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(100)
    assert "Python could not be loaded" in live.verdict()
    page.unroute("**/python/*.js")
    assert live.check(RIGHT).startswith("✓ Right.")
    page.close()


def asked_of(name):
    """What is put to an exercise: its starter and its solution, as they stand in the chapter."""
    _, record = RECORDS[name]
    (solution,) = [source for _, source in solutions() if f'check("{name}"' in source]
    lines = [line for line in ast.parse(solution).body if not isinstance(line, ast.Assert)]
    at = [ast.unparse(line).startswith(f"check({name!r}") for line in lines].index(True)
    solved = {"source": ast.unparse(lines[:at]), "answer": ast.unparse(lines[at].value.args[1])}
    asked = {"name": name, "source": record["code"], "answer": record["answer"]}
    for one in (asked, asked | solved):
        yield one | {"given": record["given"]}


TALK = """async ([asked]) => {
  const found = [];
  for (const one of asked) found.push(await AE_RUN(one, () => {}));
  return found;
}"""
ALL_SLIPS = """
import ae_lib
from ae_lib.exercises import judge, load
exercise = load({name!r})
answers = [..., exercise.reference, *(slip[0] for slip in exercise.slips)]
ae_lib.said = [judge(exercise, answer).text for answer in answers]
"""


@functools.cache
def said_here(name):
    """What this Python says of an exercise's starter and solution, and of all its slips."""
    exercise = exercises.load(name)
    answers = [..., exercise.reference, *(slip[0] for slip in exercise.slips)]
    told = [f"{judge(exercise, answer).text!r}\n" for answer in answers]
    return [_page.run(**one) for one in asked_of(name)], told


@pytest.mark.parametrize("way", ["http", "stick"])
def test_every_verdict_is_pythons_own(open_page, serve, site, way):
    page = open_page(serve + FIRST if way == "http" else (site / FIRST).as_uri())
    Live(page, "basics.bce_floor").press("Check")
    Live(page, "basics.bce_floor").verdict()
    page.context.set_offline(True)
    for name in exercises.names() if way == "http" else exercises.names()[::9]:
        found, told = said_here(name)
        assert [one["state"] for one in found][1] == "right", (name, found)
        slips = [{"source": f"import ae_lib\nae_lib.said[{at}]"} for at in range(len(told))]
        asked = [*asked_of(name), {"source": ALL_SLIPS.format(name=name)}, *slips]
        first, second, _, *said = page.evaluate(TALK, [asked])
        assert [first, second] == found, name
        assert [one["printed"] for one in said] == told, name


def test_a_cell_that_runs_in_the_page_prints_what_is_stored(open_page, serve):
    cells = [(page, record) for page, record in records() if record["name"] is None]
    assert len(cells) >= 8
    page = open_page(serve + FIRST)
    Live(page, "").box.get_by_role("button", name="Change and run").click()
    page.locator(".cm-content").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("It ran.").wait_for(timeout=SLOW)
    assert page.locator(".ae-live-printed").first.is_visible()
    for name, record in cells:
        (found,) = page.evaluate(TALK, [[{"source": record["code"], "given": record["given"]}]])
        stored = find(name, "//div[contains(@class, 'cell_output')]//pre")
        assert not found["text"], found
        assert found["printed"].strip() in [pre.text_content().strip() for pre in stored]
