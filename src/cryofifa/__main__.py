"""`python -m cryofifa` is the `cryofifa` command."""

import sys

from cryofifa.cli import main

sys.exit(main())
