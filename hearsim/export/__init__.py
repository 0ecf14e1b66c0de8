"""Listening tests: stimuli and pages for them, a collector of ratings, and their analysis."""
