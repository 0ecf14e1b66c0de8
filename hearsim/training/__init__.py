"""Training and evaluating separators: data, the loop, the score. Read `loop.py` from top to bottom."""

import os

# Large memory pages for large arrays save a tenth of a training step; torch reads this at its first allocation.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
