"""Small made-up data sets, each stem a tone of its own."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
TINY_MODEL = f"""
[model]
name = "tiny"
rate = {RATE}
window = 64
hop = 16
units = 8
bases = 6
bands = 16
"""
"""The network of a training spec, as TOML."""
TONES_HZ = {"vocals": 440.0, "drums": 1300.0, "bass": 110.0, "other": 700.0}


def tone(hz: float, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    """Return (frames, 2), the right channel half as loud."""
    wave = level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)
    return np.stack([wave, wave / 2], 1).astype(np.float32)


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE)


def write_song(
    folder: Path, seconds: float = 1.0, stems: tuple[str, ...] = tuple(TONES_HZ), suffix: str = "wav"
) -> None:
    for stem in stems:
        write(folder / f"{stem}.{suffix}", tone(TONES_HZ[stem], seconds))


def noise_song(folder: Path, seed: int, seconds: float = 2.0) -> None:
    """Write a song of noise, every sample different from all others."""
    rng = np.random.default_rng(seed)
    for stem in TONES_HZ:
        write(folder / f"{stem}.wav", 0.2 * rng.uniform(-1, 1, (int(seconds * RATE), 2)))
