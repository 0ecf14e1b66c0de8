"""`hearsim render`: process a song with the aid, measure it, write report.json and report.html; `hearsim score`."""
