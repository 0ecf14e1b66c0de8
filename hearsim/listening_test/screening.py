"""Post-screening of participants, means and intervals of the ratings, by ITU-R BS.1534-3."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats

from hearsim.listening_test.names import MID_ANCHOR, REFERENCE
from hearsim.listening_test.ratings import Rating

_SHARE, _EDGE = 0.15, 90.0  # BS.1534-3, 4.1.2: in more than 15 % of the items on the wrong side of 90
_TOO_MANY = 0.25  # of the listeners rate the mid anchor of an item over 90: the item doesn't count
_CONFIDENCE = 0.95
_LOWEST, _HIGHEST = 0.0, 100.0  # of the rating scale
_FEWEST = 3  # listeners: Student's factor is 12.7 for two
ALL = "all"
Interval = tuple[float, float | None, float | None, str]  # mean, lower and upper end (None: no interval), note


@dataclass(frozen=True)
class Listener:
    """One participant's post-screening: shares of items, and the reason for exclusion ("": included).

    A share is None without an item to compute it from; `note` then says which screening is impossible.
    """

    participant: str
    group: str
    items: int
    low_reference: float | None
    high_anchor: float | None
    why: str
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """One condition in one group: mean of the listeners' means with its 95 % interval, quartiles of all ratings."""

    group: str
    condition: str
    listeners: int
    ratings: int
    mean: float
    low: float | None  # no interval from fewer than three listeners
    high: float | None
    median: float
    lower_quartile: float
    upper_quartile: float
    note: str = ""  # for a missing interval, and one that is cut at the ends of the scale


def screen(ratings: list[Rating]) -> list[Listener]:
    """Screen each participant of a MUSHRA test.

    A participant is excluded who rates the hidden reference under 90, or the mid anchor (7 kHz) over 90, in more than
    15 % of the items. An item whose mid anchor more than a quarter of the listeners rate over 90 does not count for the
    latter: its anchor is inaudible, for example with a hearing loss (BS.1534-3, 4.1.2).
    """
    scores = {(one.participant, one.song, one.condition): one.score for one in ratings}
    songs: dict[str, set[str]] = defaultdict(set)
    groups = {}
    for one in ratings:
        songs[one.participant].add(one.song)
        groups[one.participant] = one.group
    unclear = {song for song in set.union(*songs.values()) if (_share_over(scores, song) or 0.0) > _TOO_MANY}
    screened = []
    for participant, songs_rated in songs.items():
        low = _share(
            [
                scores[participant, song, REFERENCE] < _EDGE
                for song in songs_rated
                if (participant, song, REFERENCE) in scores
            ]
        )
        clear = [song for song in songs_rated - unclear if (participant, song, MID_ANCHOR) in scores]
        high = _share([scores[participant, song, MID_ANCHOR] > _EDGE for song in clear])
        why = [f"hidden reference under 90 in {low:.0%} of the items"] if low is not None and low > _SHARE else []
        why += [f"mid anchor over 90 in {high:.0%} of the items"] if high is not None and high > _SHARE else []
        note = "can't be screened: no rating of the hidden reference" if low is None else ""
        screened.append(Listener(participant, groups[participant], len(songs_rated), low, high, "; ".join(why), note))
    return screened


def _share_over(scores: dict[tuple[str, str, str], float], song: str) -> float | None:
    """Return the share of listeners who rate the mid anchor of a song over 90; None without a rating."""
    return _share([score > _EDGE for (_, s, c), score in scores.items() if (s, c) == (song, MID_ANCHOR)])


def _share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def summarise(ratings: list[Rating], conditions: list[str], paired: bool) -> list[Summary]:
    """Return a row for each group and condition that has ratings; with several groups the last is "all".

    A listener's ratings are averaged first, as they are not independent; the interval is Student's over listeners, cut
    at the ends of the scale, from three listeners on.
    For pairs the mean is the share of correct answers of all, with Wilson's interval (1927, JASA 22:209).
    """
    groups = list(dict.fromkeys(one.group for one in ratings))
    rows = []
    for group in [*groups, *([ALL] if len(groups) > 1 else [])]:
        for condition in conditions:
            of_one: dict[str, list[float]] = defaultdict(list)
            for one in ratings:
                if one.condition == condition and group in (one.group, ALL):
                    of_one[one.participant].append(one.score)
            if of_one:
                rows.append(_row(group, condition, of_one, paired))
    return rows


def _row(group: str, condition: str, of_one: dict[str, list[float]], paired: bool) -> Summary:
    scores = np.concatenate(list(of_one.values()))
    mean, low, high, note = (
        _wilson(scores.tolist()) if paired else _student([fmean(of_participant) for of_participant in of_one.values()])
    )
    lower, median, upper = np.percentile(scores, (25, 50, 75)).tolist()
    return Summary(group, condition, len(of_one), scores.size, mean, low, high, median, lower, upper, note)


def _student(means: list[float]) -> Interval:
    mean = fmean(means)
    if len(means) < _FEWEST:
        return mean, None, None, f"no interval: {len(means)} of at least {_FEWEST} listeners"
    if min(means) == max(means):
        return mean, mean, mean, ""
    low, high = map(float, stats.t.interval(_CONFIDENCE, len(means) - 1, mean, stats.sem(means)))
    if low < _LOWEST or high > _HIGHEST:
        note = f"interval {low:.1f} .. {high:.1f}, cut at the ends of the scale"
        return mean, max(low, _LOWEST), min(high, _HIGHEST), note
    return mean, low, high, ""


def _wilson(answers: list[float]) -> Interval:
    interval = stats.binomtest(round(sum(answers)), len(answers)).proportion_ci(_CONFIDENCE, method="wilson")
    return fmean(answers), float(interval.low), float(interval.high), ""
