"""What the GPU benchmark's parts share: precision, checks, training steps, clocks."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ae_lib._files import write_json

# Largest relative error against the reference: of gradients and arrays; a mean's is a tenth.
TOLERANCE = {"float32": 2e-4, "tf32": 1e-2, "float16": 1e-2, "bfloat16": 5e-2}


class Refused(Exception):
    """Wrong numbers: what computed them is not timed."""


class Job:
    """What a part is told: backend, whether it is a dry run, how long, where results go.

    Args:
        backend: "jax" or "torch".
        path: of the JSON file that ``save`` writes.
        dry_run: tiny shapes on the CPU.
        seconds: the part's budget.
        options: further settings of the call.
    """

    def __init__(self, backend, path, dry_run=True, seconds=600.0, **options):
        self.backend, self.path, self.dry_run, self.options = backend, path, dry_run, options
        self.results, self.failed, self.device = {}, {}, None
        self.about = {}  # for the record itself, beside its results: a shape, a note
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def left(self):
        """Seconds that remain."""
        return self._end - time.monotonic()

    def note(self, name, run, *, needs=0.0):
        """Keep ``run()`` under ``name``, or why there is none, and write at once.

        Args:
            needs: seconds; with less left, ``run`` is not tried. 0: it is in any case.

        Returns:
            what ``run`` gave, or None.
        """
        if needs and self.left() < needs:
            self.failed[name] = f"not tried: {max(0, self.left()):.0f} s left, {needs:.0f} needed"
        else:
            try:
                self.results[name] = run()
            except Exception as error:  # one failure does not take the others along
                self.failed[name] = describe(error)
        self.save()
        return self.results.get(name)

    def save(self):
        names = ("device", "results", "failed", "about")
        write_json(self.path, {name: getattr(self, name) for name in names})


def describe(error):
    """An error in one line of a record."""
    words = " ".join(str(error).split())[:400]
    return words if isinstance(error, Refused) else f"{type(error).__name__}: {words}"


def short(x):
    """Four digits of a number, for a record."""
    return float(f"{x:.4g}")


def check(what, found, expected, tolerance):
    """The relative error ‖found − expected‖ / ‖expected‖.

    Raises:
        Refused: it is above ``tolerance``, the shapes differ, or there is NaN.
    """
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    if found.shape != expected.shape:
        raise Refused(f"refused: {what} has shape {found.shape}, expected {expected.shape}")
    error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
    if not error <= tolerance:
        raise Refused(
            f"refused: {what} has wrong numbers: relative error {error:.3g} against the "
            f"reference, at most {tolerance:g} allowed"
        )
    return short(error)


def set_precision(backend, precision):
    """How float32 products are computed from here on: "float32" in full, else as TF32."""
    full = precision == "float32"
    if backend == "jax":
        import jax

        # None is XLA's default: TF32 where the GPU has it.
        jax.config.update("jax_default_matmul_precision", "highest" if full else None)
    else:
        import torch

        torch.set_float32_matmul_precision("highest" if full else "high")
        torch.backends.cudnn.allow_tf32 = not full


def sync(backend, value=None):
    """Wait until the device has done what it was asked for."""
    if backend == "jax":
        import jax

        jax.block_until_ready(value)
    else:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()


def device(backend):
    """What the backend computes on, in words, and whether it is a GPU."""
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return f"{first.device_kind} by jax {jax.__version__}", first.platform in ("gpu", "cuda")
    import torch

    if not torch.cuda.is_available():
        return f"cpu by torch {torch.__version__}", False
    words = f"{torch.cuda.get_device_name(0)} by torch {torch.__version__}"
    return f"{words}, cuDNN {torch.backends.cudnn.version()}", True


def torch_device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def steps_of(backend, model, optimizer, batch):
    """Training steps on one batch that stays on the device; see ``JaxSteps``."""
    return {"jax": JaxSteps, "torch": TorchSteps}[backend](model, optimizer, batch)


def read(losses):
    """Losses that steps gave, from the device in one go; float64 (n,)."""
    if hasattr(losses[0], "detach"):
        import torch

        return torch.stack(losses).double().cpu().numpy()
    import jax

    return np.array(jax.device_get(losses), "float64")


class JaxSteps:
    """A compiled step, its state donated; several are under way before one is waited for.

    Args:
        model: a Keras model with ``compute_loss(x, y_pred=…)``.
        optimizer: of Keras.
        batch: int array (n, T).

    Called with a number of steps, it gives the losses before each, nats per token, on the
    device, when all are done; ``read`` fetches them, and what is timed does not. The model's
    weights are taken over; ``restore`` gives them back.
    """

    def __init__(self, model, optimizer, batch):
        import jax

        optimizer.build(model.trainable_variables)
        self.model, self.optimizer = model, optimizer
        groups = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        self.groups = groups
        # Given away with the first step: the model is of no use until ``restore``.
        self.state = tuple([v.value for v in group] for group in groups)
        self.batch = jax.device_put(np.asarray(batch))
        loss_of = _jax_loss(model)

        def step(state, x):
            trained, others, slots = state
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            (loss, others), gradients = gradient(trained, others, x)
            trained, slots = optimizer.stateless_apply(slots, gradients, trained)
            return loss, (trained, others, slots)

        self.step = jax.jit(step, donate_argnums=0)
        self.compiled = {}

    def prepare(self, shapes):
        """Compile the step for batches of these shapes, all at the same time."""
        batches = [np.zeros(shape, self.batch.dtype) for shape in shapes]
        lowered = [self.step.lower(self.state, batch) for batch in batches]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda each: each.compile(), lowered))
        self.compiled = dict(zip(shapes, found, strict=True))

    def dispatch(self, batch):
        """One step on a batch, not waited for; the loss as a device array."""
        step = self.compiled.get(batch.shape, self.step)
        loss, self.state = step(self.state, batch)
        return loss

    def wait(self):
        """Until all steps are done, the weights' update with them."""
        sync("jax", self.state)

    def __call__(self, count):
        losses = [self.dispatch(self.batch) for _ in range(count)]
        self.wait()
        return losses

    def restore(self):
        for variables, values in zip(self.groups, self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


class TorchSteps:
    """The same on PyTorch, operation by operation, without waiting for the device."""

    def __init__(self, model, optimizer, batch):
        import torch

        optimizer.build(model.trainable_variables)
        self.model, self.optimizer = model, optimizer
        self.batch = torch.tensor(np.asarray(batch), device=torch_device())

    def prepare(self, shapes):
        """Nothing to do: nothing is compiled."""

    def dispatch(self, batch):
        import torch

        model = self.model
        if not isinstance(batch, torch.Tensor):
            batch = torch.tensor(batch, device=torch_device())
        variables = model.trainable_variables
        for variable in variables:
            variable.value.grad = None
        predicted = model(batch, training=True)
        loss = model.compute_loss(x=batch, y_pred=predicted, training=True)
        loss.backward()
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in variables], variables)
        return loss.detach()

    def wait(self):
        sync("torch")

    def __call__(self, count):
        losses = [self.dispatch(self.batch) for _ in range(count)]
        self.wait()
        return losses

    def restore(self):
        """Nothing to do: the model's own weights are trained."""


