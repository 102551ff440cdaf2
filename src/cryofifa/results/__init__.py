"""How a run is judged, and what it writes: FSC, resolution, verdict, sharpening, symmetry, alignment, output files."""
