"""Simulated particle sets with known poses, and the structures they are made from."""
