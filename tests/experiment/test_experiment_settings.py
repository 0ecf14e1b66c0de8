"""Factors that are settings of a profile, and pairs of listeners and songs."""

import csv
from pathlib import Path

import pytest
from specs import write_spec

from hearsim.core.errors import HearsimError
from hearsim.experiment.page import write_report
from hearsim.experiment.plan import cells_of, count
from hearsim.experiment.run import Where, run
from hearsim.experiment.settings import read_settings
from hearsim.experiment.spec import read_study
from hearsim.experiment.statistics import differences, read_results

SPEC = """
name = "settings"
metrics = ["lufs"]
[factors]
listeners = ["N2", "S1"]
songs = [{ style = "pop", seconds = 3 }, { style = "rock", seconds = 3 }]
aids = ["closed"]
models = ["oracle"]
"aid.compression.ratio" = [1, 3.5]
[report]
baseline = { "aid.compression.ratio" = 1 }
"""
PAIR = "{ listener = 'N2', song = 'pop' }"
RATIO = '"aid.compression.ratio" = [1, 3.5]'


def spec(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    return write_spec(tmp_path, SPEC, *changes)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_setting_is_a_factor_like_any_other(tmp_path: Path) -> None:
    """Its cells give what aids give that are written with that setting."""
    listeners, base = ('"N2", "S1"', '"N2"'), '{ "aid.compression.ratio" = 1 }'
    study = read_study(spec(tmp_path, listeners))
    folder = run(study, cells_of(study), tmp_path / "run", Where(workers=1)).folder
    assert list(rows(folder)[0])[:7] == ["listener", "song", "seed", "mix", "aid", "model", "aid.compression.ratio"]
    found = {(row["song"], row["aid.compression.ratio"]): float(row["value"]) for row in rows(folder)}
    aid = """{{ name = "{0}", scenario = "closed dome", block_samples = 512, rule = "nal-r", mpo_db_spl = 105,
        compression = {{ ratio = {0}, knee_db_spl = 45, attack_ms = 5, release_ms = 100 }} }}"""
    both = ('["closed"]', f"[{aid.format('1')}, {aid.format('3.5')}]".replace("\n", ""))
    (tmp_path / "other").mkdir()
    other = read_study(spec(tmp_path / "other", listeners, both, (RATIO, ""), (base, "{}")))
    written = rows(run(other, cells_of(other), tmp_path / "written", Where(workers=1)).folder)
    assert {(row["song"], row["aid"]): float(row["value"]) for row in written} == found
    assert found["pop", "1"] != found["pop", "3.5"]
    (difference, *_) = differences(read_results(study, folder / "results.csv"), study.report.baseline)
    songs = ("pop", "rock")
    assert difference.condition == ("flat", "closed", "oracle", "3.5")
    assert difference.estimate.mean == pytest.approx(sum(found[s, "3.5"] - found[s, "1"] for s in songs) / 2, abs=1e-4)
    write_report(study, folder)
    assert (folder / "differences.csv").read_text().startswith("metric,mix,aid,model,aid.compression.ratio,listener,")
    assert (folder / "figures" / "lufs.csv").read_text().splitlines()[1].startswith("N2,1,")


def test_settings_of_every_part_and_in_tables(tmp_path: Path) -> None:
    text = """mix.gains_db.vocals = [0, 6, "mute"]
aid.compression = ["none", { ratio = 2, knee_db_spl = 45, attack_ms = 5, release_ms = 100 }]
rig.microphone_full_scale_db_spl = [94, 100]
"listener.ucl_db_spl" = [{ left = 90, right = 95 }]"""
    cells = cells_of(read_study(spec(tmp_path, (RATIO, text), ('{ "aid.compression.ratio" = 1 }', "{}"))))
    assert len(cells) == 2 * 2 * 3 * 2 * 2 == len({cell.key for cell in cells})
    profile = cells[-1].profile
    assert profile.mix.gain("vocals") == 0.0 and profile.rig.microphone_full_scale_db_spl == 100
    assert profile.mpo_db_spl == (90, 95) and profile.aid.compression is not None
    assert cells[0].profile.aid.compression is None and cells[0].names[6:8] == ("0", "none")


def test_a_study_without_settings_keeps_its_keys(tmp_path: Path) -> None:
    plain = read_study(spec(tmp_path, (RATIO, ""), ('{ "aid.compression.ratio" = 1 }', "{}")))
    with_one = read_study(spec(tmp_path, (RATIO, '"rig.headphones_full_scale_db_spl" = [112]'),
                               ('{ "aid.compression.ratio" = 1 }', "{}")))  # fmt: skip
    assert [cell.key for cell in cells_of(plain)] == [cell.key for cell in cells_of(with_one)]


def test_the_unaided_are_computed_once_whatever_the_aid(tmp_path: Path) -> None:
    study = read_study(spec(tmp_path, ('["closed"]', '["closed", "unaided"]'), ('"N2", "S1"', '"N2"')))
    cells = cells_of(study)
    assert (len(cells), len({cell.key for cell in cells})) == (8, 6)
    outcome = run(study, cells, tmp_path / "run", Where(workers=1))
    assert outcome[:4] == (6, 0, 0, 0)
    unaided = [row for row in rows(outcome.folder) if row["aid"] == "unaided"]
    assert [row["aid.compression.ratio"] for row in unaided] == ["1", "3.5"] * 2
    assert len({row["value"] for row in unaided}) == 2  # songs


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("aid.compression.ratio\" =", "aid.compresion.ratio\" =", "did you mean aid.compression.ratio"),
        (RATIO, '"aid.compression.ratio" = 3', "factors.aid.compression.ratio = 3 is not a list"),
        (RATIO, '"aid.compression.ratio" = []', "factors.aid.compression.ratio = [] is empty"),
        (RATIO, '"aid.compression.ratio" = [1, 1.0]', "factors.aid.compression.ratio = [1, 1.0] has a level twice"),
        ("3.5]", "0.5]", "aid 'closed' with aid.compression.ratio = 0.5: compression.ratio = 0.5 is too low: give 1"),
        ("3.5]", '"three"]', "compression.ratio = 'three' is not a number"),
        ("3.5]", "true]", "compression.ratio = True is not a number"),
        ('["closed"]', '["none"]', "the key compression.knee_db_spl is missing: add it"),
        (RATIO, '"aid.name" = ["x"]', "factors.aid.name is not one of a profile"),
        (RATIO, '"song.style" = ["x"]', "factors.song.style is not one of a profile"),
        ("[report]", "[[exclude]]\n\"aid.compression.ratio\" = 2\n[report]", "no level is called '2'"),
        ('ratio" = 1 }', 'ratio" = 2 }', "report.baseline: aid.compression.ratio: no level is called '2'"),
        (RATIO, RATIO + '\nmix.gains_db.vocals = [0, 6]\nmixes = ["flat"]\n"aid.rule" = ["nal-q"]', "rule = 'nal-q'"),
        ("[factors]", "pairs = []\n[factors]", "pairs = [] holds no pair"),
        ("[factors]", "pairs = 3\n[factors]", "pairs = 3 is not a list"),
        ("[factors]", "pairs = [3]\n[factors]", "pairs[0] = 3 is not a pair"),
        ("[factors]", 'pairs = [{ listener = "N2" }]\n[factors]', "pairs[0]: the key song is missing"),
        ("[factors]", 'pairs = [{ listener = "N2", song = "pip" }]\n[factors]',
         "pairs[0]: no song is called 'pip': did you mean pop"),
        ("[factors]", 'pairs = [{ listener = "N9", song = "pop" }]\n[factors]', "no listener is called 'N9'"),
        ("[factors]", 'pairs = [{ lisener = "N2", song = "pop" }]\n[factors]', "lisener is not known: did you mean"),
        ("[factors]", f"pairs = [{PAIR}, {PAIR}]\n[factors]", "a pair already"),
        ("[factors]", 'pairs = "none.csv"\n[factors]', "none.csv can't be read"),
        ("[factors]", 'pairs = "pairs.txt"\n[factors]', "pairs.txt: pairs come from a .csv or a .json"),
    ],
)  # fmt: skip
def test_bad_settings_and_pairs_are_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = spec(tmp_path, (old, new))
    with pytest.raises(HearsimError) as caught:
        cells_of(read_study(path))
    assert words in str(caught.value) and str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_exclude_levels(tmp_path: Path) -> None:
    path = spec(tmp_path, ("[report]", "[[exclude]]\naid.compression.ratio = 3.5\nlistener = 'S1'\n[report]"))
    names = [cell.names for cell in cells_of(read_study(path))]
    assert len(names) == 6 and not [one for one in names if one[0] == "S1" and one[-1] == "3.5"]


