"""Sentences decoded a second, from ``predict`` for every word to one compiled loop.

    python -m benchmarks.text_decoding [--rounds 9]

The shipped text autoencoder writes the same sentences on every rung of the ladder, and every rung
must write the same tokens:

* ``predict per word``: the recipe of the well-known Keras example, with this model's weights
  in ``keras.layers.LSTM``: one sentence at a time, one-hot inputs, ``predict`` for every word;
* ``state kept``: one sentence at a time, the step called from Python;
* ``batched``: 512 sentences side by side, the step called from Python;
* ``compiled``: ``decoding.greedy``, the same in one compiled loop;
* ``torch``: the batched loop in PyTorch (inference mode), the same weights, state and batch; the
  code's share in the gates is computed once here too. Compare it with ``batched``: in both,
  Python calls the operations one by one;
* ``torch, compiled``: the same loop, its step by ``torch.compile``. Compare with ``compiled``.

The shipped translator, which reads before it writes, stands on the last four. In PyTorch it reads
with ``nn.LSTM``, packed sentences from both ends.

Every round runs all of them in turn. The PyTorch loops run in a process of their own. A round in
which any rung ran at less than half its own median is dropped whole: the machine was busy. The
rule was written before the run. The ratios have an interval of 95 % (rounds resampled).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.environment import RECORDS, short, write_record
from benchmarks.lstm import interval

BATCH = 512


def recipe(model):
    """The well-known example's inference loop, one sentence at a time; gives a function."""
    from keras import Input, Model, layers

    size, units, d = model.vocabulary_size, model.units, model.code_size
    embed = layers.Dense(model.embedding_size, use_bias=False)
    word = Input((None, size))
    code, h, c = Input((d,)), Input((units,)), Input((units,))
    vectors = embed(word)
    # The code's share in the gates is an input like the word's.
    inputs = layers.Concatenate()([vectors, layers.RepeatVector(1)(code)])
    lstm = layers.LSTM(units, return_sequences=True, return_state=True)
    outputs, new_h, new_c = lstm(inputs, initial_state=[h, c])
    logits = layers.Dense(size)(layers.Dense(model.embedding_size)(outputs))
    decoder = Model([word, code, h, c], [layers.Softmax()(logits), new_h, new_c])
    weights = {w.path.rsplit("/", 1)[-1]: w for w in model.decoder.weights}
    table, bias = (np.asarray(w) for w in (model.embedding, model.word_bias))
    kernel = np.concatenate([weights["kernel"], model.to_gates.kernel])
    decoder.set_weights(
        [
            table,
            kernel,
            weights["recurrent_kernel"],
            weights["bias"],
            *model.to_word.get_weights(),
            table.T,
            bias,
        ]
    )

    def write(code):
        state = [np.asarray(part) for part in model.initial_state(code[None])[:2]]
        words, last = [], 2
        while last != 3 and len(words) < 48:
            one_hot = np.zeros((1, 1, size), "float32")
            one_hot[0, 0, last] = 1
            p, *state = decoder.predict([one_hot, code[None], *state], verbose=0)
            p[0, 0, [0, 2]] = 0
            last = int(p[0, 0].argmax())
            words.append(last)
        return words

    return write


def torch_autoencoder(w):
    """The model in PyTorch, of its weights by name: ``first(given)`` and ``step(state, last)``."""
    import torch

    out = w["embedding"].T.contiguous()

    def first(codes):
        h = torch.tanh(codes @ w["to_h.kernel"] + w["to_h.bias"])
        c = codes @ w["to_c.kernel"] + w["to_c.bias"]
        return h, c, codes @ w["to_gates.kernel"] + w["decoder.bias"]

    def step(state, last):
        h, c, gates = state
        z = torch.addmm(gates, w["embedding"][last], w["decoder.kernel"])
        h, c = torch_cell(torch.addmm(z, h, w["decoder.recurrent_kernel"]), c)
        word = h @ w["to_word.kernel"] + w["to_word.bias"]
        return torch.addmm(w["word_bias"], word, out), (h, c, gates)

    return first, step


