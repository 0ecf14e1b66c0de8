"""Stems of another song are noticed; those of a remix are not."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from quick_model import with_quick_model

from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.schema import STEMS
from hearsim.report.run import render_song
from hearsim.simulation.true_stems import StemsFit, read_song

ALPHA, BETA = demo_song(3.0, seed=1), demo_song(3.0, seed=2, style="rock", key="E")


def fit_of(stems: np.ndarray, song: np.ndarray, block: int = 50_000) -> float:
    fit = StemsFit(len(stems))
    for start in range(0, song.shape[-1], block):
        fit.add(stems[..., start : start + block], song[:, start : start + block])
    return fit.value()


def test_stems_fit_their_song_at_any_gains_and_no_other_song() -> None:
    gains = np.array([0.0, 0.3, 3.0, 1.0], np.float32)[:, None, None]
    remix = (gains * ALPHA.samples).sum(axis=0)
    assert fit_of(ALPHA.samples, remix) == pytest.approx(1.0, abs=1e-6)
    assert fit_of(ALPHA.samples, np.tanh(2 * remix)) > 0.9  # mastered
    assert fit_of(BETA.samples, mixture(ALPHA).samples) < 0.4
    assert fit_of(ALPHA.samples, 0 * remix) == 1.0
    assert fit_of(0 * ALPHA.samples, remix) == 0.0


def folder_of(stems: Audio, folder: Path) -> Path:
    folder.mkdir()
    for name, samples in zip(STEMS, stems.samples, strict=True):
        write(folder / f"{name}.wav", Audio(samples, stems.rate))
    return folder


def test_listen_warns_of_stems_of_another_song(tmp_path: Path) -> None:
    write(tmp_path / "alpha.wav", mixture(ALPHA))
    alpha, beta = folder_of(ALPHA, tmp_path / "alpha"), folder_of(BETA, tmp_path / "beta")
    with pytest.warns(HearsimWarning, match="the stems in .*beta may be of another song, or shifted: .*alpha.wav by 0"):
        read_song(tmp_path / "alpha.wav", beta)
    with pytest.warns(HearsimWarning, match="the true stems may be of another song"):
        read_song(mixture(ALPHA), BETA)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_song(tmp_path / "alpha.wav", alpha)
        (beta / "bass.wav").unlink()
        read_song(tmp_path / "alpha.wav", beta)  # some of the stems tell too little


def test_a_folder_of_stems_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "alpha.wav", mixture(ALPHA))
    with pytest.raises(HearsimError, match=r"no folder .*stemz: give the folder of the true stems"):
        read_song(tmp_path / "alpha.wav", tmp_path / "stemz")


def test_a_render_warns_of_stems_of_another_song(tmp_path: Path) -> None:
    alpha, beta = (Audio(song.samples[..., 44100:88200], song.rate) for song in (ALPHA, BETA))
    write(tmp_path / "alpha.wav", mixture(alpha))
    own, other = folder_of(alpha, tmp_path / "alpha"), folder_of(beta, tmp_path / "beta")
    with pytest.warns(HearsimWarning, match="the stems in .*beta may be of another song"):
        render_song(tmp_path / "alpha.wav", with_quick_model("flat"), tmp_path / "out", other)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HearsimWarning)
        render_song(tmp_path / "alpha.wav", with_quick_model("flat"), tmp_path / "two", own)
