"""No text, no ids, no size and no codes give a wrong result in silence; on every backend."""

import re
import threading
from types import MappingProxyType

import keras
import numpy as np
import pytest

from ae_lib import _checks, decoding, models, text, training
from ae_lib.text import Vocabulary
from tests.small_text_model import small_autoencoder

backend = pytest.mark.backend
MODELS = {
    "seq2seq": lambda: models.Seq2SeqAutoencoder(12, units=7, embedding_size=6, code_size=5),
    "transformer": lambda: models.TransformerLM(12, width=8, layers=1, heads=2, length=9),
}
GOOD = np.array([[5, 6, 7], [8, 9, 0]], "int32")
BAD_TOKENS = {
    "stands before a word": [[0, 5], [6, 7]],
    "expected 0…11, got -3…5": [[5, -3]],
    "expected 0…11, got 5…10000": [[5, 10_000]],
    "got 4294967301…4294967301": [[2**32 + 5]],
    "got 9223372036854775813": np.array([[2**63 + 5]], "uint64"),
    "whole numbers, got dtype float": [[5.0, 6.5]],
    "pad them: text.pad(rows)": [[5, 6], [7]],
    "differ in shape; if they are ids": np.array([[5, 6], [7]], object),
}


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return (self.batches[i],)


@pytest.fixture(scope="module")
def made():
    found = {name: make() for name, make in MODELS.items()}
    for model in found.values():
        model.compile("adam")
    return found


@pytest.fixture(scope="module")
def small():
    return small_autoencoder()


@backend
@pytest.mark.parametrize("words", BAD_TOKENS)
@pytest.mark.parametrize("name", MODELS)
def test_ids_that_are_none_are_refused_before_training(made, name, words):
    model, bad = made[name], BAD_TOKENS[words]
    before = model.get_weights()
    ways = [
        lambda: training.fit(model, bad, epochs=1),
        lambda: training.fit(model, GOOD, validation=bad, epochs=1),
        lambda: model.fit(bad, verbose=0),
        lambda: model.fit(GOOD, validation_data=(bad, bad), verbose=0),
        *(lambda do=do: do(bad) for do in (model.train_on_batch, model.test_on_batch)),
        *(lambda do=do: do(bad) for do in (model.evaluate, model.predict, model.predict_on_batch)),
        lambda: model(bad),
        *([lambda: model.encode(bad)] if name == "seq2seq" else []),
    ]
    for way in ways:
        with pytest.raises((TypeError, ValueError), match=re.escape(words)):
            way()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@backend
@pytest.mark.parametrize("name", MODELS)
def test_good_ids_train_however_they_come(name):
    model = MODELS[name]()
    model.compile("adam")
    for x in (GOOD, GOOD.astype("int64"), GOOD.tolist(), keras.ops.convert_to_tensor(GOOD)):
        assert np.isfinite(float(model.train_on_batch(x)))
        model.fit(x, verbose=0)
    training.fit(model, Batches([GOOD, GOOD]), epochs=1)
    model.fit(GOOD, GOOD.copy(), validation_data=(GOOD, GOOD), verbose=0)
    with pytest.raises(ValueError, match="targets are the tokens themselves"):
        model.fit(GOOD, GOOD[:, ::-1], verbose=0)
    with pytest.raises(ValueError, match="every token counts alike"):
        model.fit(GOOD, sample_weight=np.ones(2), verbose=0)


@backend
@pytest.mark.parametrize("name", MODELS)
def test_a_dataset_s_batches_are_checked(name):
    model = MODELS[name]()
    model.compile("adam")
    with pytest.raises(ValueError, match="batch 1: padding .* stands before a word"):
        model.fit(Batches([GOOD, np.array([[0, 5]])]), verbose=0)


class Frame:
    """What a pandas DataFrame does: going through it gives the names of its columns."""

    columns = ("text", "label")

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("table", [Frame(), {"Tom": 1}, MappingProxyType({"Tom": 1})], ids=str)
def test_tables_are_no_lists(small, table):
    calls = [small.encode, small.reconstruct, small.vocabulary.encode_all]
    calls += [small.vocabulary.unknown_rate, small.vocabulary.decode_all, Vocabulary.build]
    calls += [text.Characters.build, lambda t: text.Subwords.build(t, 300), text.pad]
    calls += [text.join_words, Vocabulary, lambda t: Vocabulary([], t), text.as_texts]
    for call in calls:
        with pytest.raises(TypeError, match=r'got \w+, which gives names .*df\["column"\]'):
            call(table, *(["texts"] if call is text.as_texts else []))


