"""A model folder with a small network of random weights that is ready in a moment, for tests of what surrounds it."""

import tempfile
from functools import cache
from pathlib import Path

from cases import TINY, tiny_net

from hearsim.profile.load import load_profile
from hearsim.profile.schema import Profile
from hearsim.separation.models import save_model

_FOLDER = tempfile.TemporaryDirectory(prefix="hearsim-quick-")


@cache
def quick_model() -> Path:
    """Return the folder of a model with the window and hop of hs-tasnet-lite."""
    folder = Path(_FOLDER.name) / "quick"
    save_model(tiny_net(TINY.model_copy(update={"window": 1024, "hop": 512})), "quick", "random weights", folder)
    return folder


def with_quick_model(name: str) -> Profile:
    """Return a shipped profile with the quick model."""
    return load_profile(name).model_copy(update={"model": str(quick_model())})
