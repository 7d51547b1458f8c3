"""From the published archive to the sentences that ship: reading, filtering, splitting.

The split is a function of the sentences alone. Sentences are put in the order of their
SHA-256, which says nothing about them; the first are the test part, a plain random sample
of all there are. Whatever is nearly a test sentence is then left out of the other parts,
and the same is done for validation. So near-duplicates never lie on two sides, and yet
held-out sentences are of the same kind as the others, short and common ones included.
(Putting whole clusters of near-duplicates on one side would not do: one-word edits link a
sixth of all sentences, and most of the short ones, into a single cluster.)
"""

import hashlib
import io
import re
import tarfile
import zipfile
from collections import defaultdict

import numpy as np

from ae_lib.data.sentences import PARTS, SentencePair

MEMBER = "nmt-0.0.6/data/fra-eng.zip"
TEST, VALIDATION = 2_000, 1_500
WORDS = range(3, 11)

_ROW = re.compile(
    r"([^\t]+)\t([^\t]+)\tCC-BY 2\.0 \(France\) Attribution: "
    r"tatoeba\.org #(\d+) \((.+?)\) & #(\d+) \((.+?)\)"
)
_PLAIN = set(" .,?!;:'\"-$€%&/+()–—")  # what an English sentence may hold besides letters


# -- what is left out --------------------------------------------------------------------

# Violence, death by violence, sex, drugs, and groups of people that sentences are unkind to.
_LEFT_OUT = re.compile(
    r"\b(kill|murder|rap(e|es|ed|ing|ist|ists)\b|suicid|stab(s|bed|bing)?\b|strangl|terroris"
    r"|bomb|behead|slaughter|tortur|assassin|massacr|hanged|hang\s(him|her|my|your|them)|bash(ed)?\b"
    r"|shoot(s|er|ers)?\b|shot\s(you|him|her|me|us|them|tom|mary|by|at|to|dead|in)|gun(s|man|men"
    r"|shot|point)?\b|(was|were|been|got|get|be|being)\sshot|pistol|rifle|grenade|weapon|corpse"
    r"|dead\sbod|found\s(\w+\s)?dead|(you|him|her|them|me|us|tom|mary)\sdead|to\sdeath|the\sbody\b"
    r"|attack(ed|er|ers)\b|execut(e|ed|ion)\b|hostage|kidnap|abus(e|ed|er|ive)\b|genocid|holocaust"
    r"|hitler|nazi|slave(s|ry)?\b|lynch|bloodshed|wound(s|ed)?\b|beat(en)?\sup|beat(s|ing)?\s(him"
    r"|her|his|me|my|tom|mary)|punch|slap|choke(d)?\b|poison|drown|cannibal|whip(ped)?\b"
    r"|sex|naked|nude|undress|porn|prostitut|brothel|condom|virgin(s|ity)?\b|orgasm|erotic"
    r"|breasts?\b|penis|vagina|ma[dk](e|es|ing)\slove|(sleep|sleeping|slept)\swith\s(me|him|her"
    r"|you|my|tom|mary)|heroin|cocaine|marijuana|junkie|gay(s)?\b|lesbian|homosexual|transgender"
    r"|jew(s|ish)?\b|muslim|islam|arabs?\b|blacks\b|whites\b|foreigners?\b|racis|asian\swom"
    r"|(men|women)\sare|fat\s(wom|gir|pig|cow)|ugly\s(wom|girl)|morons?\b|handicapped\b)",
    re.IGNORECASE,
)
_LEFT_OUT_FRENCH = re.compile(
    r"\b(tu(er|é|ée|és|ées|eur|erai|erais|era|erait)\b|meurtr|assassin|viol(er|é|ée|eur|eurs)\b|suicid"
    r"|poignard|étrangl|terroris|bombe|tortur|massacr|nazi|esclav|otage|sexe|sexuel|putain|pute|salop"
    r"|connard|conn?e?s?\b|merd|encul|bordel|foutre|chier\b|chiott|couilles"
    r"|pédé|gouine|nègre|youpin|bougnoul|gitan|arabes?\b|juifs?\b|musulman|homosexuel)",
    re.IGNORECASE,
)
# Coarse words and slurs, each as the first eight digits of its SHA-256: a list that need not
# be read to be used.
_COARSE = """
0228f90e 044eb98b 06a1d8bf 08a841e9 09508013 0be9b885 0dcc4d33 0f28c496 0fcb77e9 11cf8376
120f6e5b 12e90b8e 130229cd 13a465fc 158869a9 16ea09fc 17bde8b4 1b830448 1e02eec4 2062f800
2189c0ed 235e2853 25390976 262f86db 26578569 267463e5 268651b3 2a74f1b8 2b324097 2da888fb
2f34b7a4 2f5f6ce5 30a989af 31506a84 3314b099 3b1e0d7c 3e10139e 3e8716c2 402f7ebd 4140197e
41b4d5e8 4404f5b7 45cd3e1b 45fb7c3b 4b18aefe 517ae3f7 522788b6 53115bb3 566f532d 5a9d9dce
5b3ae48b 5cb6ba4a 5d59a0e0 5e6545c7 613ddd9a 619bc82e 626e3817 63333e4b 6ac3c336 6dbe0f85
701033ae 70fc4b74 7122c9a1 796e43a5 7bc67115 7c4a23e0 7e85c676 80d71140 8171c4ec 819837a1
85fc17f7 886d51e9 89133bc0 8b6f82db 8f5083e3 92a9bf81 937d56e4 94a2b576 958ce5c3 96c91fa8
984b5c6e 986c9900 98980840 98b52c4b 9915ba2d 99e367bc 9ae315a9 a008b489 a0406c61 a24efab8
acd9193a ad505b0b affc8757 b04a8a40 b601d5e9 b64866d9 b690cdbe b81d6dc2 bb61ef40 bb87adf8
bcd1642b bd331fb1 bdb1cc25 c1b4ed05 c1cabb6f c22f315f c2c3b68b c3de533e c99eb023 ccff74c2
cdd28ff1 d0e3cb91 d75a838d daec0c23 db10a790 dc2abe4e dcb85fcf dd92623b df2b7e24 df736257
e30c2ea7 e512a055 e7b98c6a e84dde50 e9143a29 e99d5524 eea29916 f1a5fb56 f50c51ed f59e28f8
f9d0d9b1 fb96c276
"""


