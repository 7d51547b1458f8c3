"""The line between two sentences, on its Python side: 8-bit weights, refusals, what it emits."""

import base64
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import traitlets

from ae_lib import data, decoding, pretrained, text, text_models
from ae_lib.widgets import SentencePath
from ae_lib.widgets import _int8 as int8
from tests.serving import assert_sends_when_asked, assert_serves
from tests.small_text_model import small_autoencoder, with_weights

ROOT = Path(__file__).parents[1]
FIRST, SECOND = "He likes tea.", "Where is the station?"
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def autoencoder():
    return small_autoencoder()


@pytest.fixture(scope="module")
def packed(autoencoder):
    return int8.pack_model(autoencoder)


def arrays_of(autoencoder):
    weights = text_models.named_weights(autoencoder.model)
    return {name: keras.ops.convert_to_numpy(w) for name, w in weights.items()}


def explorer(autoencoder, first=FIRST, second=SECOND, **options):
    return SentencePath(autoencoder, first, second, **options)


# ---- 8 bits ----


def test_a_row_comes_back_within_half_a_step():
    rows = rng.normal(0, [[1e-6], [1], [1e6], [0]], (4, 57)).astype("float32")
    whole, scale = int8.quantise(rows)
    assert whole.dtype == np.int8
    assert (np.abs(whole[:3].astype(int)).max(axis=1) == 127).all()
    assert (np.abs(whole * scale[:, None] - rows) <= scale[:, None] * 0.50001).all()
    assert (whole[3] == 0).all()


@pytest.mark.parametrize("rows", [np.zeros(3), np.full((2, 2), np.nan), np.full((1, 2), np.inf)])
def test_rows_that_cannot_be_quantised_are_refused(rows):
    with pytest.raises(ValueError, match="rows: "):
        int8.quantise(rows)


def test_a_packed_model_is_whole_and_near_the_original(autoencoder, packed):
    originals = arrays_of(autoencoder)
    header, arrays = int8.unpack(packed)
    assert header["tokens"] == autoencoder.vocabulary.tokens
    assert set(header["names"]) == autoencoder.vocabulary.names
    assert set(arrays) == set(originals)
    for name, array in arrays.items():
        if array.ndim == 1:
            assert (array == originals[name]).all()
        else:
            axis = 1 if name == "embedding" else 0
            step = np.abs(originals[name]).max(axis=axis, keepdims=True) / 127
            assert (np.abs(array - originals[name]) <= 0.50001 * step).all()
    assert packed == int8.pack(originals, autoencoder.vocabulary.to_record())
    assert int8.fingerprint(packed) != int8.fingerprint(packed[:-1] + b"\x01")


def test_numpy_computes_what_keras_computes(autoencoder, packed):
    small = int8.Int8Model(packed)
    reference = with_weights(autoencoder, int8.unpack(packed)[1])
    sentences = ["", *data.load_sentences("test")[:60]]
    rows = autoencoder.vocabulary.encode_all(sentences)
    codes = np.array([small.encode(row) for row in rows])
    assert np.abs(codes - reference.encode(sentences)).max() < 1e-4
    written = [autoencoder.vocabulary.decode(small.decode(code)) for code in codes]
    assert written == reference.decode(codes)
    assert len(set(written)) > 50


def broken(arrays, name, change):
    return {**arrays, name: change(arrays[name])}


def test_what_cannot_be_packed_is_refused(autoencoder):
    arrays, record = arrays_of(autoencoder), autoencoder.vocabulary.to_record()
    less = {name: array for name, array in arrays.items() if name != "to_h.bias"}
    wrong = {
        "missing or unknown: to_h.bias": less,
        "missing or unknown: other": {**arrays, "other": np.zeros(2)},
        "to_gates.kernel: expected": broken(arrays, "to_gates.kernel", np.transpose),
        "embedding: expected": broken(arrays, "embedding", lambda a: a[:-1]),
        "encoder.kernel: .*NaN": broken(arrays, "encoder.kernel", lambda a: a * np.nan),
        "word_bias: .*NaN": broken(arrays, "word_bias", lambda a: a + np.inf),
    }
    for message, weights in wrong.items():
        with pytest.raises(ValueError, match=f"weights: {message}"):
            int8.pack(weights, record)


def test_it_writes_as_many_words_as_the_library():
    assert decoding.MAX_LENGTH == int8.MAX_LENGTH


def test_damaged_bytes_are_refused(packed):
    for raw in (b"", packed[:2], packed[:500], packed[:-1], packed + b"x", b"\xff" * 100):
        with pytest.raises(ValueError, match="raw: "):
            int8.unpack(raw)


# ---- what is refused, and how it is said ----

