"""Small language models trained side by side on one device: Keras's models, JAX's programs.

An epoch of several models of one shape is one compiled program: all data lie on the device, the
models differ in their random numbers and in the settings that are numbers (dropout, rate). The
sentences stand packed in rows of one width, one after another; none sees another.
"""

import time
from collections import defaultdict

import jax
import jax.numpy as jnp
import keras
import numpy as np

from ae_lib.models import _lstm
from ae_lib.text import BOS, EOS, PAD, UNK

WARM_UP = 0.03  # of all steps, the rate rises


def packed(sentences, width, rows=None):
    """Sentences in rows of one width, each with <bos> before it and <eos> after it.

    Args:
        sentences: lists of ids; those of more than width − 1 are left out.
        rows: how many to give, by leaving out or adding empty ones; None: as many as needed.

    Returns:
        dict of int32 (rows, width): ``seen``, ``target`` (0: nothing), and ``place``, the
        position in the sentence, 0 at its <bos>.
    """
    waiting = defaultdict(list)
    for ids in sentences:
        if len(ids) < width:
            waiting[len(ids) + 1].append(ids)
    filled, top = [], max(waiting, default=0)
    while top and (rows is None or len(filled) < rows):
        room, row = width, []
        while room := min(room, top):
            while room and not waiting.get(room):
                room -= 1
            if not room:
                break
            row.append(waiting[room].pop())
            room = width - sum(len(ids) + 1 for ids in row)
        while top and not waiting.get(top):
            top -= 1
        filled.append(row)
    count = len(filled) if rows is None else rows
    arrays = {name: np.zeros((count, width), "int32") for name in ("seen", "target", "place")}
    for i, row in enumerate(filled):
        at = 0
        for ids in row:
            here = slice(at, at := at + len(ids) + 1)
            arrays["seen"][i, here] = [BOS, *ids]
            arrays["target"][i, here] = [*ids, EOS]
            arrays["place"][i, here] = np.arange(len(ids) + 1)
    return arrays


