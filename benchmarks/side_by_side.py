"""Copies of one model that differ in seed and settings, trained as one program.

A small model leaves a GPU idle: its time goes into starting kernels. Here Keras's own step on JAX,
of a model as the library has it, is mapped over the weights of all copies and scanned over the
batches. It needs the JAX backend.
"""

import math
import time
from functools import partial

import jax
import keras
from jax import numpy as jnp
from keras import ops

from ae_lib import training
from ae_lib.models.variational import _nats

BATCH, TUNING_SEED = 128, 100
START = time.perf_counter()


def say(text):
    """Print it after the seconds since the start."""
    print(f"{time.perf_counter() - START:6.1f} s  {text}", flush=True)


class Family:
    """A model's copies: a start for each seed, and states after training.

    A state is what Keras's stateless step takes: four lists of arrays, of the model's trainable
    variables, its others, the optimizer's and the metrics'.

    Args:
        build: gives the model, new and compiled, with a plain learning rate.
        x: training items, float32 (n, …); the model is trained as by ``fit(x, x)``.
        epochs, seeds: of each training; ``TUNING_SEED`` is added to the seeds.
        noisy: whether a batch is zeros and ones, drawn anew with ``x`` as probabilities.
    """

    def __init__(self, build, x, epochs, seeds, noisy=False):
        self.x, self.epochs, self.noisy, self.starts = jnp.asarray(x), epochs, noisy, {}
        for seed in (TUNING_SEED, *seeds):
            training.set_seed(seed)
            self.model = model = build()
            model.optimizer.build(model.trainable_variables)
            lists = (model.trainable_variables, model.non_trainable_variables)
            lists += (model.optimizer.variables, model.metrics_variables)
            self.starts[seed] = tuple([jnp.array(v.value) for v in part] for part in lists)
        self.rate = [v.name for v in model.optimizer.variables].index("learning_rate")
        self.program = jax.jit(jax.vmap(self._train, in_axes=(0, 0, 0, 0, None)))

    def train(self, jobs):
        """The states after jobs ``(seed, settings, rows)``: equally many rows of ``x`` to see.

        Settings: ``rate`` at the peak of a cosine; ``share`` of the epochs in which it falls to
        zero; anything else is an attribute of the model, such as ``beta``.
        """
        stacked = jax.tree.map(lambda *v: jnp.stack(v), *[self.starts[job[0]] for job in jobs])
        seeds, settings, rows = zip(*jobs, strict=True)
        settings = {k: jnp.array([s[k] for s in settings], "float32") for k in settings[0]}
        found = self.program(stacked, jnp.array(seeds), settings, jnp.array(rows), self.x)
        found = jax.block_until_ready(found)
        say(f"{len(jobs)} copies of {self.model.name} trained")
        return [jax.tree.map(lambda v, i=i: v[i], found) for i in range(len(jobs))]

    def _train(self, state, seed, settings, rows, x):
        steps, share = len(rows) // BATCH, settings.get("share", 1.0)
        schedule = training.cosine_schedule(1.0, self.epochs * steps)
        for name in settings.keys() - {"rate", "share"}:
            setattr(self.model, name, settings[name])

        def step(state, now):
            rows, key, count = now
            batch = x[rows]
            if self.noisy:
                batch = jnp.float32(jax.random.uniform(key, batch.shape) < batch)
            state[2][self.rate] = settings["rate"] * schedule(count / share)
            return tuple(map(list, self.model.train_step(state, (batch, batch))[1])), None

        def epoch(state, number):
            order, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), number))
            batches = jax.random.permutation(order, rows)[: steps * BATCH].reshape(steps, BATCH)
            counts = number * steps + jnp.arange(steps)
            return jax.lax.scan(step, state, (batches, jax.random.split(noise, steps), counts))

        return jax.lax.scan(epoch, state, jnp.arange(self.epochs))[0]

    def tuned(self, arms, grid, score):
        """The settings of each arm that have the lowest score, and its states with them.

        Args:
            arms: ``{name: (settings, rows)}``.
            grid: further settings. They are tried with the tuning seed, as many at once as there
                are other seeds: so tuning and training are one shape, and compile once.
            score: function of an arm's name and a state; not finite: out.

        Returns:
            ``{name: {"settings": dict, "tried": [settings with their score]}}``, and
            ``{name: [state of each seed]}``.
        """
        seeds, found = list(self.starts)[1:], {name: {"tried": []} for name in arms}
        for i in range(0, len(grid), len(seeds)):
            jobs = [(a, {**arms[a][0], **more}) for a in arms for more in grid[i : i + len(seeds)]]
            states = self.train([(TUNING_SEED, s, arms[a][1]) for a, s in jobs])
            for (name, settings), state in zip(jobs, states, strict=True):
                value = float(score(name, state))
                if math.isfinite(value):
                    found[name]["tried"].append({**settings, "score": value})
        for row in found.values():
            best = min(row["tried"], key=lambda tried: tried["score"])
            row["settings"] = {name: value for name, value in best.items() if name != "score"}
        jobs = [(s, found[a]["settings"], arms[a][1]) for a in arms for s in seeds]
        states = iter(self.train(jobs))
        return found, {name: [next(states) for _ in seeds] for name in arms}

    def load(self, state):
        """The model, with the weights of a state."""
        for variable, value in weights(self.model, state):
            variable.assign(value)
        return self.model


def weights(model, state):
    """Pairs of the model's variables and a state's values."""
    variables = model.trainable_variables + model.non_trainable_variables
    return list(zip(variables, [*state[0], *state[1]], strict=True))


@partial(jax.jit, static_argnums=(0, 3, 4))
def estimates(model, state, x, draws, chunk):
    """Of each image of a VAE: distortion − E log p(x | z), KL and IWAE in nats, and its mean code.

    ``metrics.elbo`` (− distortion − KL) and ``metrics.iwae``, compiled, in float32.

    Args:
        model: a ``VariationalAutoencoder``; state: of its family; x: images (n, …).
        draws: codes drawn for an image; chunk: images at once, of which n is a multiple.

    Returns:
        Three arrays (n,) and one (n, k), float32.
    """

    def part(now):
        x, key = now
        mean, log_variance = ops.split(model.encoder(x), 2, axis=-1)
        noise = jax.random.normal(key, (draws, *mean.shape))
        z = mean + jnp.exp(log_variance / 2) * noise
        output = model.decoder(z.reshape(-1, z.shape[-1])).reshape(draws, *x.shape)
        likelihood = -_nats(x, output, model.log_scale).sum((2, 3))
        ratio = likelihood + 0.5 * (noise**2 - z**2 + log_variance).sum(2)
        iwae = jax.scipy.special.logsumexp(ratio, 0) - math.log(draws)
        kl = 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(1)
        return -likelihood.mean(0), kl, iwae, mean

    keys = jax.random.split(jax.random.key(0), len(x) // chunk)
    with keras.StatelessScope(state_mapping=weights(model, state)):
        parts = jax.lax.map(part, (x.reshape(-1, chunk, *x.shape[1:]), keys))
    return [p.reshape(len(x), *p.shape[2:]) for p in parts]


@jax.jit
def nearest(x, train):
    """Distance of each row of x to the nearest row of train."""
    at = ((train**2).sum(1) - 2 * x @ train.T).argmin(1)
    return jnp.sqrt(((x - train[at]) ** 2).sum(1))
