"""Checkpoints: the whole state of a training run in one file, written whole or not at all.

Why not what Keras 3.13 brings: after ``BackupAndRestore(save_freq=4)``, a run killed at step 17
of 50 begins its epoch again with the weights of the epoch's middle. Seed generators and history
are not saved, so with dropout even ``save_freq="epoch"`` ends with other weights. Its file is
overwritten in place, and damage goes unnoticed. ``OrbaxCheckpoint`` needs a package that Keras
does not install. None of them knows which batch comes next.
"""

import errno
import json
import random
import re
import shutil
import time
import warnings
from contextlib import suppress
from io import BytesIO
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ae_lib._checks import as_size, positive_number
from ae_lib._files import as_path, whole_file

_NAME = re.compile(r"step-(\d+)\.npz")
_FORMAT = 2
_HEADER = "checkpoint"  # the array that holds the JSON header, as UTF-8 bytes


class Checkpoints:
    """A folder of checkpoints of one training run.

    Args:
        folder: where they go; made when the first is written. A folder holds one run.
        every_steps: save after every so many steps (batches), int ≥ 1.
        every_minutes: save when so many minutes have passed since the last time, > 0.
        keep: how many of the newest stay, int ≥ 1. With two, a damaged file costs one interval.

    Raises:
        TypeError, ValueError: not a number, or out of range.

    Each checkpoint is one file, ``step-00000120.npz``, which ``np.load`` opens: weights,
    optimizer variables and the metrics' running sums, bit for bit, and a JSON header with the
    states of the global random number generators of Python, NumPy, Keras and PyTorch. The
    zip format has a checksum of each of these. What callbacks remember is not saved.

    Example:
        >>> checkpoints = Checkpoints("drive/run-1", every_minutes=10)
        >>> history = ae_lib.training.fit(model, x, epochs=5, checkpoints=checkpoints)
        dense_autoencoder: 5 epochs · loss 0...
    """

    def __init__(self, folder, *, every_steps=None, every_minutes=None, keep=2):
        self.folder = as_path(folder)
        self.every_steps = self.every_minutes = None
        if every_steps is not None:
            self.every_steps = as_size(every_steps, "every_steps")
        if every_minutes is not None:
            self.every_minutes = positive_number(every_minutes, "every_minutes")
        self.keep = as_size(keep, "keep")
        self._since = None  # time of the last save, or of the first call of due
        self._damaged = set()  # files found damaged, which do not count

    def due(self, step):
        """Whether a checkpoint should be written now that ``step`` steps are done.

        The minutes count from the last save; before there is one, from the first call.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if self.every_steps is not None and step % self.every_steps == 0:
            return True
        return self.every_minutes is not None and now - self._since >= 60 * self.every_minutes

    def save(self, model, step, **info):
        """Write the model's state after ``step`` steps; then remove all but the newest.

        The bytes go to a temporary file in the folder, are read back and compared, are forced
        to the disk, and only then get the checkpoint's name. The older checkpoints stay as they
        are until then.

        Args:
            model: built Keras model; compiled or not.
            step: int ≥ 0.
            info: values that JSON can hold; ``restore`` returns them.

        Returns:
            ``Path`` of the file.

        Raises:
            OSError: it cannot be written, because the disk is full, for example.
            TypeError: JSON cannot hold ``info``.
            ValueError: the model is not built; or the folder holds a later step, of another
                run or not restored.
        """
        step = as_size(step, "step", least=0)
        later = [p.name for p in self._files() if _step(p) > step and p not in self._damaged]
        if later:
            raise ValueError(
                f"step {step}: {self.folder} already holds {later[0]}: restore that first, or "
                "give this run a folder of its own"
            )
        raw = _pack(model, step, info)
        path = self.folder / f"step-{step:08d}.npz"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(".step-*.part"):
                with suppress(OSError):  # another process may be writing it
                    left.unlink()
            with whole_file(path) as stream:
                stream.write(raw)
                stream.flush()
                if Path(stream.name).read_bytes() != raw:
                    raise OSError(errno.EIO, "what was written reads back differently")
        except OSError as error:
            cause = error.__cause__ or error  # as the operating system raised it
            raise OSError(cause.errno, self._cannot_write(step, len(raw), cause)) from error
        self._since = time.monotonic()
        self._damaged.discard(path)
        self._prune(step)
        return path

    def restore(self, model):
        """Load the newest whole checkpoint into the model.

        Args:
            model: built Keras model with variables of the same shapes. An optimizer that is
                not built is built; metrics other than the saved ones are left as they are.

        Returns:
            dict: the ``info`` given to ``save``, and ``"step"``. None if there is no whole
            checkpoint.

        Raises:
            ValueError: the checkpoint is of another model, which is left as it was.

        Warns:
            RuntimeWarning: a file is damaged or is no checkpoint; the one before it is taken.
        """
        saved = self.newest()
        if saved is None:
            return None
        saved.load(model)
        set_generators(saved.generators)
        return {**saved.info, "step": saved.step}

    def newest(self):
        """The newest whole checkpoint as ``Saved``, or None; warns as ``restore`` does."""
        for path in reversed(self._files()):
            try:
                return Saved(path)
            except Damaged as error:
                self._damaged.add(path)
                warnings.warn(
                    f"{path}: skipped, {error}; looking for the one before",
                    RuntimeWarning,
                    stacklevel=3,
                )
        return None

    def _files(self):
        """All files named like checkpoints, oldest step first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=_step)

    def _prune(self, step):
        """Remove all but the newest ``keep`` whole files."""
        files = [path for path in self._files() if _step(path) <= step]
        whole = [path for path in files if path not in self._damaged]
        for path in set(files) - set(whole[-self.keep :]):
            with suppress(OSError):
                path.unlink()

    def _cannot_write(self, step, needed, error):
        free = "unknown"
        with suppress(OSError):
            free = f"{shutil.disk_usage(self.folder).free:,} bytes"
        return (
            f"the checkpoint of step {step} could not be written to {self.folder}: "
            f"{error.strerror or error}. It needs {needed:,} bytes (free there: {free}). Free "
            "some space or choose another folder, then run this again: training goes on from "
            "the newest checkpoint in the folder, which is unchanged"
        )


