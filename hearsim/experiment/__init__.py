"""Experiments: every combination of listeners, songs, mixes, aids, models and seeds, and tables of the results."""
