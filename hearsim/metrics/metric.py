"""A metric: its meaning, unit, range and computation; and the condition that it is computed from."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from hearsim.core.audio import Audio
from hearsim.core.units import FloatArray
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.pair import Pair

Better = Literal["higher", "lower", ""]
Need = Literal["reference", "stems", "listener", "aid", "song"]
_DIGITS = {"dB": 1, "dBFS": 1, "dB SPL": 1, "LUFS": 1, "ms": 2, "samples": 2, "times": 0}


class Condition(Protocol):
    """The heard sound and its references: (2, frames), in full scale or pascals.

    Properties raise `HearsimError` for a sound that the condition lacks.
    """

    @property
    def is_aided(self) -> bool:
        """Whether the listener wears the aid."""

    @property
    def song(self) -> Audio:
        """The song at the input."""

    @property
    def true_stems(self) -> Audio:
        """The true stems (4, 2, frames)."""

    @property
    def estimated_stems(self) -> FloatArray:
        """The stems that the aid remixes (4, 2, frames)."""

    @property
    def remix(self) -> FloatArray:
        """The song remixed with the estimated stems, before the aid's compensation."""

    @property
    def reference_remix(self) -> FloatArray:
        """The song remixed with the true stems."""

    @property
    def heard(self) -> FloatArray:
        """The sound heard by the listener, for normal ears, in full scale of the headphones."""

    @property
    def speech(self) -> StoiMeter:
        """The intelligibility of the vocals in the heard sound."""

    @property
    def mpo_events(self) -> int:
        """Number of limiter events of both ears."""

    @property
    def live_delay(self) -> int:
        """Samples from microphone to ear."""

    def heard_pa(self) -> FloatArray:
        """Return `heard` in pascals."""

    def target_pa(self) -> FloatArray:
        """Return the heard sound with the true stems, in pascals."""

    def song_pa(self) -> FloatArray:
        """Return the song in pascals."""


class Metric(NamedTuple):
    """One metric.

    Attributes
    ----------
    sentence
        Its meaning, in a sentence.
    unit, low, high
        Its unit, and the range of its values; None without a bound.
    better
        The better direction, "" for neither.
    needs
        The inputs that it is computed from.
    source
        The publication or norm.
    of
        Computes it from a condition, for experiments and `Result.score`; None: not possible.
    of_pair
        Computes it from a pair of sound and reference, for `hearsim score` and listening tests; None: not possible.
    label
        Its name in the tables of a report.
    """

    sentence: str
    unit: str
    of: Callable[[Condition], float] | None = None
    low: float | None = None
    high: float | None = None
    better: Better = ""
    needs: tuple[Need, ...] = ()
    source: str = ""
    of_pair: Callable[[Pair], float] | None = None
    label: str = ""

    @property
    def digits(self) -> int:
        """How many decimal places tables print."""
        return _DIGITS.get(self.unit, 3)
