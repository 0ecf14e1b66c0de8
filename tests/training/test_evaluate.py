"""`hearsim evaluate`: its figures, its files, going on after an interruption, and what it refuses."""

import csv
import json
import resource
import shutil
import statistics
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.core.errors import HearsimError
from hearsim.metrics.separation import SdrMeter, ideal_ratio_mask
from hearsim.metrics.stem_scores import Score
from hearsim.metrics.vocal_scores import VocalScore
from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.models import load_model, save_model
from hearsim.training import evaluate as module
from hearsim.training import evaluate as scoring
from hearsim.training.evaluate import evaluate
from hearsim.training.evaluation_tables import (
    DEFINITIONS,
    summarise,
    summarise_vocals,
    write_plot,
    write_scores,
    write_summary,
)

RATE = 8000
HEADER = (
    "track,system,stem,bsseval_v4_sdr_db,bsseval_v4_isr_db,bsseval_v4_sir_db,bsseval_v4_sar_db,"
    "si_sdr_db,csdr_db,energy_sdr_db"
)
SYSTEMS = ["mixture", "tiny", "ideal ratio mask"]
Finished = dict[str, list[Score]]


def make_model(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    config = HSTasNetConfig(rate=RATE, window=256, hop=128, units=16, layers=1, bases=8, fusion="shared", bands=16)
    save_model(HSTasNet(config), "tiny", "for tests", folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks of two stems, of which two have stems in common, one of a single stem, and two models."""
    place = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    time = np.arange(3 * RATE + 500)[:, None] / RATE
    for index, (track, stems) in enumerate(
        {"a one": ("vocals", "drums"), "b two": ("drums", "bass"), "c": ("other", "vocals"), "solo": ("bass",)}.items()
    ):
        (place / "data" / track).mkdir(parents=True)
        for number, stem in enumerate(stems):
            tone = (
                0.2 * np.sin(2 * np.pi * (110 + 200 * number) * (1 + index) * time) * (1 + np.sin(time * (1 + number)))
            )
            noise = 0.05 * rng.standard_normal((len(time), 2))
            soundfile.write(place / "data" / track / f"{stem}.wav", tone + noise, RATE)
    for seed in (1, 2):
        make_model(place / f"model{seed}", seed)
    return place


def run(place: Path, out: Path, patterns: tuple[str, ...] = ("a*", "b*"), seed: int = 1) -> Finished:
    tracks = evaluate(place / f"model{seed}", place / "data", place / "cache", patterns, out, lambda *_: None)
    return {name: found.scores if found else [] for name, found in tracks}


@pytest.fixture(scope="module")
def out(place: Path) -> Path:
    """A folder in which two tracks were scored from the command line, which keeps its cache in the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place))
        arguments = ["--tracks", "a*", "--tracks", "b*", "--tracks", "solo", "--out", str(place / "out")]
        done = CliRunner().invoke(app, ["evaluate", str(place / "model1"), str(place / "data"), *arguments])
    assert done.exit_code == 0, done.output
    assert "solo: a single stem, nothing to separate" in done.output
    assert "BSSEval v4 SDR, dB, median over tracks" in done.output and "SI-SDR, whole track" in done.output
    return place / "out"


