"""The stimuli of a listening test, and what its manifest says of them."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
import soundfile
from export_sample import SPEC, TINY, write_spec
from quick_model import quick_model
from scipy import signal

from hearsim.aid.hearing_aid import hearing_aid, separate_and_remix
from hearsim.aid.separator import Separator
from hearsim.cli.catalogue import metrics
from hearsim.core.audio import Audio
from hearsim.core.processor import Processor, render
from hearsim.listening_test.build import build
from hearsim.listening_test.excerpts import Excerpt, read_excerpt
from hearsim.listening_test.spec import Plan, read_plan
from hearsim.listening_test.stimuli import Fitter, Fronts, Remixed, low_pass, remixes
from hearsim.listening_test.trials import trials
from hearsim.metrics.registry import METRICS

RATE = 44100


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    return build(write_spec(folder, SPEC, model=f'"{quick_model()}"'), folder / "out")


@pytest.fixture(scope="module")
def manifest(exported: Path) -> dict[str, Any]:
    return json.loads((exported / "manifest.json").read_text(encoding="utf-8"))


def planned(folder: Path, text: str = TINY, **changes: str) -> tuple[Plan, Excerpt, list[Remixed]]:
    """The versions of the first song of a spec, ahead of the fitting."""
    plan = read_plan(write_spec(folder, text, **changes))
    excerpt = read_excerpt(plan.spec.songs[0], plan.spec.seconds, folder)
    return plan, excerpt, list(remixes(plan, excerpt, Fronts(plan)))


def sounds(exported: Path, manifest: dict[str, Any], fitting: str, song: str) -> dict[str, np.ndarray]:
    found = {}
    for one in manifest["stimuli"]:
        if (one["fitting"], one["song"]) == (fitting, song):
            found[one["condition"]] = soundfile.read(exported / "plain/stimuli" / one["file"])[0].T
    return found


def test_all_files_are_24_bit_stereo_of_one_rate_and_length(exported: Path, manifest: dict[str, Any]) -> None:
    assert len(manifest["stimuli"]) == 2 * 3 * 5  # listeners, songs, versions
    for folder in ("webmushra/stimuli/vocals-up", "beaqlejs/audio/vocals-up", "plain/stimuli"):
        for one in manifest["stimuli"]:
            info = soundfile.info(exported / folder / one["file"])
            assert (info.subtype, info.channels, info.samplerate, info.frames) == ("PCM_24", 2, RATE, 1.5 * RATE)
            assert one["frames"] == info.frames


def test_every_stimulus_is_aligned_to_the_sample(exported: Path, manifest: dict[str, Any]) -> None:
    for fitting in manifest["fittings"]:
        found = sounds(exported, manifest, fitting, "two")
        assert list(found) == ["reference", "anchor35", "anchor70", "unprocessed", "separated"]
        for sound in found.values():
            for ear in range(2):
                match = signal.correlate(sound[ear], found["reference"][ear])
                assert np.argmax(match) == sound.shape[1] - 1


def test_the_chain_is_that_of_hearing_aid(tmp_path: Path) -> None:
    """At 0 dB on every stem, a separated condition is what `render` makes of the song, and so is the reference."""
    text = TINY.replace('"oracle"', f'"{quick_model()}"')
    plan, excerpt, found = planned(tmp_path, text, mix='"flat"')
    aid = hearing_aid(plan.profile("fitting1", plan.versions[-1]))
    expected = render(aid, excerpt.mixture).samples[:, excerpt.part]
    fitter = Fitter(plan, "fitting1")
    for remixed in (found[0], found[-1]):
        assert remixed.match_gain_db == pytest.approx(0.0, abs=1e-9)
        played = fitter.play(remixed, excerpt).samples
        np.testing.assert_allclose(played[:, 441:-441], expected[:, 441:-441], atol=1e-12)  # but for the fades
        assert np.abs(played[:, [0, -1]]).max() < 1e-4


def test_the_mixes_of_an_excerpt_share_one_separation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is bit for bit what the front half of the aid makes of the song, and a second excerpt is separated anew."""
    names = ("vocals-up", "bass-up", "instrumental")
    text = TINY + "".join(f'\n[[conditions]]\nname = "{name}"\nmix = "{name}"\n' for name in names)
    text = text.replace("[[conditions]]", '[[songs]]\nname = "two"\ndemo = 1\nstart_s = 2\n[[conditions]]', 1)
    plan = read_plan(write_spec(tmp_path, text, model=f'"{quick_model()}"'))
    separated: list[Processor] = []

    def counted(stage: Processor, *sound: Any) -> Audio:
        separated.append(stage)
        return render(stage, *sound)

    monkeypatch.setattr("hearsim.listening_test.stimuli.render", counted)
    fronts = Fronts(plan)
    for count, song in enumerate(plan.spec.songs, start=1):
        excerpt = read_excerpt(song, plan.spec.seconds, tmp_path)
        for version in plan.versions[-3:]:
            alone = render(separate_and_remix(plan.profile("fitting1", version)), excerpt.mixture)
            assert fronts.remix(excerpt, version).samples.tobytes() == alone.samples.tobytes(), version.name
        assert len(separated) == count


