"""The stores against the contract, and the plugin against what every plugin has to do."""

from collections.abc import Callable

import pytest

from pegboard.contracts.job import JobStore
from pegboard.testing.job_store_suite import JobStoreSuite
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_jobs._ledger import Ledger


class TestStore(JobStoreSuite):
    @pytest.fixture
    def open_store(self, open_another: Callable[[], Ledger]) -> Callable[[], JobStore]:
        return lambda: open_another().store


class TestPlugin(PluginSuite):
    plugin = "jobs"
