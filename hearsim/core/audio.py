"""Audio in memory: the format of a stream, and samples with their rate."""

import base64
import io
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np

from hearsim.core.arguments import array_fault, check_count, kind_of, whole_number
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, counted

EARS = ("left", "right")
"""Names of a listener's channels: channel 0 is the left ear."""
Unit = Literal["fs", "pa"]
UNIT_NAMES: dict[Unit, str] = {"fs": "full scale", "pa": "pascal"}
Layout = Literal["channels first", "channels last"]
LAYOUTS: tuple[Layout, ...] = ("channels first", "channels last")
MOST_CHANNELS = 64
"""An array with more rows than this and fewer columns is taken as (frames, channels)."""


@dataclass(frozen=True)
class Format:
    """The format of a stream: sample rate in Hz, channels (0 is the left ear), block in samples.

    `stems` names a leading axis where there is one; `unit` is "fs" (full scale) or "pa" (pascals). `upstream_latency`
    is the sum of the latencies of all stages before, in samples: a stage with a hop starts its hops at it, so
    its output depends neither on them nor on the host block.

    Raises `HearsimError` for a rate, channels or a block that are not whole numbers from 1 on, and for other units.

    Examples
    --------
    >>> str(Format(44100, 2, 512))
    '2 ch, 44100 Hz, block 512, full scale'
    >>> Format(44100, 2, 512, stems=("vocals", "other")).shape
    (2, 2, 512)
    """

    rate: int
    channels: int
    block: int
    stems: tuple[str, ...] = ()
    unit: Unit = "fs"
    upstream_latency: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for name in ("rate", "channels", "block"):
            check_count(f"Format: {name}", getattr(self, name))
        check_count("Format: upstream_latency", self.upstream_latency, least=0)
        if not isinstance(self.stems, tuple) or not all(isinstance(stem, str) for stem in self.stems):
            raise HearsimError(
                f"Format: stems = {reprlib.repr(self.stems)} is not a tuple of names: give ('vocals', ...)"
            )
        if self.unit not in UNIT_NAMES:
            raise HearsimError(f"Format: unit = {self.unit!r} is not known: give 'fs' (full scale) or 'pa' (pascal)")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one block: (stems?, channels, frames)."""
        lead = (len(self.stems),) if self.stems else ()
        return (*lead, self.channels, self.block)

    def __str__(self) -> str:
        stems = f"{len(self.stems)} stems x " if self.stems else ""
        return f"{stems}{self.channels} ch, {self.rate} Hz, block {self.block}, {UNIT_NAMES[self.unit]}"


@dataclass(frozen=True)
class Audio:
    """Samples (stems?, channels, frames), float32, and their rate in Hz; full scale is 1.

    Other floating point is converted to float32; `Audio.from_array` takes other types and layouts. In a notebook, audio
    of one or two channels shows as a player.

    Raises `HearsimError` for samples of another type or layout, and for a rate that is not a whole number of Hz.

    Examples
    --------
    >>> song = Audio(np.zeros((2, 44100), np.float32), 44100)
    >>> song.channels, song.frames, song.seconds
    (2, 44100, 1.0)
    >>> song
    <Audio: 2 channels, 1.000 s at 44100 Hz>
    """

    samples: FloatArray
    rate: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", whole_number("Audio: rate", self.rate))
        if isinstance(self.samples, np.ndarray) and self.samples.dtype.kind == "f":
            with np.errstate(over="ignore"):  # beyond float32 is infinite: an invalid sample like others
                object.__setattr__(self, "samples", self.samples.astype(np.float32, copy=False))
        if fault := array_fault(self.samples, "samples"):
            raise HearsimError(f"Audio: {fault}")
        if self.samples.ndim not in (2, 3) or 0 in self.samples.shape[:-1]:
            raise HearsimError(
                f"Audio takes samples (channels, frames), or (stems, channels, frames), not of the shape "
                f"{self.samples.shape}: Audio.from_array(array, rate) converts one channel (frames,)"
            )
        if self.channels > MOST_CHANNELS or self.channels > max(2, self.frames):
            raise HearsimError(
                f"Audio takes samples (channels, frames), and those of the shape {self.samples.shape} would have "
                f"{self.channels} channels: Audio.from_array(array, rate) turns (frames, channels)"
            )

    @classmethod
    def from_array(cls, array: object, rate: int, layout: Layout | None = None) -> "Audio":
        """Return audio from an array of another type or layout.

        Parameters
        ----------
        array : array, list or torch tensor
            Samples: (frames,), (channels, frames) or (frames, channels). Floating point as it is, full scale 1; signed
            integers of 16 and 32 bits, and unsigned of 8, are scaled by their full scale.
        rate : int
            Sample rate in Hz.
        layout : "channels first" or "channels last"
            The order of two axes; without it, the axis with more than 64 entries is taken as the frames.

        Raises
        ------
        HearsimError
            For anything but an array of numbers, for other integers, and for two axes whose order can't be told.

        Examples
        --------
        >>> pcm = np.array([[16384, -32768]] * 100, np.int16)  # (frames, channels), as sound cards give
        >>> Audio.from_array(pcm, 44100).samples[:, 0].tolist()
        [0.5, -1.0]
        >>> Audio.from_array([0.0, 0.5, 1.0], 8000).samples.shape
        (1, 3)
        """
        samples = _full_scale(array)
        if layout is not None and layout not in LAYOUTS:
            raise HearsimError(f"Audio.from_array: layout = {layout!r} is not known: give {' or '.join(LAYOUTS)}")
        if samples.ndim == 0:
            raise HearsimError(f"Audio.from_array: {kind_of(array)} is one number: give an array of samples")
        if samples.ndim == 1:
            samples = samples[None]
        elif samples.ndim == 2 and (layout or _layout(samples)) == "channels last":
            samples = samples.T
        return cls(np.ascontiguousarray(samples), rate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[-2])

    @property
    def frames(self) -> int:
        """Number of samples per channel."""
        return int(self.samples.shape[-1])

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate

    def __repr__(self) -> str:
        stems = f"{len(self.samples)} stems, " if self.samples.ndim == 3 else ""
        return f"<Audio: {stems}{counted(self.channels, 'channel')}, {self.seconds:.3f} s at {self.rate} Hz>"

    def _repr_html_(self) -> str | None:
        """Return a player for a notebook; None where there are stems or more than two channels."""
        return player(self) if self.samples.ndim == 2 and self.channels <= 2 else None


def check_mixture(song: Audio) -> None:
    """Raise `HearsimError` for stems, and for more than two channels."""
    if song.samples.ndim != 2 or song.channels not in (1, 2):
        raise HearsimError(f"the song has the shape {song.samples.shape}: give a mixture (1 or 2 channels, frames)")


def player(audio: Audio) -> str:
    """Return an HTML player of audio (1 or 2, frames), with its sound as an embedded 16-bit WAV.

    Samples over full scale are limited to it: a browser plays no others.
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(audio.samples.T, -1.0, 1.0), audio.rate, "PCM_16", format="WAV")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<audio controls preload="metadata" src="data:audio/wav;base64,{data}"></audio>'


