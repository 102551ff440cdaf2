"""Variability within one map: components by expectation maximisation, latent coordinates, states, and what is real."""
