"""The engine: a song, a listener and an aid give unaided, aided and heard sound, stems and measures."""
