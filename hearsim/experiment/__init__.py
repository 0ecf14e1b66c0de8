"""Experiments: every combination of listeners, songs, mixes, aids, models and seeds, and the tables made of them."""
