"""Post-screening, means and intervals of a listening test, beside its objective metrics."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hearsim.core.errors import HearsimError
from hearsim.listening_test.analyse import analyse
from hearsim.listening_test.names import SCHEMA
from hearsim.listening_test.screening import Summary

SONGS, CONDITIONS = ("one", "two", "three", "four"), ("reference", "anchor35", "anchor70", "a", "b")
GROUPS = {"P1": "mild", "P2": "mild", "P3": "mild", "P4": "severe", "P5": "severe", "P6": "severe"}
USUAL = {"reference": 98.0, "anchor35": 20.0, "anchor70": 50.0, "a": 60.0, "b": 75.0}
Score = Callable[[str, str, str], float]


def usual(who: str, song: str, condition: str) -> float:
    """Scores that differ a little between listeners and songs."""
    return USUAL[condition] + (0 if condition == "reference" else int(who[1]) + SONGS.index(song))


def make(folder: Path, score: Score = usual, method: str = "mushra") -> Path:
    """An export's manifest and the table of its collector; return the table."""
    stimuli = []
    for song in SONGS:
        for place, condition in enumerate(CONDITIONS):
            metrics = {"csdr_db": 100.0 if condition == "reference" else USUAL[condition] / 10 + SONGS.index(song) / 10}
            stimuli.append({
                "code": f"s{song}{place}", "song": song, "fitting": "fitting1", "condition": condition,
                "metrics": metrics | ({"stoi_vocals": place / 10} if song != "one" else {}),
                "ears": {"left": {"lufs": -20.0 - place, "rms_db_spl": 70.0},
                         "right": {"lufs": None, "rms_db_spl": 71.0}},
            })  # fmt: skip
    trials = [{"id": song, "song": song, "conditions": list(CONDITIONS[1:])} for song in SONGS]
    people = [
        {"id": who, "test_id": f"pop-{who}", "group": group, "fitting": "fitting1",
         "trials": [{"id": "practice", "song": "one", "conditions": []}, *trials]}
        for who, group in GROUPS.items()
    ]  # fmt: skip
    manifest = {
        "schema": SCHEMA,
        "name": "pop",
        "method": method,
        "participants": people,
        "stimuli": stimuli,
        "conditions": {name: {} for name in CONDITIONS},
        "hidden": {"h1": {"fitting": "fitting1", "song": "one"}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "results").mkdir(exist_ok=True)
    path = folder / "results/ratings.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["session_test_id", "session_uuid", "trial_id", "rating_stimulus", "rating_score", "choice_answer"]
        )
        for who in GROUPS:
            table.writerow([f"pop-{who}", f"u{who}", "practice", "reference", 3, ""])
            for song in SONGS:
                for place, condition in enumerate(CONDITIONS):
                    value = score(who, song, condition)
                    name = f"s{song}{place}" if place else "reference"
                    if method == "mushra":
                        table.writerow([f"pop-{who}", f"u{who}", song, name, value, ""])
                    elif place:
                        table.writerow([f"pop-{who}", f"u{who}", song, name, "", "correct" if value else "incorrect"])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row(summary: list[Summary], group: str, condition: str) -> Summary:
    (found,) = [one for one in summary if (one.group, one.condition) == (group, condition)]
    return found


def left_out(folder: Path, score: Score) -> dict[str, str]:
    return {one.participant: one.why for one in analyse(make(folder, score)).listeners if one.why}


def test_means_and_intervals_are_over_listeners(tmp_path: Path) -> None:
    found = analyse(make(tmp_path))
    means = [np.mean([usual(who, song, "a") for song in SONGS]) for who in ("P1", "P2", "P3")]
    one = row(found.summary, "mild", "a")
    assert (one.listeners, one.ratings) == (3, 12)
    assert one.mean == pytest.approx(np.mean(means))
    expected = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    assert (one.low, one.high) == pytest.approx(expected)
    assert one.median == pytest.approx(np.median([usual(w, s, "a") for w in ("P1", "P2", "P3") for s in SONGS]))
    assert (row(found.summary, "severe", "a").listeners, row(found.summary, "all", "a").listeners) == (3, 6)
    assert [one.condition for one in found.summary if one.group == "mild"] == list(CONDITIONS)


