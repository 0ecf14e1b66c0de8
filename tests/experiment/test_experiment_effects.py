"""Levels without effect are said: in the plan those that make the same cells, after a run those of the same figures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from report_sample import Reader
from specs import write_spec

from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.experiment.effects import same_cells, without_effect
from hearsim.experiment.page import write_report
from hearsim.experiment.plan import cells_of
from hearsim.experiment.run import Where, run
from hearsim.experiment.spec import Study, read_study
from hearsim.experiment.statistics import Results, read_results
from hearsim.music.demo_song import demo_song
from hearsim.profile.schema import STEMS

SPEC = """
name = "effects"
metrics = ["lufs", "mpo_events"]
[factors]
listeners = ["N2"]
songs = [{ style = "pop", seconds = 3 }]
mixes = ["flat", "vocals-up"]
models = ["oracle"]
"""
AID = """{{ name = "{0}", scenario = "closed dome", rule = "nal-r", mpo_db_spl = 105,
    compression = {{ ratio = {1}, knee_db_spl = 45, attack_ms = 5, release_ms = 100 }} }}"""
POP = '{ style = "pop", seconds = 3 }'
MIX = ("flat", "vocals-up")
MIXES = '"flat", "vocals-up"'
LOUDER = '{ name = "louder", gains_db = { vocals = 6 } }'
KNEES = 'models = ["oracle"]\n"aid.compression.ratio" = [1]\n"aid.compression.knee_db_spl" = [45, 60]'
RATIOS = '"aid.compression.ratio" = [1, 2, 3]'


def study_of(folder: Path, *changes: tuple[str, str]) -> Study:
    return read_study(write_spec(folder, SPEC, *changes))


def planned(study: Study) -> list[str]:
    return same_cells(study, cells_of(study))


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ([], []),
        ([(MIXES, f'"flat", {LOUDER}, {LOUDER.replace("louder", "up")}')], ["mix: louder and up"]),
        ([('["oracle"]', '["oracle", { name = "true stems" }]')], ["model: oracle and true stems"]),
        ([('["oracle"]', f'["oracle"]\naids = ["unaided"]\n{RATIOS}'), (f", {MIXES[8:]}", "")],
         ["aid.compression.ratio: 1, 2 and 3"]),
        ([('["oracle"]', f'["oracle"]\naids = [{AID.format("a", 2)}, {AID.format("b", 2)}]'.replace("\n    ", " "))],
         ["aid: a and b"]),
        ([('["oracle"]', f'["oracle"]\naids = ["unaided", "closed"]\n{RATIOS}'), (f", {MIXES[8:]}", "")], []),
        ([(POP, f'{POP}, {POP[:-2]}, name = "tune" }}')], ["song: pop and tune"]),
    ],
)  # fmt: skip
def test_the_plan_says_which_levels_make_the_same_cells(
    tmp_path: Path, changes: list[tuple[str, str]], sentences: list[str]
) -> None:
    expected = [f"{start} make the same cells, so their results can't differ" for start in sentences]
    assert planned(study_of(tmp_path, *changes)) == expected


def test_levels_that_differ_in_one_cell_are_not_the_same(tmp_path: Path) -> None:
    """Unaided, the ratios are the same; with the aid they are not."""
    changes = (('["oracle"]', f'["oracle"]\naids = ["unaided", "closed"]\n{RATIOS}'), (f", {MIXES[8:]}", ""))
    excluded = (
        RATIOS,
        RATIOS + "".join(f'\n[[exclude]]\naid = "closed"\n"aid.compression.ratio" = {n}' for n in (1, 2)),
    )
    assert planned(study_of(tmp_path, *changes)) == []
    (sentence,) = planned(study_of(tmp_path, *changes, excluded))  # no pair of cells has another ratio with the aid
    assert sentence.startswith("aid.compression.ratio: 1, 2 and 3 make")


@pytest.mark.filterwarnings("ignore::hearsim.core.errors.HearsimWarning")
def test_seeds_of_whole_songs_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, seconds in (("short", 4.0), ("long", 5.0)):
        stems = demo_song(seconds)
        (tmp_path / "mine" / name).mkdir(parents=True)
        for stem, samples in zip(STEMS, stems.samples, strict=True):
            write(tmp_path / "mine" / name / f"{stem}.wav", Audio(samples, stems.rate))
    whole = (f"{POP}]", '"mine"]\nseeds = [0, 1, 2]')
    sentence = "seed: 0, 1 and 2 make the same cells, so their results can't differ"
    assert planned(study_of(tmp_path, whole)) == [sentence]
    assert planned(study_of(tmp_path, whole, ('"mine"', '{ folder = "mine", seconds = 4.5 }'))) == []  # "long" is cut


def results(values: Callable[[int, int, int], float], folder: Path) -> Results:
    """Return made-up figures of two seeds, two mixes and three ratios, one of which flat lacks."""
    study = study_of(folder, ('models = ["oracle"]', f'models = ["oracle"]\nseeds = [0, 1]\n{RATIOS}'))
    levels = {factor: list(names) for factor, names in study.levels().items()}
    figures = {
        ("N2", "pop", str(seed), mix, "closed", "oracle", str(ratio)): values(seed, MIX.index(mix), ratio)
        for seed in (0, 1)
        for mix in MIX
        for ratio in (1, 2, 3)
        if (mix, ratio) != ("flat", 3)
    }
    return Results(levels, {"lufs": figures, "mpo_events": dict.fromkeys(figures, 0.0)}, {}, {}, len(figures))


def test_a_factor_is_without_effect_where_no_pair_of_cells_differs(tmp_path: Path) -> None:
    (sentence,) = without_effect(results(lambda seed, mix, ratio: 10 * seed + mix, tmp_path))
    assert sentence == (
        "aid.compression.ratio: its levels 1, 2 and 3 gave the same figures in all 8 pairs of cells that differ in it "
        "alone, so it had no effect here"
    )
    assert without_effect(results(lambda seed, mix, ratio: 10 * seed + mix + (seed and mix and ratio), tmp_path)) == []
    every = without_effect(results(lambda seed, mix, ratio: 0.0, tmp_path))
    assert [sentence.split(":")[0] for sentence in every] == ["seed", "mix", "aid.compression.ratio"]
    assert "flat and vocals-up gave the same figures in all 4 pairs" in every[1]


def test_a_factor_without_effect_is_said_after_the_run_and_on_the_page(tmp_path: Path) -> None:
    """Without compression its knee does nothing, which no plan knows."""
    study = study_of(tmp_path, ('models = ["oracle"]', KNEES))
    assert planned(study) == []
    folder = run(study, cells_of(study), tmp_path / "run", Where(workers=1)).folder
    sentence = (
        "aid.compression.knee_db_spl: its levels 45 and 60 gave the same figures in all 2 pairs of cells that differ "
        "in it alone, so it had no effect here"
    )
    assert without_effect(read_results(study, folder / "results.csv")) == [sentence]
    assert f"{sentence}." in Reader(write_report(study, folder).read_text()).text.split("Means over takes")[0]
