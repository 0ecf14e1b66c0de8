"""Foundations: units, errors, files, audio, the contract of a stage, composites and the latency ledger."""
