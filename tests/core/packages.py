"""Packages of other people, for tests of plug-ins."""

from pathlib import Path


def install(site: Path, package: str, points: str, code: str = "") -> None:
    """Lay down a package as pip leaves it: a module and its metadata."""
    module = package.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
