"""The places that compute a metric: an experiment, Python's `Result.score`, commands and a render's report."""

from hearsim.metrics.registry import heard_names, pair_names

REPORTED = {  # what they hold beside the metrics of a pair of sounds
    "hearsim score": ("lag_samples", "lufs", "peak_dbfs"),
    "hearsim export": ("lufs", "peak_dbfs", "mpo_events"),
    "report": ("stoi_vocals", "estoi_vocals", "loudness_db_spl", "lufs", "peak_dbfs", "sdr_db", "sdr_mixture_db",
               "csdr_db", "si_sdr_db", "sii", "mpo_events", "live_delay_ms"),
}  # fmt: skip


def metrics_by_place() -> dict[str, list[str]]:
    """Return the names of the metrics that each place computes, those of plug-ins among them."""
    heard, pair = heard_names(), pair_names("reference")
    return {
        "experiment": heard,
        "result.score": list(dict.fromkeys([*heard, *pair])),
        "hearsim score": [*REPORTED["hearsim score"], *pair],
        "hearsim export": [*REPORTED["hearsim export"], *pair_names("reference", "stems")],
        "report": list(REPORTED["report"]),
    }


def places_of(name: str) -> list[str]:
    """Return the places that compute a metric."""
    return [place for place, names in metrics_by_place().items() if name in names]