def fit_to_ship(english, french=""):
    """Whether a pair has 3 to 10 English words in plain characters and offends nobody."""
    return (
        len(english.split()) in WORDS
        and all(c.isalnum() or c in _PLAIN for c in english)
        and not _LEFT_OUT.search(english)
        and not _LEFT_OUT_FRENCH.search(french)
        and not any(
            _digest(word)[:8] in _COARSE for word in re.findall(r"[a-z]+", english.lower())
        )
    )


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


# -- reading -----------------------------------------------------------------------------


def read_pairs(raw):
    """All pairs of ``data/fra-eng.zip`` inside the source distribution of PyPI's ``nmt``.

    Args:
        raw: bytes of ``nmt-0.0.6.tar.gz``.

    Returns:
        list of ``SentencePair``, 178,009 of them, in the file's order.
    """
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        inner = tar.extractfile(MEMBER).read()
    text = zipfile.ZipFile(io.BytesIO(inner)).read("fra.txt").decode()
    pairs = []
    for row in text.rstrip("\n").split("\n"):
        english, french, english_id, by, french_id, french_by = _ROW.fullmatch(row).groups()
        pairs.append(SentencePair(english, french, int(english_id), int(french_id), by, french_by))
    return pairs


# -- splitting ---------------------------------------------------------------------------

_LONG_FORMS = [
    (re.compile(pattern), form)
    for pattern, form in (
        ("[‘’]", "'"),
        (r"\b(can't|cannot)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\blet's\b", "let us"),
        (r"n't\b", " not"),
        (r"'m\b", " am"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"'d\b", " would"),
        (r"'s\b", " is"),
    )
]
_SAME = {"has": "is", "had": "would"}  # what 's and 'd may stand for


