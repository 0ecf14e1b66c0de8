"""Speed: blocks, networks and training."""
