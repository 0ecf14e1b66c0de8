"""Audio in memory: stream formats, samples with their rate, and the calibration between full scale and pascals."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray

Unit = Literal["fs", "pa"]
UNIT_NAMES: dict[Unit, str] = {"fs": "full scale", "pa": "pascal"}


@dataclass(frozen=True)
class Format:
    """What a stage is prepared for: sample rate in Hz, channels (0 is the left ear), block in samples.

    `stems` names a leading axis where there is one; `unit` is "fs" (full scale) or "pa" (pascals). `upstream_latency`
    is the sum of the latencies of all stages before, in samples: a stage with a hop of its own sets its clock by it, so
    its output depends neither on them nor on the host block.
    """

    rate: int
    channels: int
    block: int
    stems: tuple[str, ...] = ()
    unit: Unit = "fs"
    upstream_latency: int = field(default=0, compare=False)

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
    """Samples (stems?, channels, frames), float32, and their rate in Hz."""

    samples: FloatArray
    rate: int

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim not in (2, 3):
            raise HearsimError(
                f"Audio takes float32 samples of shape (channels, frames), not {self.samples.dtype} of shape "
                f"{self.samples.shape}: use samples.astype('float32') and put channels first"
            )

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