def test_who_does_not_know_the_reference_is_left_out(tmp_path: Path) -> None:
    """Of four items one is 25 %: over 15 %. The others' means do not change."""

    def score(who: str, song: str, condition: str) -> float:
        deaf = {("three", "reference"): 89.0, ("one", "a"): 0.0}
        return deaf.get((song, condition), usual(who, song, condition)) if who == "P2" else usual(who, song, condition)

    found = analyse(make(tmp_path, score))
    assert {one.participant: one.why for one in found.listeners if one.why} == {
        "P2": "hidden reference under 90 in 25% of the items"
    }
    others = np.mean([usual(who, song, "a") for who in ("P1", "P3") for song in SONGS])
    assert row(found.summary, "mild", "a").mean == pytest.approx(others)
    kept = {line["participant"]: line["kept"] for line in read(found.out / "joined.csv")}
    assert kept == {who: "0" if who == "P2" else "1" for who in GROUPS}
    assert [line["why"] for line in read(found.out / "screening.csv")].count("") == 5


def test_who_has_not_rated_the_reference_can_not_be_screened(tmp_path: Path) -> None:
    """Nothing to judge is no pass: an empty cell and a sentence; the ratings stay."""
    path = make(tmp_path)
    lines = [one for one in path.read_text().splitlines() if not one.startswith("pop-P2") or ",reference," not in one]
    path.write_text("\n".join(lines) + "\n")
    found = analyse(path)
    listeners = {line["participant"]: line for line in read(found.out / "screening.csv")}
    assert (listeners["P2"]["low_reference"], listeners["P2"]["why"]) == ("", "")
    assert listeners["P2"]["note"] == "can't be screened: no rating of the hidden reference"
    assert (listeners["P1"]["low_reference"], listeners["P1"]["note"]) == ("0.0000", "")
    assert row(found.summary, "mild", "a").listeners == 3


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_european_spreadsheets_are_read(tmp_path: Path, separator: str) -> None:
    path = make(tmp_path)
    expected = analyse(path).summary
    with path.open(newline="") as file:
        rows = [[cell.replace(".", ",") for cell in line] for line in csv.reader(file)]
    assert any("," in cell for line in rows for cell in line)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    assert analyse(path).summary == expected


def test_90_is_high_enough(tmp_path: Path) -> None:
    assert left_out(tmp_path, lambda w, s, c: 90.0 if c in ("reference", "anchor70") else usual(w, s, c)) == {}


def test_who_takes_the_mid_anchor_for_excellent_is_left_out(tmp_path: Path) -> None:
    def score(who: str, song: str, condition: str) -> float:
        deaf = (who, song, condition) == ("P5", "two", "anchor70")
        return 91.0 if deaf else usual(who, song, condition)

    assert left_out(tmp_path, score) == {"P5": "mid anchor over 90 in 25% of the items"}


def test_an_anchor_that_nobody_hears_blames_nobody(tmp_path: Path) -> None:
    """Two of six listeners (over a quarter) rate it over 90: the item's anchor is not judged, others' still are."""

    def score(who: str, song: str, condition: str) -> float:
        unheard = condition == "anchor70" and (who, song) in {("P4", "two"), ("P5", "two"), ("P1", "one")}
        return 95.0 if unheard else usual(who, song, condition)

    assert left_out(tmp_path, score) == {"P1": "mid anchor over 90 in 33% of the items"}


def test_nobody_left(tmp_path: Path) -> None:
    with pytest.raises(
        HearsimError, match=r"post-screening excludes every participant, for example P1 \(hidden reference under"
    ):
        analyse(make(tmp_path, lambda w, s, c: 50.0))


