"""Profiles: what ships loads; what is wrong is named by file, key, value and cure; Clarity's files load as they are."""

import json
from pathlib import Path

import pytest

from hearsim.errors import HearsimError
from hearsim.paths import data_folder
from hearsim.profile import (
    load_aid,
    load_listener,
    load_listeners,
    load_mix,
    load_mixes,
    load_profile,
    load_rig,
)
from hearsim.profile import profile_names as names

GOOD = {"listener": "N3", "mix": "flat", "aid": "closed", "rig": "aid"}


def write(folder: Path, **keys: str) -> Path:
    path = folder / "mine.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in {**GOOD, **keys}.items()))
    return path


@pytest.mark.parametrize("name", names())
def test_shipped_profiles_load(name: str) -> None:
    assert load_profile(name).name == name


@pytest.mark.parametrize(
    ("kind", "load"),
    [("listeners", load_listener), ("mixes", load_mix), ("aids", load_aid), ("rigs", load_rig)],
)
def test_shipped_parts_load(kind, load) -> None:
    paths = sorted((data_folder("profiles") / kind).glob("*.toml"))
    assert len(paths) >= 4
    for path in paths:
        assert load(path.stem).name == path.stem


def test_bisgaard_table() -> None:
    """Bisgaard, Vlaming & Dahlquist 2010: two rows, read elsewhere than in the TOML files."""
    assert load_listener("N4").left.thresholds_db_hl == (55, 55, 55, 55, 55, 60, 65, 70, 75, 80)
    assert load_listener("S2").right.thresholds_db_hl == (20, 20, 20, 22.5, 25, 35, 55, 75, 95, 95)
    assert load_listener("N3").left.at((8000.0, 125.0)).tolist() == [65, 35]  # constant beyond the ends


def test_the_lower_of_mpo_and_ucl_counts() -> None:
    assert load_profile("asymmetric-instrumental").mpo_db_spl == (104, 98)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"mixx": "flat"}, ("mine.toml", "mixx", "did you mean mix?")),
        ({"listener": "N33"}, ("N33", "N3")),
        ({"aid": "power"}, ("MPO of 115", "rig aid", "lower mpo_db_spl")),
        ({"listener": "loud.toml"}, ("loud.toml", "thresholds_db_hl", "200", "130")),
        ({"listener": "typo.toml"}, ("typo.toml", "frequency_hz", "frequencies_hz")),
        ({"mix": "mix.toml"}, ("mix.toml", "vocals at 40.0 dB", "-60 to +12")),
        ({"listener": "listeners.json#L2"}, ("listeners.json", "L2", "audiogram_levels_r")),
        ({"listener": "listeners.json#L9"}, ("listeners.json", "L9", "L1")),
    ],
)
def test_bad_profiles_are_named(tmp_path: Path, keys: dict[str, str], words: tuple[str, ...]) -> None:
    ear = "frequencies_hz = [500]\nthresholds_db_hl = [{}]\n"
    (tmp_path / "loud.toml").write_text(f"[left]\n{ear.format(200)}[right]\n{ear.format(20)}")
    (tmp_path / "typo.toml").write_text(
        f"[left]\n{ear.format(20).replace('frequencies', 'frequency')}[right]\n{ear.format(20)}"
    )
    (tmp_path / "mix.toml").write_text("[gains_db]\nvocals = 40.0\n")
    row = {"audiogram_cfs": [250, 500], "audiogram_levels_l": [10, 20], "audiogram_levels_r": [10, 20]}
    bad = {key: value for key, value in row.items() if key != "audiogram_levels_r"}
    (tmp_path / "listeners.json").write_text(json.dumps({"L1": row, "L2": bad}))
    with pytest.raises(HearsimError) as caught:
        load_profile(write(tmp_path, **keys))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clarity_and_cadenza_files_load(tmp_path: Path) -> None:
    cfs = [250, 500, 1000, 2000, 3000, 4000, 6000, 8000]
    row = {
        "name": "L0001",
        "audiogram_cfs": cfs,
        "audiogram_levels_l": [20] * 8,
        "audiogram_levels_r": list(range(20, 100, 10)),
    }
    (tmp_path / "listeners.json").write_text(json.dumps({"L0001": row}))
    (tmp_path / "gains.json").write_text(json.dumps({"up": {"vocals": 3, "drums": 0, "bass": -3, "other": 0}}))
    assert load_listeners(tmp_path / "listeners.json")["L0001"].right.at((2000.0,))[0] == 50
    assert load_mixes(tmp_path / "gains.json")["up"].gain("vocals") == pytest.approx(10 ** (3 / 20))
    profile = load_profile(write(tmp_path, listener="listeners.json#L0001", mix="gains.json#up"))
    assert (profile.listener.name, profile.mix.name) == ("L0001", "up")
