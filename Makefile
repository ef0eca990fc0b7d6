# Everything a person types here. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test proof check check-rest lint types imports template contracts up invoke replay shops recount benchmarks generate redrive calendars build deploy destroy doctor logs bootstrap emulate lock clean

help: ## list what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## the environment in .venv, with every version pinned

$(STAMP): requirements/development.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: install Python 3.11 or newer, then run 'make setup' again."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: install Python 3.11 or newer, then run 'make setup PYTHON=python3.11'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: on Debian 'apt-get install python3-venv', then run 'make setup' again."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup ## the main job: refunds negotiated end to end on this machine, as a story, a table and an HTML report
	@$(BIN)/python -m sandbox demo

up: setup ## stay up on 127.0.0.1 (PORT=8000, AT=time)
	@$(BIN)/python -m sandbox up --port $(or $(PORT),8000) $(if $(AT),--at $(AT))

invoke: setup ## call one function: FUNCTION=name EVENT=file
	@$(BIN)/python -m sandbox invoke $(or $(FUNCTION),$(error name the function: make invoke FUNCTION=webhook_intake EVENT=events/...)) $(or $(EVENT),$(error name the event's file: EVENT=events/...))

replay: setup ## run recorded events through the system: FILE=events.jsonl[.gz]
	@$(BIN)/python -m sandbox replay $(or $(FILE),$(error name the file: make replay FILE=events.jsonl)) $(if $(UNTIL),--until $(UNTIL)) $(if $(OUT),--out $(OUT))

shops: setup ## the shops of the sandbox
	@$(BIN)/python -m sandbox shops

test: setup ## the tests
	$(BIN)/pytest -n 2 --dist worksteal

proof: setup ## the long checks, on real orders where they are at hand
	$(BIN)/pytest -m proof

check: test check-rest ## everything that must be green before a commit

check-rest: lint types imports template contracts

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

# every region of samconfig.toml, and China's other one
REGIONS := us-east-1 eu-central-1 ap-southeast-1 cn-north-1 cn-northwest-1

template: setup
	$(BIN)/cfn-lint --regions $(REGIONS) --template template.yaml

contracts: setup
	$(BIN)/python events/generate.py --check
	$(BIN)/python -m tools.openapi --check

RECOUNT := build/recount
REAL := ../shared/data/real_orders.events.jsonl.gz

recount: setup ## count every published number anew with DuckDB: of a made-up scene, and of real orders where they are at hand
	@mkdir -p $(RECOUNT)
	@$(BIN)/python tools/scene.py $(RECOUNT)/scene.jsonl
	@$(BIN)/python -m sandbox replay $(RECOUNT)/scene.jsonl --until 2027-01-25T00:00:00Z --out $(RECOUNT)/scene.said.jsonl --records $(RECOUNT)/scene.records.jsonl
	@$(BIN)/python tools/recount.py $(RECOUNT)/scene.records.jsonl $(RECOUNT)/scene.said.jsonl
ifneq ($(wildcard $(REAL)),)
	@$(BIN)/python -m sandbox replay $(REAL) --until 2018-12-01T00:00:00Z --out $(RECOUNT)/real.said.jsonl --records $(RECOUNT)/real.records.jsonl
	@$(BIN)/python tools/recount.py $(RECOUNT)/real.records.jsonl $(RECOUNT)/real.said.jsonl
else
	@echo "$(REAL) is not there: only the scene was counted"
endif

benchmarks: setup ## calls, write units, CPU and start-up beside their targets
	$(BIN)/python benchmarks/run.py

generate: setup ## write anew what is generated from code
	$(BIN)/python events/generate.py
	$(BIN)/python -m tools.openapi

redrive: setup ## dead letters back to their queue (QUEUE=FactsDeadLetters, ENV=stage, REGION, STACK, RATE=10 a second, DRY=1)
	@$(BIN)/python tools/redrive.py $(or $(QUEUE),$(error name the dead-letter queue: make redrive QUEUE=FactsDeadLetters ENV=prod DRY=1)) \
	  $(if $(ENV),--stage $(ENV)) $(if $(STACK),--stack $(STACK)) $(if $(REGION),--region $(REGION)) $(if $(RATE),--rate $(RATE)) $(if $(DRY),--dry)

calendars: setup ## write anew the calendar of public holidays (YEARS=2024..2030)
	$(BIN)/python tools/calendars.py $(if $(YEARS),--years $(YEARS))

SAM := .venv-sam

$(SAM)/.installed: requirements/sam.txt | $(STAMP)
	$(BIN)/python -m venv $(SAM)
	$(SAM)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/sam.txt
	@touch $@

build: $(SAM)/.installed ## what `sam deploy` uploads (ARCH=arm64 or x86_64)
	@$(SAM)/bin/python tools/build.py --arch $(or $(ARCH),arm64)

deploy: build ## one environment of samconfig.toml (ENV=dev)
	@$(SAM)/bin/sam deploy --config-env $(or $(ENV),$(error name the environment: make deploy ENV=dev))

destroy: $(SAM)/.installed ## the stack of an environment goes; tables, secrets and lost records stay (ENV=dev)
	@$(SAM)/bin/sam delete --config-env $(or $(ENV),$(error name the environment: make destroy ENV=dev))

doctor: setup ## what is in the way of a deployment, and how a stack is (ENV=dev)
	@$(BIN)/python tools/doctor.py $(if $(ENV),--env $(ENV))

logs: $(SAM)/.installed ## what the functions of a stage write, as they write it (STAGE=dev REGION=eu-central-1)
	@$(SAM)/bin/sam logs --cw-log-group /aftercare/$(or $(STAGE),dev) $(if $(REGION),--region $(REGION)) --tail

bootstrap: setup $(SAM)/.installed ## what is built, for this machine, starts in Lambda's own bootstrap
	@$(SAM)/bin/python tools/build.py --host
	$(BIN)/pytest -m artifact -n 2 --dist worksteal tests/artifact

EMULATOR := .venv-emulator
EMULATED := build/emulator/layers

$(EMULATOR)/.installed: requirements/emulator.txt | $(STAMP)
	$(BIN)/python -m venv $(EMULATOR)
	$(EMULATOR)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/emulator.txt
	@touch $@

# the layers as `sam build` makes them, for the emulator's own Python: functions run on it
$(EMULATED)/DependenciesLayer/.made: layers/dependencies/Makefile layers/dependencies/requirements.txt $(EMULATOR)/.installed
	@rm -rf $(@D)
	@PATH="$(CURDIR)/$(EMULATOR)/bin:$$PATH" $(MAKE) --silent -C layers/dependencies build-DependenciesLayer ARTIFACTS_DIR="$(CURDIR)/$(@D)" \
	  ARCH="$$(uname -m)" PYTHON_VERSION="$$($(EMULATOR)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
	@$(EMULATOR)/bin/python -m compileall -q --invalidation-mode unchecked-hash $(@D)
	@touch $@

emulate: setup $(EMULATED)/DependenciesLayer/.made ## the template, deployed to an emulator of AWS with its roles enforced, does what it is for
	@rm -rf $(EMULATED)/AftercareLayer
	@$(MAKE) --silent -C layers/aftercare build-AftercareLayer ARTIFACTS_DIR="$(CURDIR)/$(EMULATED)/AftercareLayer"
	@$(EMULATOR)/bin/python -m compileall -q --invalidation-mode unchecked-hash $(EMULATED)/AftercareLayer
	$(BIN)/pytest -m emulator tests/emulator

lock: setup ## resolve the pinned versions anew
	cd requirements && ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o development.txt development.in
	cd requirements && ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c development.txt -o ../layers/dependencies/requirements.txt runtime.in
	cd requirements && ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o sam.txt sam.in
	cd requirements && ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o bootstrap.txt bootstrap.in
	cd requirements && ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o emulator.txt emulator.in

clean: ## remove what was installed and made
	rm -rf $(VENV) $(SAM) $(EMULATOR) .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis build
