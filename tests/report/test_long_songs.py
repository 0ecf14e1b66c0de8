"""A long song renders in bounded memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hearsim.core.audio_files import open_wave
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.schema import STEMS

MINUTES = 10
MOST_GB = 1.5
RENDER = """
import json, resource, sys
from pathlib import Path
from hearsim.profile.load import load_profile
from hearsim.report.run import render_song
folder = Path(sys.argv[1])
report = render_song(folder / "song.wav", load_profile("moderate-vocals-up"), folder / "out", folder, save_stems=True)
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, report["input"]["seconds"], report["metrics"]]))
"""


@pytest.mark.slow
def test_ten_minutes_with_stems_and_every_metric(tmp_path: Path) -> None:
    stems = demo_song(20.0)
    for name, samples in zip(("song", *STEMS), (mixture(stems).samples, *stems.samples), strict=True):
        with open_wave(tmp_path / f"{name}.wav", stems.rate) as file:
            for _ in range(MINUTES * 3):
                file.write(samples)
    done = subprocess.run([sys.executable, "-c", RENDER, str(tmp_path)], capture_output=True, text=True, check=True)
    most_kb, seconds, metrics = json.loads(done.stdout)
    assert seconds == 60 * MINUTES
    assert metrics["unavailable"] == {}
    assert most_kb / 1e6 < MOST_GB
