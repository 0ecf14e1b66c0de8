"""Profiles: what ships loads; what is wrong is named by file, key, value and cure; Clarity's files load as they are.

And the two services under them: where shipped data lies, and outputs that are written whole or not at all.
"""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from hearsim.core import files as paths
from hearsim.core.errors import HearsimError
from hearsim.core.files import data_folder, write_atomically
from hearsim.profile.clarity import load_listeners, load_mixes
from hearsim.profile.load import load_aid, load_listener, load_mix, load_profile, load_rig
from hearsim.profile.load import profile_names as names
from hearsim.profile.schema import Aid, Gains, Listener, Mix, Profile, Rig

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
def test_shipped_parts_load(kind: str, load: Callable[[str], Listener | Mix | Aid | Rig]) -> None:
    files = sorted((data_folder("profiles") / kind).glob("*.toml"))
    assert len(files) >= 4
    for file in files:
        assert load(file.stem).name == file.stem
        assert file.read_text().startswith("# ")  # says what it is


def test_the_lower_of_mpo_and_ucl_counts() -> None:
    assert load_profile("asymmetric-instrumental").mpo_db_spl == (104, 98)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"mixx": "flat"}, ("mine.toml", "mixx", "did you mean mix?")),
        ({"listener": "N33"}, ("mine.toml: listener:", "'N33'", "there are N1, N2")),
        ({"aid": "power"}, ("MPO of 115", "rig aid", "lower mpo_db_spl")),
        ({"listener": "loud.toml"}, ("loud.toml: left.thresholds_db_hl[0] = 200 is too high: give 130 or less",)),
        ({"listener": "typo.toml"}, ("typo.toml", "frequency_hz", "frequencies_hz")),
        ({"mix": "mix.toml"}, ("mix.toml", "gains_db.vocals = 40.0", "-60 to +12")),
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


def test_a_profile_gives_its_part_where_a_part_is_expected(tmp_path: Path) -> None:
    ears = "".join(f"[listener.{ear}]\nfrequencies_hz = [500]\nthresholds_db_hl = [35]\n" for ear in ("left", "right"))
    (tmp_path / "maria.toml").write_text(f'aid = "closed"\nrig = "aid"\nmix = "flat"\n{ears}')
    write(tmp_path, listener="maria.toml")
    (named := tmp_path / "named.toml").write_text((tmp_path / "mine.toml").read_text())
    for file in (tmp_path / "maria.toml", named):
        assert (listener := load_listener(file)).name == "maria"
        assert listener.left.thresholds_db_hl == (35.0,)
    assert Profile(str(named)).listener.name == "maria"
    assert load_mix(named).name == "flat"


def test_clarity_and_cadenza_files_load(tmp_path: Path) -> None:
    cfs = [250, 500, 1000, 2000, 3000, 4000, 6000, 8000]
    row = {
        "name": "L0001",
        "audiogram_cfs": cfs,
        "audiogram_levels_l": [20] * 8,
        "audiogram_levels_r": list(range(20, 100, 10)),
    }
    (tmp_path / "listeners.json").write_text(json.dumps({"L0001": row}))
    gains = {  # as in the ICASSP 2024 challenge: cadenzachallenge.org/docs/icassp_2024/data/data_overview
        "gain_0007": {"vocals": 10, "drums": 0, "bass": 0, "other": 0},
        "gain_0138": {"vocals": 0, "drums": -10, "bass": 6, "other": 0},
    }
    (tmp_path / "gains.json").write_text(json.dumps(gains))
    assert load_listeners(tmp_path / "listeners.json")["L0001"].right.at((2000.0,))[0] == 50
    assert {name: mix.gains_db.model_dump() for name, mix in load_mixes(tmp_path / "gains.json").items()} == gains
    profile = load_profile(write(tmp_path, listener="listeners.json#L0001", mix="gains.json#gain_0138"))
    assert (profile.listener.name, profile.mix.name) == ("L0001", "gain_0138")
    assert profile.mix.gain("bass") == pytest.approx(10 ** (6 / 20))


def test_gains_for_the_ensembles_of_cadenza_2_are_refused(tmp_path: Path) -> None:
    """Its second task rebalances two to five instruments, which hearsim does not separate."""
    path = tmp_path / "gains.json"
    path.write_text(json.dumps({"gain_0001": {"source_1": -10, "source_2": 0}}))
    with pytest.raises(HearsimError, match="gain_0001: the key source_1 is not known: known are vocals, drums, bass, "):
        load_mix(f"{path}#gain_0001")


EAR = "frequencies_hz = [500, 1000]\nthresholds_db_hl = [10, 20]\n"
AID = 'scenario = "closed dome"\nblock_samples = 512\nrule = "nal-r"\nmpo_db_spl = 100\n'
WDRC = "[compression]\nratio = 2\nknee_db_spl = 45\nattack_ms = 5\nrelease_ms = 100\n"


