# Everything here works in a tree just cloned: the first call makes .venv, later ones use it.

.DEFAULT_GOAL := help
.PHONY: help setup train test test-slow test-cluster docs bench bench-growth bench-learning bench-peers chaos style lint format clean

# FAST=1: the short tests of what has changed, and no lint.
override FAST := $(filter-out 0,$(FAST))
# GPU=1: TensorFlow with CUDA, in an environment of its own. RAY=1: with Ray, likewise.
override GPU := $(filter-out 0,$(GPU))
override RAY := $(filter-out 0,$(RAY))
# These are expanded where they are used: test-cluster sets RAY for itself.
VENV = .venv$(if $(GPU),-gpu)$(if $(RAY),-ray)
BIN = $(VENV)/bin
RUN = $(if $(GPU),scripts/with_cuda.sh )$(BIN)
REQUIREMENTS = requirements.txt $(if $(GPU),requirements-gpu.txt) $(if $(RAY),requirements-ray.txt)

# What `make train` hands on: only what the command line gives. Variables of the environment do not
# count, or a SEED or ENV that a shell happens to export would change the experiment.
given = $(if $(filter command line,$(origin $(1))), --$(2)='$(subst ','\'',$($(1)))')
TRAIN_FLAGS = $(call given,AGENT,agent)$(call given,ENV,env)$(call given,STEPS,steps)$(call given,ACTORS,num_actors)$(call given,SEED,seed)

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo 'With GPU=1, everything runs in .venv-gpu, on TensorFlow with CUDA; with RAY=1 in .venv-ray.'

setup: ## Make the environment, unless it is up to date
	@PYTHON='$(PYTHON)' scripts/setup.sh $(VENV) $(REQUIREMENTS)

train: setup ## Train: make train [AGENT=..] [ENV=..] [STEPS=..] [ACTORS=..] [SEED=..]
	$(RUN)/quinoa train$(TRAIN_FLAGS)

# The tests check types and the order of imports themselves, beside the others.
test: $(if $(FAST),setup,style) ## Check format, lint and types; run the tests. FAST=1: those of what has changed
	@$(RUN)/python $(if $(FAST),scripts/changed_tests.py,-m pytest -n 2 --dist loadfile --no-loadscope-reorder)

test-slow: setup ## Run the tests that take long
	@$(RUN)/python -m pytest -m slow

test-cluster: override RAY := 1
test-cluster: setup ## Run the tests that need a cluster: hosts made of namespaces, with Ray and Slurm
	@scripts/install_slurm.sh
	@$(RUN)/python -m pytest -m "cluster and not slow" tests/cluster

docs: setup ## Make build/docs: the pages and the API reference; a warning is an error
	@$(RUN)/python scripts/build_docs.py

bench: setup ## Measure this machine and what we make of it (about 10 minutes)
	@$(RUN)/python -m benchmarks

bench-growth: setup ## Measure how it grows: curves by cores, batches, actors, what is stored (about 5 minutes)
	@$(RUN)/python -m benchmarks --only=growth --out=runs/benchmarks-growth

bench-peers: setup ## Measure Acme, Stable-Baselines3, SBX, CleanRL and LeanRL beside ours (about 45 minutes)
	@PYTHON310='$(or $(PYTHON310),$(PYTHON))' PYTHON311='$(PYTHON311)' scripts/peers.sh
	@$(RUN)/python -m benchmarks --only=against_acme,against_libraries --out=runs/benchmarks-peers

bench-learning: setup ## Measure how soon a policy is good, beside Stable-Baselines3 and SBX (hours)
	@PYTHON311='$(PYTHON311)' scripts/peers.sh sb3 sbx
	@$(RUN)/python -m benchmarks.learning

chaos: override RAY := $(if $(filter --engine='ray',$(call given,ENGINE,engine)),1,$(RAY))
chaos: setup ## Inject faults into a run, and report what it survives (about 15 minutes). ENGINE=ray: over hosts
	@$(RUN)/python -m tests.chaos$(call given,ENGINE,engine)

style: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

lint: style ## Check format, lint, types and the order of imports
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

format: setup ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## Remove caches and build outputs; .venv and runs/ stay
	@rm -rf build dist quinoa.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . \( -name '.venv*' -o -name .git -o -name runs \) -prune -o \
	    -name __pycache__ -type d -prune -exec rm -rf {} +
