"""Refinement of all poses against half maps, each half of the particles against its own, and the maps themselves."""
