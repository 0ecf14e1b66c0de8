"""Objective metrics: intelligibility, separation, audibility, loudness and levels. All are streamed, without torch."""


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

    sentences = {}
    for name in names():
        try:
            sentences[name] = metric(name).sentence
        except HearsimError as error:  # a broken plug-in doesn't affect others
            sentences[name] = str(error)
    return sentences
