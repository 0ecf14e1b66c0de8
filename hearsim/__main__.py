"""`python -m hearsim` (and `torchrun -m hearsim`) is the command `hearsim`."""

from hearsim.cli import main

if __name__ == "__main__":
    main()