def test_intervals_stay_on_the_scale_and_need_three_listeners(tmp_path: Path) -> None:
    """Two listeners at 20 and 80 would have -331 .. 431; three at 90, 95 and 100, 82.6 .. 107.4."""
    two = make(tmp_path, lambda w, s, c: 100.0 if c == "reference" else 20.0 + 60 * (w == "P2"))
    lines = two.read_text().splitlines()
    two.write_text("\n".join([lines[0], *(line for line in lines if line[:6] in ("pop-P1", "pop-P2"))]))
    one = row((found := analyse(two)).summary, "mild", "a")
    assert (one.mean, one.low, one.high) == (50.0, None, None)
    assert one.note == "no interval: 2 of at least 3 listeners" == read(found.out / "summary.csv")[3]["note"]
    scores = {"P1": 90.0, "P2": 95.0, "P3": 100.0}
    (tmp_path / "three").mkdir()
    three = make(tmp_path / "three", lambda w, s, c: scores.get(w, 50.0) if c == "a" else usual(w, s, c))
    one = row(analyse(three).summary, "mild", "a")
    assert (one.low, one.high) == (pytest.approx(82.579, abs=1e-3), 100.0)
    assert one.note == "interval 82.6 .. 107.4, cut at the ends of the scale"


def test_a_single_listener_has_no_interval(tmp_path: Path) -> None:
    path = make(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines if line.startswith("pop-P4"))]))
    found = analyse(path)
    one = row(found.summary, "severe", "a")
    assert (one.listeners, one.low, one.high) == (1, None, None)
    assert {one.group for one in found.summary} == {"severe"}
    table = read(found.out / "summary.csv")
    assert table[3]["mean"] == f"{np.mean([usual('P4', song, 'a') for song in SONGS]):.4f}"
    assert table[3]["low"] == ""


def test_ratings_are_joined_with_the_metrics(tmp_path: Path) -> None:
    found = analyse(make(tmp_path))
    lines = read(found.out / "joined.csv")
    assert len(lines) == 6 * 4 * 5  # the practice is not there
    line = next(one for one in lines if (one["participant"], one["song"], one["condition"]) == ("P3", "two", "b"))
    assert line == {
        "participant": "P3", "group": "mild", "session": "uP3", "song": "two", "condition": "b", "score": "79.0000",
        "kept": "1", "csdr_db": "7.6000", "lufs_left": "-24.0000", "rms_db_spl_left": "70.0000",
        "rms_db_spl_right": "71.0000", "stoi_vocals": "0.4000",
    }  # fmt: skip
    assert next(one for one in lines if one["song"] == "one")["stoi_vocals"] == ""


def test_metrics_are_correlated_with_the_mean_ratings(tmp_path: Path) -> None:
    """The sample's csdr rises with the ratings along one line; three songs have stoi; a constant says nothing."""
    found = {one.metric: one for one in analyse(make(tmp_path)).correlations}
    assert set(found) == {"csdr_db", "stoi_vocals", "lufs_left"}
    assert found["csdr_db"].stimuli == 16
    x = [USUAL[c] / 10 + s / 10 for c in CONDITIONS[1:] for s in range(4)]
    y = [USUAL[c] + 3.5 + s for c in CONDITIONS[1:] for s in range(4)]
    assert found["csdr_db"].pearson == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["csdr_db"].spearman == pytest.approx(1.0)
    assert found["stoi_vocals"].stimuli == 12


def test_the_plot_shows_every_group_and_condition(tmp_path: Path) -> None:
    path = make(tmp_path)
    text = (analyse(path).out / "ratings.svg").read_text()
    for word in (*CONDITIONS, "mild", "severe", "rating"):
        assert f">{word}</text>" in text
    assert (analyse(path, out=tmp_path / "again").out / "ratings.svg").read_text() == text


def test_pairs(tmp_path: Path) -> None:
    """Condition a is told from the reference by P1 alone; Wilson's interval for 4 of 24, from scipy."""
    found = analyse(make(tmp_path, lambda w, s, c: float(c != "a" or w == "P1"), method="paired"))
    assert found.listeners == []
    one = row(found.summary, "all", "a")
    assert (one.ratings, one.mean) == (24, pytest.approx(4 / 24))
    expected = stats.binomtest(4, 24).proportion_ci(0.95, "wilson")
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high))
    assert row(found.summary, "mild", "b").mean == 1.0


