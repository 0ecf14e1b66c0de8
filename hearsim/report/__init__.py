"""The main job, `hearsim render`: run a song through the aid, judge it, write report.json and report.html."""
