# `make demo` and `make test` set themselves up in .venv and reuse it; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Jupyter does not start for root (as in a container) unless told so.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help demo notebooks lab test test-slow test-notebooks e2e docs parity mmcv-ops lint types clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade "pip>=23"
	$(BIN)/python -m pip install -e ".[dev,lite]"
	@touch $(READY)

demo: $(READY)  ## train a small Cascade Mask R-CNN on drawn shapes, score and draw every stage
	$(BIN)/python tools/demo.py

lab: $(READY)  ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(AS_ROOT)

notebooks: $(READY)  ## execute all notebooks as readers get them, and rewrite them
	$(BIN)/python tools/run_notebooks.py

test: $(READY)  ## the default tests, on up to four cores: about three minutes on two
	$(BIN)/python -m pytest -n logical --maxprocesses 4

test-slow: $(READY)  ## the tests that train
	$(BIN)/python -m pytest -m "slow and not gpu"

test-notebooks: $(READY)  ## execute every notebook on little data
	$(BIN)/python -m pytest -m notebook

e2e: $(READY)  ## use the notebooks in JupyterLab with a real browser; installs chromium if root
	$(BIN)/python -m pip install -q -e ".[e2e]"
	@test -n "$$CASCADEKIT_CHROMIUM" || command -v chromium > /dev/null || \
	  { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && apt-get -qq update && \
	    DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends chromium; } || \
	  { echo "chromium is missing: install it (Debian: apt-get install chromium), or set" \
	    "CASCADEKIT_CHROMIUM to a Chrome or Chromium program" >&2; exit 1; }
	CASCADEKIT_REQUIRE_E2E=1 $(BIN)/python -m pytest -m e2e tests/e2e

docs: $(READY)  ## build the documentation site into build/site
	$(BIN)/python -m pip install -q -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

mmcv-ops: $(READY)  ## compile mmcv's operators for the installed torch (once, about 15 minutes)
	$(BIN)/python tools/build_mmcv_ops.py

parity: mmcv-ops  ## compare with mmdetection 3.3 and mmcv's compiled operators
	$(BIN)/python -m pip install -q --no-deps "mmdet==3.3.0" "terminaltables>=3.1" "six>=1.16" "tqdm>=4.60"
	$(BIN)/python -m pip install -q "scipy>=1.10" "shapely>=2.0"
	CASCADEKIT_REQUIRE_MMCV_OPS=1 $(BIN)/python -m pytest -m mmdet

lint: $(READY)  ## formatting, lint, docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pydoclint --quiet cascadekit tools

types: $(READY)  ## static types of the structures and models
	$(BIN)/mypy

clean:  ## remove the environment and all caches of tools
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build *.egg-info