def test_every_key_of_a_profile_is_a_factor() -> None:
    with pytest.raises(HearsimError) as caught:
        read_settings(Path("spec"), {"zzzz.qqqq": []})
    known = str(caught.value)
    for key in ("listener.left.thresholds_db_hl", "mix.gains_db.other", "aid.vent.cutoff_hz", "aid.mpo_db_spl"):
        assert key in known
    assert "aid.name" not in known and "listener.source" not in known


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", ""),
        ("pairs.csv", "listener,song,remark\nN2,rock,\nS1,pop,left\n"),
        ("pairs.csv", "\ufeffscene,listener\r\nrock,N2\r\npop,S1\r\n"),
        ("scene_listeners.json", '{"rock": ["N2"], "pop": ["S1"]}'),
    ],
)
def test_pairs_take_the_place_of_the_full_product(tmp_path: Path, name: str, text: str) -> None:
    """Cases as of Cadenza's scene_listeners: each song for its own listeners."""
    pairs = f'"{name}"' if name else '[{ listener = "N2", song = "rock" }, { listener = "S1", song = "pop" }]'
    if name:
        (tmp_path / name).write_text(text, encoding="utf-8")
    study = read_study(spec(tmp_path, ("[factors]", f"pairs = {pairs}\n[factors]")))
    cells = cells_of(study)
    assert {cell.names[:2] for cell in cells} == {("N2", "rock"), ("S1", "pop")}
    assert count(study) == len(cells) == 4
    everything = {cell.names: cell.key for cell in cells_of(read_study(spec(tmp_path)))}
    assert all(everything[cell.names] == cell.key for cell in cells)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pairs.csv", "who,what\nN2,pop\n", "pairs.csv has no columns listener and song"),
        ("pairs.csv", "listener,song\nN2,pop\nN2,\n", "line 3: no song is called ''"),
        ("pairs.csv", "listener,song\nN2\n", "line 2: song = None is not a text"),
        ("pairs.csv", "", "has no columns listener and song"),
        ("p.json", '{"pop": "N2"}', "p.json: pop = 'N2' is not a list"),
        ("p.json", '{"pop": ["N2", "N2"]}', "pop[1]: N2 and pop are a pair already"),
        ("p.json", '{"pop": [["N2"]]}', "pop[0]: listener = ['N2'] is not a text"),
        ("p.json", '["N2"]', "needs one object"),
        ("p.json", "{}", "holds no pair"),
    ],
)
def test_bad_files_of_pairs_are_one_sentence(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HearsimError) as caught:
        read_study(spec(tmp_path, ("[factors]", f'pairs = "{name}"\n[factors]')))
    assert words in str(caught.value)
