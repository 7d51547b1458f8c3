"""The explorer of four tokenisers under the reader's hand: its tokens are Python's."""

import re

import pytest

from ae_lib import data, text
from ae_lib.widgets import Tokenisers
from tests.page.explorers import PHONE, Explorer, book_page, write_page
from tests.page.test_sentence_words import ODD, random_texts

TRAIN = data.load_sentences("train")[:3000]
WAYS = (
    text.Characters.build(TRAIN),
    text.Vocabulary.build(TRAIN, 900),
    text.Subwords.build(TRAIN, 600),
)
FIRST = "Tom's hippopotamus doesn't know."
SENTENCES = [FIRST, "Ποιος είναι ο Tom? 🙂"]
FAMILY = "👩\u200d👩\u200d👧"


class Ways(Explorer):
    """The four rows, and the tokenisers that they should agree with."""

    name = "tokenisers"

    def __init__(self, page, index=0):
        super().__init__(page, index)
        self.input = self.root.get_by_role("textbox")
        self.rows = self.root.get_by_role("list")
        self.sums = self.root.locator(".aek-sum")
        self.note = self.root.locator(".aew-note")

    def assert_shows(self, sentence, ways=WAYS):
        """Each box has Python's id, and each row says its numbers."""
        assert self.run("explorer => explorer.state()") == {"sentence": sentence}
        assert self.input.input_value() == sentence
        normal = text.normalise(sentence)
        for k, ids in enumerate(python_ids(sentence, ways)):
            row = self.rows.nth(k).locator("li")
            assert row.locator("small").all_inner_texts() == [
                f"<unk> {i}" if i == text.UNK and k in (0, 2) else str(i) for i in ids
            ]
            unknown = ids.count(text.UNK) if k in (0, 2) else 0
            assert row.and_(self.root.locator(".aek-lost")).count() == unknown
            said = self.sums.nth(k).inner_text()
            assert said.startswith(f"{len(ids)} token{'' if len(ids) == 1 else 's'}, ")
            each = re.search(r", (\d+\.\d\d) characters per token, ", said)[1]
            assert float(each) == pytest.approx(len(normal) / len(ids), abs=0.0051)
            assert (f"{unknown} unknown: " if unknown else "none unknown") in said

    def boxes(self, k):
        return self.rows.nth(k).locator("b").all_inner_texts()


def python_ids(sentence, ways=WAYS):
    """The ids of the four rows."""
    characters, words, pieces = (way.encode(sentence) for way in ways)
    return [characters, list(text.normalise(sentence).encode()), words, pieces]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    html = Tokenisers(*WAYS, SENTENCES).html()
    return write_page(tmp_path_factory.mktemp("ways"), html)


@pytest.fixture
def ways(open_page, address):
    return Ways(open_page(address))


def test_the_same_tokens_as_python(ways):
    texts = [*data.load_sentences("test")[:200], *ODD, *random_texts(300), FAMILY]
    texts += [pair.french for pair in data.load_pairs("validation")[:100]]
    found = ways.run("(explorer, texts) => texts.map(explorer.read)", texts)
    for one, rows in zip(texts, found, strict=True):
        assert [[token["id"] for token in row] for row in rows] == python_ids(one), one
        for row, way in ((rows[0], WAYS[0]), (rows[2], WAYS[1])):
            assert [token["written"] for token in row] == way.split(one)
        known = [token["shown"] for token in rows[3] if one.isascii()]
        assert known == ([t.replace("Ġ", "␣") for t in WAYS[2].split(one)] if known else [])


def test_the_books_explorer(open_page):
    address, payload = book_page("tokenisers", "06_*")
    ways = Ways(open_page(address))
    words = text.Vocabulary(payload["words"], payload["names"])
    train = data.load_sentences("train")
    pieces = text.Subwords.build(train, len(words))
    characters = text.Characters(payload["characters"])
    assert words.fingerprint == text.Vocabulary.build(train, len(words)).fingerprint
    assert len(payload["characters"]) == len(text.Characters.build(train))
    for sentence in payload["sentences"]:
        ways.input.fill(sentence)
        ways.assert_shows(sentence, (characters, words, pieces))


def test_write_and_pick(ways):
    ways.assert_shows(FIRST)
    assert "“hippopotamus”" in ways.sums.nth(2).inner_text()
    assert ways.boxes(0)[:6] == list("Tom's␣")
    ways.input.fill("I know Tom.")
    ways.assert_shows("I know Tom.")
    assert ways.boxes(2) == ["I", "know", "Tom", "."]
    assert ways.boxes(3)[-2:] == ["␣Tom", "."]
    ways.root.get_by_role("combobox").select_option(SENTENCES[1])
    ways.assert_shows(SENTENCES[1])
    assert ways.boxes(1)[:3] == ["CE", "A0", "CE"]
    ways.input.fill(f"{FAMILY} e\u0301 x\u0301")
    assert ways.root.get_by_role("combobox").input_value() == ""
    ways.assert_shows(f"{FAMILY} e\u0301 x\u0301")
    assert ways.boxes(0)[:5] == ["👩", "U+200D", "👩", "U+200D", "👧"]
    assert ways.boxes(0)[5:] == ["␣", "é", "␣", "x", "◌\u0301"]


def test_what_it_cannot_read_is_said_and_changes_nothing(ways):
    before = ways.boxes(3)
    for wrong, words in (
        ("🙂" * 121, "Too long: 121 characters, at most 120 are read."),
        (" ", "Write a sentence."),
    ):
        ways.input.fill(wrong)
        assert ways.note.inner_text() == f"{words} Below is still “{FIRST}”."
        assert ways.input.get_attribute("aria-invalid") == "true"
        assert ways.boxes(3) == before
    ways.input.fill("🙂" * 120)
    ways.assert_shows("🙂" * 120)
    assert (ways.note.inner_text(), ways.input.get_attribute("aria-invalid")) == ("", "false")


def test_everyone_can_use_it(ways, open_page, address):
    live = ways.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    ways.input.focus()
    ways.page.keyboard.press("Control+a")
    ways.page.keyboard.type("Zorble, I know.")
    live.get_by_text("Words: 5 tokens, 1 unknown: “zorble”. Pieces: ").wait_for()
    ways.assert_axe_finds_nothing()
    ways.assert_the_theme_is_followed(ways.sums.last)
    ways.input.fill("Tom " + "e" * 90)
    assert [row.get_attribute("tabindex") for row in ways.rows.all()][:2] == ["0", "0"]
    ways.assert_axe_finds_nothing()
    phone = Ways(open_page(address, **PHONE))
    phone.input.fill("Tom " + "e" * 90 + "नमस्ते 你好")
    phone.assert_shows("Tom " + "e" * 90 + "नमस्ते 你好")
    phone.assert_fits_a_phone(phone.input, phone.root.get_by_role("combobox"))
    plain = open_page(address, java_script_enabled=False)
    told = plain.locator(".ae-explorer-fallback").inner_text()
    assert f"“{FIRST}” has 32 tokens as characters, 32 as bytes, 7 as words, " in told


def test_live_it_follows_python_and_python_it(ways):
    widget = Tokenisers(*WAYS, SENTENCES)
    ways.show_as_widget(widget, sentence="Mary")
    live = Ways(ways.page)
    live.assert_shows("Mary")
    assert ways.page.evaluate("model.saved") == 0
    live.assert_it_follows_python_and_python_it("sentence")
