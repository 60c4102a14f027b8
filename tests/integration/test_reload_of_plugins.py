"""The shipped plugins are replaced in a process of its own.

What other tests have imported of them would keep their old code alive, and those tests would go on
with it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("reload_of_plugins.py")


@pytest.mark.timeout(240)
def test_shipped_plugins_are_replaced_and_taken_away_while_an_app_runs():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
