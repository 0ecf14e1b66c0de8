"""What report.json and the page say is what the files hold: levels, gains, scores, each of its own sound and ear."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
from quick_model import with_quick_model

from hearsim.aid.compensation import compensation
from hearsim.cli.catalogue import metrics
from hearsim.core.audio import EARS, Audio
from hearsim.core.audio_files import read, write
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.separation import SdrMeter
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.schema import STEMS, Profile
from hearsim.report.run import render_song
from hearsim.simulation.audibility import VoiceMeter, sii_in_music

RATE = 44100


class Run(NamedTuple):
    profile: Profile
    report: dict[str, Any]
    folder: Path
    song: Audio
    truth: Audio

    def pressure(self, name: str) -> np.ndarray:
        """A sound in pascals: the song at the microphone, files of the run at the headphones."""
        rig = self.profile.rig
        if name == "input":
            return self.song.samples * rig.microphone.pascal_per_unit
        return read(self.folder / f"{name}.wav").samples * rig.headphones.pascal_per_unit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A render for unlike ears, with a tiny network, so that its stems are bad, and true stems."""
    folder = tmp_path_factory.mktemp("songs")
    truth = demo_song(3.0)
    write(folder / "song.wav", mixture(truth))
    (folder / "stems").mkdir()
    for name, samples in zip(STEMS, truth.samples, strict=True):
        write(folder / "stems" / f"{name}.wav", Audio(samples, RATE))
    profile = with_quick_model("asymmetric-instrumental").model_copy(
        update={"mix": with_quick_model("severe-vocals-up").mix}
    )
    report = render_song(folder / "song.wav", profile, folder / "run", folder / "stems", save_stems=True)
    return Run(profile, report, folder / "run", mixture(truth), truth)


def test_levels_are_those_of_the_song_and_of_the_aids_file(run: Run) -> None:
    for key, name in (("input_db_spl", "input"), ("aided_db_spl", "aided")):
        meter = BandLevels(RATE, 2)
        meter.add(run.pressure(name).astype(np.float32))
        for index, ear in enumerate(EARS):
            assert run.report["levels"][key][ear] == pytest.approx(meter.db_spl()[index].tolist(), abs=0.01)
    peaks = np.abs(run.pressure("aided")).max(axis=1) / np.sqrt(2)  # of a sine with that peak
    for ear, peak in zip(EARS, peaks, strict=True):
        assert run.report["levels"]["peak_db_spl"][ear] == pytest.approx(20 * np.log10(peak / 2e-5), abs=0.01)
    assert run.report["levels"]["mpo_db_spl"] == dict(zip(EARS, run.profile.mpo_db_spl, strict=True))
    assert abs(run.profile.mpo_db_spl[0] - run.profile.mpo_db_spl[1]) > 1


def test_gains_are_those_of_each_ear(run: Run) -> None:
    for level in (50, 65, 80):
        gains = compensation(run.profile).insertion_gain_db(float(level))
        assert np.abs(gains[0] - gains[1]).max() > 5
        for index, ear in enumerate(EARS):
            assert run.report["fitting"][ear]["insertion_gain_db"][str(level)] == pytest.approx(gains[index].tolist())


def test_scores_of_the_stems_and_of_the_mixture_in_their_place(run: Run) -> None:
    for index, name in enumerate(STEMS):
        for key, sound in (("sdr_db", run.folder / "stems" / f"{name}.wav"), ("sdr_mixture_db", run.folder)):
            meter = SdrMeter(RATE)
            meter.add(run.truth.samples[index], read(sound).samples if sound.is_file() else run.song.samples)
            assert run.report["metrics"][key][name] == pytest.approx(meter.sdr_db(), abs=1e-6)


def test_the_list_of_metrics_names_those_of_the_report(run: Run) -> None:
    listed = {row["name"] for row in metrics() if "report" in (row["computed_by"] or "").split(", ")}
    assert listed == run.report["metrics"].keys() - {"unavailable"} | {"mpo_events", "live_delay_ms"}
    assert "mpo_events" in run.report["levels"] and "total_ms" in run.report["latency"]


def test_the_voice_in_the_music_is_that_of_the_remix_that_was_played(run: Run) -> None:
    stems = np.stack([read(run.folder / "stems" / f"{name}.wav").samples for name in STEMS])
    weights = np.array([run.profile.mix.gain(name) - 1 for name in STEMS], np.float32)
    meter, aided = VoiceMeter(RATE, run.profile), BandLevels(RATE, 2)
    meter.add(run.song.samples, run.truth.samples[0], run.song.samples + np.einsum("s,scn->cn", weights, stems))
    aided.add(run.pressure("aided").astype(np.float32))
    expected = sii_in_music(meter, aided, run.profile, RATE)
    for name, ears in expected.items():
        assert run.report["metrics"]["sii"][name] == pytest.approx(ears, abs=2e-5)


def test_the_page_plays_all_sounds_on_one_scale_of_sound_pressure(run: Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    held = json.loads(re.findall(r'<script type="application/json" id="sounds">(.*?)</script>', page)[0])["sounds"]
    played = {one["label"]: soundfile.read(io.BytesIO(base64.b64decode(one["flac"])))[0].T for one in held}
    scale = {}
    for name, label in (("input", "The song at the input"), ("aided", "Output of the aid"),
                        ("heard", "Heard by this listener with the aid")):  # fmt: skip
        scale[name] = np.abs(played[label]).max() / np.abs(run.pressure(name)).max()
    assert scale["input"] == pytest.approx(scale["aided"], rel=0.01)
    assert scale["heard"] == pytest.approx(scale["aided"], rel=0.01)


def test_loudness_is_on_one_scale_of_sound_pressure(run: Run) -> None:
    """Levels of the song and of the aid's file, each with the full scale of its end of the rig."""
    metrics, rig = run.report["metrics"], run.report["rig"]
    input_spl, aided_spl = (metrics["loudness_db_spl"][version] for version in ("input", "aided"))
    assert input_spl == pytest.approx(metrics["lufs"]["input"] + rig["microphone_full_scale_db_spl"])
    change = metrics["lufs"]["aided"] - metrics["lufs"]["input"]
    ends = rig["headphones_full_scale_db_spl"] - rig["microphone_full_scale_db_spl"]
    assert ends > 10 and aided_spl - input_spl == pytest.approx(change + ends)
