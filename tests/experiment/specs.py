"""Specs of experiments for tests."""

from pathlib import Path


def write_spec(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    """Write a spec with parts of its text replaced; return its path."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "experiment.toml"
    path.write_text(text)
    return path
