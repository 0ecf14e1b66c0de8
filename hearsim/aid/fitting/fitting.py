"""Fitting rules: insertion gains from an audiogram.

A rule is a function of an ear's thresholds and of the level of the speech. A file of this folder registers its
rules; a new rule needs no other change:

    @fitting_rule("half-gain")
    def half_gain(thresholds: Thresholds, level_db_spl: float) -> Curve:
        return 0.5 * np.maximum(thresholds(AUDIOMETRIC_HZ), 0.0)

Other packages offer rules by the entry-point group "hearsim.fittings". The aid takes a rule's gain for speech at
65 dB SPL; its gain at other levels is that of its own compression (`hearsim.aid.compensation`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import EARS
from hearsim.core.errors import HearsimError
from hearsim.core.plugins import find_plugin, known_names, register
from hearsim.core.units import Curve
from hearsim.core.validation import nearest
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.pages.html import number, table
from hearsim.profile.load import load_listener
from hearsim.profile.schema import Listener

PRESCRIBED_AT_DB_SPL = 65.0
"""The overall level of speech at which the aid uses a rule's gain."""

LEVELS_DB_SPL = (50.0, 65.0, 80.0)
"""Overall levels of soft, average and loud speech."""

Thresholds = Callable[[tuple[float, ...]], Curve]
"""Thresholds of an ear in dB HL at frequencies in Hz: `Audiogram.at`."""

Rule = Callable[[Thresholds, float], Curve]
"""Insertion gain (9,) in dB at `AUDIOMETRIC_HZ`, from an ear's thresholds and the overall level of speech in dB SPL."""


def fitting_rule(name: str) -> Callable[[Rule], Rule]:
    """Return a decorator that registers a rule under a name for an aid's `rule`."""
    return register("hearsim.fittings", name)


@dataclass(frozen=True)
class Prescription:
    """Insertion gains of a rule for a listener.

    Attributes
    ----------
    gain_db : array (2, frequencies, levels)
        Insertion gain in dB: left and right ear, at each frequency, for speech of each level.
    frequencies_hz : tuple
        The audiometric frequencies of the second axis.
    levels_db_spl : tuple
        The overall levels of speech of the third axis.
    rule, listener : str
        Names of rule and listener.

    Examples
    --------
    >>> gains = prescribe("nal-r", "N3")
    >>> print(gains)  # doctest: +ELLIPSIS
    insertion gain in dB, nal-r for N3...
    """

    rule: str
    listener: str
    gain_db: Curve
    frequencies_hz: tuple[float, ...] = AUDIOMETRIC_HZ
    levels_db_spl: tuple[float, ...] = LEVELS_DB_SPL

    def _repr_html_(self) -> str:
        """Return the gains as a table for a notebook: a row for each ear and level."""
        head = ["speech, dB SPL", *(f"{hz:g} Hz" for hz in self.frequencies_hz)]
        rows = [
            [f"{ear}, {level:g}", *(number(gain, 1) for gain in gains)]
            for ear, ear_gains in zip(EARS, self.gain_db, strict=True)
            for level, gains in zip(self.levels_db_spl, ear_gains.T, strict=True)
        ]
        return table(f"Insertion gain in dB, {self.rule} for {self.listener}", head, rows, len(self.frequencies_hz))

    def __str__(self) -> str:
        header = "".join(f"{hz:>7g}" for hz in self.frequencies_hz)
        lines = [f"{f'insertion gain in dB, {self.rule} for {self.listener}':<28}", f"{'Hz':<28}{header}"]
        for ear, ear_gains in zip(EARS, self.gain_db, strict=True):
            for level, gains in zip(self.levels_db_spl, ear_gains.T, strict=True):
                lines.append(f"{f'{ear}, speech at {level:g} dB SPL':<28}" + "".join(f"{gain:>7.1f}" for gain in gains))
        return "\n".join(line.rstrip() for line in lines)


def prescribe(rule: str, listener: Listener | str) -> Prescription:
    """Return the insertion gains that a fitting rule prescribes for a listener.

    Parameters
    ----------
    rule
        The rule's name, as in an aid's `rule`: "nal-r", "nal-rp", "none", or that of a plug-in.
    listener
        A listener, the name of a shipped one, or a file.

    Returns
    -------
    Prescription
        Gains in dB, ears x frequencies x levels (soft, average and loud speech), before compression.

    Raises
    ------
    HearsimError
        For a rule or a listener that does not exist.

    Examples
    --------
    >>> gains = prescribe("nal-r", Listener.from_thresholds({500: 30, 1000: 40, 2000: 55, 4000: 65}))
    >>> gains.gain_db.shape, gains.frequencies_hz[3], gains.levels_db_spl
    ((2, 9, 3), 1000.0, (50.0, 65.0, 80.0))
    >>> round(float(gains.gain_db[0, 3, 1]), 2)
    19.65

    """
    check_kind("prescribe takes a rule's name first", rule, str, 'give "nal-r", for example')
    if rule not in (rules := known_names("hearsim.fittings")):
        near = nearest(rule, rules) or f"there are {', '.join(rules)}"
        raise HearsimError(f"no fitting rule is called {rule!r}: {near}")
    cure = "give Listener.from_thresholds({500: 30, ...}), or a name"
    check_kind("prescribe takes a Listener", listener, (Listener, str, Path), cure)
    who = load_listener(listener) if isinstance(listener, str) else listener
    gains = [np.stack([insertion_gain_db(rule, ear.at, level) for level in LEVELS_DB_SPL], axis=-1) for ear in who.ears]
    return Prescription(rule, who.name, np.stack(gains))


def insertion_gain_db(rule: str, thresholds: Thresholds, level_db_spl: float = PRESCRIBED_AT_DB_SPL) -> Curve:
    """Return a rule's insertion gain (9,) in dB at `AUDIOMETRIC_HZ` for an ear and speech of an overall level.

    Raises `HearsimError` for an unknown rule, and for one whose gains are not nine finite numbers.
    """
    gains = cast(Curve, np.asarray(find_plugin("hearsim.fittings", rule)(thresholds, level_db_spl), np.float64))
    if gains.shape != (len(AUDIOMETRIC_HZ),) or not np.isfinite(gains).all():
        raise HearsimError(
            f"the fitting rule {rule!r} returned {gains.tolist()}: a rule returns a finite gain in dB for each of the "
            f"{len(AUDIOMETRIC_HZ)} frequencies of AUDIOMETRIC_HZ"
        )
    return gains


@fitting_rule("none")
def no_gain(thresholds: Thresholds, level_db_spl: float) -> Curve:
    """Return no gain at any frequency."""
    return np.zeros(len(AUDIOMETRIC_HZ))
