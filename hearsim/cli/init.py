"""`hearsim init`: a new profile from the thresholds of an audiogram."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hearsim.cli import completion

if TYPE_CHECKING:
    from hearsim.profile.mix import Gains
    from hearsim.profile.schema import Listener

ASKED_HZ = (250, 500, 1000, 2000, 4000, 8000)
POWER_FROM_DB_HL = 65.0  # mean threshold at 500, 1000 and 2000 Hz where a closed dome runs out of output
RIGS = {"power": "power", "headphones": "headphones", "none": "reference"}  # the shipped rig of each aid, else "aid"
Thresholds = dict[float, float]

TEMPLATE = """\
# Profile of {name}, written by `hearsim init`. Every value may be edited; `hearsim docs profiles` explains all keys.
# Fitting:        hearsim show {path}
# A song's sound: hearsim render SONG --profile {path} --out out/{name}

aid = "{aid}"{pad_aid}# the device: see `hearsim show aids`
rig = "{rig}"{pad_rig}# calibration of microphone and headphones: see `hearsim show rigs`
model = "{model}"  # separation network: see `hearsim models list`

[mix.gains_db]  # gain of each stem, -60 to 12 dB, or "mute"
{gains}

[listener.left]  # thresholds of the left ear in dB HL, at ascending frequencies in Hz
frequencies_hz = {left_hz}
thresholds_db_hl = {left_db}

[listener.right]
frequencies_hz = {right_hz}
thresholds_db_hl = {right_db}

