"""How maps are judged, and what a run writes: FSC, resolution, verdict, sharpening, symmetry, alignment, files."""
