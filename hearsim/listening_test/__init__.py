"""Listening tests: stimuli, test pages, ratings and their analysis."""
