"""Orders of a page: moves of the mixer, executed at once in shared memory, and orders for the session.

An order is one small JSON object, `{"do": "gain", "stem": "vocals", "db": -3}`. It names things (stems, profiles,
presets) and never files.
"""

import json
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.live.control import Controls

Order = dict[str, Any]


def read(text: str) -> Order:
    """Return the order that a page sent. Raises `HearsimError` for an invalid one."""
    try:
        order = json.loads(text, parse_int=float)  # one kind of number, however large
    except (ValueError, RecursionError) as error:
        raise HearsimError(f"the page sent no JSON: {error}") from None
    if not isinstance(order, dict):
        raise HearsimError(f"the page sent a {type(order).__name__}: an order is an object")
    return order


def move(order: Order, controls: Controls) -> bool:
    """Execute an order that moves the mixer; return False for one that the session has to execute. Page process.

    Raises `HearsimError` for values out of range, and for anything that is not an order.
    """
    match order:
        case {"do": "gain", "stem": str(stem), "db": float(db)}:
            controls.set_gain(stem, db)
        case {"do": "mute", "stem": str(stem), "on": bool(on)}:
            controls.set_muted(stem, on)
        case {"do": "solo", "stem": str(stem), "on": bool(on)}:
            controls.set_solo(stem, on)
        case {"do": "step", "step": str(step)}:
            controls.set_step(step)
        case {"do": "loss", "on": bool(on)}:
            controls.set_loss(on)
        case {"do": "level", "db": float(db)}:
            controls.set_level(db)
            controls.silent = 0
        case {"do": "panic", "on": bool(on)}:
            controls.panic = int(on)
        case (
            {"do": "profile", "name": str(), "mix": bool()}
            | {"do": "listener" | "preset", "name": str()}
            | {"do": "save", "name": str(), "replace": bool()}
            | {"do": "record", "on": bool()}
        ):
            return False
        case _:
            raise HearsimError(f"{str(order)[:100]} is not an order: is the page of another version? Load it again")
    return True
