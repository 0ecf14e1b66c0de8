"""A file with samples that no air can carry: they are silent, everything else is there, and the report tells."""

from pathlib import Path

import numpy as np
import soundfile
from quick_model import with_quick_model

from hearsim.report.run import render_song


def test_the_report_counts_what_was_no_sound(tmp_path: Path) -> None:
    song = (1e-4 * np.random.default_rng(0).standard_normal((22050, 2))).astype(np.float32)
    song[5000, 0], song[5001, 1] = 90.0, -90.0
    soundfile.write(tmp_path / "song.wav", song, 44100, subtype="FLOAT")
    profile = with_quick_model("moderate-vocals-up")
    loud = profile.rig.model_copy(update={"microphone_full_scale_db_spl": 160.0})  # 90 x full scale: 199 dB SPL
    report = render_song(tmp_path / "song.wav", profile.model_copy(update={"rig": loud}), tmp_path / "out")
    assert report["levels"]["non_finite_samples"] == 2
    assert "replaced by silence: 2." in (tmp_path / "out" / "report.html").read_text()
    for name in ("aided", "heard", "unaided"):
        samples, _ = soundfile.read(tmp_path / "out" / f"{name}.wav")
        assert np.isfinite(samples).all() and np.abs(samples).max() < 4.0
        assert np.abs(samples[15000:]).max() > 0.0001