def test_the_true_remix_weighs_the_true_stems(tmp_path: Path) -> None:
    plan, excerpt, found = planned(tmp_path)
    vocals, drums = excerpt.stems["vocals"], excerpt.stems["drums"]
    expected = excerpt.mixture.samples + (10 ** (6 / 20) - 1) * vocals + (10 ** (-2 / 20) - 1) * drums
    np.testing.assert_allclose(found[0].sound.samples, expected, atol=1e-6)
    assert plan.versions[0].mix.name == "vocals-up"


@pytest.mark.parametrize(("lufs", "target"), [("", None), ("-30", -30.0)])
def test_loudness_is_matched_ahead_of_the_fitting_and_not_after_it(
    tmp_path: Path, lufs: str, target: float | None
) -> None:
    plan, excerpt, found = planned(tmp_path, lufs=lufs)
    meter = pyloudnorm.Meter(RATE)
    loudness = [meter.integrated_loudness(one.sound.samples[:, excerpt.part].T) for one in found]
    assert loudness == pytest.approx([loudness[0] if target is None else target] * 4, abs=0.01)
    assert (found[0].match_gain_db == 0.0) == (target is None)
    fitter = Fitter(plan, "fitting1")
    after = [meter.integrated_loudness(fitter.play(one, excerpt).samples.T) for one in found]
    assert max(after) - min(after) > 0.3


def test_one_gain_for_all_files_changes_nothing_else(tmp_path: Path) -> None:
    plan, excerpt, found = planned(tmp_path)
    louder, _, _ = planned(tmp_path, gain_db="-12")
    for remixed in found:
        plain, quiet = (Fitter(one, "fitting1").play(remixed, excerpt).samples for one in (plan, louder))
        np.testing.assert_allclose(quiet, plain * 10 ** (-12 / 20), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("edge", [3500, 7000])
def test_anchors_meet_the_norm(edge: int) -> None:
    """BS.1534-3, 5.1: ripple within 0.1 dB; 25 dB down at 8/7 of the edge, 50 dB at 9/7. No delay: odd, symmetric."""
    taps = low_pass(edge, RATE)
    hz, response = signal.freqz(taps, worN=16384, fs=RATE)
    level = 20 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(level[hz <= edge]).max() < 0.1
    assert level[hz >= edge * 8 / 7].max() < -25
    assert level[hz >= edge * 9 / 7].max() < -50
    assert taps.size % 2 == 1
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)


def test_anchors_pass_the_same_fitting(exported: Path, manifest: dict[str, Any]) -> None:
    """Below the edge an anchor is amplified as the reference is; well above it there is nothing but distortion."""
    found = sounds(exported, manifest, "fitting1", "one")
    hz, reference = signal.welch(found["reference"], RATE, nperseg=4096)
    for name, edge in (("anchor35", 3500), ("anchor70", 7000)):
        _, anchor = signal.welch(found[name], RATE, nperseg=4096)
        ratio = 10 * np.log10(anchor.sum(0) / reference.sum(0))
        assert np.abs(np.median(ratio[(hz > 300) & (hz < 0.9 * edge)])) < 1.5
        assert ratio[(hz > 1.3 * edge) & (hz < 12000)].max() < -25


def test_the_manifest_names_every_file_by_its_hash(exported: Path, manifest: dict[str, Any]) -> None:
    for folder in ("webmushra/stimuli/vocals-up", "beaqlejs/audio/vocals-up", "plain/stimuli"):
        hashes = {one["file"]: one["sha256"] for one in manifest["stimuli"]}
        hashes |= {one["path"]: one["sha256"] for one in manifest["calibration"]["files"].values()}
        names = {path.name: path for path in (exported / folder).iterdir()}
        extra = {f"{code}.wav" for code in manifest["hidden"]} if folder.startswith("plain") else set()
        assert set(names) == set(hashes) | extra
        for name, expected in hashes.items():
            assert hashlib.sha256(names[name].read_bytes()).hexdigest() == expected