def players(sounds: Mapping[str, Audio]) -> str:
    """Return a table of HTML players, a row per sound (1 or 2, frames)."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{player(sound)}</td></tr>" for name, sound in sounds.items())
    return f"<table>{rows}</table>"


def _full_scale(array: Any) -> FloatArray:
    """Return samples as float32 in full scale."""
    if hasattr(array, "detach"):  # a tensor of torch
        array = array.detach().cpu().numpy()
    try:
        samples = np.asarray(array)
    except ValueError:
        raise HearsimError("Audio.from_array: the channels are of different lengths: pad them") from None
    if samples.dtype.kind == "i" and isinstance(array, Sequence):
        if samples.size and np.abs(samples).max() > 1:
            raise HearsimError(
                "Audio.from_array: the list holds integers over 1, whose full scale is not known: give numbers with a "
                "point, 1.0 at full scale, or np.array(list, np.int16)"
            )
        return samples.astype(np.float32)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / np.float32(128.0)
    if samples.dtype in (np.int16, np.int32):
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    raise HearsimError(
        f"Audio.from_array: {kind_of(array)} holds no samples: give floating point, or integers of 16 or 32 bits"
    )


def _layout(samples: FloatArray) -> Layout:
    """Return the order of two axes by their lengths."""
    first, second = (length <= MOST_CHANNELS for length in samples.shape)
    if first == second:
        choice = " or ".join(f"layout={layout!r}" for layout in LAYOUTS)
        raise HearsimError(f"Audio.from_array: {samples.shape} has no axis that is surely the frames: give {choice}")
    return "channels first" if first else "channels last"
