# Every target is a word of deploy/bootstrap.py, which needs nothing but Python >= 3.11: without make, call it directly.
PYTHON ?= python3
TARGETS = setup check fast test docker chaos long bench demo up down lock clean

.PHONY: help $(TARGETS)

help:
	@$(PYTHON) deploy/bootstrap.py help

$(TARGETS):
	@$(PYTHON) deploy/bootstrap.py $@
