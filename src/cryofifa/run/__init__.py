"""One run: its plan, its independent starts and its phases in order, its checkpoints, and its folder."""