REFUSED = {
    "first empty": ({"first": " \u200b "}, ValueError, "first: empty"),
    "second a list": ({"second": ["a"]}, TypeError, "second: expected a sentence, got list"),
    "first too long": ({"first": "tea " * 101}, ValueError, "first: expected at most 100 words"),
    "t beyond": ({"t": 1.01}, ValueError, "t: expected a share in"),
    "t NaN": ({"t": np.nan}, ValueError, "t: expected a share"),
    "t a word": ({"t": "half"}, TypeError, "t: expected a number"),
    "name odd": ({"name": "Path 1"}, ValueError, "name: expected lower-case .*'sentence-path'"),
    "examples a string": ({"examples": "tea"}, TypeError, "examples: expected a list"),
    "an example empty": ({"examples": ["tea", ""]}, ValueError, r"examples\[1\]: empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_wrong_arguments(autoencoder, case):
    arguments, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        explorer(autoencoder, **arguments)


def test_refuses_what_is_no_text_autoencoder(autoencoder):
    with pytest.raises(TypeError, match="autoencoder: expected ae_lib.pretrained.*got str"):
        explorer("text-autoencoder")
    with pytest.raises(TypeError, match="got Seq2SeqAutoencoder"):
        explorer(autoencoder.model)


def test_traits_are_synchronised_and_checked(autoencoder):
    widget = explorer(autoencoder, t=0.25)
    assert (widget.first, widget.second, widget.t) == (FIRST, SECOND, 0.25)
    seen = []
    widget.observe(lambda change: seen.append(change.new), ["t", "first"])
    widget.t = 1
    widget.set_state({"t": 0.5, "first": "He is here."})  # as the browser does
    assert seen[0] == 1.0
    assert set(seen[1:]) == {0.5, "He is here."}
    wrong = {"t": [-0.1, 2, np.nan, "a"], "first": ["", "a " * 101, 3], "second": [" "]}
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(traitlets.TraitError):
                setattr(widget, name, value)
    assert (widget.first, widget.t) == ("He is here.", 0.5)


# ---- what it emits ----


def test_stored_path_is_what_the_copy_decodes(autoencoder, packed):
    payload = json.loads(explorer(autoencoder).payload)
    reference = with_weights(autoencoder, int8.unpack(packed)[1])
    a, b = reference.encode([FIRST, SECOND])
    places = np.linspace(0, 1, 11)[:, None]
    assert payload["path"] == reference.decode(((1 - places) * a + places * b).astype("float32"))
    assert len(set(payload["path"])) > 3
    assert payload["bytes"] == len(packed)


def test_unknown_words_are_named_as_written(autoencoder):
    widget = explorer(autoencoder, "Zorble is here, brillig, brillig!")
    assert json.loads(widget.payload)["unknown"] == [["Zorble", "brillig"], []]


def test_it_serves_a_notebook_and_a_page_and_asks_nobody(autoencoder):
    widget = assert_serves(lambda: explorer(autoencoder, "</script><b>", examples=["Tea."]))
    assert len(widget.html()) < 60_000
    assert json.loads(widget.payload)["first"] == "</script><b>"
    assert re.fullmatch(r"<SentencePath 'sentence-path': \d+ sentences, .*>", repr(widget))


def test_weights_come_when_asked_for_and_are_stored_nowhere(autoencoder, packed, monkeypatch):
    widget = explorer(autoencoder)
    assert sum(len(str(value)) for value in widget.get_state().values()) < 100_000
    assert_sends_when_asked(widget, packed, monkeypatch)


def test_only_the_shipped_model_waits_beside_a_page(autoencoder, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(text_models, "WEIGHTS", tmp_path)
    assert json.loads(explorer(autoencoder).payload)["weights"] is None
    shipped = text_models.shipped_file("text-autoencoder")
    autoencoder.save(shipped)
    beside = json.loads(explorer(autoencoder).payload)["weights"]
    assert beside["file"] == "text_autoencoder.js"
    assert beside["version"] == int8.fingerprint(packed)
    assert json.loads(explorer(small_autoencoder(2)).payload)["weights"] is None
    shipped.write_bytes(b"cut short")
    assert json.loads(explorer(autoencoder).payload)["weights"] is None


# ---- the book's build ----


@pytest.fixture
def ae_weights(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    import ae_weights

    return ae_weights


def test_the_build_writes_the_weights_once(ae_weights, autoencoder, packed, tmp_path):
    for name, file in ae_weights.FILES.items():
        assert text_models.shipped_file(name) == ae_weights.FOLDER / f"{file}.keras"
    model, static = tmp_path / "text_autoencoder.keras", tmp_path / "_static"
    path = static / "text_autoencoder.js"

    def write():
        return ae_weights.write_weights(static, "text-autoencoder", tmp_path)

    autoencoder.save(model)
    assert write()
    stored = re.search(r'\["text-autoencoder"\] = "(.*)";\n$', path.read_text("utf8"))[1]
    assert base64.b64decode(stored) == packed
    assert not write()
    small_autoencoder(2).save(model)
    assert write()
    assert list(static.iterdir()) == [path]
    model.unlink()
    assert not write()
    assert not path.exists()


def test_a_damaged_model_stops_the_build(ae_weights, tmp_path):
    from sphinx.errors import ExtensionError

    (tmp_path / "text_autoencoder.keras").write_bytes(b"cut short")
    with pytest.raises(ExtensionError, match="_autoencoder.keras: not a whole TextAutoencoder"):
        ae_weights.write_weights(tmp_path, "text-autoencoder", tmp_path)


# ---- the shipped model ----


def test_the_copy_reconstructs_as_the_shipped_model_does():
    shipped = pretrained("text-autoencoder")
    copy = with_weights(shipped, int8.unpack(int8.pack_model(shipped))[1])
    sentences = data.load_sentences("validation")[:500]
    ours, theirs = copy.reconstruct(sentences), shipped.reconstruct(sentences)
    same = np.mean([a == b for a, b in zip(ours, theirs, strict=True)])
    exact = [
        np.mean([text.normalise(s) == r for s, r in zip(sentences, back, strict=True)])
        for back in (ours, theirs)
    ]
    assert same >= 0.99
    assert abs(exact[0] - exact[1]) <= 0.005
