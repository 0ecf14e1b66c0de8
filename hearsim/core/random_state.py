"""Seeded random numbers for a computation, without a change of the caller's state."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of `random`, numpy and torch for the body, and restore their states after it.

    torch's generator is seeded only if torch has been imported.

    Parameters
    ----------
    seed
        0 to 2^32 - 1.

    Examples
    --------
    >>> random.seed(1)
    >>> state = random.getstate()
    >>> with seeded(7):
    ...     number = random.random()
    >>> random.getstate() == state
    True
    """
    torch = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (for libraries that know no Generator)
    if torch:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        if torch:
            torch.set_rng_state(states[2])
