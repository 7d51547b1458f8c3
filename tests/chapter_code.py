"""Definitions pulled out of a chapter's cells, so that what is tested is what is taught."""

import ast
import json
from pathlib import Path

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


def definitions(chapter, *names, given=None):
    """Execute a chapter's imports and the named functions and classes, nothing else.

    Args:
        chapter: number, as in ``"02"``.
        names: functions or classes to define, in the chapter's order; where a name is
            defined twice (a starter, then its solution), the last one counts.
        given: further globals that the definitions need.

    Returns:
        dict of the chapter's globals.

    Raises:
        AssertionError: the chapter does not define one of the names.
    """
    (path,) = CHAPTERS.glob(f"{chapter}_*.ipynb")
    scope = dict(given or {})
    found = {}
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or source.lstrip().startswith("%") or "%pip" in source:
            continue
        for node in ast.parse(source).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(compile(ast.Module([node], []), path.name, "exec"), scope)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names:
                found[node.name] = node
    missing = set(names) - set(found)
    assert not missing, f"{path.name} does not define {missing}"
    for name in names:
        exec(compile(ast.Module([found[name]], []), path.name, "exec"), scope)
    return scope
