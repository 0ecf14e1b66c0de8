"""One engine: stems that are kept and scored are those that the aid has used; `listen` renders as a file does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.separator import Separator
from hearsim.core.audio import Audio, Format
from hearsim.core.audio_files import read, write
from hearsim.core.errors import HearsimError
from hearsim.core.processor import find, render
from hearsim.ear.ear import unaided
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_profile
from hearsim.profile.schema import STEMS
from hearsim.report.run import render_song
from hearsim.separation.backends.torch_cpu import TorchStep
from hearsim.simulation.listening import listen

SECONDS = 2.0


@pytest.fixture(scope="module")
def stems() -> Audio:
    song = demo_song(3.0, seed=2)
    return Audio(song.samples[..., -round(SECONDS * song.rate) :], song.rate)


@pytest.fixture(scope="module")
def folder(stems: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("song")
    write(folder / "song.wav", mixture(stems))
    for name, samples in zip(STEMS, stems.samples, strict=True):
        write(folder / f"{name}.wav", Audio(samples, stems.rate))
    return folder


def test_the_network_runs_once_a_hop_with_stems_and_saved_stems(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    step = TorchStep.__call__

    def counted(self: TorchStep, hop: np.ndarray) -> np.ndarray:
        calls.append(hop.any())
        return step(self, hop)

    monkeypatch.setattr(TorchStep, "__call__", counted)
    monkeypatch.setattr("hearsim.report.run.collect", lambda result, *_: {"input": {}, "latency": result.fmt.block})
    monkeypatch.setattr("hearsim.report.run.write_page", lambda *_: None)
    render_song(folder / "song.wav", load_profile("moderate-vocals-up"), tmp_path / "run", folder, save_stems=True)
    song = round(SECONDS * 44100)
    assert sum(calls) == -(-song // 512)  # hops with sound in them
    assert len(calls) < song / 512 + 8  # and the latency's


@pytest.mark.parametrize("block", [512, 128, 441])
def test_stems_are_those_that_the_aid_has_remixed(stems: Audio, block: int) -> None:
    """Aided sound = delayed song + sum of (gain - 1) x stems, computed here, in an aid that does nothing else."""
    profile = load_profile("flat")
    profile = profile.model_copy(
        update={
            "aid": profile.aid.model_copy(update={"block_samples": block}),
            "mix": load_profile("moderate-vocals-up").mix,
        }
    )
    song = mixture(stems)
    quiet = Audio(song.samples * np.float32(0.25), song.rate)  # under the limiter
    result = listen(hearing_aid(profile), quiet) if hasattr(hearing_aid(profile), "profile") else listen(profile, quiet)
    weights = np.array([profile.mix.gain(stem) - 1 for stem in STEMS], np.float32)
    expected = quiet.samples + np.einsum("s,scn->cn", weights, result.stems.samples)
    assert result.mpo_events == 0
    np.testing.assert_allclose(result.aided.samples, expected, atol=1e-6)
    assert not np.allclose(result.aided.samples, quiet.samples, atol=1e-3)


def test_listen_is_what_render_writes(stems: Audio, folder: Path, tmp_path: Path) -> None:
    profile = load_profile("moderate-vocals-up")
    report = render_song(folder / "song.wav", profile, tmp_path / "run", folder, save_stems=True)
    result = listen(profile, folder / "song.wav", folder)
    for name in ("aided", "heard", "unaided"):
        np.testing.assert_array_equal(getattr(result, name).samples, read(tmp_path / "run" / f"{name}.wav").samples)
    for index, name in enumerate(STEMS):
        np.testing.assert_array_equal(result.stems.samples[index], read(tmp_path / "run/stems" / f"{name}.wav").samples)
    assert result.ledger.total_samples == report["latency"]["total_samples"]
    assert result.score("estoi_vocals") == pytest.approx(report["metrics"]["estoi_vocals"]["heard"], abs=1e-9)
    assert result.score("vocals_csdr_db") == pytest.approx(report["metrics"]["csdr_db"]["vocals"], abs=1e-6)
    assert result.score("live_delay_ms") == pytest.approx(report["latency"]["total_ms"])
    song = mixture(stems)
    np.testing.assert_array_equal(result.unaided.samples, render(unaided(profile), song).samples)
    assert "listener" in repr(result) and "live delay" in repr(result)


def test_listen_says_what_is_missing(stems: Audio, folder: Path) -> None:
    profile, song = load_profile("flat"), mixture(stems)
    short = Audio(song.samples[:, :22050], song.rate)
    result = listen(profile, Audio(short.samples[:1], song.rate))  # mono goes to both ears
    np.testing.assert_array_equal(result.song.samples[0], result.song.samples[1])
    with pytest.raises(HearsimError, match="no true stems to compare with"):
        result.score("estoi_vocals")
    with pytest.raises(HearsimError, match="'estoi_vocal': did you mean estoi_vocals"):
        result.score("estoi_vocal")
    assert np.isfinite(result.score("lufs"))
    with pytest.raises(HearsimError, match="give a mixture"):
        listen(profile, stems)
    with pytest.raises(HearsimError, match="the true stems have the shape"):
        listen(profile, short, stems)
    with pytest.raises(HearsimError, match="is a folder, and the song is not a file"):
        listen(profile, song, folder)
    with pytest.raises(HearsimError, match="needs an aid that knows its listener"):
        listen(unaided(profile), song)


def test_a_tap_sees_every_hop_and_goes_with_the_run(stems: Audio) -> None:
    aid = hearing_aid(load_profile("flat"))
    aid.prepare(Format(44100, 2, 512))
    separator, hops = find(aid, Separator), []
    separator.tap = lambda mixture, estimates: hops.append((mixture.copy(), estimates.copy()))
    sound = mixture(stems).samples[:, : 4 * 512]
    for start in range(0, sound.shape[1], 512):
        aid.process(sound[:, start : start + 512])
    np.testing.assert_array_equal(np.concatenate([hop for hop, _ in hops], axis=1), sound)
    assert hops[0][1].shape == (4, 2, 512)


def test_the_callers_torch_keeps_its_threads(stems: Audio) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        song = Audio(mixture(stems).samples[:, :4096], stems.rate)
        render(hearing_aid(load_profile("flat")), song)
        listen(load_profile("flat"), song)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
