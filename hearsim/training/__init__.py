"""Training and evaluating separators: data, the loop, the score. Read `loop.py` from top to bottom."""
