"""An explorer as a fragment of HTML that needs no kernel and asks nobody for anything."""

import base64
import html
import json
import re
from pathlib import Path

from ae_lib._checks import brief

_EXPORT = re.compile(r"^export default \{ render \};\s*$", re.MULTILINE)
_IMPORT = re.compile(r'^import \{ (.*) \} from "\./(\w+\.js)";$', re.MULTILINE)


def as_name(name, example):
    """Return ``name`` if it is an identifier in a page; ValueError, which cites ``example``."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(
            f"name: expected lower-case letters, digits and hyphens, such as {example!r}, "
            f"got {brief(name)}"
        )
    return name


def base64_text(raw):
    """Bytes as base64 in ASCII."""
    return base64.b64encode(raw).decode("ascii")


def payload_text(payload):
    """JSON that may stand inside a ``<script>``: no ``<`` in it, keys in the order given."""
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def bundled(module):
    """An explorer's ES module, with what it imports of another's file in its place.

    Raises:
        ValueError: no such function or constant at the top level of that file.
    """

    def declared(found):
        other = Path(__file__).with_name(found[2]).read_text("utf8")
        return "\n".join(_declaration(other, name, found[2]) for name in found[1].split(", "))

    return _IMPORT.sub(declared, module)


def _declaration(module, name, file):
    """A function or constant of a module, up to the next one or a comment."""
    start, end = r"^(?:async )?(?:function|const) ", r"(?=^(?:async|function|const|export|//) |\Z)"
    found = re.search(rf"{start}{name}\b.*?{end}", module, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"module: imports {name}, which {file} does not declare")
    return found[0].rstrip()


def classic_script(module):
    """An explorer's ES module as a classic script that mounts the explorers of the page.

    A page opened from a file may not import modules; a classic script runs there too.

    Raises:
        ValueError: the module does not end as expected, or would end the script element.
    """
    module = bundled(module)
    if len(_EXPORT.findall(module)) != 1:
        raise ValueError("module: expected one line 'export default { render };'")
    if re.search(r"</script|<!--", module, re.IGNORECASE):
        raise ValueError("module: '</script' or '<!--' cannot stand inside a script element")
    return "(() => {\n" + _EXPORT.sub("mountPage();", module).strip() + "\n})();"


def fragment(kind, name, payload, module, fallback):
    """The self-contained HTML of one explorer, the same for the same arguments.

    Args:
        kind: the explorer's kind, such as ``"latent-map"``.
        name: the explorer's name, an identifier in the page.
        payload: JSON text from :func:`payload_text`.
        module: text of the JavaScript module.
        fallback: one sentence for a reader without JavaScript.
    """
    return (
        f'<div class="ae-explorer-mount" data-ae-mount="{kind}" data-ae-name="{name}">\n'
        f'<p class="ae-explorer-fallback">{html.escape(fallback)}</p>\n'
        f'<script type="application/json">{payload}</script>\n'
        f"</div>\n<script>\n{classic_script(module)}\n</script>"
    )
