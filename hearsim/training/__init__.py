"""Training and evaluating separators: data, the loop, the score. Read `loop.py` from top to bottom."""

import os

# Large pages for large arrays, which torch reads at its first allocation: a tenth of the time of a training step.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
