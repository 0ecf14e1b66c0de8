"""Backends that run one step of a network on numpy blocks."""
