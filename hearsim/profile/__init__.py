"""Listeners, mixes, aids and rigs: schemas, panels, loading from files."""
