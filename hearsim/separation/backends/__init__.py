"""Backends that run one step of a network."""
