"""Refinement of all poses against half maps, each half of the particles against its own half map, and the maps."""
