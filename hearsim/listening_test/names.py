"""Names shared by specification, pages, collector and analysis; without imports, so that the collector starts fast."""

REFERENCE = "reference"
HIDDEN = "hidden"
"""The copy of the reference that is rated, for tools that need a file of its own."""

MID_ANCHOR = "anchor70"
ANCHORS_HZ = {"anchor35": 3500.0, MID_ANCHOR: 7000.0}
PRACTICE, CALIBRATION = "practice", "calibration"

SCHEMA = "hearsim.listening-test/1"
RESULTS = "results"
"""The folder in an export that `hearsim export collect` writes to."""

SERVICE = "service/write.php"
"""The address that webMUSHRA posts its results to: its own script, or `hearsim export collect`."""


def config_name(test: str, participant: str) -> str:
    """Return the file name of a participant's config: webMUSHRA's page is opened with ?config=NAME."""
    return f"{test}-{participant}.yaml"
