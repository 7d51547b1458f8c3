"""What judges the exercise of chapter 12 on the LSTM that has lost its cuDNN kernel.

The rules are those of Keras 3, ``keras/src/layers/rnn/lstm.py`` and
``keras/src/backend/tensorflow/rnn.py``; no backend is loaded.
"""

import copy

import numpy as np

from ae_lib.exercises._gpu import results
from ae_lib.exercises._old import Wrong, number


def encoder(sentences, *, right=True, reverse=False, cut=False, **changes):
    """Settings with which Keras takes the cuDNN kernel, and ids; or with planted mistakes."""
    settings = {"units": 512, "activation": "tanh", "recurrent_activation": "sigmoid"}
    settings |= {"dropout": 0.2, "recurrent_dropout": 0, "unroll": False, "return_sequences": True}
    length = (min if cut else max)(map(len, sentences))
    rows = []
    for words in sentences:
        words = list(words)[:: -1 if reverse else 1][:length]
        space = [0] * (length - len(words))
        rows.append(words + space if right else space + words)
    return settings | changes, np.array(rows)


# What Keras does when a setting is not given, for those that somebody may spell out.
_DEFAULTS = {
    "units": None,
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "use_cudnn": "auto",
}
_KEPT = {
    "units": "The number of units does not matter to the kernel",
    "dropout": "Dropout of the *inputs* is harmless, for it is applied before the kernel begins",
    "return_sequences": "Whether all steps are returned does not matter to the kernel",
    "return_state": "Whether the state is returned does not matter to the kernel",
    "go_backwards": "The direction was not the trouble",
    "stateful": "Whether the state is kept between batches was not the trouble",
}
_FORBIDDEN = {
    "activation": "The kernel has tanh built in; for any other, Keras runs its own loop.",
    "recurrent_activation": "The kernel has the sigmoid built in. hard_sigmoid was Keras's "
    "default once and still stands in old listings; recurrent_activation must be the sigmoid.",
    "recurrent_dropout": "recurrent_dropout acts inside the time loop, and the kernel is that "
    "loop: nothing can be done between its steps. Make it 0; dropout of the inputs may stay.",
    "unroll": "An unrolled LSTM is a long row of small operations, one after the other; the "
    "kernel needs unroll=False.",
    "use_bias": "The kernel always adds a bias: use_bias=True.",
    "use_cudnn": 'use_cudnn=False forbids what you are looking for; leave it at "auto".',
}
_SENTENCES = (
    [[7, 8, 9], [4, 5, 6, 7, 8], [3], [9, 2]],
    [[5, 3], [6, 1], [2, 4]],
    [[1], [2, 3, 4, 5, 6, 7], [8, 9, 1]],
)


def judge_cudnn(answer):
    """Settings and padding that Keras's rules for the kernel allow, everything else kept."""
    for sentences in _SENTENCES:
        given = results(answer(copy.deepcopy(sentences)), 2, "two things: the settings, the ids")
        if isinstance(given[1], dict):
            raise Wrong("The settings come first, the ids second.")
        if not isinstance(given[0], dict):
            raise Wrong(f"Expected the settings as a dict, got {type(given[0]).__name__}.")
        _judge_settings(given[0])
        _judge_padding(given[1], sentences)


def _judge_settings(settings):
    """Nothing that keeps the kernel away, nothing harmless changed."""
    for name in settings:
        if name not in _DEFAULTS and name != "name":
            raise Wrong(f"{str(name)[:40]!r} was not among the settings, and need not be.")
    full = _DEFAULTS | settings
    for name, why in _KEPT.items():
        if not _equal(full[name], (_DEFAULTS | encoder([[1]])[0])[name]):
            raise Wrong(f"{why}: leave {name} as it was.")
    for name, why in _FORBIDDEN.items():
        value = full[name]
        fine = _equal(value, _DEFAULTS[name]) or (name == "use_cudnn" and value is True)
        if not fine and not (name.endswith("activation") and _library(value, _DEFAULTS[name])):
            raise Wrong(why)


def _equal(value, other):
    """Equality that asks numbers and texts alone, and confuses no text with a number."""
    if isinstance(other, str) or isinstance(value, str) or value is None:
        return isinstance(value, str) and value == other
    return number(value, "a setting") == other


def _library(value, name):
    """Whether a function is the activation of that name from Keras or a backend."""
    home = str(getattr(value, "__module__", "")).partition(".")[0]
    return getattr(value, "__name__", "") == name and home in ("keras", "tensorflow")


def _judge_padding(ids, sentences):
    """Each row its sentence, then zeros."""
    try:
        ids = np.asarray(ids)
    except (TypeError, ValueError):
        raise Wrong("The rows of ids differ in length; pad all to the longest sentence.") from None
    if ids.dtype.kind not in "iuf":
        raise Wrong("Expected ids as an array of whole numbers, one for each word.")
    longest = max(map(len, sentences))
    if ids.ndim != 2 or len(ids) != len(sentences):
        raise Wrong(f"Expected ids of shape ({len(sentences)}, {longest}), got {ids.shape}.")
    for row, words in zip(ids.tolist(), sentences, strict=True):
        kept = [word for word in row if word]
        if kept != words:
            if kept in sentences:
                raise Wrong("The sentences are in another order; row i is sentence i.")
            if kept == words[::-1]:
                raise Wrong("The words are turned round; only the padding had to move.")
            if len(kept) < len(words):
                raise Wrong(f"Words are lost: {words} became {_whole(row)}.")
            raise Wrong(f"The words themselves are changed: {words} became {_whole(row)}.")
        if row[: len(words)] != words:
            raise Wrong(
                f"The mask of {_whole(row)} begins with False or has a hole. The kernel is told "
                "one length a row, so all padding has to stand on the right."
            )
    if ids.shape[1] != longest:
        raise Wrong(
            f"The kernel is back, but the rows have {ids.shape[1]} columns where the longest "
            f"sentence has {longest} words: the rest is computed for nothing."
        )


def _whole(row):
    return [int(v) if v == v and abs(v) < 1e9 else v for v in row]
