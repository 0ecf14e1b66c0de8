"""Options reach the work that they are for."""

from pathlib import Path
from typing import Any

import pytest
from quick_model import with_quick_model
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.ear.vent import vent_comb


class CalledError(Exception):
    """Ends a command where its work would begin, with the arguments of that."""


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command up to the call of a function; return what the function is given."""

    def run(function: str, *command: str) -> tuple[Any, ...]:
        def called(*given: Any, **named: Any) -> None:
            raise CalledError(*given, *named.values())

        monkeypatch.setattr(function, called)
        result = CliRunner().invoke(app, list(command))
        assert isinstance(result.exception, CalledError), result.output
        return result.exception.args

    return run


@pytest.mark.parametrize(("options", "force", "yes"), [((), False, False), (("--force",), True, False),
                                                       (("--yes",), False, True)])  # fmt: skip
def test_an_export_replaces_another_with_force_alone(
    arguments: Any, options: tuple[str, ...], force: bool, yes: bool
) -> None:
    given = arguments("hearsim.listening_test.build.build", "export", "spec.toml", "--out", "here", *options)
    assert given[:4] == (Path("spec.toml"), Path("here"), force, yes)


@pytest.mark.parametrize("resume", [False, True])
def test_training_goes_on_where_that_is_asked_for(
    arguments: Any, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    monkeypatch.setattr("hearsim.training.spec.read_spec", lambda path: path)
    given = arguments("hearsim.training.loop.train", "train", "run", "s.toml", *(["--resume"] if resume else []))
    assert given == (Path("s.toml"), Path("runs/train"), resume, None, False)


def test_an_evaluation_scores_the_tracks_that_are_named(arguments: Any) -> None:
    options = ("--tracks", "a*", "--tracks", "b", "--ignore", "mix.wav", "--out", "here")
    model, root, _, patterns, out, _, ignore = arguments(
        "hearsim.training.evaluate.evaluate", "evaluate", "hs-tasnet-lite", "data", *options
    )
    assert (model, root, out) == ("hs-tasnet-lite", Path("data"), Path("here"))
    assert (patterns, ignore) == (("a*", "b"), ("mix.wav",))


def test_a_render_gets_its_stems_and_options(arguments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearsim.profile.load.load_profile", lambda name: name)
    command = ("render", "song.wav", "--profile", "flat", "--out", "here", "--stems", "true", "--save-stems")
    given = arguments("hearsim.report.run.render_song", *command)
    assert given[:6] == (Path("song.wav"), "flat", Path("here"), Path("true"), True, False)


def test_the_comb_of_the_vent_is_that_of_the_level_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearsim.profile.load.load_profile", with_quick_model)
    text = CliRunner().invoke(app, ["latency", "mild-open"]).stdout
    (line,) = [line for line in text.splitlines() if line.startswith("through the vent")]
    total_ms = next(float(row.split()[-1]) for row in text.splitlines() if row.startswith("live delay"))
    comb = vent_comb(total_ms, 10.0)  # the aid 10 dB over the direct sound
    assert f"{comb['ripple_db']:.1f} dB of ripple where the aid is 10 dB over" in line
