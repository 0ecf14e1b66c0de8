"""A model folder with a small network of random weights that is ready in a moment, for tests of what surrounds it."""

from pathlib import Path

from cases import TINY, tiny_model

from hearsim.profile.load import load_profile
from hearsim.profile.schema import Profile


def quick_model() -> Path:
    """Return the folder of a model with the window and hop of hs-tasnet-lite."""
    return Path(tiny_model(TINY.model_copy(update={"window": 1024, "hop": 512})))


def with_quick_model(name: str) -> Profile:
    """Return a shipped profile with the quick model."""
    return load_profile(name).model_copy(update={"model": str(quick_model())})
