"""The store on disk: the contract, and what is its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard.contracts.storage import Store
from pegboard.testing.plugin_suite import PluginSuite
from pegboard.testing.store_suite import StoreSuite
from pegboard_storage_local import LocalStore


class TestPlugin(PluginSuite):
    plugin = "storage_local"


class TestLocalStore(StoreSuite):
    steps = int(os.environ.get("PEGBOARD_TEST_STEPS", "300"))  # 10,000 for the full run

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: LocalStore(tmp_path / "files", durable=False)
