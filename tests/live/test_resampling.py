"""A device at another rate than the engine's: later by exactly what is declared, flat, and never over the limit."""

from collections.abc import Callable

import numpy as np
import pytest

from hearsim.live.resampling import Resampled, lateness

RATE, SECONDS = 44100, 0.5


class Through:
    """A player that hands over what it is given, at once, and keeps count of the samples of its calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.period = 0

    def begin(self, period: int, even: bool) -> None:
        self.period = period

    def callback(self, given: np.ndarray | None, out: np.ndarray, xrun: bool = False) -> None:
        self.calls.append(len(out))
        out[...] = 0.0 if given is None else given


def play(
    sound: np.ndarray, device_rate: int, block: int, ceiling: float | tuple[float, float] = 10.0
) -> tuple[np.ndarray, Through]:
    """Run (frames, channels) at the device's rate there and back."""
    through, channels = Through(), sound.shape[1]
    limit = np.broadcast_to(np.float32(ceiling), 2)
    resampled = Resampled(through, limit, RATE, device_rate, (channels, channels))  # type: ignore[arg-type]
    out = np.full_like(sound, np.nan)
    for start in range(0, len(sound), block):
        resampled.callback(sound[start : start + block], out[start : start + block])
    return out, through


def sampled(wave: Callable[[np.ndarray], np.ndarray], rate: int, late: float = 0.0) -> np.ndarray:
    return wave(np.arange(int(SECONDS * rate)) / rate - late).astype(np.float32)


def chirp_to(highest_hz: float) -> Callable[[np.ndarray], np.ndarray]:
    """A chirp with soft ends from 0 Hz up, between 0.05 and 0.45 s."""

    def wave(t: np.ndarray) -> np.ndarray:
        s = np.clip((t - 0.05) / 0.4, 0, 1)
        return 0.5 * np.sin(np.pi * highest_hz * 0.4 * s * s) * np.sin(np.pi * s) ** 2

    return wave


@pytest.mark.parametrize("device_rate", [16000, 32000, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("block", [64, 441, 1000])
def test_there_and_back_is_late_by_what_is_declared(device_rate: int, block: int) -> None:
    wave = chirp_to(0.45 * min(RATE, device_rate) * 0.99)
    late = sum(lateness(RATE, device_rate)) / RATE
    sound = np.stack([sampled(wave, device_rate), -sampled(wave, device_rate)], axis=1)
    out, through = play(sound, device_rate, block)
    expected = sampled(wave, device_rate, late)
    np.testing.assert_allclose(out, np.stack([expected, -expected], axis=1), atol=5e-4)
    largest = max(through.calls)
    assert largest - min(through.calls[:-1]) <= 1 and largest == through.period
    assert late < 0.0041


@pytest.mark.parametrize("device_rate", [48000, 32000])
def test_the_block_changes_nothing(device_rate: int) -> None:
    sound = np.random.default_rng(0).standard_normal((9000, 1)).astype(np.float32)
    whole = play(sound, device_rate, 9000)[0]
    for block in (1, 63, 512):
        np.testing.assert_array_equal(play(sound, device_rate, block)[0], whole)


def test_what_lies_over_half_the_lower_rate_is_gone() -> None:
    """A tone of 23.9 kHz would come back as one of 20.2."""
    t = np.arange(48000) / 48000
    for tone_hz, highest_db in ((23900.0, -75.0), (20000.0, 0.01)):
        sound = np.sin(2 * np.pi * tone_hz * t).astype(np.float32)[:, None]
        out = play(sound, 48000, 480)[0][2000:-2000]
        gain_db = 20 * np.log10(np.std(out) / np.std(sound))
        assert gain_db < highest_db
    assert gain_db > -0.05  # 20 kHz, the last of the two


def test_what_overshoots_is_cut_at_the_limit() -> None:
    square = np.sign(np.sin(2 * np.pi * 3000 * np.arange(24000) / 48000))[:, None].repeat(2, axis=1).astype(np.float32)
    assert np.abs(play(square, 48000, 256)[0]).max() > 1.05
    assert np.abs(play(square, 48000, 256, ceiling=1.0)[0]).max() == 1.0


def test_a_single_channel_overshoots_up_to_the_lower_limit() -> None:
    square = np.sign(np.sin(2 * np.pi * 3000 * np.arange(24000) / 48000))[:, None].astype(np.float32)
    assert np.abs(play(square, 48000, 256, ceiling=(1.5, 0.5))[0]).max() == 0.5


def test_what_is_no_number_leaves_no_trace() -> None:
    sound = np.zeros((4800, 2), np.float32)
    sound[100, 0] = np.nan
    out = play(sound, 48000, 128)[0]
    assert np.isnan(out).any()  # the player behind it takes it out; here none does
    assert np.isfinite(out[400:]).all()