def test_json_has_the_summary_and_nothing_else(place: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    arguments = [str(place / "model1"), str(place / "data"), "--tracks", "a*", "--tracks", "b*", "--out", str(out)]
    done = CliRunner().invoke(app, ["evaluate", *arguments, "--json"])
    found = json.loads(done.stdout)
    assert found["tracks"] == ["a one", "b two"]
    with (out / "summary.csv").open() as file:
        summary = list(csv.DictReader(file))
    assert [row["overall"] and f"{row['overall']:.4f}" for row in found["summary"]] == [
        row["overall"] or None for row in summary
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_per_track_system_and_stem(out: Path) -> None:
    assert (out / "scores.csv").read_text().splitlines()[0] == HEADER
    rows = rows_of(out / "scores.csv")
    expected = [
        (track, system, stem)
        for track, stems in (("a one", ("vocals", "drums")), ("b two", ("drums", "bass")))
        for system in SYSTEMS
        for stem in stems
    ]
    assert [(row["track"], row["system"], row["stem"]) for row in rows] == expected
    assert all(len(value.split(".")[1]) == 4 for row in rows for value in list(row.values())[3:] if value)
    assert {row["system"] for row in rows if not row["bsseval_v4_sar_db"]} == {"mixture"}  # infinite but for rounding
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "scores.csv",
        "scores.svg",
        "summary.csv",
        "vocals.csv",
    ]


def test_scores_are_those_of_the_samples(place: Path, out: Path) -> None:
    museval = pytest.importorskip("museval", exc_type=Exception, reason="museval is the oracle here: it needs ffmpeg")
    stems = ("drums", "bass")
    truth = np.stack([soundfile.read(place / "data" / "b two" / f"{s}.wav", dtype="float32")[0].T for s in stems])
    net, _ = load_model(place / "model1")
    with torch.inference_mode():
        model = net(torch.from_numpy(truth.sum(0))[None])[0].numpy()[[1, 2]]
    rows = [row for row in rows_of(out / "scores.csv") if row["track"] == "b two"]
    for system, estimates in zip(SYSTEMS, (np.stack([truth.sum(0)] * 2), model, ideal_ratio_mask(truth)), strict=True):
        images = (array.transpose(0, 2, 1) for array in (truth, estimates))
        bsseval = dict(zip(("sdr", "isr", "sir", "sar"), museval.evaluate(*images, win=RATE, hop=RATE), strict=True))
        for index, row in enumerate(row for row in rows if row["system"] == system):
            for name, table in bsseval.items():
                if found := row[f"bsseval_v4_{name}_db"]:
                    assert float(found) == pytest.approx(np.median(table[index]), abs=0.01)
            meter = SdrMeter(RATE)
            meter.add(truth[index], estimates[index])
            for name, value in (("si_", meter.si_sdr_db), ("c", meter.csdr_db), ("energy_", meter.sdr_db)):
                assert float(row[f"{name}sdr_db"]) == pytest.approx(value(), abs=1e-3)


def test_summary_puts_tracks_together(out: Path) -> None:
    scores, summary = rows_of(out / "scores.csv"), rows_of(out / "summary.csv")
    assert [row["system"] for row in summary] == SYSTEMS * 7
    for row in summary:
        over = {"median": statistics.median, "mean": statistics.fmean}[row["over_tracks"]]
        assert row["over_tracks"] == ("mean" if row["definition"] in ("si_sdr_db", "csdr_db") else "median")
        found = {}
        for stem in ("vocals", "drums", "bass"):
            fitting = [r for r in scores if (r["system"], r["stem"]) == (row["system"], stem)]
            if values := [float(r[row["definition"]]) for r in fitting if r[row["definition"]]]:
                found[stem] = over(values)
                assert float(row[stem]) == pytest.approx(found[stem], abs=1e-3)
        if found:
            assert float(row["overall"]) == pytest.approx(statistics.fmean(found.values()), abs=1e-3)
        assert row["other"] == ""


def test_vocals_have_a_row_per_track_and_system(out: Path) -> None:
    """In track b nobody sings: its vocals are false ones alone, and there are no ideal masks for them."""
    rows = rows_of(out / "vocals.csv")
    assert [(row["track"], row["system"]) for row in rows] == [
        *(("a one", system) for system in (*SYSTEMS, "true stems")),
        *(("b two", system) for system in ("mixture", "tiny", "true stems")),
    ]
    assert all(row["sdr_80-250_hz_db"] and not row["false_vocals_db"] for row in rows if row["track"] == "a one")
    assert [row["false_vocals_db"] for row in rows if row["system"] == "mixture"] == ["", "0.0000"]


def test_the_share_over_tracks_is_of_the_mean_gains() -> None:
    def score(system: str, gain: float | None, false_db: float | None) -> VocalScore:
        return VocalScore(
            system=system, estoi_gain=gain, share=None, octave_sdr_db=(gain,) * 7, false_vocals_db=false_db
        )

    vocals = {
        "a": [score("tiny", 0.1, None), score("true stems", 0.2, None)],
        "b": [score("tiny", 0.0, -20.0), score("true stems", 0.6, -100.0)],
        "instrumental": [score("tiny", None, -40.0), score("true stems", None, -100.0)],
    }
    tiny, true = summarise_vocals(vocals)
    assert (tiny.estoi_gain, tiny.share) == (pytest.approx(0.05), pytest.approx(0.05 / 0.4)) and true.share == 1.0
    assert tiny.false_vocals_db == -30.0 and tiny.octave_sdr_db == (pytest.approx(0.05),) * 7


def test_median_and_mean_over_three_tracks() -> None:
    fields = [definition.field for definition in DEFINITIONS]
    scores = {
        name: [Score(system="mixture", stem="bass", **dict.fromkeys(fields, value))]
        for name, value in {"a": 1.0, "b": 2.0, "c": 9.0}.items()
    }
    found = {row.definition.field: row.stems["bass"] for row in summarise(scores)}
    means = {"si_sdr_db": 4.0, "csdr_db": 4.0}
    assert found == {field: means.get(field, 2.0) for field in fields}


def test_a_track_of_two_stems_is_scored_as_such(place: Path, tmp_path: Path) -> None:
    """The estimate of the accompaniment is the sum of the network's other stems; the mixture that of the two files."""
    shutil.copytree(place / "model1", tmp_path / "model1")
    (tmp_path / "data" / "duo").mkdir(parents=True)
    for name, source in {"vocals": "vocals", "no_vocals": "drums"}.items():
        shutil.copy(place / "data" / "a one" / f"{source}.wav", tmp_path / "data" / "duo" / f"{name}.wav")
    scores = run(tmp_path, tmp_path / "out", ("duo",))["duo"]
    assert [score.stem for score in scores] == ["vocals", "accompaniment"] * 3
    net, _ = load_model(tmp_path / "model1")
    truth = np.stack([soundfile.read(tmp_path / "data" / "duo" / f"{n}.wav")[0].T for n in ("vocals", "no_vocals")])
    mix = truth.sum(0).astype(np.float32)
    found = np.concatenate(list(scoring.separate(net, lambda a, b: mix[:, a:b], mix.shape[-1])), axis=-1)
    for score, true, estimate in zip(scores[2:4], truth, (found[0], found[1:].sum(0)), strict=True):
        meter = SdrMeter(RATE)
        meter.add(true.astype(np.float32), estimate)
        assert score.energy_sdr_db == pytest.approx(meter.sdr_db(), abs=0.02)
    write_scores(tmp_path / "scores.csv", {"duo": scores})
    write_summary(tmp_path / "summary.csv", {"duo": scores})
    write_plot(tmp_path / "scores.svg", {"duo": scores})
    header = (tmp_path / "summary.csv").read_text().splitlines()[0]
    assert header == "definition,over_tracks,system,vocals,drums,bass,other,accompaniment,overall"
    assert ">accompaniment<" in (tmp_path / "scores.svg").read_text()


def test_plot_shows_systems_and_medians(out: Path) -> None:
    plot = (out / "scores.svg").read_text()
    row = next(
        r for r in rows_of(out / "summary.csv") if (r["definition"], r["system"]) == ("bsseval_v4_sdr_db", "tiny")
    )
    for text in (*SYSTEMS, "BSSEval v4 SDR in dB", f"{float(row['drums']):.1f}"):
        assert f">{text}<" in plot


def test_a_table_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(HearsimError, match=r"scores\.csv can't be written \(Is a directory\): choose another place"):
        write_scores(tmp_path / "scores.csv", {})
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_an_interrupted_run_goes_on(place: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of the second track, then run again: the first is not scored twice, the results are one."""
    scored: list[str] = []
    real = scoring.separate

    def stopped(*arguments: object) -> object:
        scored.append("separated")
        for piece in real(*arguments):
            if len(scored) == 2:
                raise KeyboardInterrupt
            yield piece

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "separate", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(place, tmp_path)
    assert list(json.loads((tmp_path / "evaluation.json").read_text())["tracks"]) == ["a one"]
    assert not list((place / "cache").glob("estimates-*"))
    scored.append("and then goes on")
    monkeypatch.setattr(scoring, "separate", stopped)
    assert list(run(place, tmp_path)) == ["a one", "b two"]
    assert len(scored) == 4
    run(place, tmp_path)
    assert len(scored) == 4
    assert (tmp_path / "evaluation.json").read_bytes() == (out / "evaluation.json").read_bytes()


def test_mixture_and_ceiling_are_scored_once(
    place: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(place, tmp_path / "first")

    def never(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(scoring, "ideal_ratio_mask_pieces", never)
    second = run(place, tmp_path / "second", seed=2)
    for track, scores in first.items():
        assert scores[:2] == second[track][:2] and scores[4:] == second[track][4:]
        assert scores[2:4] != second[track][2:4]


def test_a_damaged_cache_is_named(place: Path, tmp_path: Path) -> None:
    broken = tmp_path / "place"
    for name in ("data", "model1"):
        shutil.copytree(place / name, broken / name)
    run(broken, tmp_path / "1", ("a*",))
    (kept,) = (broken / "cache" / "scores").iterdir()
    kept.write_text("[{}]")
    with pytest.raises(HearsimError, match=rf"^a one: .*{kept.name} is damaged: delete it"):
        run(broken, tmp_path / "2", ("a*",))


def test_a_full_disk_is_named_and_leaves_nothing(place: Path, out: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(HearsimError, match=r"^a one: .*cache can't hold a track's estimates \(File too large\)"):
            run(place, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((place / "cache").glob("estimates-*"))


def test_other_results_are_refused(place: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tmp_path / "held"
    shutil.copytree(out, held)
    with pytest.raises(
        HearsimError, match=r"held holds scores of another model \(tiny, \w{12}\) than tiny, \w{12}: choose"
    ):
        run(place, held, seed=2)
    with monkeypatch.context() as patch:
        patch.setattr(module, "SCORING", 99)
        with pytest.raises(HearsimError, match="of another version: scoring is 2 there and 99 here; choose another"):
            run(place, held)
    changed = tmp_path / "changed"
    shutil.copytree(place / "data", changed / "data")
    shutil.copytree(place / "model1", changed / "model1")
    samples, _ = soundfile.read(changed / "data" / "b two" / "bass.wav")
    soundfile.write(changed / "data" / "b two" / "bass.wav", 0.9 * samples, RATE)
    with pytest.raises(HearsimError, match=r"b two has changed since it was scored in .*held: choose"):
        run(changed, held)
    assert (held / "evaluation.json").read_bytes() == (out / "evaluation.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not JSON"),
        ("[]", "holds a list, and needs one object"),
        ("{}", "is of another version"),
        ('{"hearsim": "0.1.0", "scoring": 2}', "is not an evaluation, or damaged"),
        ('{"scoring": 1, "scoring": 2}', "has the entry 'scoring' 2 times"),
    ],
)
def test_what_is_no_evaluation_is_refused(place: Path, tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(HearsimError, match=rf"evaluation\.json {fault}.*[:;] (choose another --out|keep one)"):
        run(place, tmp_path)


def test_bad_inputs_get_a_sentence(place: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HearsimError, match="file is a file: choose another --out"):
        run(place, tmp_path / "file")
    with pytest.raises(HearsimError, match="file is a file: choose another --out"):
        run(place, tmp_path / "file" / "below")
    with pytest.raises(HearsimError, match=r"data holds no track that fits 'z\*'"):
        run(place, tmp_path / "1", ("a*", "z*"))
    with pytest.raises(HearsimError, match="no track that fits solo has two stems"):
        run(place, tmp_path / "2", ("solo",))
    assert not (tmp_path / "1").exists() and not (tmp_path / "2").exists()
    for name in ("scores.csv", "summary.csv", "scores.svg"):
        (tmp_path / f"of {name}").mkdir()
        (tmp_path / f"of {name}" / name).touch()
        with pytest.raises(HearsimError, match=f"holds {name} and no evaluation.json, so they are of no earlier run"):
            run(place, tmp_path / f"of {name}")
    make_model(tmp_path / "model5", 1)
    text = (tmp_path / "model5" / "model.toml").read_text()
    (tmp_path / "model5" / "model.toml").write_text(text.replace('"tiny"', '"mixture"'))
    with pytest.raises(HearsimError, match="a model called 'mixture' can't stand in one table with the mixture"):
        run(tmp_path, tmp_path / "5", seed=5)
    torch.manual_seed(0)
    config = HSTasNetConfig(
        rate=RATE, window=256, hop=128, units=8, bases=4, bands=16, stems=("vocals", "accompaniment")
    )
    save_model(HSTasNet(config), "two", "for tests", tmp_path / "model1")
    shutil.copytree(place / "data", tmp_path / "data")
    with pytest.raises(HearsimError, match="two is not a stereo network for vocals, drums, bass, other"):
        run(tmp_path, tmp_path / "4")
