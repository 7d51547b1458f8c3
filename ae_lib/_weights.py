"""The text autoencoder's weights in one file of Keras's own layout: ``*.weights.h5``.

``keras.Model.load_weights`` reads such a file as it is. A dataset ``header`` beside the weights
holds, as JSON, what the model is made again with, its vocabulary, and a digest of the weights.
Neither reading nor writing needs a Keras backend.
"""

import hashlib
import json
from io import BytesIO

import h5py
import numpy as np

_KERNELS = ("kernel", "recurrent_kernel", "bias")
# Where Keras keeps each part: its attribute's name, or its class's name and number.
_PLACES = {
    "encoder": "encoder",
    "decoder": "decoder",
    "to_code": "layers/dense",
    "to_h": "layers/dense_1",
    "to_c": "layers/dense_2",
    "to_gates": "layers/dense_3",
    "to_word": "layers/dense_4",
}


def _layout():
    """``{name: place in the file}`` for every weight."""
    places = {"embedding": "vars/0", "word_bias": "vars/1"}
    for part, place in _PLACES.items():
        names = _KERNELS if part in ("encoder", "decoder") else ("kernel", "bias")
        places |= {f"{part}.{name}": f"{place}/vars/{i}" for i, name in enumerate(names)}
    return places


LAYOUT = _layout()


def pack(header, arrays):
    """The bytes of a ``.weights.h5`` file.

    Args:
        header: dict of plain data; a digest of the arrays is added.
        arrays: ``{name: float array}``, names as in ``LAYOUT``.
    """
    header = {**header, "digest": digest(arrays)}
    raw = np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), "uint8")
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        file.create_dataset("header", data=raw, **packed)
        for name, array in arrays.items():
            place = LAYOUT[name]
            file.create_dataset(place, data=array, **(packed if array.size > 1 else {}))
            file[place.rpartition("/")[0]].attrs["name"] = name.partition(".")[0]
    return buffer.getvalue()


def unpack(raw):
    """Header and arrays of what ``pack`` made.

    Raises:
        ValueError: cut short, damaged, or another kind of file.
    """
    try:
        with h5py.File(BytesIO(raw), "r") as file:
            header = json.loads(file["header"][()].tobytes())
            arrays = {name: file[place][()] for name, place in LAYOUT.items() if place in file}
        right = header["digest"] == digest(arrays)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(str(error).strip("'\"") or type(error).__name__) from error
    if not right:
        raise ValueError("the weights are not those that were written")
    return header, arrays


def digest(arrays):
    """SHA-256 over the names, types, shapes and bytes of the arrays."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()
