"""Compression: exact to the byte, on every engine; what is damaged is noticed."""

import functools
import io
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ae_lib
from ae_lib import compression, data, models, text, text_models
from ae_lib._files import in_steps
from ae_lib.compression import Decoder, Encoder, ExactLM, Online
from ae_lib.compression.__main__ import main
from ae_lib.compression._pieces import Logarithms
from ae_lib.ngrams import KneserNey
from ae_lib.text import BOS, EOS

LINES = b"Tom is here.\nWhere is Mary?\nI don't know where she is.\n"
# Written once, on another machine than the one that reads them here.
ARCHIVES = {
    "language-model": ("4145433100097a8c5e37240001b20ea1ddc4f06892dc5a3d4addf800"),
    "mixture": ("41454331017e7b86d537270001b32db89363ed7a77c154aed7564bdb00"),
    "online": (
        "4145433102b472df8f378701b59f0fd678583357c66b0069db9e937a93fcc45c7dcb5ee11f7c37af"
        "300e67914e8a76904795727e3b3e93cdb62494459000"
    ),
}


def sizes_and_symbols(bits):
    sizes = st.lists(st.integers(1, (1 << bits) // 16), min_size=2, max_size=16)
    return sizes.flatmap(
        lambda s: st.tuples(st.just(s), st.lists(st.integers(0, len(s) - 1), max_size=200))
    )


@pytest.mark.parametrize("bits", [4, 12, 24])
@settings(max_examples=100, deadline=None)
@given(case=st.data())
def test_the_coder_gives_back_every_symbol(bits, case):
    sizes, symbols = case.draw(sizes_and_symbols(bits))
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    encoder, ideal = Encoder(), 0.0
    for s in symbols:
        encoder.encode(starts[s], sizes[s], bits)
        ideal += bits - np.log2(sizes[s])
    raw = encoder.finish()
    assert 8 * len(raw) <= ideal * 1.0001 + 8
    decoder = Decoder(raw)
    for s in symbols:
        target = decoder.target(bits)
        assert starts[s] <= target < starts[s] + sizes[s]
        decoder.advance(starts[s], sizes[s], bits)


def test_a_carry_runs_through_many_bytes():
    encoder, symbols = Encoder(), [(2**24 - 1, 1)] * 40 + [(2**24 - 1, 1)]
    for start, size in [(0, 1), *symbols]:
        encoder.encode(start, size, 24)
    decoder = Decoder(encoder.finish())
    for start, size in [(0, 1), *symbols]:
        assert decoder.target(24) == start
        decoder.advance(start, size, 24)


def small_model(seed=0):
    ae_lib.training.set_seed(seed)
    vocabulary = text.Subwords.build(["Tom is here."], 262)
    model = models.RecurrentLM(len(vocabulary), units=24, embedding_size=16)
    rng = np.random.default_rng(seed)
    values = [rng.normal(0, 0.4, w.shape) for w in model.weights]
    model.set_weights([in_steps(v) if v.ndim == 2 else v for v in values])
    return text_models.LanguageModel(model, vocabulary)


def logits(exact, rows):
    """Of each row's next words: float64 (n, T, V)."""
    state, found = exact.start(len(rows)), []
    for words in np.concatenate([np.full((len(rows), 1), BOS), rows], axis=1).T:
        scores, state = exact.step(state, words)
        found.append(scores)
    return np.stack(found, axis=1)


def test_whole_numbers_change_the_model_little():
    model, rows = small_model(), np.random.default_rng(1).integers(4, 262, (5, 12))
    import keras

    scores = logits(ExactLM(model), rows)
    true = keras.ops.convert_to_numpy(model.model(rows.astype("int32")))
    assert (scores - true).std() < 0.03 * true.std()
    assert np.abs(scores - true).max() < 0.1 * true.std()


@pytest.mark.backend
def test_every_engine_and_every_order_of_summation_give_the_same_bits():
    import keras

    model, rows = small_model(), np.random.default_rng(2).integers(4, 262, (5, 12))

    def on_the_engine(a, b):
        return keras.ops.convert_to_numpy(keras.ops.matmul(a, b))

    def shuffled(a, b):
        order = np.random.default_rng(3).permutation(a.shape[1])
        return sum(np.outer(a[:, k], b[k]).astype("float32") for k in order)

    true = logits(ExactLM(model, lambda a, b: a.astype("int64") @ b.astype("int64")), rows)
    for matmul in (None, on_the_engine, shuffled):
        np.testing.assert_array_equal(logits(ExactLM(model, matmul), rows), true)


def test_a_model_that_is_not_exact_is_refused():
    model = small_model()
    with pytest.raises(TypeError, match="RecurrentLM, got TransformerLM"):
        transformer = models.TransformerLM(262, width=16, layers=1, heads=2)
        ExactLM(text_models.LanguageModel(transformer, model.vocabulary))
    with pytest.raises(TypeError, match="got int"):
        ExactLM(3)
    model.model.set_weights([np.full(w.shape, np.nan) for w in model.model.weights])
    with pytest.raises(ValueError, match="NaN"):
        ExactLM(model)


def test_the_count_model_step_by_step_is_the_count_model():
    sentences = ["Tom is here.", "Tom is there.", "Is Tom here?"] * 3
    vocabulary = text.Subwords.build(sentences, 275)
    model = KneserNey(vocabulary, order=3).fit(sentences)
    held_out = ["Is Tom there?", "", "Zebra"]
    rows = [[*row, EOS] for row in vocabulary.encode_all(held_out)]
    for row, true in zip(rows, model.log_probability(held_out), strict=True):
        nats, scores, p_state, s_state = 0.0, 0.0, model.start(1), model.start(1)
        for before, word in zip([BOS, *row], row, strict=False):
            p, p_state = model.step(p_state, np.array([before]))
            score, s_state = Logarithms(model).step(s_state, np.array([before]))
            assert p.sum() == pytest.approx(1)
            nats, scores = nats + np.log(p[0, word]), scores + score[0, word]
        assert nats == pytest.approx(true)
        assert scores == pytest.approx(true, abs=1e-3 * len(row))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda t: t.encode("utf8", "replace")))