@pytest.mark.parametrize(
    ("load", "text", "sentence"),
    [
        (load_listener, f"[left]\n{EAR}", "the key right is missing: add it"),
        (load_listener, f"[lefft]\n{EAR}[right]\n{EAR}", "the key lefft is not known: did you mean left?"),
        (load_listener, f"[left]\n{EAR}[right]\n{EAR}x = 1\n", "the key right.x is not known: known are "),
        (load_listener, "left = 3\n", "left = 3 is not a table: give its keys and values"),
        (load_listener, f"[left]\n{EAR}[right]\n{EAR}[ucl_db_spl]\nleft = 99\n", "the key ucl_db_spl.right is missing"),
        (load_listener, "[left\n", "at line 1, column 6"),
        (load_listener, "# one\nname =", "at line 2, the end of the file"),
        (load_mix, "[gains_db]\nvocals = -inf\n", 'gains_db.vocals = -inf: give -60 to +12 dB, or "mute"'),
        (load_mix, "[gains_db]\nvocal = 3\n", "the key gains_db.vocal is not known: did you mean vocals?"),
        (load_aid, AID.replace("512", "true"), "block_samples = True is not a whole number: give one"),
        (load_aid, AID.replace("nal-r", "nal"), "rule = 'nal' is not known: give 'none', 'nal-r' or 'nal-rp'"),
        (load_aid, AID.replace("nal-r", "nal-nl2"), "is not known: its tables are not published: give 'none', 'nal-r'"),
        (load_aid, AID.replace('"nal-r"', "1"), "rule = 1 is not a text: put it in quotes"),
        (load_aid, AID + WDRC.replace("2", "20"), "compression.ratio = 20 is too high: give 10 or less"),
        (load_aid, AID + WDRC.replace("ratio", "ratoi"), "the key compression.ratoi is not known: did you mean ratio?"),
        (load_aid, AID.replace("nal-r", "none") + WDRC, 'with rule = "none" there is no gain to compress'),
        (load_aid, AID.replace("closed", "open"), 'scenario = "open dome" has no effect without a vent: add [vent]'),
        (load_aid, AID.replace("closed dome", "streamed music") + "[vent]\ncutoff_hz = 500\n", "has no direct sound"),
        (load_aid, AID + "expansion = 2\n", "the key expansion is not known: expansion is not simulated: remove it"),
        (load_aid, AID + "frequency_lowering = true\n", "frequency lowering is not simulated"),
        (
            load_listener,
            f"[left]\n{EAR}[right]\n{EAR}[ucl_db_hl]\nleft = 99\n",
            "ucl_db_hl is not known: give ucl_db_spl",
        ),
        (load_rig, "headphone_full_scale_db_spl = 100\n", "did you mean headphones_full_scale_db_spl"),
        (load_profile, 'mix = "flat"\n', "the key listener is missing: name one of N1, N2"),
        (load_profile, "listener = 3\n", "listener = 3 names nothing: name one of N1, N2"),
        (load_profile, 'modle = "x"\n', "the key modle is not known: did you mean model?"),
    ],
)
def test_one_sentence_with_file_key_value_and_cure(
    tmp_path: Path, load: Callable[[Path], object], text: str, sentence: str
) -> None:
    path = tmp_path / "my {part}.toml"  # braces: a name is never taken for a template
    path.write_text(text)
    with pytest.raises(HearsimError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"audiogram_levels_l": [10, 200]}, "listener L7: audiogram_levels_l[1] = 200 is too high: give 130 or less"),
        ({"audiogram_levels_r": [10, None]}, "listener L7: audiogram_levels_r[1] = None is not a number"),
        ({"audiogram_levels_r": [10]}, "listener L7: right: 2 frequencies but 1 thresholds"),
        ({"audiogram_cfs": [90, 500]}, "listener L7: audiogram_cfs[0] = 90 is too low: give 100 or more"),
    ],
)
def test_a_bad_row_of_claritys_listeners_is_named(tmp_path: Path, row: dict[str, object], sentence: str) -> None:
    good = {"audiogram_cfs": [250, 500], "audiogram_levels_l": [10, 20], "audiogram_levels_r": [10, 20]}
    path = tmp_path / "listeners.json"
    path.write_text(json.dumps({"L1": good, "L7": {**good, **row}}))
    with pytest.raises(HearsimError) as caught:
        load_listeners(path)
    assert f"{path}: {sentence}" in str(caught.value)
    assert load_listener(f"{path}#L1").left.thresholds_db_hl == (10, 20)  # another row's fault is not its own


def test_a_bad_row_of_cadenzas_gains_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gains.json"
    path.write_text(json.dumps({"up": {"vocals": 3}, "typo": {"vocal": 3}, "loud": {"drums": 13}}))
    with pytest.raises(HearsimError, match="mix typo: the key vocal is not known: did you mean vocals"):
        load_mixes(path)
    with pytest.raises(HearsimError, match="mix loud: drums = 13: give -60 to"):
        load_mix(f"{path}#loud")
    assert load_mix(f"{path}#up").gains_db == Gains(vocals=3)


