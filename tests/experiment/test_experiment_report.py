"""`hearsim experiment report`: means, intervals and differences to be checked by hand, pictures with numbers."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from report_sample import Reader
from specs import write_spec

from hearsim.core.errors import HearsimError
from hearsim.experiment.figures import _limits, pictures
from hearsim.experiment.page import write_report
from hearsim.experiment.plan import cells_of
from hearsim.experiment.spec import FACTORS, Study, read_study
from hearsim.experiment.statistics import Estimate, Summary, differences, mean_interval, read_results, summarise
from hearsim.experiment.store import COLUMNS

CEPSTRAL = "cepstral_correlation_unprocessed"
SPEC = """
name = "sample"
metrics = ["estoi_vocals", "cepstral_correlation_unprocessed"]
[factors]
listeners = ["N2", "N4"]
songs = [{ style = "pop", seconds = 3 }, { style = "rock", seconds = 3 }]
mixes = ["flat", "vocals-up"]
aids = ["closed", "power"]
models = ["oracle"]
seeds = [0, 1, 2]
[report]
baseline = { mix = "flat" }
x = "mix"
"""
LISTENER, MIX, AID = {"N2": 0.5, "N4": 0.3}, {"flat": 0.0, "vocals-up": 0.1}, {"closed": 0.0, "power": 0.02}


def made_up(names: tuple[str, ...]) -> float:
    """A figure that is a sum of effects, and of noise that the same take has under every condition."""
    listener, song, seed, mix, aid, _ = names
    take = 0.05 * (int(seed) - 1) + (0.01 if song == "rock" else 0.0)
    return LISTENER[listener] + MIX[mix] + AID[aid] + take


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study whose results.csv is made up, with one cell failed and one without a cepstral correlation."""
    path = tmp_path / "experiment.toml"
    path.write_text(SPEC.replace("[factors]", 'rig = "power"\n[factors]'))
    found = read_study(path)
    with (tmp_path / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*FACTORS, "cell", *COLUMNS])
        for index, cell in enumerate(cells_of(found)):
            if index == 47:
                table.writerow([*cell.names, "k", "", "", "", "OSError: <gone>"])
                continue
            table.writerow([*cell.names, "k", "estoi_vocals", made_up(cell.names), "0–1", ""])
            table.writerow([*cell.names, "k", CEPSTRAL, *(("", "0–1", "silent") if index == 3 else (0.5, "0–1", ""))])
    return found


def test_means_are_those_of_the_takes(study: Study, tmp_path: Path) -> None:
    results = read_results(study, tmp_path / "results.csv")
    assert results.cells == 48 and len(results.failed) == 1 and results.without == {CEPSTRAL: {"silent": 1}}
    means = {(s.metric, *s.condition, s.listener): s.estimate for s in summarise(results)}
    one = means["estoi_vocals", "vocals-up", "closed", "oracle", "N2"]
    assert one.mean == pytest.approx(0.605) and one.takes == 6
    assert one.low is not None and one.high is not None and one.low < 0.605 < one.high
    assert means["estoi_vocals", "flat", "power", "oracle", "all"].mean == pytest.approx(0.425)
    failed = means["estoi_vocals", "vocals-up", "power", "oracle", "N4"]
    assert failed.takes == 5 and means["estoi_vocals", "vocals-up", "power", "oracle", "all"].takes == 5


def test_differences_are_paired(study: Study, tmp_path: Path) -> None:
    """What a take has under all conditions drops out: the interval has no width."""
    found = differences(read_results(study, tmp_path / "results.csv"), study.report.baseline)
    of_speech = [s for s in found if s.metric == "estoi_vocals"]
    assert {s.condition for s in of_speech} == {("vocals-up", "closed", "oracle"), ("vocals-up", "power", "oracle")}
    for one in of_speech:
        assert one.estimate[:3] == pytest.approx((0.1, 0.1, 0.1))


@pytest.mark.parametrize("takes", [2, 3, 5, 10])
def test_the_interval_covers_the_mean_as_often_as_it_says(takes: int) -> None:
    drawn = np.random.default_rng(takes).normal(3.0, 1.0, (2000, takes))
    intervals = [mean_interval(list(values)) for values in drawn]
    assert 0.93 <= np.mean([one.low <= 3.0 <= one.high for one in intervals]) <= 0.97  # type: ignore[operator]


