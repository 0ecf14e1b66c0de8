# Two commands: `make demo` renders the built-in song, `make test` runs the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))

.PHONY: demo test test-all check system clean

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

# What some tests need of the system: a browser for the report page and the mixer page, JACK (a real server and a real
# clock, with its dummy driver) for live sound, ffmpeg for museval and stem.mp4. Where one is missing and apt-get can't
# bring it, these tests are skipped and say so.
define bring
	@{ test "$$(id -u)" = 0 && apt-get -qq update && \
	   DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $(1); } >/dev/null 2>&1 \
	|| echo "no $(1), and it could not be installed: the tests that need it will be skipped"
endef

system:
ifeq ($(BROWSER),)
	$(call bring,chromium)
endif
ifeq ($(shell command -v jackd),)
	$(call bring,libportaudio2 jackd2)
endif
ifeq ($(shell command -v ffmpeg),)
	$(call bring,ffmpeg)
endif

# The tests, and the examples in the docstrings; --no-loadscope-reorder: in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --doctest-modules tests hearsim

test: check system
	$(PYTEST)

test-all: check system
	$(PYTEST) -m "slow or not slow"

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache .mypy_cache
