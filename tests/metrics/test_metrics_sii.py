"""SII against speech-intelligibility-index (PyPI, Apache-2), a translation of Müsch's own code for the norm."""

import numpy as np
import pytest
from speech_intelligibility_index import sii as oracle

from hearsim.core.errors import HearsimError
from hearsim.metrics.sii import NORMAL_SPEECH_DB, sii


def test_equals_the_other_implementation() -> None:
    """300 listening conditions: speech efforts, noises, losses and gains; some saturate, some are inaudible."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(300):
        effort = oracle.speech_spectrum(rng.choice(["normal", "raised", "loud", "shout"]))
        speech = effort + rng.uniform(-30, 30) + rng.normal(0, 5, 18)
        noise = rng.uniform(-20, 60, 18) if rng.random() < 0.7 else None
        loss = np.clip(np.cumsum(rng.normal(rng.uniform(0, 8), 5, 18)), -10, 120)
        gain = np.maximum(rng.normal(15, 10, 18), 0)
        equivalent = oracle.input_5p1(list(speech), noise, gain, hearing_threshold=loss)  # clause 5.1 applies the gain
        values.append(sii(speech, loss, noise, gain))
        assert values[-1] == pytest.approx(oracle.sii(*equivalent), abs=1e-12)
    assert min(values) == 0.0 and max(values) > 0.85 and np.std(values) > 0.1


def test_normal_speech_is_the_norms() -> None:
    np.testing.assert_array_equal(NORMAL_SPEECH_DB, oracle.speech_spectrum("normal"))


def test_gain_does_not_help_against_noise() -> None:
    """Insertion gain raises speech and noise alike: where noise masks and nothing is inaudible, gain is no use."""
    noise = NORMAL_SPEECH_DB + 5.0
    assert sii(NORMAL_SPEECH_DB, np.zeros(18), noise, 10.0) <= sii(NORMAL_SPEECH_DB, np.zeros(18), noise)
    assert sii(NORMAL_SPEECH_DB, np.full(18, 40.0), None, 20.0) > sii(NORMAL_SPEECH_DB, np.full(18, 40.0)) + 0.2


@pytest.mark.parametrize("bad", [np.zeros(17), np.full(18, np.nan)])
@pytest.mark.parametrize("name", ["speech", "thresholds", "noise", "gain"])
def test_bad_input_is_refused_by_name(name: str, bad: np.ndarray) -> None:
    inputs = {key: np.zeros(18) for key in ("speech", "thresholds", "noise", "gain")} | {name: bad}
    with pytest.raises(HearsimError, match=f"check the {name}"):
        sii(*inputs.values())
