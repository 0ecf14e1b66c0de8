"""The mix: a gain for each stem."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator

from hearsim.core.errors import HearsimError
from hearsim.core.units import db_to_gain
from hearsim.core.validation import Settings


def _gain_db(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "mute" or (number and -60 <= float(value) <= 12):  # type: ignore[arg-type]
        return value
    raise ValueError('give -60 to +12 dB, or "mute"')


GainDb = Annotated[float | Literal["mute"], BeforeValidator(_gain_db)]


class Gains(Settings):
    """Gains in dB, -60 .. +12, one per stem; the word "mute" takes a stem out. Stems left out stay at 0 dB."""

    vocals: GainDb = 0.0
    drums: GainDb = 0.0
    bass: GainDb = 0.0
    other: GainDb = 0.0


STEMS = tuple(Gains.model_fields)


class Mix(Settings):
    """A gain in dB for each stem.

    Examples
    --------
    >>> mix = Mix(name="louder vocals", gains_db=Gains(vocals=6, drums="mute"))
    >>> round(mix.gain("vocals"), 3), mix.gain("drums")
    (1.995, 0.0)
    """

    name: str
    gains_db: Gains = Gains()

    def gain(self, stem: str) -> float:
        """Return the amplitude factor of a stem; raises `HearsimError` for a stem that is not in `STEMS`.

        >>> Mix(name="x", gains_db=Gains(drums="mute")).gain("drums")
        0.0
        """
        if stem not in STEMS:
            raise HearsimError(f"Mix: there is no stem {stem!r}: give {', '.join(STEMS[:-1])} or {STEMS[-1]}")
        db: float | str = getattr(self.gains_db, stem)
        return 0.0 if isinstance(db, str) else db_to_gain(db)


def gains_of(gains_db: Mapping[str, float | str]) -> Gains:
    """Return the gains that `Profile(mix={...})` gives; raises `HearsimError`, naming the mix."""
    try:
        return Gains(**gains_db)  # type: ignore[arg-type]
    except HearsimError as error:
        raise HearsimError(f"Profile: mix: {str(error).removeprefix('Gains: ')}") from None
