"""Exercises answered in the page: what a starter's cell takes along, and Python for browsers.

Under each starter stands an empty box with the code, what is checked and what the chapter has
defined above; ``js/exercises.js`` makes an editor or fields of it. When a reader first presses
*Check*, ``_static/live.js`` comes, then the scripts in ``_static/python``: Pyodide and NumPy from
``book/_vendor/pyodide``, and this book's exercises. All are classic scripts, so that they come
from a stick, too.
"""

import ast
import gzip
import hashlib
import html
import io
import json
import re
import shutil
import sys
import zipfile
from functools import cache
from pathlib import Path

from ae_numbers import chapter_number
from docutils import nodes

import ae_lib
from ae_lib import exercises
from ae_lib.widgets._static import base64_text, payload_text

VENDORED = Path(__file__).parents[1] / "_vendor"
LIBRARY = Path(ae_lib.__file__).parent
# What a browser's Python is made of, and whether it is kept compressed.
RUNTIME = {
    "pyodide.js": True,
    "pyodide-lock.json": True,
    "pyodide.asm.js": True,
    "pyodide.asm.wasm": True,
    "python_stdlib.zip": False,
    "numpy.whl": False,
}
PART = 3 << 18  # bytes of a script, so that a bar can show how many have come; a multiple of 3
CHECK = re.compile(r'^check\("([\w.]+)", (.+)\)\n?\Z', re.M | re.S)
BOX = re.compile(
    r'<div class="exercise admonition" id="([^"]+)">.*?<span class="caption-number">'
    r'(Exercise [\d.]+) ?</span> \((.*?)\)</p>.*?data-ae-live="([^"]+)"',
    re.S,
)


# -- the boxes under the starters ----------------------------------------------------------


def place_boxes(app, doctree, docname):
    """Put a box under each starter, and under each cell that may be changed and run."""
    if app.builder.name != "html" or not docname.startswith("chapters/"):
        return
    for cell in list(doctree.findall(nodes.container)):
        if "cell" not in cell["classes"] or "tag_solution" in cell["classes"]:
            continue
        listing = next(cell.findall(nodes.literal_block), None)
        record = listing and _record(
            listing.astext(), app.env.doc2path(docname), "tag_runs-in-page" in cell["classes"]
        )
        if record:
            name = html.escape(record["name"] or "")
            box = (
                f'<div class="ae-live" data-ae-live="{name}" hidden>'
                f'<script type="application/json">{payload_text(record)}</script></div>'
            )
            cell.insert(1, nodes.raw(text=box, format="html"))


def _record(code, path, runs):
    """What the box of a cell holds; None if it is no exercise's and not made to be changed."""
    found = CHECK.search(code)
    if found is None:
        if not runs:
            return None
        return {"name": None, "code": code, "given": given(path, code)}
    name, answer = found[1], " ".join(found[2].split())
    exercise = exercises.load(name)
    code = code[: found.start()].rstrip()
    solution = next((c for c in _cells(path) if f'check("{name}"' in c and "# @title" in c), "")
    return {
        "name": name,
        "code": code,
        "answer": answer,
        "what": exercise.what if isinstance(exercise.what, str) else "",
        "fields": None if callable(exercise.reference) else _fields(code, answer, exercise.read),
        "hint": exercise.hint,
        "given": given(path, code + "\n" + solution, without=answer),
    }


def _fields(code, answer, read):
    """The fields of a prediction: of each its key, or None, and what may be chosen."""
    assigned = [
        node.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == answer
    ]
    if not assigned:
        return None
    keys = getattr(read, "keys", None)
    if isinstance(assigned[-1], ast.Dict):
        keys = [key.value for key in assigned[-1].keys]
    readers = read if isinstance(read, tuple) else (read,) * len(keys or [None])
    return [
        {
            "key": key,
            "options": list(getattr(reader, "options", ())),
            "letters": list(getattr(reader, "letters", ())),
        }
        for key, reader in zip(keys or [None], readers, strict=True)
    ]


