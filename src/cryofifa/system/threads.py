"""How OpenMP threads wait for each other; must be imported before torch.

By default the threads of a finished loop spin until the next one. On a shared machine, or where two threads happen to
sit on one core, that was measured to slow a run down 3 to 17 times (LOG.md). A shorter spin frees the core sooner; what
this gains has not been measured cleanly yet.
"""

import os
import sys

if "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