class Damaged(Exception):
    """A file that is no whole checkpoint."""


class Saved:
    """One whole checkpoint: ``path``, ``step``, ``info``, ``arrays``, ``generators``."""

    def __init__(self, path):
        self.path = path
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise Damaged(f"cannot be read ({error.strerror})") from error
        try:
            with np.load(BytesIO(raw), allow_pickle=False) as stored:
                self.arrays = dict(stored)
                if broken := stored.zip.testzip():  # what no array was read from
                    raise ValueError(f"bad checksum of {broken}")
            header = json.loads(self.arrays.pop(_HEADER).tobytes())
            if header["format"] != _FORMAT:
                raise ValueError(f"format {header['format']}, this library reads {_FORMAT}")
            self.step, self.info = header["step"], header["info"]
            self._variables, self.generators = header["variables"], header["generators"]
        except Exception as error:  # whatever zipfile, NumPy and json raise on damaged bytes
            cause = f"{type(error).__name__}: {error}"
            raise Damaged(f"no whole checkpoint, {len(raw):,} bytes ({cause})") from error
        if self.step != _step(path):
            raise Damaged(f"it is of step {self.step}: renamed?")

    def load(self, model):
        """Assign the values to the model's variables, once all are found to fit."""
        state = _state(model)
        if _describe(state["metrics"], model.name) != self._variables["metrics"]:
            del state["metrics"]
        self.check(model, state)
        for group, variables in state.items():
            for place, variable in enumerate(variables):
                array = self.arrays[f"{group}/{place:05d}"]
                if variable.dtype == "bfloat16":  # to NumPy's files two bytes without a meaning
                    from ml_dtypes import bfloat16

                    array = array.view(bfloat16)
                variable.assign(array)

    def check(self, model, groups=("model",)):
        """Raise ValueError, which says what differs, unless the model has these variables."""
        state = _state(model)
        for group in groups:
            there, here = self._variables[group], _describe(state[group], model.name)
            for one, other in zip_longest(there, here, fillvalue="nothing"):
                if one != other:
                    raise ValueError(
                        f"{self.path} is of another model: of its {len(there)} {group} "
                        f"variables and the {len(here)} here, the first to differ are {one} there "
                        f"and {other} here. Build and compile the model that was saved, or give "
                        "this one a folder of its own"
                    )


