"""`hearsim init`: an audiogram becomes a profile that loads, by options or by answers; `show`, `docs`, completion."""

import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hearsim.cli import catalogue, completion, main
from hearsim.cli.app import app
from hearsim.profile.load import load_profile
from hearsim.profile.schema import Listener
from hearsim.separation.registry import SYSTEMS

Run = Callable[..., tuple[int, str, str]]
EARS = ("--left", "500:30,1000:40,2000:55", "--right", "2000:60, 500:10, 1000:20")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hearsim", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert isinstance(left.value.code, int)
        return left.value.code, *capsys.readouterr()

    return command


def thresholds(listener: Listener) -> list[dict[float, float]]:
    ears = (listener.left, listener.right)
    return [dict(zip(ear.frequencies_hz, ear.thresholds_db_hl, strict=True)) for ear in ears]


def test_without_answers_the_error_begins_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(prompt: str) -> str:
        print(prompt, end="")
        raise EOFError

    monkeypatch.setattr("builtins.input", nothing)
    code, out, err = run("init", "maria")
    assert code == 2 and out.endswith("Left ear:  \n") and err.startswith("hearsim: no thresholds: give them")


def test_a_profile_from_options_loads_with_its_comments(run: Run) -> None:
    code, out, err = run("init", "anna", *EARS, "--mix", "vocals-only")
    assert (code, err) == (0, "") and "hearsim render SONG --profile anna.toml" in out
    assert "left 42 and right 30 dB HL" in out  # (30 + 40 + 55) / 3 and (10 + 20 + 60) / 3
    profile = load_profile("anna.toml")
    assert thresholds(profile.listener) == [{500: 30, 1000: 40, 2000: 55}, {500: 10, 1000: 20, 2000: 60}]
    assert (profile.name, profile.listener.name, profile.aid.name, profile.rig.name) == (
        "anna",
        "anna",
        "closed",
        "aid",
    )
    assert [profile.mix.gain(stem) for stem in ("vocals", "drums", "bass", "other")] == [1, 0, 0, 0]
    assert Path("anna.toml").read_text().count("#") > 5


def test_severe_losses_get_the_power_aid_and_its_rig(run: Run) -> None:
    assert run("init", "--thresholds", "500:80,1000:85,2000:90,4000:95")[0] == 0
    profile = load_profile("my-profile.toml")
    assert (profile.aid.name, profile.rig.name) == ("power", "power")
    assert run("init", "light", "--thresholds", "500:80,2000:80", "--aid", "closed")[0] == 0
    assert load_profile("light.toml").aid.name == "closed"


def test_answers_are_asked_again_until_they_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = "20 25 40\n20 x 40 55 65 70\n20 25 40, 55 65 -\n\n"
    result = CliRunner().invoke(app, ["init", "asked"], input=answers)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("6 values are needed") == 2
    left = {250: 20, 500: 25, 1000: 40, 2000: 55, 4000: 65}
    assert thresholds(load_profile("asked.toml").listener) == [left, left]


def test_an_uncommented_ucl_lowers_the_limit(run: Run) -> None:
    run("init", "anna", *EARS)
    text = Path("anna.toml").read_text()
    for line in ("[listener.ucl_db_spl]", "left = 104", "right = 104"):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    Path("anna.toml").write_text(text)
    assert load_profile("anna.toml").mpo_db_spl == (104, 104)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("anna --thresholds 500:300", "threshold = 300.0 is too high: give 130 or less"),
        ("anna --thresholds 500:x", "--thresholds '500:x': give Hz:dB HL pairs"),
        ("anna --thresholds 500", "--thresholds '500': give Hz:dB HL pairs"),
        ("anna --thresholds ,", "--thresholds is empty"),
        ("anna --thresholds 500:1,500:2", "gives 500 Hz twice"),
        ("anna --thresholds 500:1 --left 500:1", "--thresholds is for both ears"),
        ("anna --thresholds 8000:90", "left ear: thresholds below 8000 Hz are missing: give them from 500 to 2000 Hz"),
        ("anna --left 500:1,2000:1 --right 500:1,1500:1", "right ear: thresholds above 1500 Hz are missing"),
        ("anna --thresholds 1000:1", "left ear: thresholds below 1000 Hz and above 1000 Hz are missing"),
        ("anna --left 500:1", "--left needs --right"),
        ("anna --thresholds 500:1,2000:1 --mix nope", "no mix is called 'nope'"),
        ("anna --thresholds 500:1,2000:1 --aid nope", "no aid is called 'nope'"),
        ("a/b --thresholds 500:1", "'a/b' is not a name of a profile"),
        ("anna --thresholds 500:1,2000:1 --out /proc/x", "can't be written"),
        ("mine --thresholds 500:1", "mine.toml exists already and is not changed"),
        ("mine.toml --thresholds 500:1", "mine.toml exists already and is not changed"),
    ],
)
def test_bad_thresholds_are_one_sentence_and_write_nothing(run: Run, arguments: str, words: str) -> None:
    Path("mine.toml").write_text("mine")
    code, out, err = run("init", *arguments.split())
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["mine.toml"] and Path("mine.toml").read_text() == "mine"


def test_a_wrong_table_in_a_profile_is_named(run: Run) -> None:
    run("init", "anna", *EARS)
    text = Path("anna.toml").read_text()
    Path("anna.toml").write_text(text.replace("frequencies_hz = [500", "frequencies_hz = [50"))
    assert "anna.toml: listener: left.frequencies_hz[0] = 50 is too low" in run("show", "anna.toml")[2]
    Path("anna.toml").write_text(text.replace("vocals = ", "vocal = "))
    assert "anna.toml: mix: the key gains_db.vocal is not known" in run("show", "anna.toml")[2]