def _jax_loss(model):
    def loss_of(trained, others, x):
        predicted, others = model.stateless_call(trained, others, x, training=True)
        loss, (_, others, _) = model.stateless_compute_loss(
            trained, others, [], x=x, y_pred=predicted, training=True
        )
        return loss, others

    return loss_of


def loss_and_gradients(backend, model, tokens):
    """``(loss, [gradient by each trainable variable])`` as NumPy, through the backend."""
    if backend == "jax":
        import jax

        groups = model.trainable_variables, model.non_trainable_variables
        trained, others = ([v.value for v in group] for group in groups)
        gradient = jax.jit(jax.value_and_grad(_jax_loss(model), has_aux=True))
        (loss, _), gradients = gradient(trained, others, jax.device_put(tokens))
    else:
        import torch

        x = torch.tensor(tokens, device=torch_device())
        for variable in model.trainable_variables:
            variable.value.grad = None
        loss = model.compute_loss(x=x, y_pred=model(x, training=True), training=True)
        loss.backward()
        gradients = [v.value.grad.cpu() for v in model.trainable_variables]
        loss = loss.item()
    return float(loss), [np.asarray(g, "float64") for g in gradients]


def check_gradients(loss, found, weights, gradients, tolerance):
    """Hold a loss and its gradients against a reference loss in float64.

    Each gradient's product with a direction, half its own and half random, is compared with
    the central difference of the reference along it.

    Args:
        loss: function from a list of arrays to the reference's loss.
        found: the loss to check.
        weights, gradients: lists of arrays, one gradient for each weight.

    Returns:
        dict of relative errors: ``loss``, ``gradient``.

    Raises:
        Refused: as ``check``.
    """
    rng = np.random.default_rng(0)
    weights = [np.asarray(w, "float64") for w in weights]
    errors = {"loss": check("the loss", found, loss(weights), tolerance / 10)}
    slopes, expected = [], []
    for i, gradient in enumerate(gradients):
        noise = rng.normal(size=gradient.shape)
        noise /= np.linalg.norm(noise)
        own = gradient / max(np.linalg.norm(gradient), 1e-30)
        direction, size = own + noise, 1e-4
        around = [
            loss([w + sign * size * direction if j == i else w for j, w in enumerate(weights)])
            for sign in (1, -1)
        ]
        slopes.append((gradient * direction).sum())
        expected.append((around[0] - around[1]) / (2 * size))
    errors["gradient"] = check("the gradient", slopes, expected, tolerance)
    return errors


def check_learning(losses, expected, tolerance):
    """The first loss is the reference's, and training on one batch lowers it."""
    error = check("the first step's loss", losses[0], expected, tolerance / 10)
    if not losses[-1] < losses[0]:
        raise Refused(
            f"refused: {len(losses)} steps on one batch took the loss from {losses[0]:.4g} to "
            f"{losses[-1]:.4g} nats; it should fall"
        )
    return error
