"""Fitting rules, one file a family."""
