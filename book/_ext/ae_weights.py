"""Shipped models beside the pages, for the explorers that run them there.

``_static/text_autoencoder.js`` and the others hold the weights in 8 bits, made anew when the
model or the way it is packed has changed. A page asks for one when its reader does; see
``ae_lib.widgets.SentencePath``, ``AttributePath``, ``Translate`` and ``Compress``.
"""

import hashlib
from pathlib import Path

from sphinx.errors import ExtensionError

from ae_lib.widgets import _int8

FOLDER = Path(_int8.__file__).parents[1] / "weights"
FILES = {
    "text-autoencoder": "text_autoencoder",
    "sentence-vae": "sentence_vae",
    "translate-en-fr": "translate_en_fr",
    "language-model": "language_model",
}  # without .keras and .js


def write_weights(static, name, folder=FOLDER):
    """Bring the script in the folder ``static`` up to date; returns whether it was written."""
    model, path = folder / f"{FILES[name]}.keras", static / f"{FILES[name]}.js"
    if not model.exists():
        path.unlink(missing_ok=True)
        return False
    sources = (model, Path(_int8.__file__))
    key = hashlib.sha256(b"".join(hashlib.sha256(s.read_bytes()).digest() for s in sources))
    mark = f"// {key.hexdigest()}\n".encode()
    if path.exists():
        with path.open("rb") as old:
            if old.read(len(mark)) == mark:
                return False
    try:
        packed = _int8.pack_file(model)
    except ValueError as error:
        raise ExtensionError(str(error)) from error
    static.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(mark + _int8.page_script(name, packed).encode())
    part.replace(path)
    return True


def finished(app, exception):
    """After a build of the pages."""
    if not exception and app.builder.name == "html":
        for name in FILES:
            write_weights(Path(app.outdir) / "_static", name)


def setup(app):
    app.connect("build-finished", finished, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
