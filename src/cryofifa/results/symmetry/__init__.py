"""Which point groups fit a map, and where their axes lie: rotations of the map against itself."""
