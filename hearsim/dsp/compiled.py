"""Compiling sample loops with numba."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(loop: Callable[..., Any]) -> Any:
    """Compile a loop at its first call, for each set of argument types.

    The machine code is kept on disk (beside the source, else in the user's cache, or in $NUMBA_CACHE_DIR). Where none
    of these can be written, each process compiles anew, which takes some seconds.
    """
    try:
        return njit(cache=True)(loop)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return njit(loop)
