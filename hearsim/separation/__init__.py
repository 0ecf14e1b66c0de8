"""Music separation: the networks, their weights, and the stage that runs one inside the chain."""