def test_other_tables_are_read_too(tmp_path: Path) -> None:
    """A filled-in trials.csv, whose hidden reference has a name; and webMUSHRA's own, of pairs, without a session."""
    make(tmp_path)
    path = tmp_path / "trials.csv"
    path.write_text("session_test_id,trial_id,rating_stimulus,rating_score\npop-P1,one,h1,100\npop-P1,one,sone1,20\n")
    found = analyse(path)
    assert [(one.condition, one.mean) for one in found.summary] == [("reference", 100), ("anchor35", 20)]
    make(tmp_path, method="paired")
    path.write_text(
        "session_test_id,comment,trial_id,choice_reference,choice_non_reference,choice_answer,choice_time\n"
        'pop-P1,"a, b",one,reference,sone3,correct,99\n'
    )
    assert [(one.condition, one.mean) for one in analyse(path).summary] == [("a", 1.0)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("one,sone1,21.0,", "one,sone1,,", "ratings.csv, line 4: rating_score = '' is not a score"),
        ("pop-P1,uP1,one,sone1,21", "pop-P1,uP1,one,sone1,nan", "rating_score = 'nan"),
        ("pop-P1,uP1,one,sone1,21", "pop-P1,uP1,one,sone1,121", "rating_score = '121.0' is not a score: give 0 to 100"),
        (
            "pop-P1,uP1,one,sone1",
            "pop-P1,uP1,one,old",
            "the stimulus 'old' does not belong to its trial: these are results of",
        ),
        ("pop-P1,uP1,one,sone1", "pop-P1,uP1,one,stwo1", "the stimulus 'stwo1' does not belong to its trial"),
        ("pop-P1,uP1,one,sone1", "pop-P1,uP1,none,sone1", "P1 has no trial 'none': these are results of another"),
        ("pop-P1,uP1,one,sone1", "rock-P1,uP1,one,sone1", "the test 'rock-P1' is not one of pop"),
        (
            "pop-P1,uP1,one,sone2",
            "pop-P1,u9,one,sone1",
            "P1 has rated anchor35 of song one twice, in session uP1 and",
        ),
        ("session_test_id", "test", "ratings.csv has no column session_test_id"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = make(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(HearsimError) as error:
        analyse(path)
    assert said in str(error.value)
    assert not (tmp_path / "results/analysis").exists()


def test_bad_places(tmp_path: Path) -> None:
    def refused(*paths: Any, **options: Any) -> str:
        with pytest.raises(HearsimError) as error:
            analyse(*paths, **options)
        return str(error.value)

    path = make(tmp_path)
    assert analyse(tmp_path).out == analyse(tmp_path / "results").out == tmp_path / "results/analysis"
    assert "holds no ratings.csv" in refused(tmp_path / "results/analysis")
    assert "can't be read (No such file" in refused(tmp_path / "no.csv")
    assert "ratings.csv is a file: choose another --out" in refused(path, out=path)
    elsewhere = tmp_path / "results/analysis/deep/ratings.csv"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(path.read_bytes())
    assert f"there is no manifest.json in {elsewhere.parent} or in the folder above" in refused(elsewhere)
    assert analyse(elsewhere, tmp_path / "manifest.json").out == elsewhere.parent / "analysis"
    path.write_text(path.read_text().splitlines()[0])
    assert "holds no ratings" in refused(path)
    path.write_bytes(b"\xff\xfe,")
    assert "ratings.csv is not a text in UTF-8" in refused(path)


def test_a_users_tables_are_not_replaced(tmp_path: Path) -> None:
    table = make(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.csv").write_text("my own")
    with pytest.raises(HearsimError, match=r"holds summary\.csv and no joined\.csv, so they are of no earlier run"):
        analyse(table, out=tmp_path / "out")
    assert (tmp_path / "out" / "summary.csv").read_text() == "my own"
    analyse(table)
    analyse(table)  # an analysis of its own is replaced