def torch_translator(w):
    """As ``torch_autoencoder``, for ``AttentionSeq2Seq`` with the attention "general"."""
    import torch
    from torch.nn.utils import rnn

    embed, out = w["embedding"], w["embedding"].T.contiguous()
    reader = torch.nn.LSTM(embed.shape[1], len(w["to_h.kernel"]) // 2, bidirectional=True)
    for ours, end in (("forwards", ""), ("backwards", "_reverse")):
        for part, theirs in (("kernel", "ih"), ("recurrent_kernel", "hh")):
            getattr(reader, f"weight_{theirs}_l0{end}").data = w[f"{ours}.{part}"].T.contiguous()
        getattr(reader, f"bias_ih_l0{end}").data = w[f"{ours}.bias"]
        getattr(reader, f"bias_hh_l0{end}").data.zero_()
    reader.flatten_parameters()

    def first(tokens):
        there = tokens != 0
        packed = rnn.pack_padded_sequence(embed[tokens.T], there.sum(1), enforce_sorted=False)
        values, (ends, _) = reader(packed)
        values = rnn.pad_packed_sequence(values, total_length=tokens.shape[1])[0].transpose(0, 1)
        ends = torch.cat([*ends], 1)
        far = torch.where(there, 0.0, -1e9)[:, None]
        asking = torch.tanh(ends @ w["to_h.kernel"] + w["to_h.bias"])
        asking = asking, ends @ w["to_c.kernel"] + w["to_c.bias"]
        zeros = torch.zeros_like(asking[0])
        keys = (values @ w["to_key.kernel"]).transpose(1, 2).contiguous()
        return (values.contiguous(), keys, far), asking, (zeros, zeros)

    def one(name, x, h, c):
        z = torch.addmm(w[f"{name}.bias"], x, w[f"{name}.kernel"])
        return torch_cell(torch.addmm(z, h, w[f"{name}.recurrent_kernel"]), c)

    def step(state, last):
        memory, asking, writing = state
        values, keys, far = memory
        asking = one("asker", embed[last], *asking)
        weights = torch.softmax(torch.baddbmm(far, asking[0][:, None], keys), -1)
        found = torch.cat([asking[0], (weights @ values)[:, 0]], 1)
        writing = one("writer", found, *writing)
        word = writing[0] @ w["to_word.kernel"] + w["to_word.bias"]
        return torch.addmm(w["word_bias"], word, out), (memory, asking, writing)

    return first, step


def torch_cell(z, c):
    """An LSTM's state from its gates before their non-linearities, (n, 4 units)."""
    import torch

    i, f, g, o = z.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def torch_loop(folder, kind):
    """Seconds of the PyTorch loops, of weights and what is given in ``folder``; saves tokens."""
    import torch

    w = {k: torch.tensor(v) for k, v in np.load(f"{folder}/weights.npz").items()}
    given = torch.tensor(np.load(f"{folder}/given.npy"))
    first, logits_of = TORCH[kind](w)

    def step(state, last, ended):
        logits, state = logits_of(state, last)
        logits[:, [0, 2]] = -1e9
        last = torch.where(ended, 0, logits.argmax(1))
        return state, last, ended | (last == 3)

    @torch.inference_mode()
    def write(given, step):
        state, last = first(given), torch.full((len(given),), 2)
        ended = torch.zeros(len(given), dtype=torch.bool)
        words = []
        while not ended.all() and len(words) < 48:
            state, last, ended = step(state, last, ended)
            words.append(last)
        return torch.stack(words, 1)

    seconds = {}
    for name, one in {"torch": step, "torch, compiled": torch.compile(step)}.items():
        write(given[:BATCH], one)
        start = time.perf_counter()
        rows = [write(given[i : i + BATCH], one).numpy() for i in range(0, len(given), BATCH)]
        seconds[name] = time.perf_counter() - start
        width = max(r.shape[1] for r in rows)
        rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]))) for r in rows]
        np.save(f"{folder}/{name}.npy", np.concatenate(rows).astype("int32"))
    return seconds


TORCH = {"autoencoder": torch_autoencoder, "translator": torch_translator}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--torch", nargs=2, metavar=("FOLDER", "KIND"))
    options = parser.parse_args()
    if options.torch:
        print(json.dumps(torch_loop(*options.torch)))
        return
    write_record(
        RECORDS / "text_decoding.json",
        "python -m benchmarks.text_decoding",
        what=__doc__.splitlines()[0],
        unit="sentences a second",
        results=autoencoder(options.rounds),
        translator=translator(options.rounds),
    )