def test_an_interval_is_that_of_the_table_and_one_take_has_none() -> None:
    """Values with a mean of 3 and a standard deviation of sqrt 2.5; t of 4 degrees of freedom is 2.776."""
    estimate = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776 * (2.5 / 5) ** 0.5
    assert estimate[:3] == pytest.approx((3.0, 3.0 - half, 3.0 + half), abs=1e-3)
    assert mean_interval([2.0]) == (2.0, None, None, 1)


def test_the_page_holds_everything_and_needs_nothing(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(study))
    page = write_report(study, tmp_path)
    read = Reader(page.read_text())
    links = read.attributes("src", "href", "xlink:href")
    assert all(link.startswith(("data:", "#")) for link in links)
    assert (
        sum(link.startswith("data:text/csv;base64,") for link in links) == 6
    )  # two metrics: pooled, and each of two aids
    assert "OSError: <gone>" in read.text and f"{CEPSTRAL}: no figure in 1 cell: silent" in read.text
    assert "0.605" in read.text and "+0.100 [+0.100, +0.100]" in read.text
    names = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert names == {path.stem for path in (tmp_path / "figures").glob("*.csv")} and len(names) == 6
    rows = list(csv.DictReader((tmp_path / "figures" / "estoi_vocals-closed.csv").open()))
    assert [row["place"] for row in rows if row["line"] == "N4"] == ["flat", "vocals-up"]
    assert float(next(row["mean"] for row in rows if row["line"] == "all")) == pytest.approx(0.405)
    again = page.read_bytes()
    assert write_report(study, tmp_path).read_bytes() == again


def _plan(study: Study) -> str:
    import json

    from hearsim.experiment.plan import plan_file

    return json.dumps(plan_file(study))


def test_listeners_can_be_the_axis(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(study))
    spec = study.path.read_text().replace('x = "mix"', 'x = "listener"')
    study.path.write_text(spec)
    write_report(read_study(study.path), tmp_path)
    rows = list(csv.DictReader((tmp_path / "figures" / "estoi_vocals.csv").open()))
    assert [row["place"] for row in rows if row["line"] == "vocals-up, power"] == ["N2", "N4", "all"]


def test_every_picture_has_a_file_of_its_own(study: Study, tmp_path: Path) -> None:
    """Levels that become the same in a file's name."""
    (tmp_path / "plan.json").write_text(_plan(study))
    up, down = '{ name = "6 dB", gains_db = { vocals = 6 } }', '{ name = "-6 dB", gains_db = { vocals = -6 } }'
    study.path.write_text(study.path.read_text().replace('"flat", "vocals-up"', f"{up}, {down}").split("[report]")[0])
    rows = (tmp_path / "results.csv").read_text().replace("flat", "-6 dB").replace("vocals-up", "6 dB")
    (tmp_path / "results.csv").write_text(rows)
    study.path.write_text(study.path.read_text() + '[report]\nx = "aid"\n')
    write_report(read_study(study.path), tmp_path)
    names = {path.stem for path in (tmp_path / "figures").glob("estoi_vocals*.csv")}
    assert names == {"estoi_vocals", "estoi_vocals-6-dB", "estoi_vocals-6-dB-2"}


