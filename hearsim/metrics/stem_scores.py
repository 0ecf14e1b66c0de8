"""All separation metrics of a track's stems, by name."""

from pydantic import BaseModel, ConfigDict

from hearsim.core.errors import HearsimError
from hearsim.metrics.bsseval import BssEval, Signals
from hearsim.metrics.separation import SdrMeter

_ROUNDING_DB = 120.0  # float32 samples have 24 bits


class Score(BaseModel):
    """The scores of one system on one stem of a track, in dB; None for a missing value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    system: str
    stem: str
    bsseval_v4_sdr_db: float | None  # medians over the frames of 1 s, as museval's
    bsseval_v4_isr_db: float | None
    bsseval_v4_sir_db: float | None
    bsseval_v4_sar_db: float | None
    si_sdr_db: float  # of the whole track, as is the next
    csdr_db: float
    energy_sdr_db: float | None  # median over the 1 s frames in which the stem plays


class StemJudge:
    """Scores systems on one track; terms of its true stems alone are computed once.

    `true_stems` returns the true stems (stems, channels, n), named `stems`; `frames` is the length of the track. Raises
    `HearsimError` where one of them is silent.
    """

    def __init__(self, true_stems: Signals, stems: list[str], channels: int, frames: int, rate_hz: int) -> None:
        self._true_stems, self._stems, self._frames, self._rate = true_stems, stems, frames, rate_hz
        self._bsseval = BssEval(true_stems, (len(stems), channels, frames), window=rate_hz)

    def score(self, system: str, estimates: Signals) -> list[Score]:
        """Return the scores of a system's estimates, stem by stem; they are read three times, a second at once."""
        meters = [SdrMeter(self._rate) for _ in self._stems]
        for start in range(0, self._frames, self._rate):
            stop = min(start + self._rate, self._frames)
            for meter, *pair in zip(meters, self._true_stems(start, stop), estimates(start, stop), strict=True):
                meter.add(*pair)
        ratios = self._bsseval.score(estimates).medians()
        return [
            Score(
                system=system,
                stem=stem,
                bsseval_v4_sdr_db=_valid(ratios.sdr_db[index]),
                bsseval_v4_isr_db=_valid(ratios.isr_db[index]),
                bsseval_v4_sir_db=_valid(ratios.sir_db[index]),
                bsseval_v4_sar_db=_valid(ratios.sar_db[index]),
                si_sdr_db=meter.si_sdr_db(),
                csdr_db=meter.csdr_db(),
                energy_sdr_db=_energy_sdr(meter),
            )
            for index, (stem, meter) in enumerate(zip(self._stems, meters, strict=True))
        ]


def _energy_sdr(meter: SdrMeter) -> float | None:
    try:
        return meter.sdr_db()
    except HearsimError:  # the stem plays in no whole second; the other ratios are valid
        return None


def _valid(value: float) -> float | None:
    """Return a ratio; None for NaN, and for one at the rounding of samples (such as the SAR of the mixture)."""
    return float(value) if abs(value) < _ROUNDING_DB else None
