"""What the tests and the benchmarks share: small particle sets, outside answers, damaged files. No part of the wheel.

Nothing of the program may be imported here: the tests first ask for the check of all shapes, then import it.
"""