def generators():
    """The states of the global random number generators, for JSON."""
    import keras

    own = keras_global("seed_generator")  # None until it is first used
    name, key, *rest = np.random.get_state()  # noqa: NPY002
    found = {
        "python": random.getstate(),
        "numpy": [name, key.tolist(), *rest],
        "keras": own and keras.ops.convert_to_numpy(own.state).tolist(),
    }
    if keras.backend.backend() == "torch":  # Keras's Dropout without a seed draws here
        import torch

        states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
        found["torch"] = [state.tolist() for state in states]
    return found


def set_generators(states):
    """Set the generators as ``generators()`` found them."""
    import keras

    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002
    if states["keras"]:
        own = keras_global("seed_generator") or keras.random.SeedGenerator(0)
        own.state.assign(np.array(states["keras"], own.state.dtype))
        keras_global("seed_generator", own)
    else:
        keras_global("seed_generator", None)
    if keras.backend.backend() == "torch" and "torch" in states:
        import torch

        own, *cards = (torch.tensor(state, dtype=torch.uint8) for state in states["torch"])
        torch.set_rng_state(own)
        torch.cuda.set_rng_state_all(cards[: torch.cuda.device_count()])


def keras_global(name, *value):
    """Get, or set, Keras's ``seed_generator`` or ``random_seed``, which have no public name."""
    from keras.src.backend.common import global_state

    if value:
        global_state.set_global_attribute(f"global_{name}", *value)
    return global_state.get_global_attribute(f"global_{name}")


def _state(model):
    """``{group: variables}`` that make up a model's state; builds the optimizer."""
    if not model.built:
        raise ValueError(f"{model.name}: not built; call it on a batch, or give it an Input")
    if hasattr(model, "jax_state_sync"):  # inside fit, JAX keeps the state elsewhere
        model.jax_state_sync()
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)
    return {
        "model": model.variables,
        "optimizer": [] if optimizer is None else optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _describe(variables, model_name):
    """``[path, shape, dtype]`` of each.

    The paths come without the model's own name, and without the numbers that Keras appends to
    names given twice.
    """
    own = re.compile(rf"(^|/){re.escape(model_name)}[/_]")
    number = re.compile(r"_\d+(?=[_/]|$)")
    return [[number.sub("", own.sub(r"\1", v.path)), list(v.shape), v.dtype] for v in variables]


def _step(path):
    return int(_NAME.fullmatch(path.name)[1])


def _pack(model, step, info):
    """The bytes of a checkpoint: an ``.npz`` of the header and all variables."""
    from keras import ops

    state = _state(model)
    arrays = {
        f"{group}/{place:05d}": np.asarray(ops.convert_to_numpy(variable))
        for group, variables in state.items()
        for place, variable in enumerate(variables)
    }
    header = {
        "format": _FORMAT,
        "step": step,
        "info": info,
        "variables": {group: _describe(some, model.name) for group, some in state.items()},
        "generators": generators(),
    }
    try:
        text = json.dumps(header).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"info: expected what JSON can hold: {error}") from error
    buffer = BytesIO()
    np.savez(buffer, **{_HEADER: np.frombuffer(text, "uint8")}, **arrays)
    return buffer.getbuffer()
