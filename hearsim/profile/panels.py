"""Panels of listeners: the ten standard audiograms, Clarity and Cadenza files, and audiograms drawn at random."""

from typing import Literal

import numpy as np
from pydantic import Field

from hearsim.core.validation import Settings
from hearsim.profile.load import load_listener
from hearsim.profile.schema import Audiogram, Listener

BISGAARD = ("N1", "N2", "N3", "N4", "N5", "N6", "N7", "S1", "S2", "S3")
FREQUENCIES_HZ = (250.0, 500.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0)

Degree = Literal["mild", "moderate", "moderately severe", "severe", "profound"]
Slope = Literal["flat", "sloping", "steep"]

# Clark 1981, Asha 23:493 (as ASHA prints it): mean of the thresholds at 500, 1000 and 2000 Hz, dB HL
DEGREES_DB_HL: dict[str, tuple[float, float]] = {
    "mild": (26, 40),
    "moderate": (41, 55),
    "moderately severe": (56, 70),
    "severe": (71, 90),
    "profound": (91, 105),
}
# dB an octave from 1 to 4 kHz in the standard audiograms of Bisgaard et al. 2010: N7 and N5, N1 to N4 and N6, S3 to S2
SLOPES_DB_PER_OCTAVE: dict[str, tuple[float, float]] = {
    "flat": (0.0, 2.5),
    "sloping": (7.5, 10.0),
    "steep": (10.0, 35.0),
}
_EAR_DB, _POINT_DB, _STEP_DB = 3.0, 3.0, 5.0  # of ours: between ears, between points; audiometers go in steps of 5 dB
_LIMITS_DB_HL = (-10.0, 120.0)  # of audiometers


class Drawn(Settings):
    """Listeners drawn at random by degree and slope of their loss; the same seed draws the same listeners."""

    degree: Degree
    slope: Slope
    count: int = Field(strict=True, ge=1, le=1000)
    seed: int = Field(default=0, strict=True, ge=0)

    def listeners(self) -> dict[str, Listener]:
        """Return the listeners by name, as "moderate-steep-0-2": the third of seed 0."""
        return {listener.name: listener for listener in (self._draw(index) for index in range(self.count))}

    def _draw(self, index: int) -> Listener:
        places = [list(DEGREES_DB_HL).index(self.degree), list(SLOPES_DB_PER_OCTAVE).index(self.slope)]
        rng = np.random.default_rng([self.seed, *places, index])
        mean = rng.uniform(*DEGREES_DB_HL[self.degree])
        slope = rng.uniform(*SLOPES_DB_PER_OCTAVE[self.slope])
        ears = []
        for _ in ("left", "right"):
            own = np.clip(mean + rng.normal(0.0, _EAR_DB), *DEGREES_DB_HL[self.degree])
            octaves = np.maximum(0.0, np.log2(np.array(FREQUENCIES_HZ) / 1000.0))  # level below 1 kHz, as N1 and S1 are
            line = slope * octaves + rng.normal(0.0, _POINT_DB, len(octaves))
            line += own - line[[1, 2, 4]].mean()  # at 500, 1000 and 2000 Hz
            steps = np.clip(_STEP_DB * np.round(line / _STEP_DB), *_LIMITS_DB_HL)
            ears.append(Audiogram(frequencies_hz=FREQUENCIES_HZ, thresholds_db_hl=tuple(map(float, steps))))
        name = f"{self.degree.replace(' ', '-')}-{self.slope}-{self.seed}-{index}"
        source = f"drawn: {self.degree} (Clark 1981), {self.slope} (slopes of Bisgaard et al. 2010), seed {self.seed}"
        return Listener(name=name, left=ears[0], right=ears[1], source=source)


def bisgaard() -> dict[str, Listener]:
    """Return the ten standard audiograms of Bisgaard, Vlaming & Dahlquist 2010."""
    return {name: load_listener(name) for name in BISGAARD}