def test_a_name_is_no_set_of_names():
    for call in (lambda: text.split_words("Tom left.", "Tom"), lambda: Vocabulary([], "Tom")):
        with pytest.raises(TypeError, match="names: expected a "):
            call()


@pytest.mark.parametrize("size", [-1, 0, 2.5, True, "4", None, [4], np.nan], ids=str)
def test_sizes_are_whole_numbers_above_zero(small, size):
    model, codes = small.model, np.zeros((2, small.code_size))
    calls = [
        lambda: small.encode(["Tom"], size),
        lambda: small.encode([], size),
        *(
            lambda name=name, given=given, do=do: do(given, **{name: size})
            for name in ("batch_size", "max_length")
            for do, given in ((small.decode, codes), (small.decode, codes[:0]),
                              (small.reconstruct, ["Tom"]), (small.reconstruct, []))
        ),
        *(
            lambda name=name, do=do: do(model, codes, **{name: size})
            for name in ("batch_size", "max_length")
            for do in (decoding.greedy, decoding.sample, decoding.beam)
        ),
        lambda: decoding.beam(model, codes, width=size),
        lambda: model.encode(GOOD, size),
        lambda: text.bucket_batches([3], size),
        lambda: text.one_hot_bytes(size, 2, 3),
        lambda: Vocabulary.build(["Tom"], min_count=size),
        lambda: models.Seq2SeqAutoencoder(12, units=size),
        lambda: models.TransformerLM(12, width=size),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=": expected (a whole number|at least)"):
            call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: text.pad([[2**32 + 5]]), "sequences: expected"),
        (lambda: text.pad([np.array([2**64 - 1], "uint64")]), "sequences: expected"),
        (lambda: text.pad([[5]], value=2**32), "value: expected"),
        (lambda: text.pad([[5]], value=0.5), "value: expected whole numbers"),
        (lambda: text.pad([[[1], [1, 2]]]), "item 0 is no sequence of whole numbers"),
        (lambda: text.length_buckets([3.7], [3, 5]), "lengths: expected whole numbers"),
        (lambda: text.length_buckets([-1], [3, 5]), "lengths: expected 0…"),
        (lambda: text.length_buckets([[1, 2]], [3, 5]), r"lengths: expected shape \(n,\)"),
        (lambda: text.length_buckets([3], [3.5, 5.5]), "edges: expected whole numbers"),
        (lambda: text.bucket_batches([3.7], 2), "lengths: expected whole numbers"),
        (lambda: text.bucket_batches([3], 2, []), "edges: expected rising"),
        (lambda: text.bucket_batches([3], 2, seed=1.5), "seed: expected a whole number"),
        (lambda: decoding.greedy(MODELS["transformer"](), 2.5), "expected a whole number"),
    ],
)
def test_numbers_are_checked_before_they_are_cast(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_conditioning_is_checked_as_it_will_be_used():
    for x, words in (
        (np.array([[1e40]]), "NaN or infinite"),
        (np.array([2**40]), "expected -2147"),
    ):
        with pytest.raises(ValueError, match=words):
            decoding.greedy(object(), x)


def test_lengths_may_come_from_any_iterable():
    rows = [[1, 2], [3], [4, 5, 6]]
    wanted = text.bucket_batches([2, 1, 3], 2)
    for lengths in (map(len, rows), {1: 2, 2: 1, 3: 3}.values(), (len(row) for row in rows)):
        assert str(text.bucket_batches(lengths, 2)) == str(wanted)
    assert list(text.length_buckets(map(len, rows), range(1, 4))) == [1, 2, 3]
    assert text.pad(map(list, rows)).shape == (3, 3)


@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-5, 1e12, 1e300])
@pytest.mark.parametrize("cut", [{}, {"top_p": 1e-60}, {"top_k": 5}], ids=str)
@backend
def test_extremes_of_sampling_draw_words(made, cut, temperature):
    codes = np.random.default_rng(0).normal(size=(8, 5))
    options = {"max_length": 6, "temperature": temperature, **cut}
    words = decoding.sample(made["seq2seq"], codes, **options)
    assert (words[:, 0] != text.PAD).all()
    assert not (words == text.BOS).any()
    if temperature < 1e-3 or "top_p" in cut and temperature < 1e3:
        np.testing.assert_array_equal(words, decoding.greedy(made["seq2seq"], codes, max_length=6))


