"""Blind names and the order of the trials: both follow from the spec's seed."""

import hashlib
import random
from typing import NamedTuple

from hearsim.listening_test.names import PRACTICE, REFERENCE
from hearsim.listening_test.spec import Participant, Plan


def code(plan: Plan, fitting: str, song: str, version: str) -> str:
    """Return the blind name of a stimulus: it does not reveal the condition, and is the same in every export."""
    text = "\n".join((str(plan.spec.seed), plan.spec.name, fitting, song, version))
    return "s" + hashlib.sha256(text.encode()).hexdigest()[:12]  # no number for a spreadsheet to round


def rated(plan: Plan) -> list[str]:
    """Return the versions that are rated against the reference."""
    return [version.name for version in plan.versions if version.name != REFERENCE]


class Trial(NamedTuple):
    """One page of the test: a song, and the versions of it that are compared with the reference."""

    id: str
    song: str
    versions: list[str]


def trials(plan: Plan, participant: Participant) -> list[Trial]:
    """Return the trials of a participant in their order: the practice first, then all songs (or pairs) shuffled."""
    songs, versions = [song.name for song in plan.spec.songs], rated(plan)
    if plan.spec.method == "mushra":
        practice = versions
        tested = [Trial(song, song, versions) for song in songs]
    else:
        practice = versions[:1]  # the lower anchor: easy to tell
        fitting = plan.fitted[participant.id]
        tested = [Trial(f"{song}-{code(plan, fitting, song, one)}", song, [one]) for song in songs for one in versions]
    random.Random(f"{plan.spec.seed}/{plan.spec.name}/{participant.id}").shuffle(tested)
    return [Trial(PRACTICE, plan.practice, practice), *tested]