def test_the_manifest_tells_model_listener_and_mix(manifest: dict[str, Any]) -> None:
    assert list(manifest["models"]) == [str(quick_model())]
    assert manifest["models"][str(quick_model())]["sha256"] == Separator(str(quick_model())).identity().sha256
    assert [one["name"] for one in manifest["fittings"].values()] == ["N2", "N4"]
    assert manifest["conditions"]["separated"]["mix"]["gains_db"]["vocals"] == 6
    assert manifest["conditions"]["unprocessed"]["mix"]["gains_db"]["vocals"] == 0
    assert [one["role"] for one in manifest["conditions"].values()] == [
        *("reference", "anchor", "anchor", "condition", "condition")
    ]
    assert [one["group"] for one in manifest["participants"]] == ["N2", "N2", "severe"]
    assert manifest["songs"]["two"] == {"demo": 1, "start_s": 2.0, "seconds": 1.5}


def test_the_list_of_metrics_names_those_of_the_manifest(manifest: dict[str, Any]) -> None:
    listed = {row["name"] for row in metrics() if "hearsim export" in (row["computed_by"] or "").split(", ")}
    one = manifest["stimuli"][0]
    assert listed == one["metrics"].keys() | (one.keys() | one["ears"]["left"].keys()) & METRICS.keys()


