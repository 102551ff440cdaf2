"""The type checker of the tests: beartype, with an int allowed where a float is asked for (as Python does)."""

from beartype import BeartypeConf, beartype

check_types = beartype(conf=BeartypeConf(is_pep484_tower=True))
