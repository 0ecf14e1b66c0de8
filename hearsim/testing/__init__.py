"""Checks for users' stages and networks, as in hearsim's own tests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hearsim.testing.separators import check_separator as check_separator

from hearsim.testing.processors import check_processor as check_processor

__all__ = ["check_processor", "check_separator"]


if not TYPE_CHECKING:  # torch is imported with the first separator

    def __getattr__(name: str) -> object:
        """Import `check_separator` when it is first used."""
        if name != "check_separator":
            raise AttributeError(f"module 'hearsim.testing' has no attribute {name!r}")
        from hearsim.testing.separators import check_separator

        return check_separator
