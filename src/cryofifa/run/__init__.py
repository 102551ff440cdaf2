"""One run: its plan, its starts and phases in order, its checkpoints, and its folder."""
