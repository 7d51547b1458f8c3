"""Sequences of different lengths as rectangular arrays: padding, buckets, and their cost."""

from contextlib import suppress

import numpy as np

from ae_lib._checks import as_list, as_size, as_whole, to_array


def pad(sequences, length=None, *, value=0):
    """Write sequences as the rows of one array, filled up on the right.

    Args:
        sequences: list of sequences of whole numbers that int32 holds.
        length: columns; default: the longest sequence.
        value: what fills; 0 is ``<pad>``.

    Returns:
        int32 (n, length).

    Raises:
        TypeError: ``sequences`` is a string or a table, or an item is no sequence of whole
            numbers.
        ValueError: a sequence is longer than ``length``; a number out of range.

    Example:
        >>> pad([[5, 6, 7], [8]])
        array([[5, 6, 7],
               [8, 0, 0]], dtype=int32)
    """
    given = as_list(sequences, "sequences", "lists of ids", "a text; encode it first")
    rows = [_ids(row, i) for i, row in enumerate(given)]
    value = as_whole([value], "value")
    lengths = np.array([len(row) for row in rows], "int64")
    longest = lengths.max(initial=0)
    length = longest if length is None else as_size(length, "length", least=0)
    if longest > length:
        at = int(np.argmax(lengths > length))
        raise ValueError(
            f"length: {length} columns, but sequence {at} has {len(rows[at])} ids; "
            "leave it out, cut it yourself, or give a larger length"
        )
    result = np.full((len(rows), length), value, "int32")
    ids = as_whole(np.concatenate([*(row for row in rows if len(row)), value]), "sequences")
    result[np.arange(length) < lengths[:, None]] = ids[:-1]
    return result


def length_buckets(lengths, edges):
    """Group items by length, so that each group is padded to one of a few lengths.

    Args:
        lengths: whole numbers ≥ 0, (n,); any iterable.
        edges: the lengths to pad to, rising; an item goes to the smallest that holds it.

    Returns:
        ``{edge: int64 indices}`` in the order of the edges, without empty groups.

    Raises:
        TypeError: not whole numbers.
        ValueError: an item longer than the last edge, a length below 0, edges that do not
            rise.
    """
    lengths, edges = as_whole(lengths, "lengths", low=0), as_whole(edges, "edges", low=0)
    if not len(edges) or (np.diff(edges) <= 0).any():
        raise ValueError(f"edges: expected rising lengths, got {edges.tolist()}")
    if len(lengths) and lengths.max() > edges[-1]:
        raise ValueError(f"edges: the last is {edges[-1]}, but an item has {lengths.max()}")
    place = np.searchsorted(edges, lengths)
    groups = {int(edge): np.flatnonzero(place == i) for i, edge in enumerate(edges)}
    return {edge: group for edge, group in groups.items() if len(group)}


def bucket_batches(lengths, batch_size, edges=None, *, seed=None):
    """Batches of items of like length, in random order.

    Args:
        lengths: whole numbers ≥ 0, (n,); any iterable.
        batch_size: items a batch; the last of each bucket may have fewer.
        edges: lengths to pad to, as in ``length_buckets``; default: every length there is.
        seed: of the order of items and batches; None: as they come, short ones first.

    Returns:
        list of ``(edge, int64 indices)``; every item once.

    Raises:
        TypeError, ValueError: as for ``length_buckets``; a size below 1, a seed below 0.
    """
    batch_size, lengths = as_size(batch_size, "batch_size"), as_whole(lengths, "lengths")
    edges = np.unique(lengths) if edges is None else as_whole(edges, "edges")
    rng = None if seed is None else np.random.default_rng(as_size(seed, "seed", least=0))
    batches = []
    for edge, group in length_buckets(lengths, edges).items() if len(lengths) else ():
        group = group if rng is None else rng.permutation(group)
        starts = range(0, len(group), batch_size)
        batches += [(edge, group[i : i + batch_size]) for i in starts]
    order = range(len(batches)) if rng is None else rng.permutation(len(batches))
    return [batches[i] for i in order]


def one_hot_bytes(texts, steps, vocabulary, *, arrays=3):
    """Bytes that one-hot arrays of a corpus take, in float32.

    Args:
        texts: how many.
        steps: tokens a text, padding included.
        vocabulary: different tokens.
        arrays: how many such arrays; a sequence-to-sequence listing has three: the
            encoder's input, the decoder's input and its target.

    Returns:
        int.
    """
    count = 1
    for value, name in ((texts, "texts"), (steps, "steps"), (vocabulary, "vocabulary")):
        count *= as_size(value, name)
    return count * as_size(arrays, "arrays") * np.dtype("float32").itemsize


def _ids(row, i):
    """One sequence as an array; a list, the usual case, in little time."""
    array = np.empty((), object)
    with suppress(TypeError, ValueError):
        array = np.asarray(row) if isinstance(row, list) else to_array(row, "row")
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        kind = type(row).__name__
        raise TypeError(f"sequences: item {i} is no sequence of whole numbers ({kind})")
    return array
