"""The judges: intelligibility, separation quality, audibility, loudness and levels. All stream, none imports torch."""
