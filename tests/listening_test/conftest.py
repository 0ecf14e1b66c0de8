"""The built-in songs of listening tests, each made once."""

from collections.abc import Iterator
from functools import lru_cache

import pytest

from hearsim.music.demo_song import demo_song

made_once = lru_cache(maxsize=8)(demo_song)


@pytest.fixture(scope="module", autouse=True)
def _songs_are_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hearsim.listening_test.excerpts.demo_song", made_once)
        yield
