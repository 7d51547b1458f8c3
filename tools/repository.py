"""Keep the book's address in one place, and what follows from it everywhere else.

    python tools/repository.py https://github.com/owner/name    set the address
    python tools/repository.py                                  bring the rest up to date
    python tools/repository.py --check                          exit 1 if something is stale

The address stands in ``[project.urls]`` of pyproject.toml. From it follow the setup cell of
each chapter, CITATION.cff, and in README.md the links and the map of the chapters (whose
minutes come from ae_lib/data/records/chapters.json).
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "main"
RECORDS = "ae_lib/data/records/chapters.json"
ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
SETUP = """\
# On Colab, install the book's library; elsewhere this does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install -q "ae-lib @ git+{url}"
"""
SETUP_METADATA = {"tags": ["hide-input", "setup"]}


def address(root=ROOT):
    """The repository's address, from pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]["urls"][
        "Repository"
    ]


def owner_and_name(url):
    """``("owner", "name")`` of an address; ValueError if it is not one on GitHub."""
    match = ADDRESS.fullmatch(url or "")
    if not match:
        raise ValueError(
            f"URL: got {url!r}; expected https://github.com/owner/name (Colab and the published "
            "pages follow from it)"
        )
    return match.groups()


def setup_cell(url):
    """Source of a chapter's first code cell."""
    return SETUP.format(url=url).rstrip()


def colab(url, path):
    """Where ``path`` opens on Colab."""
    repository = "/".join(owner_and_name(url))
    return f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{path}"


def pages(url):
    """Where the built book is published."""
    owner, name = owner_and_name(url)
    return f"https://{owner.lower()}.github.io/{name}/"


def derived(url, root=ROOT):
    """``{path: (text as it stands, text as it should be)}`` of every file that follows."""
    result = {}
    for path, make in (("README.md", _readme), ("CITATION.cff", _citation)):
        old = (root / path).read_text("utf8")
        result[root / path] = (old, make(old, url, root))
    for path in chapters(root):
        old = path.read_text("utf8")
        result[path] = (old, _notebook(old, url))
    return result


def chapters(root=ROOT):
    """The chapters' paths, in order."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb"))


def stale(root=ROOT):
    """Names of the files that do not follow from pyproject.toml and the records."""
    files = derived(address(root), root)
    return [path.name for path, (old, new) in files.items() if old != new]


def chapter_map(url, root=ROOT):
    """The README's table: each chapter, its minutes, its door to Colab."""
    lines = ["| Chapter | On a laptop | On a GPU | |", "| --- | --- | --- | --- |"]
    for path in chapters(root):
        number = path.stem[:2]
        cpu, gpu, _ = chapter_times(number, root)
        link = f"chapters/{path.name}"
        title = f"{number} · [{_title(path)}]({link})"
        lines.append(f"| {title} | {cpu or '–'} | {gpu or '–'} | [Colab]({colab(url, link)}) |")
    return "\n".join(lines)


def chapter_times(number, root=ROOT):
    """How long a chapter runs on a laptop and on a GPU, in words or None, and which laptop."""
    path = root / RECORDS
    records = json.loads(path.read_text("utf8")) if path.exists() else {}
    record = records.get(number, {})
    times = (_minutes(record.get(key)) for key in ("seconds", "gpu_seconds"))
    return *times, record.get("machine", "")


def _minutes(seconds):
    if seconds is None:
        return None
    return "under a minute" if seconds < 60 else f"{-(-seconds // 60):.0f} min"


def _title(path):
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        match = re.search(r"^# (.+)$", "".join(cell["source"]), re.M)
        if cell["cell_type"] == "markdown" and match:
            return match[1].strip()
    return path.stem


def _readme(text, url, root):
    text = _with_address(text, url)
    start, end = "<!-- chapters: made by make repository -->", "<!-- end of chapters -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n\n{chapter_map(url, root)}\n\n{end}{after}"


def _citation(text, url, root):
    text = re.sub(r"^repository-code: .*$", f'repository-code: "{url}"', text, flags=re.M)
    return re.sub(r"^url: .*$", f'url: "{pages(url)}"', text, flags=re.M)


def _with_address(text, url):
    """The text with its old address, which ``[source]: …`` names, replaced by the new one."""
    old = re.search(r"^\[source\]: (\S+)$", text, re.M)[1]
    if old == url:
        return text
    old_path, new_path = ("/".join(owner_and_name(u)) for u in (old, url))
    text = text.replace(pages(old), pages(url))
    return re.sub(rf"{re.escape(old_path)}(?![\w.-])", new_path, text)


def _notebook(text, url):
    """The notebook with the setup cell of this address as its first code cell."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    first = next((i for i, c in enumerate(cells) if c["cell_type"] == "code"), len(cells))
    wanted = setup_cell(url)
    if first == len(cells) or "google.colab" not in "".join(cells[first]["source"]):
        new = {"cell_type": "code", "id": "cell-setup", "execution_count": None, "outputs": []}
        cells.insert(first, new)
    cell = cells[first]
    if "".join(cell.get("source", ())) == wanted and cell["metadata"] == SETUP_METADATA:
        return text
    cell |= {"source": wanted.splitlines(keepends=True), "metadata": SETUP_METADATA}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="the new address")
    parser.add_argument("--check", action="store_true", help="only report what is stale")
    args = parser.parse_args()
    if args.check:
        if old := stale():
            sys.exit(f"stale: {', '.join(old)}; run: make repository")
        return
    if args.url:
        try:
            url = "https://github.com/" + "/".join(owner_and_name(args.url))
        except ValueError as error:
            sys.exit(str(error))
        project = ROOT / "pyproject.toml"
        text = project.read_text("utf8").replace(f'"{address()}"', f'"{url}"')
        project.write_text(text, "utf8")
    for path, (old, new) in derived(address()).items():
        if new != old:
            path.write_text(new, "utf8")
            print(f"{path.relative_to(ROOT)}: brought up to date")


if __name__ == "__main__":
    main()
