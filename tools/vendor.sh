#!/bin/sh
# Fetch again what the book takes from others: MathJax, MiniSearch, the typeface of the text.
# Needs npm. Each archive is checked against its SHA-256 before anything is unpacked.
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

du -sh "$book/_vendor"/* "$book/_static/fonts"
