"""Both services pass the suite that every store has to pass."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard.contracts.storage import Store
from pegboard.testing.store_suite import StoreSuite
from pegboard_storage_cloud._remote import Remote
from tests.plugins.storage_cloud.conftest import store_on


class TestCloudStore(StoreSuite):
    steps = int(os.environ.get("PEGBOARD_TEST_STEPS", "60"))  # 10,000 for the full run
    increments = 10

    @pytest.fixture
    def open_store(self, open_remote: Callable[[], Remote], tmp_path: Path) -> Callable[[], Store]:
        return lambda: store_on(open_remote(), tmp_path)
