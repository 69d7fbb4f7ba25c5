# The two commands of the README are `make demo` and `make test`; both make .venv if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check fix gallery docs fuzz outside soak rivals audit-proof pythons bench-data bench-scale bench-view bench-score bench-saving bench-train test-browser eval-demo hostile perceiver-ablations perceiver-compare clean
.DEFAULT_GOAL := help

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## run the whole way on small settings; VIDEOS=folder for your own videos
	$(BIN)/kuleshov demo $(if $(VIDEOS),"$(VIDEOS)")

test: $(READY) ## run all tests; KULESHOV_TEST_VIDEOS=folder for those on real clips too
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(READY) ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(READY) ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

gallery: $(READY) ## write docs/gallery.md and the pages of docs/tasks again, after a task has changed
	$(BIN)/python -m kuleshov.report.task_pages docs

docs: $(READY) ## write docs/config.md and the table of docs/training.md again, after a setting has changed
	$(BIN)/python -m kuleshov.report.reference docs

pythons: $(READY) ## make the demo's set under Python 3.11, 3.12 and 3.13 and compare the bytes
	$(BIN)/python -m benchmarks.pythons $(ARGS)

soak: $(READY) ## kill make and render 200 times and see that they end with the same
	$(BIN)/python -m benchmarks.soak

rivals: $(READY) ## start commands against each other, and at folders that are not ours; ARGS=--quick
	$(BIN)/python -m benchmarks.rivals $(ARGS)

audit-proof: $(READY) ## plant leaks and see that the audit catches them, and passes what has none
	$(BIN)/python -m benchmarks.audit_proof

fuzz: $(READY) ## damaged clips must not stop make; KULESHOV_TEST_VIDEOS or VIDEOS=folder, FILES=n
	$(BIN)/python -m benchmarks.fuzz $(if $(VIDEOS),"$(VIDEOS)") --files $(or $(FILES),1000)

outside: $(READY) ## files and models of all kinds are right or refused; KULESHOV_CASES=folder, ARGS='--only cells'
	$(BIN)/python -m benchmarks.outside $(ARGS)

hostile: $(READY) ## replies, rows and files that are harmed end in words; ARGS='--only rows'
	$(BIN)/python -m benchmarks.hostile $(ARGS)

bench-data: $(READY) ## measure the data stage; KULESHOV_TEST_VIDEOS or VIDEOS=folder (the test clips)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.data $(if $(VIDEOS),"$(VIDEOS)")

bench-scale: $(READY) ## how cost and memory grow with the number of videos; ARGS='--only check'
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-view: $(READY) ## how long a browser takes to open the page of 10,000 samples; needs Chromium
	$(BIN)/python -m benchmarks.view

bench-score: $(READY) ## how the time to read an answer grows with its length; ARGS='--only letter'
	$(BIN)/python -m benchmarks.score $(ARGS)

bench-saving: $(READY) ## what it costs to hash the files of a checkpoint; ARGS='--megabytes 100'
	$(BIN)/python -m benchmarks.saving $(ARGS)

bench-train: $(READY) ## a GRPO step against stock TRL; ARGS='--device cuda --size 7b' on a GPU
	$(BIN)/python -m benchmarks.train $(ARGS)

test-browser: $(READY) ## look at a report in a real browser, also one of 10,000 items; needs Chromium
	$(BIN)/python -m benchmarks.browser

eval-demo: $(READY) ## a tiny model before and after training on two small frozen benchmarks, and their page
	$(BIN)/python -m benchmarks.eval_demo

perceiver-ablations: $(READY) ## VideoPerceiver's ablations on a tiny model, 3 seeds; QUICK=1 for a minute
	$(BIN)/python -m benchmarks.perceiver_ablations

perceiver-compare: $(READY) ## parts of VideoPerceiver's reward at equal compute, 3 seeds; QUICK=1 for seconds
	$(BIN)/python -m benchmarks.perceiver_compare

clean: ## remove the environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist

# Exact versions of everything, so that an install is the same tomorrow.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	touch $@
