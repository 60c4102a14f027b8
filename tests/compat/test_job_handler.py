"""Document 004: its examples as they stand, with other import lines, on both databases."""

import logging
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from anyio.to_thread import run_sync

from pegboard_jobs import (
    AsyncDatabaseHandler,
    CCP4i2DjangoDbHandler,
    IntegrityError,
    JobStatus,
    Role,
    get_job,
    models,
)
from pegboard_jobs._default import offered, withdrawn
from pegboard_jobs._ledger import Ledger
from tests.plugins.jobs.conftest import ledger, open_another, store_url  # noqa: F401
from tests.plugins.jobs.script import CPluginScript

pytestmark = pytest.mark.anyio

logger = logging.getLogger(__name__)


def sync_to_async(function):
    """What asgiref gives under this name."""

    async def call(**values):
        return await run_sync(lambda: function(**values))

    return call


@pytest.fixture(autouse=True)
def _store(ledger: Ledger) -> Iterator[None]:  # noqa: F811 - the fixture of that name
    offered(ledger)
    yield
    withdrawn(ledger)


@pytest.fixture
def project(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(uuid=uuid.uuid4(), directory=tmp_path / "project")


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "output.mtz"
    path.write_bytes(b"MTZ data")
    return path


async def test_the_legacy_handler_is_synchronous_and_takes_text() -> None:
    handler = CCP4i2DjangoDbHandler()
    parent_uuid = handler.createJob("copycell").uuid
    plugin = CPluginScript("ctruncate")
    job = handler.createJob(
        pluginName="ctruncate",
        jobTitle="Convert intensities",
        parentJobId=str(parent_uuid),
        jobNumber=None,
    )
    handler.updateJobStatus(
        jobId=str(job.uuid),
        status=None,
        finishStatus=CPluginScript.SUCCEEDED,
        container=plugin.outputData,
        dbOutputData=None,
    )
    assert job.number == "1.1"
    assert (await get_job(job.uuid)).status is JobStatus.FINISHED


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0, JobStatus.FINISHED),
        (1, JobStatus.FAILED),
        (3, JobStatus.UNSATISFACTORY),
        (99, JobStatus.UNSATISFACTORY),
    ],
)
async def test_a_legacy_finish_status_has_a_meaning(code: int, status: JobStatus) -> None:
    handler = CCP4i2DjangoDbHandler()
    job = handler.createJob("refmac")
    assert handler.updateJobStatus(job.uuid, finishStatus=code).status is status


async def test_jobs_and_files_are_registered_by_hand(
    project: SimpleNamespace, output: Path
) -> None:
    handler = AsyncDatabaseHandler(project_uuid=project.uuid)
    parent_uuid = (await handler.create_job("parent")).uuid
    job = await handler.create_job(
        task_name="ctruncate",
        title="Convert intensities",
        parent_job_uuid=parent_uuid,
    )
    await handler.update_job_status(job_uuid=job.uuid, status=models.Job.Status.RUNNING)
    file_obj = await handler.register_output_file(
        job_uuid=job.uuid,
        file_path=Path("output.mtz"),
        file_type="hklout",
        param_name="HKLOUT",
        content_flag=123,
    )
    input_file = file_obj
    await handler.register_input_file(
        job_uuid=job.uuid, file_uuid=input_file.uuid, param_name="HKLIN"
    )
    assert (file_obj.path, file_obj.size, file_obj.content) == (output, 8, 123)
    assert [each.uuid for each in await handler.get_job_files(job.uuid, Role.IN)] == [file_obj.uuid]
    assert await handler.find_file_by_path(output) == file_obj
    assert await handler.get_file_path(file_obj.uuid) == output


async def test_a_plugin_is_tracked_from_start_to_end(
    project: SimpleNamespace, output: Path
) -> None:
    parent_plugin = None
    plugin = CPluginScript(taskName="ctruncate", name="my_ctruncate_job", parent=parent_plugin)
    plugin.inputData.HKLIN.set("/path/to/input.mtz")
    plugin.inputData.COLANO.set("/*/*/[IMEAN,SIGIMEAN]")
    plugin.outputData.HKLOUT.set(output)
    handler = AsyncDatabaseHandler(project_uuid=project.uuid)
    async with handler.track_job(plugin):
        result = await plugin.execute()
    job = await get_job(plugin._dbJobId)
    assert result == CPluginScript.SUCCEEDED
    assert (job.title, job.task_name, job.status) == (
        "my_ctruncate_job",
        "ctruncate",
        JobStatus.FINISHED,
    )
    assert [each.name for each in await handler.get_job_files(job.uuid)] == ["output.mtz"]
    assert plugin.saved == 1
    assert not plugin.statusChanged.receivers


