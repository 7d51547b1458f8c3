"""Keep the book's address in one place, and what follows from it everywhere else.

    python tools/repository.py https://github.com/owner/name    set the address
    python tools/repository.py                                  bring the rest up to date
    python tools/repository.py --published                      fail while it is an example

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


def address():
    """The repository's address, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    return project["urls"]["Repository"]


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


def unpublishable(url):
    """Why a book with this address must not be published, or None."""
    if owner_and_name(url)[0] != "example":
        return None
    return (
        f"Not published: the book's address is still {url}, an example. Its links, its Colab "
        "buttons and its preview cards would lead nowhere. Set your own, then commit: "
        "make repository URL=https://github.com/owner/name"
    )


def derived(url):
    """``{path: (text as it stands, text as it should be)}`` of every file that follows."""
    makers = {ROOT / "README.md": _readme, ROOT / "CITATION.cff": _citation}
    makers |= dict.fromkeys(chapters(), _notebook)
    texts = {path: path.read_text("utf8") for path in makers}
    return {path: (text, makers[path](text, url)) for path, text in texts.items()}


def chapters():
    """The chapters' paths, in order."""
    return sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))


def stale():
    """Names of the files that do not follow from pyproject.toml and the records."""
    return [path.name for path, (old, new) in derived(address()).items() if old != new]


def chapter_times(number):
    """How long a chapter runs on a laptop and on a GPU, in words or None, and which laptop."""
    path = ROOT / RECORDS
    record = json.loads(path.read_text("utf8")).get(number, {}) if path.exists() else {}

    def minutes(seconds):
        return "under a minute" if seconds < 60 else f"{-(-seconds // 60):.0f} min"

    times = (record.get(key) for key in ("seconds", "gpu_seconds"))
    return *(time and minutes(time) for time in times), record.get("machine", "")


def title(path):
    """The first heading of a notebook."""
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        match = re.search(r"^# (.+)$", "".join(cell["source"]), re.M)
        if cell["cell_type"] == "markdown" and match:
            return match[1].strip()
    return path.stem


def _readme(text, url):
    """With this address, and the table of the chapters: minutes and links."""
    lines = ["| Chapter | On a laptop | On a GPU | |", "| --- | --- | --- | --- |"]
    for path in chapters():
        cpu, gpu, _ = chapter_times(path.stem[:2])
        link = f"chapters/{path.name}"
        name = f"{path.stem[:2]} · [{title(path)}]({link})"
        lines.append(f"| {name} | {cpu or '–'} | {gpu or '–'} | [Colab]({colab(url, link)}) |")
    start, end = "<!-- chapters: made by make repository -->", "<!-- end of chapters -->"
    before, _, rest = _with_address(text, url).partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"


def _citation(text, url):
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
    parser.add_argument(
        "--published", action="store_true", help="only ask whether the book may be published there"
    )
    args = parser.parse_args()
    if args.published:
        sys.exit(unpublishable(address()))
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
