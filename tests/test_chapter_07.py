"""Chapter 07 against the library: the same arrays and listing, and its records."""

import keras
import numpy as np
import pytest
import sacrebleu
from keras import ops

from ae_lib import data, decoding, models, text, training
from benchmarks import repairs
from tests.chapter_code import definitions

TOKENS = np.array([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0], [7, 0, 0, 0, 0]], "int32")


@pytest.fixture(scope="module")
def chapter():
    return definitions("07", "teacher_forcing", "greedy")


def numpy(x):
    return ops.convert_to_numpy(x)


def test_the_chapters_arrays_are_the_models(chapter):
    library = models.Seq2SeqAutoencoder(20, units=6, embedding_size=5, code_size=4)
    inputs, targets = chapter["teacher_forcing"](TOKENS, text.BOS, text.EOS)
    np.testing.assert_array_equal(inputs, numpy(library.decoder_input(TOKENS)))
    np.testing.assert_array_equal(targets, numpy(library.decoder_target(TOKENS)))
    np.testing.assert_array_equal(
        repairs.framed(np.pad(TOKENS, ((0, 0), (0, 2))))[:, 1:6], targets[:, :5]
    )


def test_the_chapters_greedy_is_the_librarys(chapter):
    training.set_seed(3)
    library = models.Seq2SeqAutoencoder(20, units=6, embedding_size=5, code_size=4)
    library.set_weights([4 * w for w in library.get_weights()])
    codes = np.random.default_rng(0).normal(size=(7, 4)).astype("float32")

    def step(tokens, state):
        logits, state = library.step(state, tokens.astype("int32"))
        logits = numpy(logits).copy()
        logits[:, [text.PAD, text.BOS]] = -np.inf
        return np.exp(logits), state

    state = library.initial_state(ops.convert_to_tensor(codes))
    own = chapter["greedy"](step, state, text.BOS, text.EOS, 6)
    ids = decoding.greedy(library, codes, max_length=6)
    ids = np.where(ids == text.EOS, 0, ids)
    np.testing.assert_array_equal(own[:, : ids.shape[1]], ids)


def test_the_chapters_nucleus_is_the_exercises():
    chapter = definitions("07", "next_distribution", "nucleus")
    logits = np.random.default_rng(0).normal(size=(5, 9))
    p = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    found = chapter["next_distribution"](logits, temperature=2, mass=0.7)
    np.testing.assert_allclose(found, [chapter["nucleus"](row, 0.7) for row in p], atol=1e-12)


def test_the_chapters_bleu_is_sacrebleus():
    chapter = definitions("07", "ngrams", "bleu_by_hand")
    rng = np.random.default_rng(0)
    references = [[str(i) for i in rng.integers(4, size=12)] for _ in range(20)]
    shorter = [row[:-3] for row in references]
    mixed = [list(rng.permutation(row)) for row in references]
    strangers = [["9"] * 12] * 20
    for outputs in (references, shorter, mixed, strangers):
        texts = [[" ".join(row) for row in rows] for rows in (outputs, references)]
        theirs = sacrebleu.corpus_bleu(
            texts[0], [texts[1]], tokenize="none", smooth_method="none", force=True
        )
        assert chapter["bleu_by_hand"](outputs, references) == pytest.approx(theirs.score)


def test_a_stage_without_repairs_computes_the_listing():
    """One-hot rows times a matrix, and rows of that matrix looked up, are the same numbers."""
    keras.utils.set_random_seed(0)
    stage, (listing, _, _) = repairs.Stage(), repairs.listing()
    rows = repairs.framed(np.array([[5, 6, 7, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 10]]))
    stage(rows)
    tables = [numpy(table) for table in stage.tables]
    recurrent = [numpy(lstm.recurrent_kernel) for lstm in (stage.encoder, stage.decoder)]
    biases = [numpy(lstm.bias) for lstm in (stage.encoder, stage.decoder)]
    lstms = [layer for layer in listing.layers if isinstance(layer, keras.layers.LSTM)]
    for i, layer in enumerate(lstms):
        layer.set_weights([tables[i], recurrent[i], biases[i]])
    listing.layers[-1].set_weights([numpy(stage.tables[2]).T, numpy(stage.output_bias)])
    eye = np.eye(repairs.WORDS, dtype="float32")
    p = numpy(listing([eye[rows[:, 1:]], eye[rows[:, :-1]]]))
    np.testing.assert_allclose(p, numpy(ops.softmax(stage(rows))), atol=1e-5)


def test_the_records_are_of_the_script_as_it_is():
    record = data.load_record("repairs")
    named = [name for name, *_ in repairs.stages()]
    assert record["stages"] == [name for name in named if name not in repairs.HALVES]
    assert record["epochs"] == repairs.EPOCHS
    assert np.shape(record["exact"]) == (len(record["stages"]), len(record["seeds"]))
    duel = data.load_record("duel")
    arms = [(-1, duel[who]) for who in ("listing", "ours")]
    arms += [(1, half) for half in record["halves"].values()]
    columns = zip(record["rate"], record["tried"], strict=True)
    arms += [(1, {"rate": rate, "tried": tried}) for rate, tried in columns]
    for sign, arm in arms:  # the best rate lies between two that are no better
        tried = {float(rate): sign * value for rate, value in arm["tried"].items()}
        assert {arm["rate"] / 2, 2 * arm["rate"]} <= set(tried)
        assert tried[arm["rate"]] == min(tried.values())
    assert set(duel["ours"]["updates"]) == {repairs.DUEL_UPDATES}
    ratio = duel["ours"]["parameters"][0] / duel["listing"]["parameters"][0]
    assert abs(ratio - 1) < 0.02
    sizes = data.load_record("text_code_size")
    assert tuple(sizes["code_sizes"]) == repairs.CODE_SIZES
