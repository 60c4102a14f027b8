#!/usr/bin/env python3
"""Run Pegboard from a clone: `python3 run.py serve`, `python3 run.py test`, and the other verbs.

Needs Python 3.11 or newer with pip, and nothing else. The first run makes a virtual environment
with every distribution of this repository in it; later runs start at once.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  whoever starts it with an older one is told
    sys.exit(
        "Pegboard needs Python 3.11 or newer, and %s is older.\n"  # noqa: UP031  parses on any Python
        "Start it with a newer one, for example: python3.13 run.py" % sys.executable
    )

from scripts.verb import main

if __name__ == "__main__":
    main(sys.argv[1:])
