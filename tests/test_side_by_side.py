"""Language models trained side by side: packed sentences see only themselves; what is learned."""

import math

import keras
import numpy as np
import pytest

import side_by_side
from ae_lib.models import RecurrentLM, TransformerLM
from ae_lib.text import EOS, PAD

pytestmark = pytest.mark.backend
rng = np.random.default_rng(2)
SENTENCES = [rng.integers(4, 30, n).tolist() for n in rng.integers(0, 9, 60)]


def unpacked(rows):
    """The sentences that stand in packed rows, and where: lists of (row, start, ids)."""
    found = []
    for i, (seen, target, place) in enumerate(zip(*rows.values(), strict=True)):
        for start in np.flatnonzero((place == 0) & (target != PAD)):
            end = start + int(np.flatnonzero(target[start:] == EOS)[0])
            ids = target[start:end].tolist()
            assert seen[start : end + 1].tolist() == [2, *ids]
            assert place[start : end + 1].tolist() == list(range(len(ids) + 1))
            found.append((i, int(start), ids))
    return found


def test_packed_rows_hold_each_sentence_once():
    rows = side_by_side.packed(SENTENCES, 20)
    assert sorted(ids for _, _, ids in unpacked(rows)) == sorted(SENTENCES)
    tokens = sum(len(ids) + 1 for ids in SENTENCES)
    assert (rows["target"] != PAD).sum() == tokens
    assert len(rows["seen"]) <= math.ceil(tokens / 20) + 2
    short = [ids for ids in SENTENCES if len(ids) < 6]
    assert sorted(x[2] for x in unpacked(side_by_side.packed(SENTENCES, 6))) == sorted(short)
    assert side_by_side.packed(SENTENCES, 20, rows=50)["seen"].shape == (50, 20)
    assert len(unpacked(side_by_side.packed(SENTENCES, 20, rows=3))) < len(SENTENCES)


if keras.backend.backend() == "jax":
    ARMS = {
        "gpt": (lambda: TransformerLM(30, 16, 2, 2, 12), side_by_side.transformer_logits),
        "lstm": (lambda: RecurrentLM(30, 24, 16), side_by_side.lstm_logits),
    }

    @pytest.mark.parametrize("arm", ARMS)
    def test_a_packed_sentence_has_the_logits_that_it_has_alone(arm):
        make, logits = ARMS[arm]
        keras.utils.set_random_seed(1)
        model, rows = make(), side_by_side.packed(SENTENCES, 20)
        for weight in model.trainable_weights:
            weight.assign(np.asarray(weight) * 3 + rng.normal(0, 0.1, weight.shape))
        found = np.asarray(logits(model, {k: np.asarray(v) for k, v in rows.items()}))
        for i, start, ids in unpacked(rows):
            alone = np.asarray(model(np.array([[*ids, PAD]], "int32")))[0, : len(ids) + 1]
            here = found[i, start : start + len(ids) + 1]  # its products are in bfloat16
            assert np.abs(here - alone).max() < 0.03 * np.abs(alone).max()

    def test_members_learn_and_soft_targets_teach():
        import jax.numpy as jnp

        words = [[4 + (i + j) % 6 for j in range(5)] for i in range(600)]
        rows = {k: jnp.asarray(v) for k, v in side_by_side.packed(words, 24).items()}
        make, logits = ARMS["gpt"]
        members = [{"seed": s, "dropout": d, "rate": 1e-2} for s, d in ((0, 0.0), (1, 0.1))]
        tokens = int((rows["target"] != PAD).sum())
        sizes = {"batch": 5, "decay": 0.1, "average": 0.9, "unit": tokens}
        group = side_by_side.Group(make, logits, members, **sizes)
        program = group.lower(rows, rows).compile()
        how = {"seconds": None, "epochs": 10, "patience": 10, "say": lambda words: None}
        best, found = group.train(program, [rows], rows, **how)
        certain = math.log(6) / 6  # all but the first of five words and an end
        assert all(certain - 1e-3 < score < certain + 0.1 for score in found["validation"])
        assert len(found["history"]) == found["epochs"] == 10
        teacher = make()
        mean = side_by_side.mean_probabilities([(teacher, logits)], 10)
        rows = {k: v[: len(v) // 10 * 10] for k, v in rows.items()}
        stacks = [[jnp.asarray(np.stack(w)) for w in zip(*best, strict=True)]]
        soft = mean(stacks, rows)
        np.testing.assert_allclose(np.asarray(soft, "float32").sum(-1), 1, atol=0.02)
        taught = {**rows, "soft": soft, "real": jnp.zeros(len(soft))}
        members = [{"seed": 5, "dropout": 0.0, "rate": 1e-2, "hard": 0.0}]
        student = side_by_side.Group(make, logits, members, **sizes)
        program = student.lower(taught, rows).compile()
        _, found = student.train(program, [taught], rows, **how)
        count = int((rows["target"] != PAD).sum()) / tokens
        assert found["validation"][0] < (certain + 0.15) * count

    def test_written_sentences_have_the_model_s_chances():
        import jax

        model = RecurrentLM(8, units=3, embedding_size=3)
        bias = np.full(8, -30, "float32")
        bias[[4, 5, EOS]] = np.log([0.2, 0.3, 0.5])
        model.word_bias.assign(bias)
        model.embedding.assign(np.zeros((8, 3)))
        weights = [w.value for w in model.trainable_variables]
        drawn = side_by_side.sampler(model, 4000, 12)(weights, jax.random.key(0))
        sentences = side_by_side.sentences_of(drawn)
        assert len(sentences) == pytest.approx(4000 * (1 - 0.5**12), rel=0.01)
        assert np.mean([len(ids) for ids in sentences]) == pytest.approx(1, abs=0.1)
        flat = [word for ids in sentences for word in ids]
        assert np.mean([word == 4 for word in flat]) == pytest.approx(0.4, abs=0.03)
        assert set(flat) == {4, 5}

    def test_dropout_drops_its_share_and_keeps_the_mean():
        import jax
        import jax.numpy as jnp

        def dropped(key, share):
            return side_by_side.Dropout(key, share)(jnp.ones((999, 101)))

        keys, shares = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 0.25, 0.5])
        for found, share in zip(jax.vmap(dropped)(keys, shares), shares, strict=True):
            assert float((found == 0).mean()) == pytest.approx(float(share), abs=0.01)
            assert float(found.mean()) == pytest.approx(1, abs=0.02)
