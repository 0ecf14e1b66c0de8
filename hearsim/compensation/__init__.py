"""Compensation: what gain an audiogram asks for (prescription) and the stage that gives it (WDRC)."""