def canonical(sentence):
    """A sentence without what does not make it another one: case, punctuation, contractions.

    Returns:
        tuple of str: the words, small, in long forms; ``it's``, ``it is`` and ``it has``
        are one.
    """
    sentence = sentence.lower()
    for pattern, form in _LONG_FORMS:
        sentence = pattern.sub(form, sentence)
    return tuple(_SAME.get(word, word) for word in re.findall(r"\w+", sentence))


class Neighbours:
    """Which sentences are near-duplicates: canonically equal, or one word apart.

    One word apart means: a word replaced, put in, or taken out (Levenshtein distance one
    on the words of ``canonical``). Found through the sentences with one word missing, so
    that no two sentences need be compared.
    """

    def __init__(self, sentences):
        self._whole = defaultdict(list)
        self._gapped = defaultdict(list)
        for sentence in sentences:
            words = canonical(sentence)
            self._whole[words].append(sentence)
            for gap in _gaps(words):
                self._gapped[gap].append(sentence)

    def __call__(self, sentence):
        """All near-duplicates of a sentence, itself included if it is there: a set."""
        words = canonical(sentence)
        found = set(self._whole.get(words, ()))
        for gap in _gaps(words):
            found.update(self._gapped.get(gap, ()))  # a word replaced
            found.update(self._whole.get(gap[1], ()))  # a word taken out
        for at in range(len(words) + 1):
            found.update(self._gapped.get((at, words), ()))  # a word put in
        return found


def _gaps(words):
    """``(place, the words without that one)`` for every place."""
    return [(i, words[:i] + words[i + 1 :]) for i in range(len(words))]


def split(sentences, test=TEST, validation=VALIDATION):
    """Divide sentences so that no near-duplicate lies on two sides.

    Args:
        sentences: different English sentences, in any order.
        test, validation: how many to hold out.

    Returns:
        ``{"train": […], "validation": […], "test": […]}``, each in an order that says
        nothing about the sentences. What is a near-duplicate of a held-out sentence, and
        not held out with it, is in none of them.
    """
    rest = sorted(set(sentences), key=_digest)
    parts, near = {}, Neighbours(rest)
    for name, size in (("test", test), ("validation", validation)):
        parts[name], rest = rest[:size], rest[size:]
        close = set().union(*map(near, parts[name]))
        rest = [sentence for sentence in rest if sentence not in close]
    return {"train": rest, "validation": parts["validation"], "test": parts["test"]}


def corpus(pairs):
    """Filter and split all pairs of the archive.

    Returns:
        ``{"train": pairs, "validation": pairs, "test": pairs}``: lists of ``SentencePair``,
        sentences in the order of ``split``, translations of one sentence in that of the file.
    """
    by_sentence = defaultdict(list)
    for pair in pairs:
        if fit_to_ship(pair.english, pair.french):
            by_sentence[pair.english].append(pair)
    parts = split(by_sentence)
    return {
        name: [pair for sentence in part for pair in by_sentence[sentence]]
        for name, part in parts.items()
    }


# -- keeping -----------------------------------------------------------------------------


def pack(parts):
    """Pairs as arrays for an ``.npz``: texts as UTF-8, one a line, sorted to compress well."""
    rows = [(pair, i) for i, name in enumerate(PARTS) for pair in parts[name]]
    rows.sort(key=lambda row: row[0].english)
    english, french, english_id, french_id, by, french_by = zip(
        *(pair for pair, _ in rows), strict=True
    )
    names = sorted({*by, *french_by})
    place = {name: i for i, name in enumerate(names)}
    return {
        "english": _lines(english),
        "french": _lines(french),
        "english_id": np.array(english_id, "uint32"),
        "french_id": np.array(french_id, "uint32"),
        "english_contributor": np.array([place[name] for name in by], "uint16"),
        "french_contributor": np.array([place[name] for name in french_by], "uint16"),
        "contributors": _lines(names),
        "part": np.array([i for _, i in rows], "uint8"),
    }


def _lines(texts):
    return np.frombuffer("\n".join(texts).encode(), "uint8")
