"""Imports: instant, modules in order, nothing loaded before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ae_lib

ROOT = Path(ae_lib.__file__).parent
HEAVY = {"tensorflow", "keras", "jax", "torch", "sklearn", "scipy", "matplotlib", "numpy"}
# Below all modules: helpers that no reader calls.
BASE = ("_checks", "_display", "_files", "_jax")


def loaded_after(statement):
    """Top-level modules in a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_the_package_loads_nothing_heavy():
    assert not loaded_after("import ae_lib; dir(ae_lib)") & HEAVY


def test_modules_without_models_load_no_backend():
    modules = "data", "text", "metrics", "claims", "exercises", "training"
    loaded = loaded_after(f"import ae_lib; {', '.join(f'ae_lib.{name}' for name in modules)}")
    assert not loaded & {"tensorflow", "keras", "jax", "torch"}


def test_the_book_writes_its_weights_without_a_backend(tmp_path):
    loaded = loaded_after(
        f"import pathlib, sys; sys.path.insert(0, {str(ROOT.parent / 'book' / '_ext')!r})\n"
        "import ae_weights\nfor name in ae_weights.FILES:\n"
        f"    assert ae_weights.write_weights(pathlib.Path({str(tmp_path)!r}), name)"
    )
    assert not loaded & {"tensorflow", "keras", "jax", "torch"}


def test_no_module_is_forgotten():
    there = {
        p.stem for p in ROOT.glob("[a-z]*") if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert there == set(ae_lib._MODULES)


def test_an_unknown_module_is_named_with_those_there_are():
    with pytest.raises(AttributeError, match="no 'modles'; it has exercises"):
        _ = ae_lib.modles
    with pytest.raises(AttributeError, match="no 'dense_'; it has Autoencoder"):
        _ = ae_lib.models.dense_


def test_every_public_name_is_there():
    for module in ae_lib._MODULES:
        part = getattr(ae_lib, module)
        for name in getattr(part, "__all__", ()):
            assert getattr(part, name) is not None


def imports(path):
    """Modules of ae_lib that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: relative import"
            names = (
                [node.module]
                if node.module != "ae_lib"
                else [f"ae_lib.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("ae_lib."))


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_modules_import_from_lower_modules_only(path):
    order = [*ae_lib._MODULES, *BASE]
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own == "__init__":
        assert not list(imports(path))
        return
    for module in imports(path):
        assert order.index(module) >= order.index(own), (
            f"{own} imports {module}, which is above it"
        )
        if own in BASE:
            assert module in BASE


@pytest.mark.parametrize("path", sorted((ROOT / "models").rglob("*.py")), ids=lambda p: p.name)
def test_models_speak_keras_alone(path):
    tree = ast.parse(path.read_text("utf8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {n.partition(".")[0] for n in names} & {"tensorflow", "jax", "torch"}


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_public_functions_are_documented(path):
    for node in ast.parse(path.read_text("utf8")).body:
        public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"
        assert not public or ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"