def test_levels_per_ear_are_those_of_the_files(exported: Path, manifest: dict[str, Any]) -> None:
    meter = pyloudnorm.Meter(RATE)
    assert manifest["calibration"]["full_scale_db_spl"] == 112  # of the rig, at 0 dB of gain
    for one in manifest["stimuli"][:5]:
        sound = soundfile.read(exported / "plain/stimuli" / one["file"])[0].T
        for ear, channel in zip(("left", "right"), sound, strict=True):
            told = one["ears"][ear]
            assert told["rms_db_spl"] == pytest.approx(112 + 10 * np.log10(np.mean(channel**2)), abs=1e-3)
            assert told["lufs"] == pytest.approx(meter.integrated_loudness(channel), abs=0.01)
            assert told["peak_dbfs"] - 0.01 <= told["true_peak_dbtp"] <= told["peak_dbfs"] + 6
            assert told["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(channel).max()), abs=1e-3)
        assert one["lufs_into_aid"] == pytest.approx(-24, abs=1e-6)


@pytest.mark.parametrize("gain_db", [-6.0, 20.0])
def test_the_tone_has_the_gain_of_the_files(tmp_path: Path, gain_db: float) -> None:
    """A tone of 80 dB SPL at the rig's headphones, or as much as leaves 10 dB of room, in one ear each."""
    out = build(write_spec(tmp_path, lufs="-50", gain_db=str(gain_db)), tmp_path / "out")
    calibration = json.loads((out / "manifest.json").read_text())["calibration"]
    assert calibration["full_scale_db_spl"] == 112 - gain_db
    assert calibration["level_db_spl"] == 80
    for ear, name in enumerate(("left", "right")):
        tone, rate = soundfile.read(out / "plain/stimuli" / calibration["files"][name]["path"])
        rms = np.sqrt(np.mean(tone**2, axis=0))
        assert 20 * np.log10(rms[ear]) == pytest.approx(80 - 112 + gain_db, abs=1e-3)
        assert rms[1 - ear] == 0
        assert np.argmax(np.abs(np.fft.rfft(tone[:, ear]))) * rate / len(tone) == 1000


def test_the_metrics_rank_the_versions(manifest: dict[str, Any]) -> None:
    for fitting in manifest["fittings"]:
        for song in manifest["songs"]:
            rows = [s for s in manifest["stimuli"] if (s["fitting"], s["song"]) == (fitting, song)]
            csdr = {one["condition"]: one["metrics"]["csdr_db"] for one in rows}
            assert csdr["reference"] == 100.0
            assert csdr["anchor70"] > csdr["anchor35"]
            stoi = {one["condition"]: one["metrics"]["stoi_vocals"] for one in rows}
            assert stoi["reference"] > stoi["unprocessed"]  # 6 dB more voice


def test_what_cannot_be_measured_says_why(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "song.wav", 0.1 * rng.standard_normal((3 * RATE, 2)), RATE)
    text = TINY.replace("demo = 0", 'path = "song.wav"').replace("start_s = 3", "start_s = 1")
    out = build(write_spec(tmp_path, text, mix='"flat"'), tmp_path / "out")
    manifest = json.loads((out / "manifest.json").read_text())
    for one in manifest["stimuli"]:
        assert one["unavailable"]["stoi_vocals"] == "song one has no true vocals"
        assert set(one["metrics"]) == {"stoi", "estoi", "si_sdr_db", "csdr_db", "energy_sdr_db"}
    song = manifest["songs"]["one"]
    assert song["sha256"] == hashlib.sha256((tmp_path / "song.wav").read_bytes()).hexdigest()


def test_an_excerpt_without_vocals_is_warned_of_where_mixes_differ_in_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("song", "drums", "vocals"):
        samples = 0.1 * rng.standard_normal((3 * RATE, 2))
        samples[RATE // 2 :] *= name != "vocals"  # vocals in the run-in alone
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    text = TINY.replace("demo = 0", 'path = "song.wav"\nstems = "."').replace("start_s = 3", "start_s = 1")
    text = text.replace('"oracle"', f'"{quick_model()}"')
    sentence = "the excerpt of song one has no vocals, and the mixes differ in them"
    folder = build(write_spec(tmp_path, text), tmp_path / "warned")
    assert sentence in json.loads((folder / "manifest.json").read_text())["warnings"][0]
    assert capsys.readouterr().err.startswith(f"warning: {sentence}")
    same = build(write_spec(tmp_path, text, mix='"flat"'), tmp_path / "same")
    assert json.loads((same / "manifest.json").read_text())["warnings"] == [] and not capsys.readouterr().err


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build(write_spec(tmp_path, samples='"float"'), tmp_path / name) for name in ("a", "b"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 4 + 1 + 2 + 2  # versions, the hidden reference, tones, trials.csv and manifest.json
    for path in files:
        assert (first / path).read_bytes() == (second / path).read_bytes(), path
    info = soundfile.info(next(path for path in (first / "plain/stimuli").iterdir()))
    assert (info.subtype, info.channels) == ("FLOAT", 2)


def test_each_participant_has_an_order_of_their_own_that_the_seed_decides(tmp_path: Path) -> None:
    def orders(seed: int) -> list[list[str]]:
        plan = read_plan(write_spec(tmp_path, SPEC, seed=str(seed)))
        return [[trial.song for trial in trials(plan, who)] for who in plan.spec.participants]

    many = [orders(seed) for seed in range(12)]
    assert orders(3) == many[3]
    assert all(order[0] == "one" for found in many for order in found)  # the practice
    assert all(sorted(order[1:]) == ["one", "three", "two"] for found in many for order in found)
    assert len({tuple(order) for found in many for order in found}) == 6  # all there are
    assert any(found[0] != found[1] for found in many)


def test_plain_rows_can_be_filled_in(exported: Path, manifest: dict[str, Any]) -> None:
    with (exported / "plain/trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4 * 5  # participants, the practice and three songs, reference hidden among the versions
    conditions = {one["code"]: one["condition"] for one in manifest["stimuli"]}
    for row in rows:
        assert (exported / "plain" / row["stimulus_file"]).is_file()
        assert conditions[Path(row["reference_file"]).stem] == "reference"
        assert row["rating_score"] == ""
    trial = [row for row in rows if (row["session_test_id"], row["trial"]) == ("vocals-up-P03", "2")]
    hidden = [row for row in trial if row["rating_stimulus"] in manifest["hidden"]]
    assert len(hidden) == 1
    pair = [(exported / "plain" / hidden[0][key]).read_bytes() for key in ("reference_file", "stimulus_file")]
    assert pair[0] == pair[1]
    assert hidden[0]["reference_file"] != hidden[0]["stimulus_file"]
    positions = {
        tuple(row["rating_stimulus"] in manifest["hidden"] for row in rows[i : i + 5]) for i in range(0, 60, 5)
    }
    assert len(positions) > 2  # not always at the same place


def test_the_spec_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "hearsim/docs/listening-tests.md").read_text(encoding="utf-8")
    (block,) = [part for part in text.split("```toml\n")[1:] if "[[participants]]" in part]
    (tmp_path / "spec.toml").write_text(block.split("```")[0], encoding="utf-8")
    plan = read_plan(tmp_path / "spec.toml")
    assert [one.name for one in plan.versions] == ["reference", "anchor35", "anchor70", "separated", "unprocessed"]
    assert [one.model for one in plan.versions[3:]] == ["hs-tasnet-lite", "hs-tasnet-lite"]


def test_beaqlejs_config(exported: Path, manifest: dict[str, Any]) -> None:
    conditions = {one["file"]: one["condition"] for one in manifest["stimuli"]}
    text = (exported / "beaqlejs/config/vocals-up-P03.js").read_text(encoding="utf-8")
    config, _ = json.JSONDecoder().raw_decode(text.removeprefix("var TestConfig = "))
    assert 'name.value = "vocals-up-P03";' in text
    assert config["RandomizeTestOrder"] is False
    order = [one["song"] for one in manifest["participants"][2]["trials"]]
    assert [one["TestID"] for one in config["Testsets"]] == ["practice", *order[1:]]
    for one in config["Testsets"]:
        for key, path in one["Files"].items():
            assert (exported / "beaqlejs" / path).is_file()
            assert (conditions[Path(path).name] == "reference") == (key == "Reference")
        assert len(one["Files"]) == 5
