"""The stores against the contract, and the plugin against what every plugin has to do."""

from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

import pytest

from pegboard import App
from pegboard.contracts.job import JobRecord, JobStore
from pegboard.testing.job_engine_suite import JobEngineSuite
from pegboard.testing.job_store_suite import JobStoreSuite
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_jobs._ledger import Ledger


class TestStore(JobStoreSuite):
    @pytest.fixture
    def open_store(self, open_another: Callable[[], Ledger]) -> Callable[[], JobStore]:
        return lambda: open_another().store


class TestEngine(JobEngineSuite):
    plugins: ClassVar = ["jobs"]
    config: ClassVar = {"plugins": {"jobs": {"stop_timeout": 0.0}}}

    async def record(self, app: App, uuid: UUID) -> JobRecord:
        return await app.jobs.get(uuid)


class TestPlugin(PluginSuite):
    plugin = "jobs"
