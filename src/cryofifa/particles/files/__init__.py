"""Particle files of RELION (.star) and cryoSPARC (.cs): read into one table, written back with poses."""