def test_a_report_without_results_or_of_others_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(HearsimError, match=r"holds .* and no plan\.json"):
        write_report(study, tmp_path)
    (tmp_path / "plan.json").write_text(_plan(study).replace('"hearsim": "', '"hearsim": "9.'))
    with pytest.raises(HearsimError, match=r"another experiment or version: hearsim is '9\."):
        write_report(study, tmp_path)
    (tmp_path / "plan.json").write_text(_plan(study))
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(HearsimError, match="is not the results of"):
        write_report(study, tmp_path)
    (tmp_path / "results.csv").write_text(",".join([*FACTORS, "cell", "metric", "value", "error"]) + "\na" + "," * 9)
    with pytest.raises(HearsimError, match="has the columns of an earlier version: run `hearsim experiment run"):
        write_report(study, tmp_path)
    (tmp_path / "results.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HearsimError, match=r"results\.csv is not the results of"):
        write_report(study, tmp_path)
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(HearsimError, match=r"results\.csv holds no results"):
        write_report(study, tmp_path)
    (tmp_path / "results.csv").unlink()
    with pytest.raises(HearsimError, match=r"results\.csv can't be read .*: run `hearsim experiment run"):
        write_report(study, tmp_path)


def test_findings_come_first_and_say_what_the_intervals_say(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(study))
    text = Reader(write_report(study, tmp_path).read_text()).text
    higher = (
        "vocals-up, closed: estoi_vocals is higher by 0.100 [+0.100, +0.100] than with mix flat (mean of 2 listeners)."
    )
    none = (
        "cepstral_correlation_unprocessed shows no difference to mix flat (the interval includes 0) with "
        "vocals-up, closed; vocals-up, power (mean of 2 listeners)."
    )
    assert text.index(higher) < text.index(none) < text.index("estoi_vocals along mix")
    assert text.count("shows no difference") == 1 and text.count("(mean of 2 listeners).") == 3  # two aids are higher
    assert "Findings compare levels of mix; for those of aid name one in report.baseline." in text
    study.path.write_text(study.path.read_text().replace('baseline = { mix = "flat" }', ""))
    text = Reader(write_report(read_study(study.path), tmp_path).read_text()).text
    assert "estoi_vocals is highest with vocals-up, power, 0.5" in text and "lowest with flat, closed, 0.4" in text
    assert "Findings compare" not in text


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("mpo_events", "mpo_events is higher by 2.0 [+0.8, +3.2] than with mix flat"),
        ("estoi_vocals", "estoi_vocals is higher by 2.000 [+0.758, +3.242] than with mix flat"),
        ("remix_csdr_db", "remix_csdr_db is higher by 2.000 dB [+0.758, +3.242] than with mix flat"),
        ("live_delay_ms", "live_delay_ms is higher by 2.000 ms [+0.758, +3.242] than with mix flat"),
        ("lufs", "lufs is higher by 2.000 LU [+0.758, +3.242] than with mix flat"),
    ],
)
def test_a_difference_is_one_in_every_unit(tmp_path: Path, metric: str, words: str) -> None:
    """Differences of 1.5, 2 and 2.5: t of 2 degrees of freedom is 4.303, the standard error 0.5 / sqrt 3."""
    study, text = findings(tmp_path, metric, lambda mix, seed: (1.5 + 0.5 * seed) * (mix == "vocals-up"), seeds=3)
    assert words in text and "times: difference" not in text
    assert differences(read_results(study, tmp_path / "results.csv"), study.report.baseline)[0].estimate.mean == 2.0


def test_a_difference_has_digits_enough_not_to_look_like_none(tmp_path: Path) -> None:
    _, text = findings(tmp_path, "estoi_vocals", lambda mix, seed: (seed - 24) * 1e-5 * (mix == "vocals-up"), seeds=2)
    assert "estoi_vocals is lower by 0.00024 [−0.00030, −0.00017] than with mix flat" in text


def test_a_single_take_has_a_difference_without_an_interval(tmp_path: Path) -> None:
    _, text = findings(tmp_path, "mpo_events", lambda mix, _: 2.0 * (mix == "vocals-up"), seeds=1)
    assert "mpo_events differs by +2.0 (a single take, so no interval) from mix flat" in text


def test_equal_figures_of_a_single_take_are_no_difference(tmp_path: Path) -> None:
    _, text = findings(tmp_path, "mpo_events", lambda mix, _: 2.0, seeds=1)
    assert "mpo_events shows no difference to mix flat (equal figures of a single take) with vocals-up" in text
    assert "differs by" not in text


