"""A sound and its reference, for `hearsim score` and listening tests."""

from collections.abc import Callable
from functools import cached_property

from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.separation import SdrMeter


class Pair:
    """A processed sound and its reference, aligned and equally long, in full scale.

    Its meters take both block by block, so that long files need no memory; a user's metric may read the whole sounds.

    Parameters
    ----------
    rate
        Sample rate of both in Hz.
    read
        Returns reference and processed sound (2, frames); called when a metric needs them.
    vocals
        The true vocals (2, frames), or None.
    no_vocals
        The reason for missing vocals.
    """

    def __init__(
        self,
        rate: int,
        read: Callable[[], tuple[FloatArray, FloatArray]],
        vocals: FloatArray | None = None,
        no_vocals: str = "there are no true vocals",
    ) -> None:
        self.rate, self._read, self._vocals, self._no_vocals = rate, read, vocals, no_vocals
        self.sdr, self.speech = SdrMeter(rate), StoiMeter(rate, ("processed",))

    def add(self, reference: FloatArray, processed: FloatArray) -> None:
        """Add the next block (2, n) of both to the meters."""
        self.sdr.add(reference, processed)
        self.speech.add_reference(reference)
        self.speech.add("processed", processed)

    def finish(self) -> None:
        """Finish the meters at the end of both sounds."""
        self.speech.finish()

    @cached_property
    def _sounds(self) -> tuple[FloatArray, FloatArray]:
        return self._read()

    @property
    def reference(self) -> FloatArray:
        """The reference (2, frames)."""
        return self._sounds[0]

    @property
    def processed(self) -> FloatArray:
        """The processed sound (2, frames)."""
        return self._sounds[1]

    @cached_property
    def vocals_speech(self) -> StoiMeter:
        """The intelligibility of the true vocals in the processed sound; raises `HearsimError` without them."""
        if self._vocals is None:
            raise HearsimError(self._no_vocals)
        meter = StoiMeter(self.rate, ("processed",))
        meter.add_reference(self._vocals)
        meter.add("processed", self.processed)
        meter.finish()
        return meter