@pytest.mark.parametrize("kind", catalogue.LISTS)
def test_lists_say_the_same_as_text_and_as_json(run: Run, kind: str) -> None:
    code, out, err = run("show", kind, "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "") and len(rows) > (1 if kind != "stages" else -1)  # stages come with packages alone
    text = run("show", kind)[1]
    assert all(row["name"] in text and row.get("description", "") in text for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)


def test_stages_and_separators_of_installed_packages_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none is installed" in run("show", "stages")[1]
    shipped = [row["name"] for row in json.loads(run("show", "models", "--json")[1])]
    point = EntryPoint("gate", "hearsim.core.composites:Delay", "any group")
    monkeypatch.setattr("hearsim.core.plugins.entry_points", lambda group: [point])
    assert [row["name"] for row in json.loads(run("show", "stages", "--json")[1])] == ["gate"]
    assert [row["name"] for row in json.loads(run("show", "models", "--json")[1])] == [*shipped, "gate"]
    assert run("models", "list")[0] == 0


def test_lists_hold_the_values_of_the_files(run: Run) -> None:
    listeners = {row["name"]: row for row in json.loads(run("show", "listeners", "--json")[1])}
    assert listeners["N3"]["left_db_hl"] == [35, 35, 40, 50, 60, 65]  # Bisgaard et al. 2010
    assert listeners["N3"]["description"] == "Standard audiogram N3: moderate loss, both ears alike"
    unlike = listeners["asymmetric"]
    assert unlike["left_db_hl"] == listeners["N2"]["left_db_hl"] != unlike["right_db_hl"]
    assert unlike["right_db_hl"] == listeners["N4"]["right_db_hl"]
    systems = {row["name"]: row for row in json.loads(run("show", "systems", "--json")[1])}
    assert set(systems) == set(SYSTEMS) and all(row["description"] for row in systems.values())
    assert systems["hs-tasnet-lite-6ms"]["live_ms"] == pytest.approx(256 / 44.1, abs=1e-3)
    assert "vocals 6, drums -2" in run("show", "mixes")[1]


@pytest.mark.parametrize(
    ("name", "lists", "value"),
    [
        ("N3", ["listeners"], "left 35 35 40 50 60 65"),
        ("closed", ["aids"], "rule nal-r"),
        ("vocals-up", ["mixes"], "vocals 6, drums -2"),
        ("aid", ["rigs"], "microphone 94, headphones 112"),
        ("nal-r", ["rules"], "NAL-R's insertion gain in dB, floored at 0"),
        ("estoi_vocals", ["metrics"], "computed by experiment"),
        ("hs-tasnet-lite", ["models", "systems"], "parameters"),
        ("headphones", ["aids", "rigs"], "streamed music"),
    ],
)
def test_show_prints_an_entry_of_a_list(run: Run, name: str, lists: list[str], value: str) -> None:
    code, text, err = run("show", name)
    assert (code, err) == (0, "") and value in text
    assert [line for line in text.splitlines() if line[0] != " "] == [catalogue.LISTS[one][0] for one in lists]
    rows = json.loads(run("show", name, "--json")[1])
    assert [(row["list"], row["name"]) for row in rows] == [(one, name) for one in lists]


def test_show_names_the_nearest_entry_and_the_namesakes_of_a_profile(run: Run) -> None:
    error = run("show", "estoi_vocal")[2]
    assert "no profile is called 'estoi_vocal', no list and no entry of one: did you mean estoi_vocals" in error
    assert "\nMixes: gain of each stem in dB\n  flat " in run("show", "flat")[1]


def test_docs_shows_pages_lists_them_and_names_the_nearest(run: Run) -> None:
    folder = Path(str(files("hearsim") / "docs"))
    listed = [line.split()[0] for line in run("docs")[1].splitlines()]
    assert listed == sorted(path.stem for path in folder.glob("*.md")) and "cli" in listed
    assert run("docs", "cli")[1] == (folder / "cli.md").read_text(encoding="utf-8") + "\n"
    code, out, err = run("docs", "profile")
    assert (code, out) == (2, "") and "did you mean" in err and "profiles" in err


def test_completion_offers_what_ships_and_files_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").touch()
    assert completion.profiles("m") == ["mild-open", "moderate-vocals-up", "mine.toml"]
    assert completion.shipped("mixes")("vocals") == ["vocals-6db", "vocals-only", "vocals-up"]
    assert completion.models("hs-tasnet-lite-") == ["hs-tasnet-lite-6ms"]
    assert completion.shown("li") == ["listeners"]
    assert "profiles" in completion.topics("pro")


@pytest.mark.parametrize(
    ("words", "offered"),
    [("hearsim ren", {"render"}), ("hearsim show mo", {"models", "moderate-vocals-up"}), ("hearsim live p", {"play"})],
)
def test_the_shell_is_told_completions(monkeypatch: pytest.MonkeyPatch, words: str, offered: set[str]) -> None:
    count = str(len(words.split()) - 1)
    surroundings = {"_HEARSIM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
    result = CliRunner().invoke(app, [], env=surroundings, prog_name="hearsim")
    assert set(result.stdout.split()) == offered


def test_the_completion_script_is_printed() -> None:
    result = CliRunner().invoke(app, [], env={"_HEARSIM_COMPLETE": "source_bash"}, prog_name="hearsim")
    assert result.exit_code == 0 and "complete" in result.stdout and "_hearsim" in result.stdout