def autoencoder(rounds):
    """The whole ladder."""
    import ae_lib
    from ae_lib import decoding

    shipped = ae_lib.pretrained("text-autoencoder")
    model = shipped.model
    codes = shipped.encode(ae_lib.data.load_sentences("validation")[: 2 * BATCH])
    few, some = 5, 64
    slow = recipe(model)

    def alone(count):
        rows = [
            decoding.greedy(model, codes[i : i + 1], batch_size=1, compiled=False)[0]
            for i in range(count)
        ]
        return [row[row != 0].tolist() for row in rows]

    first = {
        "predict per word": (few, lambda: [slow(code) for code in codes[:few]]),
        "state kept": (some, lambda: alone(some)),
    }
    return measure(model, codes, "autoencoder", rounds, first)


def translator(rounds):
    """The last four rungs, climbed by the translator with English validation sentences."""
    import ae_lib

    shipped = ae_lib.pretrained("translate-en-fr")
    sentences = ae_lib.data.load_sentences("validation")[: 2 * BATCH]
    return measure(shipped.model, shipped.tokens(sentences), "translator", rounds)


def measure(model, given, kind, rounds, rungs=None):
    """Climb ``rounds`` times; the rates of all rungs, and their ratios."""
    import tempfile

    from ae_lib import decoding, text_models

    expected = decoding.greedy(model, given)

    def batched(compiled):
        return decoding.greedy(model, given, batch_size=BATCH, compiled=compiled)

    rungs = {
        **(rungs or {}),
        "batched": (len(given), lambda: batched(False)),
        "compiled": (len(given), lambda: batched(True)),
    }
    speeds = {name: [] for name in (*rungs, "torch", "torch, compiled")}
    with tempfile.TemporaryDirectory() as folder:
        weights = {k: np.asarray(v) for k, v in text_models.named_weights(model).items()}
        np.savez(f"{folder}/weights.npz", **weights)
        np.save(f"{folder}/given.npy", given)
        command = [sys.executable, "-m", "benchmarks.text_decoding", "--torch", folder, kind]
        for number in range(rounds + 1):
            for name, (count, run) in rungs.items():
                start = time.perf_counter()
                found = run()
                seconds = time.perf_counter() - start
                if number:  # the first round compiles
                    speeds[name].append(count / seconds)
                if not isinstance(found, list):
                    found = [row[row != 0].tolist() for row in found]
                same(found, expected, name)
            if number:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                for name, seconds in json.loads(done.stdout.splitlines()[-1]).items():
                    speeds[name].append(len(given) / seconds)
                    found = [row[row != 0].tolist() for row in np.load(f"{folder}/{name}.npy")]
                    same(found, expected, name)
    names, table = list(speeds), np.array(list(speeds.values()))  # (rungs, rounds)
    quiet = (2 * table >= np.median(table, 1, keepdims=True)).all(0)
    speeds = dict(zip(speeds, table[:, quiet], strict=True))

    def over(one, other):
        ratios = speeds[one] / speeds[other]
        return {"median": short(np.median(ratios), 3), "interval": interval(ratios)}

    return {
        "sentences": len(given),
        "batch": BATCH,
        "tokens_per_sentence": float((expected != 0).sum(1).mean()),
        "sentences_per_second": {k: short(statistics.median(v), 3) for k, v in speeds.items()},
        "compiled_over": {
            k: short(np.median(speeds["compiled"] / v), 3)
            for k, v in speeds.items()
            if k != "compiled"
        },
        "batched_over_torch": over("batched", "torch"),
        "compiled_over_torch_compiled": over("compiled", "torch, compiled"),
        "rounds": {k: short(row, 3) for k, row in zip(names, table, strict=True)},
        "dropped": int((~quiet).sum()),
        "same_tokens": "all rungs, every sentence, asserted",
    }


def same(found, expected, name):
    """Every sentence's tokens are those of the compiled loop, or the measurement is void."""
    for row, right in zip(found, expected, strict=False):
        if row != right[right != 0].tolist():
            raise AssertionError(f"{name} wrote {row}, the compiled loop {right.tolist()}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