def findings(folder: Path, metric: str, value: Callable[[str, int], float], seeds: int) -> tuple[Study, str]:
    """Return a study of two mixes and one listener with made-up figures, and the text of its page."""
    listed = ", ".join(map(str, range(seeds)))
    changes = (("seeds = [0, 1, 2]", f"seeds = [{listed}]"), ('"N2", "N4"', '"N2"'), ('"closed", "power"', '"closed"'))
    text = SPEC.replace('["estoi_vocals", "cepstral_correlation_unprocessed"]', f'["{metric}"]')
    study = read_study(write_spec(folder, text, *changes, (', { style = "rock", seconds = 3 }', "")))
    with (folder / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*FACTORS, "cell", *COLUMNS])
        for cell in cells_of(study):
            table.writerow([*cell.names, "k", metric, value(cell.names[3], int(cell.names[2])), "", ""])
    (folder / "plan.json").write_text(_plan(study))
    return study, Reader(write_report(study, folder).read_text()).text


def test_labels_name_the_factor_where_a_level_does_not(study: Study, tmp_path: Path) -> None:
    """The same in sentences, tables and pictures."""
    factors = '"aid.compression.ratio" = [1, 2]\n"aid.rule" = ["nal-r"]\n[report]'
    changes = (("[report]", factors), ('mixes = ["flat", "vocals-up"]', 'mixes = ["flat", { name = "6" }]'))
    labelled = read_study(write_spec(tmp_path, SPEC.replace("[factors]", 'rig = "power"\n[factors]'), *changes))
    with (tmp_path / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*labelled.factors, "cell", *COLUMNS])
        for cell in cells_of(labelled):
            value = float(cell.names[6]) * (cell.names[3] == "6")
            table.writerow([*cell.names, "k", "estoi_vocals", value, "0–1", ""])
    (tmp_path / "plan.json").write_text(_plan(labelled))
    read = Reader(write_report(labelled, tmp_path).read_text())
    label = "mix 6, power, aid.compression.ratio 2"
    assert f"{label}: estoi_vocals is higher by 2.000" in read.text
    assert any(row[0] == label for row in read.rows)
    lines = {row["line"] for row in csv.DictReader((tmp_path / "figures" / "estoi_vocals.csv").open())}
    assert "closed, aid.compression.ratio 1" in lines and len(lines) == 4
    results = read_results(study, tmp_path / "results.csv")
    assert [results.name("mix", "flat"), results.name("aid", "closed")] == ["flat", "closed"]
    results.levels["model"].append("flat")
    assert [results.name("mix", "flat"), results.name("model", "flat")] == ["mix flat", "model flat"]


def test_several_models_or_aids_stand_in_one_picture(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(study))
    write_report(study, tmp_path)
    rows = list(csv.DictReader((tmp_path / "figures" / "estoi_vocals.csv").open()))
    assert {(row["line"], row["place"]) for row in rows} == {
        (aid, mix) for aid in ("closed", "power") for mix in ("flat", "vocals-up")
    }


@pytest.mark.parametrize(
    ("means", "unit", "shown"),
    [
        ((0.500, 0.504), "0–1", (0.402, 0.602)),
        ((0.1, 0.9), "0–1", (0.06, 0.94)),
        ((24.0, 24.0), "ms", (23.5, 24.5)),
    ],
)
def test_small_differences_look_small(means: tuple[float, float], unit: str, shown: tuple[float, float]) -> None:
    summaries = [Summary("metric", ("flat",), "N2", Estimate(mean, None, None, 1)) for mean in means]
    assert _limits(summaries, unit) == pytest.approx(shown)


def test_pictures_of_a_metric_have_one_scale(study: Study, tmp_path: Path) -> None:
    """Their lowest and highest labels of the vertical axis are the same."""
    results = read_results(study, tmp_path / "results.csv")
    drawn = [
        one for one in pictures(study, results, summarise(results), tmp_path / "f") if one.metric == "estoi_vocals"
    ]
    scales = set()
    for one in drawn:
        text = (tmp_path / "f" / f"{one.name}.svg").read_text()
        scales.add(tuple(re.findall(r"<!-- (0\.\d+) -->", text)))
    assert len(drawn) > 1 and len(scales) == 1


def test_no_table_is_wider_than_a_screen_with_many_listeners(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(study))
    read = Reader(write_report(study, tmp_path).read_text())
    assert max(map(len, read.rows)) == 4  # listeners are rows
    assert any(row[:2] == ["vocals-up, closed", "N2"] and row[2].startswith("0.605 [") for row in read.rows)