def test_pieces_lose_no_byte(raw):
    vocabulary = small_vocabulary()
    assert vocabulary.decode_bytes(vocabulary.encode_bytes(raw)) == raw


@functools.cache
def small_vocabulary():
    return ae_lib.pretrained("small-language-model").vocabulary


def test_pieces_of_bytes_are_those_of_the_text():
    vocabulary = small_vocabulary()
    assert vocabulary.encode_bytes(b"Tom is here.") == vocabulary.encode("Tom is here.")
    assert vocabulary.encode_bytes(b"  Tom") != vocabulary.encode("  Tom")  # which loses spaces
    with pytest.raises(TypeError, match="expected bytes, got str"):
        vocabulary.encode_bytes("Tom")
    with pytest.raises(ValueError, match="2 is no piece"):
        vocabulary.decode_bytes([7, 2])


SPECIAL = [
    b"", b"a", b"\n", b"\n\n\n", b"\0" * 500, bytes(range(256)), b"\xff\xfe\n\xc3", LINES,
    LINES[:-1], b"a\r\nb\r\n", " Schöne   Grüße 😀\n".encode(), b"x" * 300, LINES * 40,
]  # fmt: skip


@pytest.mark.parametrize("model", compression.MODELS)
def test_special_bytes_come_back(model):
    for raw in SPECIAL if model != "online" else SPECIAL[:-1]:
        blob = compression.compress(raw, model)
        assert compression.decompress(blob) == raw
        assert len(blob) <= len(raw) + 20


@pytest.mark.parametrize("model", ["language-model", "online"])
@settings(max_examples=25, deadline=None)
@given(
    raw=st.binary(max_size=80)
    | st.lists(st.sampled_from([b"Tom ", b"is", b"\n", b"\xff"]), max_size=60).map(b"".join)
)
def test_all_bytes_come_back(model, raw):
    assert compression.decompress(compression.compress(raw, model)) == raw


def test_more_than_a_chunk_comes_back(monkeypatch):
    monkeypatch.setattr(compression, "CHUNK", 64)
    for model in compression.MODELS:
        blob = compression.compress(LINES * 3, model)
        assert compression.decompress(blob) == LINES * 3


def test_an_archive_is_as_long_as_its_bits():
    raw = "\n".join(data.load_sentences("validation")[:150]).encode()
    for model in ("language-model", "mixture"):
        bits = compression.bits(raw, model)
        assert bits <= 8 * len(compression.compress(raw, model)) <= 1.001 * bits + 8 * 22
        assert 0.8 < bits / len(raw) < 1.5
    assert compression.bits(b"", "online") == 0


