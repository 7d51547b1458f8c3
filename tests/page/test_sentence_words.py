"""The line between two sentences: its JavaScript splits, codes and decodes as Python does.

It does so live, too.
"""

import random

from ae_lib import data, text
from ae_lib.widgets import SentencePath
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import ENDS, HELD_OUT, PathExplorer
from tests.small_text_model import with_weights

# ---- the same words, the same numbers ----


ODD = [
    "", " ", "\u200b", "\u00ad", "...", "“Don’t!” she said — ‘no’.", "U.S. p.m. Mr. Dr.Who",
    "At 2:30, 10,000 runners ran 7.5km!", "iPhone McDonald TV I i", "'s n't can't've O'Neill's",
    "rock'n'roll 'tis '' \" \" \"\"", "a\u00a0b\u2009c\td\ne", "e\u0301te\u0301 été Éte",
    "<unk> <bos> <lower> < unk >", "-/([{$ )]}'-/ # £5 €6", "ﬁne ǅungla ŉ ß ẞ ΣΟΦΟΣ ὈΔΥΣΣΕΎΣ",
    "İstanbul ıI", "مرحبا بالعالم. שלום, עולם! نه\u200cخواستم", "😀😀 ok. 👍🏽 🇫🇷 a",
    "👩\u200d👩\u200d👧 x", "你好，世界。ひらがな カタカナ 한국어", "x\u0300\u0301 \u0300x",
    "½ ² Ⅷ ٣.٤ १२:३० 3.", "a_b __ _", "hello. world! is it? yes", "Tom tom TOM Tom's",
    "1st 2nd. third", "\ud7ff\ue000\ufffd\ufffe", "Ｆｕｌｌ ｗｉｄｔｈ ＂＇",
    "No.1 etc... e.g. i.e. A. B.", "mid-word--dash - -", "ſ'ſ don'T I'M",
]  # fmt: skip


def random_texts(count):
    """Strings of letters, marks, punctuation, spaces and signs of many scripts."""
    draw = random.Random(3)
    ranges = [(0x20, 0x7F)] * 8 + [(0, 0x250), (0x300, 0x480), (0x5D0, 0x5EB), (0x620, 0x660)]
    ranges += [(0x904, 0x970), (0x2000, 0x2070), (0x20A0, 0x20AD), (0x2150, 0x2189)]
    ranges += [(0x4E00, 0x4E80), (0xAC00, 0xAC40), (0xFF00, 0xFF60), (0x1F300, 0x1F320)]

    def character():
        low, high = draw.choice(ranges)
        return chr(draw.randrange(low, high))

    return ["".join(character() for _ in range(draw.randint(0, 30))) for _ in range(count)]


def test_browser_splits_and_joins_as_python_does(small):
    texts = [*data.load_sentences("validation"), *data.load_sentences("test")]
    texts += data.load_sentences("train")[::4]
    texts += [pair.french for pair in data.load_pairs("validation")]
    texts += [*ODD, *random_texts(3000)]
    names = ["Tom", "Mary", "France", "Été"]
    found = small.run(
        """(explorer, [texts, names]) => texts.map((text) => {
             const tokens = explorer.splitWords(text, names);
             return [explorer.normalise(text), tokens, explorer.joinWords(tokens)];
           })""",
        [texts, names],
    )
    for one, (normal, tokens, joined) in zip(texts, found, strict=True):
        assert normal == text.normalise(one)
        assert tokens == text.split_words(one, names)
        assert joined == text.join_words(tokens)


def test_browser_joins_a_model_s_nonsense_as_python_does(small):
    draw = random.Random(5)
    tokens = small.autoencoder.vocabulary.tokens[1:]
    rows = [draw.choices(tokens[:40] + ['"', "'s", ""], k=12) for _ in range(300)]
    found = small.run("(explorer, rows) => rows.map(explorer.joinWords)", rows)
    assert found == [text.join_words(row) for row in rows]


def test_browser_computes_keras_codes_and_words(small):
    small.load().assert_computes_as_keras_does(["Zorble!", "tea " * 90, *HELD_OUT])


# ---- live, as anywidget runs it ----


def test_live_it_asks_the_kernel_and_follows_python(small):
    widget = SentencePath(small.autoencoder, *ENDS, examples=[])
    page = small.page
    small.show_as_widget(widget, first=ENDS[0], second="I was here.", t=0.25)
    live = PathExplorer(page, with_weights(small.autoencoder, int8.unpack(widget._raw)[1]))
    live.loaded()  # at once: Python's second sentence is not the stored one
    page.wait_for_function("document.querySelector('main [data-ae-explorer]')")
    live.has(1, "I was here.")
    live.assert_agrees_with_keras()
    assert page.evaluate("model.sent") == [{"kind": "weights"}]
    live.write(0, "You are here.")
    live.run("explorer => explorer.setPlace(0.75)")
    assert page.evaluate("[model.state.first, model.state.t]") == ["You are here.", 0.75]
    saved = page.evaluate("model.saved")
    page.evaluate("Object.assign(model.state, { t: 0.5, second: 'He likes tea.' })")
    page.evaluate("['change:t', 'change:second'].forEach((event) => model.fire(event))")
    live.has(1, "He likes tea.")
    assert live.state()["t"] == 0.5
    assert live.inputs.nth(1).input_value() == "He likes tea."
    live.assert_agrees_with_keras()
    assert page.evaluate("model.saved") == saved  # what came from Python is not sent back
    live.assert_the_widget_ends()