class Dropout:
    """Dropout whose share may be a number that is known only when the program runs."""

    def __init__(self, key, share):
        self.key, self.share = key, jnp.round(share * 256)

    def __call__(self, x, training=None):
        self.key, key = jax.random.split(self.key)
        words = jax.random.bits(key, (-(-x.size // 4),), "uint32")  # far cheaper than bytes
        drawn = jax.lax.bitcast_convert_type(words, "uint8").ravel()[: x.size].reshape(x.shape)
        kept = drawn >= self.share.astype("uint8")
        return jnp.where(kept, x / (1 - self.share / 256), 0).astype(x.dtype)


def _nothing(x, training=None):
    return x


def transformer_logits(model, rows, drop=_nothing):
    """Logits (n, width, V) of a ``TransformerLM`` for packed rows."""
    place, width = rows["place"], rows["place"].shape[1]
    sentence = jnp.cumsum(place == 0, axis=1)
    mask = (sentence[:, :, None] == sentence[:, None]) & jnp.tri(width, dtype=bool)
    table, positions = (
        w.astype("bfloat16") for w in (model.embedding.value, model.positions.value)
    )
    x = drop(table[rows["seen"]] + positions[place])
    for block in model.blocks:
        block.drop_1 = block.drop_2 = drop
        x = block.finish(x, _attention(*block.query_key_value(x), mask[:, None]))
    return _scores(model.norm(x), table)


def _attention(query, key, value, mask):
    """In plain products: side by side, models may not use cuDNN's attention, which JAX takes."""
    scores = jnp.einsum("nthd,nshd->nhts", query, key).astype("float32")
    share = jax.nn.softmax(jnp.where(mask, scores / query.shape[3] ** 0.5, -1e30))
    return jnp.einsum("nhts,nshd->nthd", share.astype(value.dtype), value)


def lstm_logits(model, rows, drop=_nothing):
    """Logits (n, width, V) of a ``RecurrentLM``; dropout acts on the recurrent weights, too.

    Source of the latter: Merity, Keskar & Socher (2018).
    """
    seen, going = rows["seen"].T, (rows["place"].T > 0).astype("float32")[:, :, None]
    z = model.lstm.project(drop(model.embed(seen)))
    recurrent = drop(model.lstm.recurrent_kernel.value)

    def step(state, inputs):
        z_t, goes_on = inputs
        h, c = (part * goes_on for part in state)
        h, c, _ = _lstm.cell(z_t + _lstm.product(h, recurrent, "bfloat16"), c)
        return (h, c), h

    zeros = jnp.zeros((z.shape[1], model.units), "float32")
    outputs = jax.lax.scan(step, (zeros, zeros), (z, going), unroll=4)[1]
    words = model.to_word(drop(outputs.transpose(1, 0, 2)))
    return _scores(words, model.embedding.value) + model.word_bias.value


def _scores(vectors, table):
    a, b = vectors.astype("bfloat16"), table.astype("bfloat16")
    return jnp.einsum("ntw,vw->ntv", a, b, preferred_element_type="float32")


def with_weights(model, weights):
    """Inside this scope the model's variables have these values."""
    return keras.StatelessScope(
        state_mapping=list(zip(model.trainable_variables, weights, strict=True))
    )


def nats(logits, target):
    """Cross-entropy of each token, 0 where there is none."""
    logp = jax.nn.log_softmax(logits)
    found = jnp.take_along_axis(logp, target[:, :, None], axis=2)[:, :, 0]
    return jnp.where(target == PAD, 0.0, -found)


class Group:
    """Models of one shape, each with settings of its own.

    Args:
        make: makes the Keras model, its first weights after ``keras.utils.set_random_seed``.
        logits: ``transformer_logits`` or ``lstm_logits``.
        members: dicts ``{"seed", "dropout", "rate"}``; with soft targets also ``"hard"``, the
            share of the true next words in the loss where the text is real.
        batch: rows a step.
        decay: decoupled weight decay; average: momentum of the averaged weights, which are
            what is scored and kept.
        unit: scored nats are divided by this.
    """

    def __init__(self, make, logits, members, *, batch, decay, average, unit):
        self.logits, self.batch, self.unit, self.members = logits, batch, unit, members
        first = []
        for member in members:
            keras.utils.set_random_seed(member["seed"])
            self.model = make()
            first.append([np.asarray(w.value) for w in self.model.trainable_variables])
        self.optimizer = keras.optimizers.AdamW(
            1e-3, beta_2=0.99, weight_decay=decay, global_clipnorm=1.0,
            use_ema=True, ema_momentum=average,
        )  # fmt: skip
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        self.optimizer.build(self.model.trainable_variables)
        at = {id(v): i for i, v in enumerate(self.optimizer.variables)}
        self.rate_at = at[id(self.optimizer._learning_rate)]
        self.mean_at = [at[id(v)] for v in self.optimizer._model_variables_moving_average]
        count = len(members)
        weights = [jnp.asarray(np.stack(ws)) for ws in zip(*first, strict=True)]
        fresh = [jnp.stack([v.value] * count) for v in self.optimizer.variables]
        keys = jnp.stack([jax.random.key_data(jax.random.key(m["seed"])) for m in members])
        self.carry = {
            "weights": weights, "optimizer": fresh, "key": keys,
            "step": jnp.zeros(count, "int32"), "best": [w + 0 for w in weights],
            "least": jnp.full(count, jnp.inf),
        }  # fmt: skip
        names = [name for name in ("dropout", "rate", "hard") if name in members[0]]
        self.settings = {n: jnp.array([m[n] for m in members], "float32") for n in names}
        self.settings["total"] = jnp.ones(count)

    def lower(self, data, validation):
        """The program of one epoch, traced; ``compile`` it where there is time."""
        run = jax.vmap(self._epoch, in_axes=(0, 0, None, None))
        return jax.jit(run, donate_argnums=0).lower(self.carry, self.settings, data, validation)

    def _loss(self, weights, rows, key, settings):
        with with_weights(self.model, weights):
            logits = self.logits(self.model, rows, Dropout(key, settings["dropout"]))
        target = rows["target"]
        hard, there = nats(logits, target), target != PAD
        if "soft" in rows:
            logp = jax.nn.log_softmax(logits)
            soft = -jnp.sum(rows["soft"].astype("float32") * logp, axis=2)
            share = settings["hard"] * rows["real"][:, None]
            hard = jnp.where(there, share * hard + (1 - share) * soft, 0.0)
        return jnp.sum(hard) / jnp.sum(there)

    def _epoch(self, carry, settings, data, validation):
        key, order, drops = jax.random.split(jax.random.wrap_key_data(carry["key"]), 3)
        count = len(data["seen"]) // self.batch
        order = jax.random.permutation(order, len(data["seen"]))[: count * self.batch]

        def step(state, rows):
            weights, optimizer, number = state
            batch = {name: array[rows] for name, array in data.items()}
            drop = jax.random.fold_in(drops, number)
            loss, slopes = jax.value_and_grad(self._loss)(weights, batch, drop, settings)
            done = number / settings["total"]
            rate = settings["rate"] * jnp.minimum(done / WARM_UP, 1.0)
            rate *= 0.5 + 0.5 * jnp.cos(jnp.pi * jnp.minimum(done, 1.0))
            optimizer = [*optimizer]
            optimizer[self.rate_at] = rate
            weights, optimizer = self.optimizer.stateless_apply(optimizer, slopes, weights)
            return (weights, optimizer, number + 1), loss

        state = (carry["weights"], carry["optimizer"], carry["step"])
        state, losses = jax.lax.scan(step, state, order.reshape(count, self.batch))
        mean = [state[1][i] for i in self.mean_at]
        score = self.score(mean, validation)
        better = score < carry["least"]
        best = [jnp.where(better, a, b) for a, b in zip(mean, carry["best"], strict=True)]
        least = jnp.minimum(score, carry["least"])
        after = {"weights": state[0], "optimizer": state[1], "step": state[2], "best": best}
        after |= {"least": least, "key": jax.random.key_data(key)}
        return after, (score, jnp.mean(losses))

    def score(self, weights, validation):
        """Nats of the packed sentences in all, over ``unit``."""
        with with_weights(self.model, weights):
            found = nats(self.logits(self.model, validation), validation["target"])
        return jnp.sum(found) / self.unit

    def train(self, program, data, validation, *, seconds, epochs, patience, say):
        """Run epochs: as many as were asked for, or fit into the seconds, or still help.

        Args:
            program: of ``lower``, compiled.
            data: list of packed sentences, all of one shape; each epoch takes the next.
            validation: packed sentences.

        Returns:
            ``(best weights, one list of arrays a member; a dict of what happened)``.
        """
        steps, least, since, history, times = len(data[0]["seen"]) // self.batch, None, 0, [], []
        while len(history) < epochs and since < patience:
            start = time.perf_counter()
            self.settings["total"] = jnp.full(len(self.members), float(epochs * steps))
            some = data[len(history) % len(data)]
            self.carry, found = program(self.carry, self.settings, some, validation)
            score, loss = (np.asarray(x).round(5).tolist() for x in found)
            times.append(time.perf_counter() - start)
            history.append({"validation": score, "loss": loss})
            if not np.isfinite(loss).all():
                say(f"epoch {len(history)}: some losses are no numbers")
            if len(times) == 2 and seconds:  # the first one warms up
                epochs = min(epochs, max(3, int((seconds - times[0]) / times[1])))
                say(f"{times[1]:.2f} s an epoch: {epochs} epochs")
            now = np.asarray(self.carry["least"])
            since = 0 if least is None or (now < least - 1e-4).any() else since + 1
            least = now
            say(f"epoch {len(history)}/{epochs}  validation {_brief(score)}  loss {_brief(loss)}")
        best = [np.asarray(w) for w in self.carry["best"]]
        own = [[w[i] for w in best] for i in range(len(self.members))]
        found = {"members": self.members, "validation": least.round(5).tolist()}
        found |= {"epochs": len(history), "planned": epochs, "history": history}
        found |= {"seconds_an_epoch": float(np.median(times)), "batch": self.batch}
        found |= {"parameters": self.model.count_params()}
        self.carry = None  # frees the memory
        return own, found


def _brief(values):
    return " ".join(f"{v:.4f}" for v in values)


def sampler(model, n, width):
    """A program ``(weights, key) -> int32 (n, width)``: sentences drawn word by word."""

    def run(weights, key):
        with with_weights(model, weights):
            state = keras.tree.map_structure(jnp.asarray, model.initial_state(n))

        def step(carry, key):
            last, state = carry
            with with_weights(model, weights):
                logits, state = model.step(state, last)
            logits = logits.at[:, jnp.array([PAD, UNK, BOS])].set(-jnp.inf)
            drawn = jax.random.categorical(key, logits).astype("int32")
            drawn = jnp.where((last == EOS) | (last == PAD), PAD, drawn)
            return (drawn, state), drawn

        first = jnp.full(n, BOS, "int32")
        return jax.lax.scan(step, (first, state), jax.random.split(key, width))[1].T

    return jax.jit(run)


def sentences_of(drawn):
    """Lists of ids without <eos>, of those rows that came to an end."""
    return [row[: row.index(EOS)] for row in np.asarray(drawn).tolist() if EOS in row]


def mean_probabilities(teachers, batch):
    """A program ``(stacks, rows) -> bfloat16 (rows, width, V)``: the teachers' mean.

    Args:
        teachers: pairs of a model and its logits' function; each has one stack of weights,
            first axis the teachers of its kind.
    """

    def of_batch(stacks, rows):
        total, count = 0.0, 0
        for (model, logits), stack in zip(teachers, stacks, strict=True):

            def add(total, weights, model=model, logits=logits):
                with with_weights(model, weights):
                    return total + jax.nn.softmax(logits(model, rows)), None

            count += len(stack[0])
            zero = jnp.zeros((*rows["seen"].shape, model.vocabulary_size), "float32")
            total += jax.lax.scan(add, zero, stack)[0]
        return (total / count).astype("bfloat16")

    def run(stacks, rows):
        cut = {k: a.reshape(-1, batch, a.shape[1]) for k, a in rows.items()}
        found = jax.lax.map(lambda some: of_batch(stacks, some), cut)
        return found.reshape(-1, *found.shape[2:])

    return jax.jit(run)