@pytest.mark.parametrize("model", compression.MODELS)
def test_an_archive_of_another_machine_is_read(model):
    blob = bytes.fromhex(ARCHIVES[model])
    assert compression.compress(LINES, model).hex() == blob.hex()
    assert compression.decompress(blob) == LINES


@pytest.mark.parametrize("model", ["language-model", "online"])
def test_every_damaged_byte_is_noticed(model):
    blob = compression.compress(LINES[:28], model)
    for at in range(len(blob)):
        for change in (1, 128, 255):
            bad = bytearray(blob)
            bad[at] ^= change
            with pytest.raises(ValueError, match="blob"):
                compression.decompress(bad)
    for end in range(len(blob)):
        with pytest.raises(ValueError, match="blob"):
            compression.decompress(blob[:end])
    with pytest.raises(ValueError, match="more behind its end"):
        compression.decompress(blob + b"\0")


def test_another_models_archive_is_refused_by_name(monkeypatch):
    blob = compression.compress(LINES, "online")
    monkeypatch.setattr(compression, "_digest", lambda number: b"abcd")
    with pytest.raises(ValueError, match=r"another model than this version's \(online, digest"):
        compression.decompress(blob)


def test_what_is_no_archive_or_no_bytes_is_refused():
    with pytest.raises(ValueError, match="no archive"):
        compression.decompress(b"hello")
    for function in (compression.compress, compression.bits):
        with pytest.raises(TypeError, match=r"bytes, got str; encode it: text.encode\(\)"):
            function("hello")
    with pytest.raises(TypeError, match="expected bytes, got str"):
        compression.decompress("hello")
    with pytest.raises(ValueError, match="choose one of language-model, mixture, online"):
        compression.compress(b"", "gzip")
    assert (
        compression.decompress(bytearray(compression.compress(bytearray(b"a"), "online"))) == b"a"
    )


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for size in (2, 12):
        path = tmp_path / "zeros"
        path.write_bytes(bytes(size * compression.CHUNK))
        compression.compress_file(path, tmp_path / "warm")
        tracemalloc.start()
        compression.compress_file(path, tmp_path / "small")
        compression.decompress_file(tmp_path / "small", tmp_path / "again")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert peaks[1] < 1.2 * peaks[0]


def test_the_command_makes_files_whole_or_not_at_all(tmp_path, capsys, monkeypatch):
    path, packed = tmp_path / "a.txt", tmp_path / "a.txt.aec"
    path.write_bytes(LINES)
    assert main(["compress", str(path), "--model", "online"]) == 0
    assert f"{len(LINES)} bytes in" in capsys.readouterr().out
    assert main(["decompress", str(packed)]) == 1  # a.txt is there
    assert "--force replaces it" in capsys.readouterr().err
    path.unlink()
    assert main(["decompress", str(packed)]) == 0
    assert path.read_bytes() == LINES
    packed.write_bytes(packed.read_bytes()[:-3])
    assert main(["decompress", str(packed), "--force"]) == 1
    assert "cut short" in capsys.readouterr().err
    assert path.read_bytes() == LINES
    assert main(["compress", str(tmp_path / "none")]) == 1
    with pytest.raises(SystemExit):
        main(["decompress", str(path)])
    assert "does not end in .aec" in capsys.readouterr().err

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compression, "_write", full)
    assert main(["compress", str(path), "--to", str(tmp_path / "b")]) == 1
    assert "No space left" in capsys.readouterr().err
    assert not list(tmp_path.glob("*b*"))


def test_the_command_runs_as_a_program(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(LINES)
    command = [sys.executable, "-m", "ae_lib.compression", "compress", str(path)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    assert compression.decompress((tmp_path / "a.txt.aec").read_bytes()) == LINES


def test_progress_is_told_chunk_by_chunk(monkeypatch):
    monkeypatch.setattr(compression, "CHUNK", 20)
    told = []
    compression._write(io.BytesIO(LINES), io.BytesIO(), 2, told.append)
    assert told[0] == 20 and told[-1] == len(LINES)


def test_the_online_model_learns():
    once, twice = (compression.bits(LINES * n, "online") for n in (1, 2))
    assert twice < 1.35 * once
    assert Online().code(Decoder(_encoded(LINES)), len(LINES)) == LINES


def _encoded(raw):
    encoder = Encoder()
    Online().code(encoder, len(raw), raw)
    return encoder.finish()