# Uncomfortable level of each ear, where measured: it lowers the limit of the output.
# [listener.ucl_db_spl]
# left = 104
# right = 104
"""


def init(
    name: Annotated[str, typer.Argument(help="Name of the profile; the file is NAME.toml.")] = "my-profile",
    thresholds: Annotated[
        str | None,
        typer.Option(help="Thresholds of both ears, Hz:dB HL, as 500:30,1000:40,2000:55.", show_default="asked for"),
    ] = None,
    left: Annotated[str | None, typer.Option(help="Thresholds of the left ear.", show_default=False)] = None,
    right: Annotated[str | None, typer.Option(help="Thresholds of the right ear.", show_default=False)] = None,
    mix: Annotated[
        str,
        typer.Option(help="Mix to start from: see `hearsim show mixes`.", autocompletion=completion.shipped("mixes")),
    ] = "vocals-up",
    aid: Annotated[
        str | None,
        typer.Option(
            help="Device: see `hearsim show aids`.",
            show_default="closed, or power for severe losses",
            autocompletion=completion.shipped("aids"),
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
) -> None:
    """Write a commented profile from the thresholds of an audiogram."""
    from hearsim.core.audio import EARS
    from hearsim.core.errors import HearsimError, HearsimWarning
    from hearsim.core.files import writes
    from hearsim.profile.listener import MEASURED_HZ
    from hearsim.profile.load import load_mix
    from hearsim.profile.schema import Listener, Profile

    name = name.removesuffix(".toml")
    path = out / f"{name}.toml"
    if "/" in name or name in ("", ".", ".."):
        raise HearsimError(f"{name!r} is not a name of a profile: give a word, and the folder with --out")
    if path.exists():
        raise HearsimError(f"{path} exists already and is not changed: choose another NAME")
    ears = _ears(thresholds, left, right)
    with warnings.catch_warnings(action="ignore", category=HearsimWarning):  # refused below
        listener = Listener.from_thresholds(left=ears[0], right=ears[1], name=name)
    for ear, audiogram in zip(EARS, listener.ears, strict=True):
        if where := audiogram.unmeasured:
            lowest, highest = MEASURED_HZ
            raise HearsimError(
                f"{ear} ear: thresholds {where} are missing: give them from {lowest:g} to {highest:g} Hz at least"
            )
    aid = aid or ("power" if max(_mean_db_hl(listener)) >= POWER_FROM_DB_HL else "closed")
    parts = {"aid": aid, "rig": RIGS.get(aid, "aid"), "model": "hs-tasnet-lite"}
    gains = load_mix(mix).gains_db
    Profile(listener, mix=mix, aid=aid, rig=parts["rig"], model=parts["model"], name=name)  # the checks of load_profile
    text = _text(path, parts, gains, ears)
    with writes(path):
        out.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    means = " and ".join(
        f"{ear} {mean:.0f}" for ear, mean in zip(("left", "right"), _mean_db_hl(listener), strict=True)
    )
    typer.echo(f"{path}: mean loss at 500, 1000 and 2000 Hz {means} dB HL; aid {aid}, mix {mix}")
    typer.echo(f"next: hearsim show {path}\n      hearsim render SONG --profile {path} --out out/{name}")


def parse(text: str, context: str) -> Thresholds:
    """Return thresholds in dB HL by frequency in Hz, in ascending order, from `500:30,1000:40`.

    Raises `HearsimError` for anything else, and for a repeated frequency.

    >>> parse("1000:40, 500:30", "--left")
    {500.0: 30.0, 1000.0: 40.0}
    """
    from hearsim.core.errors import HearsimError

    thresholds: Thresholds = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        hz, _, db = pair.partition(":")
        try:
            frequency, threshold = float(hz), float(db)
        except ValueError:
            raise HearsimError(f"{context} {pair!r}: give Hz:dB HL pairs, as 500:30,1000:40,2000:55") from None
        if frequency in thresholds:
            raise HearsimError(f"{context} gives {frequency:g} Hz twice: give each frequency once")
        thresholds[frequency] = threshold
    if not thresholds:
        raise HearsimError(f"{context} is empty: give Hz:dB HL pairs, as 500:30,1000:40,2000:55")
    return dict(sorted(thresholds.items()))


def _text(path: Path, parts: dict[str, str], gains: "Gains", ears: tuple[Thresholds, Thresholds]) -> str:
    """Return the contents of a profile; `parts` are the names of aid, rig and model."""
    from hearsim.profile.schema import STEMS

    width = max(map(len, parts.values())) + 4
    left, right = ears
    return TEMPLATE.format(
        **{"name": path.stem, "path": path},
        **parts,
        pad_aid=" " * (width - len(parts["aid"])),
        pad_rig=" " * (width - len(parts["rig"])),
        gains="\n".join(f"{stem} = {_toml(getattr(gains, stem))}" for stem in STEMS),
        **{"left_hz": _list(left), "left_db": _list(left.values())},
        **{"right_hz": _list(right), "right_db": _list(right.values())},
    )


def _ears(thresholds: str | None, left: str | None, right: str | None) -> tuple[Thresholds, Thresholds]:
    """Return the thresholds of both ears, from the options, or from prompts."""
    from hearsim.core.errors import HearsimError

    if thresholds is not None:
        if left is not None or right is not None:
            raise HearsimError("--thresholds is for both ears: leave it out with --left and --right")
        both = parse(thresholds, "--thresholds")
        return both, both
    if left is not None and right is not None:
        return parse(left, "--left"), parse(right, "--right")
    if left is not None or right is not None:
        option, missing = ("--left", "--right") if left is not None else ("--right", "--left")
        raise HearsimError(f"{option} needs {missing}; for two equal ears give --thresholds alone")
    typer.echo(
        f"Thresholds in dB HL at {', '.join(map(str, ASKED_HZ))} Hz, in this order; `-` where none was measured."
    )
    answer = _ask("Left ear:  ", None)
    return answer, _ask("Right ear (Enter: as the left): ", answer)


def _ask(prompt: str, default: Thresholds | None) -> Thresholds:
    """Prompt for the thresholds of one ear until the answer has a number or `-` for each frequency."""
    from hearsim.core.errors import HearsimError

    while True:
        try:
            words = input(prompt).replace(",", " ").split()
        except EOFError:
            typer.echo()  # ends the line of the prompt
            raise HearsimError("no thresholds: give them with --thresholds, or with --left and --right") from None
        if not words and default is not None:
            return default
        try:
            pairs = zip(ASKED_HZ, words, strict=True)
            thresholds = {float(hz): float(word) for hz, word in pairs if word != "-"}
        except ValueError:
            thresholds = {}
        if thresholds:
            return thresholds
        typer.echo(f"{len(ASKED_HZ)} values are needed, as 20 25 40 55 65 -")


def _mean_db_hl(listener: "Listener") -> list[float]:
    return [float(ear.at((500.0, 1000.0, 2000.0)).mean()) for ear in (listener.left, listener.right)]


def _list(values: Iterable[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"


def _toml(gain: float | str) -> str:
    return f'"{gain}"' if isinstance(gain, str) else f"{gain:g}"
