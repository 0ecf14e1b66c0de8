"""Playing live: the same chain as a render, behind a sound device or without one."""