@pytest.mark.parametrize("name", ["a" * 5000, ".", "", "no/such.toml", "no\0thing", "gone.json#L1"])
def test_names_that_are_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HearsimError):
        load_listener(name)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[]", b"{", b"[" * 100_000])
def test_files_that_hold_something_else(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.json").write_bytes(text)
    (tmp_path / "x.toml").write_bytes(b"a = " + text)
    with pytest.raises(HearsimError, match=r"x\.json"):
        load_listeners(tmp_path / "x.json")
    with pytest.raises(HearsimError, match=r"x\.toml"):
        load_mix(tmp_path / "x.toml")
    with pytest.raises(HearsimError, match="Is a directory"):
        load_mixes(tmp_path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "bom.toml").write_text("[gains_db]\nbass = 6\n", encoding="utf-8-sig")
    assert load_mix(tmp_path / "bom.toml").gains_db == Gains(bass=6)


def test_parts_lie_relative_to_their_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "soft.toml").write_text("[gains_db]\ndrums = -20\n")
    path = write(tmp_path, mix="parts/soft.toml", name="Anna at home")
    monkeypatch.chdir("/")
    profile = load_profile(path)
    assert profile.name == "Anna at home"
    assert profile.mix == Mix(name="soft", gains_db=Gains(drums=-20))
    assert profile.model == "hs-tasnet-lite"


def test_a_model_lies_relative_to_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "mine" / "net", tmp_path / "net"):
        folder.mkdir(parents=True)
        (folder / "model.toml").touch()
    path = write(tmp_path / "mine", model="net")
    monkeypatch.chdir(tmp_path)  # where another `net` lies
    assert load_profile(path).model == str(tmp_path / "mine" / "net")
    assert load_profile(Path("mine/mine.toml")).model == str(tmp_path / "mine" / "net")
    assert load_profile(write(tmp_path, model="hs-tasnet-lite")).model == "hs-tasnet-lite"


@pytest.mark.parametrize("model", ["gone", "", "..", "no\\u0000thing", "a" * 5000])
def test_a_model_that_is_not_there_is_named_with_profile_and_key(tmp_path: Path, model: str) -> None:
    path = write(tmp_path, model=model)
    with pytest.raises(HearsimError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}: model: ")
    assert len(str(caught.value)) < 6000 and "\n" not in str(caught.value)


def installed(site_packages: Path) -> ModuleType:
    """hearsim.core.files as it would be if the package were installed in `site_packages`."""
    (site_packages / "hearsim" / "core").mkdir(parents=True)
    copy = shutil.copy(str(paths.__file__), site_packages / "hearsim" / "core" / "files.py")
    spec = importlib.util.spec_from_file_location("installed_paths", copy)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_data_is_found_in_a_wheel_and_beside_a_checkout(tmp_path: Path) -> None:
    package = installed(tmp_path)
    with pytest.raises(HearsimError, match="without its models"):
        package.data_folder("models")
    (tmp_path / "models").mkdir()
    assert package.data_folder("models") == tmp_path / "models"
    (tmp_path / "hearsim" / "_data" / "models").mkdir(parents=True)  # now `models` beside it is someone else's
    assert package.data_folder("models") == tmp_path / "hearsim" / "_data" / "models"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_broken_write_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "aided.wav"
    path.write_text("old")
    with pytest.raises(error), write_atomically(path) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        raise error
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"aided.wav": "old"}


def test_a_finished_write_takes_its_name(tmp_path: Path) -> None:
    path = tmp_path / "aided.wav"
    path.write_text("old")
    with write_atomically(path) as part:
        part.write_text("new")
        assert part.parent == path.parent  # a rename within one file system is atomic
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"aided.wav": "new"}


def test_an_entry_that_comes_twice_is_refused(tmp_path: Path) -> None:
    row = '{"audiogram_cfs": [250, 500], "audiogram_levels_l": [10, %d], "audiogram_levels_r": [10, 20]}'
    path = tmp_path / "listeners.json"
    path.write_text(f'{{"L0001": {row % 20}, "L0002": {row % 20}, "L0001": {row % 60}}}')
    for load in (lambda: load_listeners(path), lambda: load_listener(f"{path}#L0002")):
        with pytest.raises(HearsimError, match=r"listeners\.json has the entry 'L0001' 2 times: keep one"):
            load()
    path = tmp_path / "gains.json"
    path.write_text('{"up": {"vocals": 3, "drums": 0, "vocals": 6}}')
    with pytest.raises(HearsimError, match="the entry 'vocals' 2 times"):
        load_mix(f"{path}#up")


def test_a_listener_of_another_number_is_no_guess(tmp_path: Path) -> None:
    path = tmp_path / "listeners.json"
    row = {"audiogram_cfs": [250, 500], "audiogram_levels_l": [10, 20], "audiogram_levels_r": [10, 20]}
    path.write_text(json.dumps({"L0001": row, "L0031": row}))
    with pytest.raises(HearsimError) as caught:
        load_listener(f"{path}#L0301")
    assert "has no entry 'L0301'" in str(caught.value) and "did you mean" not in str(caught.value)
    assert "it holds L0001, L0031" in str(caught.value)
    with pytest.raises(HearsimError, match=r"did you mean L0031\?"):
        load_listener(f"{path}#L031")
