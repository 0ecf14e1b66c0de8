"""Signal processing on plain arrays: bands, equalizer sections, level detectors, limiting. No stages here."""