async def test_nested_plugins_are_numbered_below_their_parent(project: SimpleNamespace) -> None:
    parent_plugin = CPluginScript(taskName="copycell", name="parent_job")
    parent_handler = AsyncDatabaseHandler(project_uuid=project.uuid)
    async with parent_handler.track_job(parent_plugin):
        child_plugin = parent_plugin.makePluginObject(taskName="ctruncate", name="child_job_1")
        child_handler = AsyncDatabaseHandler(project_uuid=project.uuid)
        async with child_handler.track_job(child_plugin):
            await child_plugin.execute()
        child_plugin_2 = parent_plugin.makePluginObject(taskName="refmac", name="child_job_2")
        async with child_handler.track_job(child_plugin_2):
            await child_plugin_2.execute()
        await parent_plugin.execute()
    numbers = [each._dbJobNumber for each in (parent_plugin, child_plugin, child_plugin_2)]
    assert numbers == ["1", "1.1", "1.2"]
    assert (await get_job(child_plugin._dbJobId)).parent == parent_plugin._dbJobId


async def test_old_code_becomes_new_code_line_by_line(project: SimpleNamespace) -> None:
    legacy = CCP4i2DjangoDbHandler(project.uuid)
    parent_uuid = legacy.createJob("parent").uuid
    job = legacy.createJob("ctruncate", "My Job", str(parent_uuid))
    legacy.updateJobStatus(str(job.uuid), finishStatus=CPluginScript.SUCCEEDED)
    handler = AsyncDatabaseHandler(project.uuid)
    job = await handler.create_job("ctruncate", "My Job", parent_uuid)
    await handler.update_job_status(job.uuid, models.Job.Status.FINISHED)
    plugin = CPluginScript("ctruncate")
    async with handler.track_job(plugin):
        await plugin.execute()
    assert (job.number, plugin._dbJobNumber) == ("1.2", "2")


async def test_the_documented_attributes_are_set(
    project: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = AsyncDatabaseHandler(project.uuid)
    await handler.save_project(directory=project.directory)
    plugin = CPluginScript(taskName="ctruncate")
    async with handler.track_job(plugin):
        sys.stdout.write(f"Job UUID: {plugin._dbJobId}\n")
        sys.stdout.write(f"Job Number: {plugin._dbJobNumber}\n")
        await plugin.execute()
        if plugin._dbJobId:
            sys.stdout.write(f"Job saved in database: {plugin._dbJobId}\n")
    assert "Job Number: 1\n" in capsys.readouterr().out
    assert plugin._dbHandler is plugin._db_handler is handler
    assert plugin._dbProjectId == project.uuid
    assert plugin.workDirectory == str(project.directory / "CCP4_JOBS" / "job_1")


@pytest.mark.parametrize("kind", [IntegrityError, ValueError])
async def test_an_error_reaches_the_caller_and_the_record(
    project: SimpleNamespace, kind: type[Exception]
) -> None:
    handler = AsyncDatabaseHandler(project.uuid)
    plugin = CPluginScript("ctruncate")
    plugin.outcome = kind("it did not work")
    caught = []
    try:
        async with handler.track_job(plugin):
            await plugin.execute()
    except IntegrityError as e:
        logger.info("Database integrity error: %s", e)
        caught.append(e)
    except Exception as e:  # noqa: BLE001 - as in the example
        logger.info("Plugin execution failed: %s", e)
        caught.append(e)
    job = await get_job(plugin._dbJobId)
    assert [type(each) for each in caught] == [kind]
    assert job.status is JobStatus.FAILED
    assert job.failure is not None
    assert (job.failure.type, job.failure.message) == (kind.__name__, "it did not work")
    assert "execute" in job.failure.traceback


async def test_job_tracking(project: SimpleNamespace) -> None:
    test_project = project
    handler = AsyncDatabaseHandler(project_uuid=test_project.uuid)
    plugin = CPluginScript(taskName="test_plugin")
    async with handler.track_job(plugin):
        plugin._status = CPluginScript.RUNNING
        await anyio.sleep(0)
        plugin._status = CPluginScript.SUCCEEDED
    job = await sync_to_async(models.Job.objects.get)(uuid=plugin._dbJobId)
    assert job.status == models.Job.Status.FINISHED
