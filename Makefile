# The front door: `make help` lists what there is. The first target you run sets everything up in .venv.
PYTHON ?= python3
PROFILE ?= local
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SETTINGS = --profile '$(PROFILE)' \
	$(if $(DEMO),--set 'input.demo=$(DEMO)') \
	$(if $(ARTWORK),--set 'input.artwork=$(ARTWORK)') \
	$(if $(TITLES),--set 'input.titles=$(TITLES)') \
	$(if $(HISTORY),--set 'input.history=$(HISTORY)') \
	$(if $(IMPRESSIONS),--set 'input.impressions=$(IMPRESSIONS)') \
	$(if $(STORE),--set 'store=$(STORE)') \
	$(foreach setting,$(SET),--set '$(setting)') \
	$(if $(RUN_ID),--run-id '$(RUN_ID)') \
	$(if $(DRY_RUN),--dry-run)

.DEFAULT_GOAL := help
.PHONY: help setup featurize prompts settings sql test test-slow check bench bundle bundle-score clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo
	@echo 'make featurize [ARTWORK=folder|csv|jsonl|parquet] [TITLES=file] [STORE=folder|s3://...] [PROFILE=local|gpu|cluster]'
	@echo '               [SET="a.b=value ..."] [RUN_ID=id] [DRY_RUN=1]; without ARTWORK the demo world, DEMO=small|paper'
	@echo 'make prompts [TITLES=file] [HISTORY=file|folder] [IMPRESSIONS=file|folder] [STORE=...] [SET=...] [RUN_ID=...] [DRY_RUN=1]'

setup: $(READY) ## install everything into .venv (the other targets do it by themselves)

$(READY): pyproject.toml infra/constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo 'Setting up .venv (a few minutes and about 6 GB, once)'
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[ray,dev]'
	@touch $@

featurize: $(READY) ## artwork files to embeddings, tags and descriptions in Parquet
	@$(PY) -m jobs.featurize $(SETTINGS)

prompts: $(READY) ## features, histories and impressions to the prompts an LLM ranks
	@$(PY) -m jobs.prompts $(SETTINGS)

settings: $(READY) ## all settings: what each may be, its default, and what it is for
	@$(PY) -m jobs.settings

sql: $(READY) ## ask the store questions: the DuckDB shell with every table and view, or ASK="SELECT ..."
	@$(PY) -m jobs.sql --profile '$(PROFILE)' $(if $(STORE),--set 'store=$(STORE)') $(if $(ASK),-c "$$ASK")

test: $(READY) ## the fast tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile

test-slow: $(READY) ## the minutes-long tests
	$(PY) -m pytest -m slow

check: $(READY) ## lint, formatting and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(READY) ## speed and memory, as a table and in bench.json [ARTWORK=folder] [ONLY="efficiency ..."]
	@$(PY) -m jobs.bench $(if $(ARTWORK),--artwork '$(ARTWORK)') $(foreach setting,$(SET),--set '$(setting)') \
		$(foreach name,$(ONLY),--only $(name))

bundle: $(READY) ## train the models that ship with the package again: half a day on two cores, less on a GPU
	@$(PY) -m jobs.bundle --scores featurize/bundled/scores.json

bundle-score: $(READY) ## how well they do on scenes they have never seen
	@$(PY) -m jobs.bundle --score-only

clean: ## remove what the targets made: .venv, the demo catalogue, the store, training checkpoints
	rm -rf $(VENV) demo store bundle bench.json bundle-scores.json