@cache
def _cells(path):
    cells = json.loads(Path(path).read_text("utf8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def given(path, code, without=""):
    """Source of the chapter's functions and imports that the code needs, NumPy's and Python's.

    Each as the chapter first has it, and none of the names in ``without``: those are the answer's.
    """
    defined = {}
    for source in _cells(path):
        if "%pip" in source:
            continue
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef):
                defined.setdefault(node.name, node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    defined.setdefault(alias.asname or alias.name, _import(node, alias))
    taken, wanted = {}, _names(ast.parse(code)) - set(without.strip("()").split(", "))
    while wanted:
        node = defined.get(name := wanted.pop())
        if node is not None and name not in taken:
            taken[name] = node
            wanted |= _names(node)
    return "\n".join(ast.unparse(taken[name]) for name in defined if name in taken)


def _import(node, alias):
    """The import of one name; None for what browsers do not have."""
    module = getattr(node, "module", None) or alias.name
    if module.split(".")[0] not in sys.stdlib_module_names | {"numpy", "sacrebleu"}:
        return None
    one = type(node)(**{field: getattr(node, field) for field in node._fields})
    one.names = [alias]
    return one


def _names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


# -- the list of all exercises, and Python -------------------------------------------------


def write(app, exception):
    """After a build of the pages: the list of exercises, and the scripts that come on demand."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    chapters = []
    for docname in sorted(name for name in app.env.found_docs if name.startswith("chapters/")):
        page = (out / app.builder.get_target_uri(docname)).read_text("utf8")
        items = [
            {"name": name, "at": at, "label": label, "title": _plain(title)}
            for at, label, title, name in BOX.findall(page)
        ]
        chapters.append(
            {
                "page": app.builder.get_target_uri(docname),
                "number": chapter_number(docname),
                "title": app.env.titles[docname].astext(),
                "exercises": items,
            }
        )
    listed = f"const AE_CHAPTERS = {json.dumps(chapters, ensure_ascii=False)};\n"
    static = out / "_static"
    (static / "js" / "chapters.js").write_text(listed, "utf8")
    _write_editor(static)
    _write_python(static)


def _plain(text):
    return html.unescape(re.sub(r"<mjx-assistive-mml.*?</mjx-assistive-mml>|<[^>]+>", "", text))


def _write_editor(static):
    license = (VENDORED / "codemirror" / "LICENSE").read_text("utf8")
    editor = (VENDORED / "codemirror" / "editor.js").read_text("utf8")
    (static / "editor.js").write_text(f"/*\nCodeMirror\n{license}*/\n{editor}", "utf8")


def _write_python(static):
    """``python/*.js``, each a part, and ``live.js``, which knows them."""
    sources = [*sorted((VENDORED / "pyodide").iterdir()), Path(__file__)]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    kept = static / "python" / "parts.json"
    runtime = json.loads(kept.read_text("utf8")) if kept.exists() else {}
    if runtime.get("key") != key:
        (static / "python").mkdir(parents=True, exist_ok=True)
        contents = [
            gzip.compress(content, 9, mtime=0) if packed else content
            for name, packed in RUNTIME.items()
            for content in [(VENDORED / "pyodide" / name).read_bytes()]
        ]
        whole = b"".join(contents)
        runtime = {
            "key": key,
            "files": [
                {"name": name, "size": len(content), "gzip": packed}
                for (name, packed), content in zip(RUNTIME.items(), contents, strict=True)
            ],
            "parts": [_part(static, whole[at : at + PART]) for at in range(0, len(whole), PART)],
        }
        kept.write_text(json.dumps(runtime), "utf8")
    shutil.copyfile(VENDORED / "pyodide" / "LICENSE", static / "python" / "LICENSE.txt")
    library = _library()
    parts = [*runtime["parts"], _part(static, library)]
    files = [*runtime["files"], {"name": "ae_lib.zip", "size": len(library), "gzip": False}]
    for old in (static / "python").glob("*.js"):
        if f"python/{old.name}" not in [part["file"] for part in parts]:
            old.unlink()
    script = [
        f"const AE_PYTHON = {json.dumps({'files': files, 'parts': parts})};",
        f"const AE_WORKER = {json.dumps((static / 'js' / 'worker.js').read_text('utf8'))};",
        (static / "js" / "live.js").read_text("utf8"),
    ]
    (static / "live.js").write_text("\n".join(script), "utf8")


def _part(static, content):
    name = f"python/{hashlib.sha256(content).hexdigest()[:16]}.js"
    if not (static / name).exists():
        (static / name).write_text(f'AE_PART("{name}", "{base64_text(content)}");\n', "ascii")
    return {"file": name, "size": len(content)}


def _library():
    """The exercises, and what they import of the library, as an archive; the same every time."""
    held = io.BytesIO()
    paths = [LIBRARY / "__init__.py", LIBRARY / "_display.py"]
    paths += sorted((LIBRARY / "exercises").glob("*.py"))
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            place = zipfile.ZipInfo(path.relative_to(LIBRARY.parent).as_posix())
            place.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(place, path.read_bytes())
    return held.getvalue()


def setup(app):
    app.connect("doctree-resolved", place_boxes, priority=600)
    app.connect("build-finished", write, priority=880)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
