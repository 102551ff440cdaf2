"""How threads wait for each other; must be imported before torch.

By default the OpenMP threads of a finished loop spin for the next one. On a shared machine, or where two threads
happen to sit on one core, that was measured to slow a run down 5 to 20 times. A short spin costs nothing when the
machine is free.
"""

import os
import sys

if "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
