"""Particles: reading and writing their files, their images and optics, noise, radius, and simulated sets."""
