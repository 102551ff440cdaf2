"""Commands on a finished run or a map: evaluate, export, infer, refine, sharpen, sample the volume, find symmetry."""