@pytest.mark.parametrize("bad", [10**400, 1j, "1", None, True, float("inf")])
@pytest.mark.parametrize("name", ["temperature", "top_p"])
def test_settings_of_sampling_are_numbers(made, name, bad):
    if bad is None and name == "top_p":
        return
    with pytest.raises((TypeError, ValueError), match=f"{name}: expected a"):
        decoding.sample(made["seq2seq"], np.zeros((1, 5)), **{name: bad})


@backend
@pytest.mark.parametrize("setting", ["mixed_bfloat16", "float64 numbers", "float64"])
def test_keras_settings_leave_decoding_as_it_is(small, setting):
    sentences = ["Tom is here.", "I see."]
    codes, wanted = small.encode(sentences), small.reconstruct(sentences)
    before = keras.config.dtype_policy(), keras.config.floatx()
    try:
        if setting == "float64 numbers":
            keras.config.set_floatx("float64")
        else:
            keras.config.set_dtype_policy(setting)
        again = small_autoencoder()
        for one in (small, again):
            assert one.encode(sentences).dtype == "float32"
            decoding.sample(one.model, codes, max_length=6, top_p=0.9)
            decoding.beam(one.model, codes, max_length=6)
        assert small.reconstruct(sentences) == wanted
        for make in MODELS.values():
            model = make()
            model.compile("adam")
            assert np.isfinite(float(model.train_on_batch(GOOD)))
    finally:
        keras.config.set_floatx(before[1])
        keras.config.set_dtype_policy(before[0])


@backend
def test_four_threads_decode_with_one_model(small):
    sentences, found, problems = ["Tom is here.", "I see."], [], []
    wanted = small.reconstruct(sentences, max_length=6)

    def work():
        try:
            found.extend(small.reconstruct(sentences, max_length=6) for _ in range(20))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert found == [wanted] * 80


def test_codes_may_be_any_library_s(small):
    codes = small.encode(["Tom is here."])
    wanted = small.decode(codes, max_length=6)
    torch, ml_dtypes = pytest.importorskip("torch"), pytest.importorskip("ml_dtypes")
    for given in (torch.tensor(codes, requires_grad=True), list(codes)):
        assert small.decode(given, max_length=6) == wanted
    for given in (torch.tensor(codes).bfloat16(), codes.astype(ml_dtypes.bfloat16)):
        assert _checks.as_batch(given).dtype == "float32"
    with pytest.raises(TypeError, match="differ in shape"):
        small.decode([codes[0], codes[0, 1:]])


def test_no_message_repeats_what_came():
    for call in (_checks.as_size, _checks.share, lambda x, name: _checks.sizes(str(x), name)):
        with pytest.raises(TypeError) as caught:
            call(list(range(100_000)), "size")
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("मैं चाय पीता हूँ।", ["मैं", "चाय", "पीता", "हूँ", "।"]),
        ("क्\u200dष नमस्ते", ["क्\u200dष", "नमस्ते"]),
        ("نه\u200cخواستم", ["نه\u200cخواستم"]),
        ("สวัสดี", ["สวัสดี"]),
        ("x\u20e3 3.5\u0327", ["x\u20e3", "3.5\u0327"]),
        ("தமிழ் ಕನ್ನಡ", ["தமிழ்", "ಕನ್ನಡ"]),
    ],
)
def test_marks_stay_with_their_letters(sentence, words):
    assert [t for t in text.split_words(sentence) if t not in text.MARKERS] == words
    assert text.join_words(text.split_words(sentence)) == text.normalise(sentence)


@pytest.mark.parametrize("suffix", ["'s", "n't", "'ve'S", "'sx"])
def test_no_word_is_too_long(suffix):
    word = "A" + suffix * 50_000
    tokens = text.split_words(word)
    assert len(tokens) == (1 if suffix == "'sx" else 1 + 50_000 * len(re.findall("'", suffix)))
    assert text.join_words(tokens) == word


@pytest.mark.parametrize("sign", "\u200c\u200d\u034f\u2065\u2800\u3164\ufe0f\uffa0\U000e0100")
def test_what_shows_nothing_is_nothing(small, sign):
    assert text.normalise(sign) == text.normalise(f" {sign * 3}\t") == ""
    assert text.normalise(f"a {sign} b {sign}") == "a b"
    assert small.reconstruct([sign]) == [""]
