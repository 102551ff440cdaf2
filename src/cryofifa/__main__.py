"""`python -m cryofifa` is the `cryofifa` command."""

import sys

from cryofifa.cli import main

if __name__ == "__main__":
    sys.exit(main())
