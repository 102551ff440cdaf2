"""Stochastic expectation maximisation over poses: how the independent starts of ab initio find a map from nothing."""
