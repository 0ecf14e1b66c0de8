# Two commands: `make demo` renders the built-in song, `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))

.PHONY: demo test test-all check browser jack clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.tools: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/hearsim render --profile moderate-vocals-up --out out/demo --force

check: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The report page and the mixer page are tested in Chromium. Where there is none and apt-get can't bring it, these tests are skipped and say so.
browser:
ifeq ($(BROWSER),)
	@{ test "$$(id -u)" = 0 && apt-get -qq update && \
	   DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends chromium; } >/dev/null 2>&1 \
	|| echo "no Chromium, and none could be installed: the tests that look at the page in it will be skipped"
endif

# Live sound is tested with a real server and a real clock, JACK's dummy driver; likewise.
jack:
ifeq ($(shell command -v jackd),)
	@{ test "$$(id -u)" = 0 && apt-get -qq update && \
	   DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends libportaudio2 jackd2; } >/dev/null 2>&1 \
	|| echo "no JACK, and it could not be installed: the tests of live sound through a real device will be skipped"
endif

test: check browser jack
	$(BIN)/pytest

test-all: check browser jack
	$(BIN)/pytest -m "slow or not slow"

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache .mypy_cache
