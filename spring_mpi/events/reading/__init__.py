"""Reading events: from where they are to frames, and to patterns ready for the engine."""
