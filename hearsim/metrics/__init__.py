"""Objective metrics: intelligibility, separation, audibility, loudness and levels. All stream, none imports torch."""


def list() -> dict[str, str]:
    """Return every metric's name with its meaning: hearsim's own, and those of installed packages.

    Examples
    --------
    >>> import hearsim
    >>> hearsim.metrics.list()["si_sdr_db"]
    'scale-invariant SDR (SI-SDR), whole clip'
    """
    from hearsim.core.errors import HearsimError
    from hearsim.metrics.registry import metric, names

    found = {}
    for name in names():
        try:
            found[name] = metric(name).sentence
        except HearsimError as error:  # a broken plug-in stops no other
            found[name] = str(error)
    return found
