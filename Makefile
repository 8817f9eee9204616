# SPDX-License-Identifier: Apache-2.0
# "make" alone says what there is.  Each target makes the virtual environment
# it needs; tools/venv says how.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Two targets at once would make the environment twice.
.NOTPARALLEL:

BIN := .venv/bin
# What the tests start must be this tree's nova-mdev.
IN_VENV := PATH="$(CURDIR)/$(BIN):$$PATH"

IN_CLOUD := PATH="$(CURDIR)/.venv-cloud/bin:$$PATH"

# The series of Nova that is tested with.
RELEASE := 34
# $(call nova,ARGUMENTS,NAME): tests that need Nova; TESTS filters them by name,
# REPORTS is where a report goes.
nova = .venv-nova-$(RELEASE)/bin/python -m tests.runner $(1) \
    $(if $(REPORTS),--junit $(REPORTS)/$(2)-$(RELEASE).xml) $(TESTS)

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' \
	    $(MAKEFILE_LIST)

.PHONY: venv
venv: ## Make .venv, or find that it is up to date (PYTHON=python3.12 picks one)
	@PYTHON="$(PYTHON)" tools/venv

.PHONY: nova-venv
nova-venv: ## Make .venv-nova-34, with Nova (RELEASE=31 to 34 picks its series)
	@PYTHON="$(PYTHON)" tools/nova-venv $(RELEASE)

.PHONY: test
test: test-unit test-nova ## Run all tests that need nothing but Python

.PHONY: test-unit
test-unit: venv ## Run those of them that need no Nova
	$(IN_VENV) python -m pytest tests/unit tests/functional $(ARGS)

.PHONY: test-cuts
test-cuts: venv ## Kill the engine at each of its effects; some minutes
	$(IN_VENV) python -m pytest tests/cuts $(ARGS)

.PHONY: test-nova
test-nova: nova-venv ## Run those with Nova's services and the driver
	$(call nova,tests/nova,nova)

.PHONY: test-storm
test-storm: nova-venv ## Run a storm through the API, on MariaDB; some minutes
	OS_TEST_TIMEOUT=1400 $(call nova,tests/storm,storm)

.PHONY: test-sites
test-sites: nova-venv ## Start nova-compute with us installed in every way
	$(call nova,tests/sites,sites)

.PHONY: intree
intree: nova-venv ## Show each defect of Nova's own driver on that driver
	NOVA_MDEV_TEST_DRIVER=libvirt.LibvirtDriver $(call nova,tests/nova/defects,intree)

.PHONY: peer
peer: nova-venv ## Run Nova's own tests about mdevs with our driver
	$(call nova,tests/peer --excused tests/peer/excused.toml,peer)

.PHONY: test-all
test-all: ## Run all that CI runs, for Nova 31 and 34; an hour on two cores
	@.ci/run

.PHONY: test-system
test-system: venv ## Run what needs a real kernel, in an emulated machine
	$(IN_VENV) python -m pytest tests/system $(ARGS)

.PHONY: benchmark
benchmark: nova-venv ## Measure this driver and Nova's own, side by side
	@.venv-nova-$(RELEASE)/bin/python -m pip install -q -r benchmarks/requirements.txt
	@.venv-nova-$(RELEASE)/bin/python -m benchmarks --json benchmarks.json $(ARGS)

.PHONY: benchmark-real
benchmark-real: cloud-venv ## Measure both on a real libvirt and kernel, emulated
	@$(IN_CLOUD) python -W ignore -m benchmarks.real $(ARGS)

.PHONY: demo
demo: venv ## Show the main job, step by step, in an emulated machine
	@$(IN_VENV) python -m tests.system.demo $(ARGS)

.PHONY: cloud-venv
cloud-venv: ## Make .venv-cloud, with the services of a cloud and its clients
	@PYTHON="$(PYTHON)" tools/cloud-venv

.PHONY: cloud
cloud: cloud-venv ## Start a cloud with two compute hosts; see CONTRIBUTING.rst
	@$(IN_CLOUD) python -m tests.cloud start $(ARGS)

.PHONY: test-cloud
test-cloud: cloud-venv ## Run what users and operators do, in such a cloud
	$(IN_CLOUD) python -m pytest -W ignore tests/cloud $(ARGS)

.PHONY: tempest-venv
tempest-venv: ## Make .venv-tempest, with stock tempest and our plugin for it
	@PYTHON="$(PYTHON)" tools/tempest-venv

.PHONY: tempest
tempest: tempest-venv ## Run tempest against the cloud of "make cloud", which is up
	.venv-tempest/bin/python -m tests.acceptance \
	    $(if $(REPORTS),--junit $(REPORTS)/tempest.xml) $(TESTS)

.PHONY: linux-guest
linux-guest: venv ## Log in to a Linux guest and use its mdev; some minutes
	@$(IN_VENV) python -m tests.system.linux_guest

.PHONY: lint
lint: venv ## Check style, types and import boundaries
	@$(IN_VENV) tools/lint

.PHONY: format
format: venv ## Put the code into its format
	$(IN_VENV) ruff format .
	$(IN_VENV) ruff check --fix .

.PHONY: docs
docs: venv ## Build the documentation and the release notes; warnings are errors
	$(IN_VENV) sphinx-build -q -E -W --keep-going doc/source doc/build/html
	$(IN_VENV) sphinx-build -q -E -W --keep-going \
	    releasenotes/source releasenotes/build/html
	@echo 'See doc/build/html/index.html and releasenotes/build/html/index.html'

.PHONY: sample-config
sample-config: venv ## Generate conf/nova-generic-mdev.conf.sample
	$(IN_VENV) oslo-config-generator --config-file conf/nova-generic-mdev.conf

.PHONY: clean
clean: ## Remove what these targets made in this tree
	rm -rf .venv .venv-* .tox build dist doc/build releasenotes/build *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f AUTHORS ChangeLog .coverage benchmarks.json
	find nova_generic_mdev tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
