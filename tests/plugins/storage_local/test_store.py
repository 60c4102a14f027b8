"""The store on disk: the contract, and what is its own."""

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
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: LocalStore(tmp_path / "files", durable=False)
