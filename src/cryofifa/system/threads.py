"""How threads wait for each other; must be imported before torch.

By default the OpenMP threads of a finished loop spin for the next one. On a shared machine, or where two threads
happen to sit on one core, that was measured to slow a run down 3 to 17 times (LOG.md). A shorter spin lets the other
side run sooner; what it gains has not been measured cleanly yet.
"""

import os
import sys

if "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
