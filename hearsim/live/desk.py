"""What can be moved while a session plays, and what a move says."""

from dataclasses import dataclass, field
from typing import Literal, get_args

Step = Literal["dry", "remix", "aid"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class Desk:
    """What can be moved while the path plays: amplitude factors per stem, the step of the bypass, the hearing loss."""

    gains: dict[str, float] = field(default_factory=dict)
    step: Step = "aid"
    loss: bool = False
