"""A small listening test for the tests: the built-in song, two listeners, three participants."""

from pathlib import Path

SPEC = """
name = "vocals-up"
formats = ["webmushra", "beaqlejs", "plain"]
mix = "vocals-up"
aid = "closed"
rig = "aid"
seconds = 1.5
lufs = -24
consent = "<p class='x'>Größe – \\"quoted\\" & it's 50 % {a}: [b], # no comment</p>"

[[participants]]
id = "P01"
listener = "N2"
[[participants]]
id = "P02"
listener = "N2"
[[participants]]
id = "P03"
listener = "N4"
group = "severe"

[[songs]]
name = "one"
demo = 0
start_s = 3
[[songs]]
name = "two"
demo = 1
start_s = 2
[[songs]]
name = "three"
demo = 2
start_s = 2

[[conditions]]
name = "unprocessed"
mix = "flat"
[[conditions]]
name = "separated"
"""

TINY = """
name = "tiny"
formats = ["plain"]
mix = "vocals-up"
aid = "closed"
rig = "aid"
seconds = 1
[[participants]]
id = "P01"
listener = "N3"
[[songs]]
name = "one"
demo = 0
start_s = 3
[[conditions]]
name = "unprocessed"
mix = "flat"
model = "oracle"
"""


def write_spec(folder: Path, text: str = TINY, **changes: str) -> Path:
    """Write a spec; `changes` replace or add lines of its head, `key="value as in TOML"`; "" takes one out."""
    head, mark, rest = text.partition("[[participants]]")
    for key, value in changes.items():
        lines = [line for line in head.splitlines() if not line.startswith(f"{key} =")]
        head = "\n".join([*lines, *([f"{key} = {value}"] if value else []), ""])
    path = folder / "spec.toml"
    path.write_text(head + mark + rest, encoding="utf-8")
    return path
