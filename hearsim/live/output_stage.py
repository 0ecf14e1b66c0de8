"""The last step before the ear: crossfade of wet and dry, output level, and a hard limit.

The same object plays live (in the callback) and renders a session again, driven by events at samples.
"""

import numpy as np

from hearsim.core.units import FloatArray
from hearsim.dsp.ramps import Ramp
from hearsim.live.events import Kind
from hearsim.live.rings import Event

FADE = 64  # samples of the crossfade between wet and dry; as many are always kept in reserve for it
LARGEST_PERIOD = 8192


class OutputStage:
    """Mixes wet and dry, sets the level, limits. One thread uses it.

    `ceiling` (2,) is the largest magnitude per ear in full scale, which a profile sets. A stream begins dry and silent.
    """

    def __init__(self, ceiling: FloatArray) -> None:
        self._ceiling = ceiling.reshape(2, 1)
        self.path_latency = 0
        self._out = np.zeros((2, LARGEST_PERIOD), np.float32)
        self._part = np.zeros((2, LARGEST_PERIOD), np.float32)
        self.begin(0)

    def begin(self, position: int) -> None:
        """Begin a stream at a sample: dry, silent."""
        self.share, self.level = Ramp(np.zeros(1), position), Ramp(np.zeros(1), position)
        self._dry_gain = np.float32(0.0)

    @property
    def position(self) -> int:
        """The next sample to be played."""
        return self.share.position

    @property
    def wet(self) -> bool:
        """Whether the worker's sound plays, or a crossfade to it has begun."""
        return bool(self.share.target[0] == 1.0)

    @property
    def silent(self) -> bool:
        """Whether the output has faded out."""
        return self.level.is_settled and bool(self.level.target[0] == 0.0)

    def take(self, event: Event) -> None:
        """Execute an event of the audio process at its sample."""
        values = event.values
        if event.kind == Kind.FORMAT:
            self.begin(event.at)
        elif event.kind == Kind.WET:
            self.share.move(np.ones(1), event.at, int(values[0]))
        elif event.kind == Kind.DRY:
            self.share.move(np.zeros(1), event.at, int(values[0]))
            self._dry_gain = np.float32(values[1])
        elif event.kind == Kind.PROFILE:
            self.path_latency = int(values[1])
            self._ceiling[:, 0] = values[2:4]
        elif event.kind == Kind.LEVEL:
            self.level.move(np.array(values[:1]), event.at, int(values[1]))

    def process(self, wet: FloatArray, dry: FloatArray) -> FloatArray:
        """Return the next samples to be played, from (2, frames) of both; valid until the next call."""
        frames = wet.shape[1]
        out, part = self._out[:, :frames], self._part[:, :frames]
        np.multiply(dry, self._dry_gain, out=part)
        for here, (share,) in self.share.segments(frames):
            weight = np.float32(share)
            if np.all(weight == 1):
                out[:, here] = wet[:, here]
            elif np.any(weight):
                out[:, here] = part[:, here] + weight * (wet[:, here] - part[:, here])
            else:
                out[:, here] = part[:, here]
        for here, (level,) in self.level.segments(frames):
            out[:, here] *= np.float32(level)
        np.minimum(out, self._ceiling, out=out)
        np.maximum(out, -self._ceiling, out=out)
        return out
