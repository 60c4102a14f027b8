"""What the documented system gets wrong (KNOWN_DEFECTS, C4): each line as a test."""

import uuid
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from pegboard.errors import ConflictError
from pegboard_jobs import AsyncDatabaseHandler, JobStatus
from pegboard_jobs._ledger import Ledger
from tests.plugins.jobs.script import CPluginScript, Data

pytestmark = pytest.mark.anyio


@pytest.fixture
def handler(ledger: Ledger) -> AsyncDatabaseHandler:
    return AsyncDatabaseHandler(uuid.uuid4(), ledger=ledger)


async def tracked(handler: AsyncDatabaseHandler, outcome: int | None) -> CPluginScript:
    plugin = CPluginScript("task")
    plugin.outcome = outcome
    async with handler.track_job(plugin):
        await plugin.execute()
    return plugin


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (None, JobStatus.FINISHED),
        (CPluginScript.SUCCEEDED, JobStatus.FINISHED),
        (CPluginScript.FAILED, JobStatus.FAILED),
        (CPluginScript.UNSATISFACTORY, JobStatus.UNSATISFACTORY),
        (CPluginScript.INTERRUPTED, JobStatus.INTERRUPTED),
        (CPluginScript.MARK_TO_DELETE, JobStatus.TO_DELETE),
        (CPluginScript.RUNNING, JobStatus.INTERRUPTED),
        (77, JobStatus.FAILED),
    ],
)
async def test_no_outcome_leaves_a_job_running(
    handler: AsyncDatabaseHandler, outcome: int | None, status: JobStatus
) -> None:
    job = await handler.get_job((await tracked(handler, outcome))._dbJobId)
    assert job.status is status
    assert job.finish_time is not None


async def test_a_cancelled_job_is_interrupted(handler: AsyncDatabaseHandler) -> None:
    plugin, entered = CPluginScript("task"), anyio.Event()

    async def run() -> None:
        async with handler.track_job(plugin):
            entered.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await entered.wait()
        group.cancel_scope.cancel()
    job = await handler.get_job(plugin._dbJobId)
    assert job.status is JobStatus.INTERRUPTED
    assert job.failure is not None
    assert job.failure.reason == "cancelled"


async def test_what_the_signal_says_is_told_while_the_job_runs(
    handler: AsyncDatabaseHandler,
) -> None:
    plugin = CPluginScript("task")
    async with handler.track_job(plugin) as job:
        plugin.statusChanged.emit(CPluginScript.UNSATISFACTORY)
        store, seen = handler.ledger.store, ""
        with anyio.fail_after(10):
            async with aclosing(store.follow(job=job.uuid)) as events:
                async for event in events:
                    seen = event.data.get("line", "")
                    if event.kind == "log":
                        break
    assert seen == "status UNSATISFACTORY"
    assert (await handler.get_job(job.uuid)).status is JobStatus.UNSATISFACTORY


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (CPluginScript.SUCCEEDED, JobStatus.FINISHED),
        (CPluginScript.FAILED, JobStatus.FAILED),
        (CPluginScript.INTERRUPTED, JobStatus.INTERRUPTED),
        (CPluginScript.MARK_TO_DELETE, JobStatus.TO_DELETE),
        (CPluginScript.UNSATISFACTORY, JobStatus.UNSATISFACTORY),
        ("?", JobStatus.FAILED),
    ],
)
def test_each_code_of_a_plugin_has_a_meaning(code: object, status: JobStatus) -> None:
    assert AsyncDatabaseHandler.plugin_status_to_job_status(code, CPluginScript) is status


async def test_edits_of_a_project_by_others_are_kept(handler: AsyncDatabaseHandler) -> None:
    await handler.get_project()
    other = AsyncDatabaseHandler(handler.project_uuid, ledger=handler.ledger)
    await other.save_project(description="edited by somebody")
    await handler.create_job("task")
    assert (await handler.get_project()).description == "edited by somebody"
    assert (await handler.get_project()).last_job_number == 1


async def test_the_same_import_twice_is_one_file(
    handler: AsyncDatabaseHandler, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.mtz", tmp_path / "b.mtz"
    for path in (first, second):
        path.write_bytes(b"the same content")
    jobs = [await handler.create_job("import") for _ in range(2)]
    files = [
        await handler.register_imported_file(job.uuid, path, "hklin", "HKLIN", "/from/elsewhere")
        for job, path in zip(jobs, (first, second), strict=True)
    ]
    assert files[0] == files[1]
    assert await handler.find_imported_file_by_checksum(files[0].md5, "hklin") == files[0]
    assert await handler.find_imported_file_by_checksum(files[0].md5, "other") is None
    first.unlink()
    assert await handler.find_imported_file_by_checksum(files[0].md5, "hklin") is None


async def test_an_import_with_another_content_than_expected_is_refused(
    handler: AsyncDatabaseHandler, tmp_path: Path
) -> None:
    path = tmp_path / "a.mtz"
    path.write_bytes(b"x")
    job = await handler.create_job("import")
    with pytest.raises(ConflictError, match="another content"):
        await handler.register_imported_file(
            job.uuid, path, "hklin", "HKLIN", "/from", checksum="0" * 32
        )


async def test_indicators_keep_their_type(handler: AsyncDatabaseHandler) -> None:
    plugin = CPluginScript("refmac")
    values = {"RFactor": 0.21, "cycles": 12, "converged": True, "spaceGroup": "P 21 21 21"}
    plugin.container.PERFORMANCE = Data(**values, unset=None, empty="")
    async with handler.track_job(plugin):
        await plugin.execute()
    kept = await handler.get_job_values(plugin._dbJobId)
    assert kept == values
    assert {key: type(value) for key, value in kept.items()} == {
        key: type(value) for key, value in values.items()
    }


async def test_documented_values_replace_one_another(handler: AsyncDatabaseHandler) -> None:
    job = await handler.create_job("task")
    await handler.register_job_float_value(job.uuid, "rwork", 0.3, "R factor")
    await handler.register_job_float_value(job.uuid, "rwork", 0.25)
    await handler.register_job_char_value(job.uuid, "group", "P1")
    assert await handler.get_job_values(job.uuid) == {"rwork": 0.25, "group": "P1"}


async def test_a_path_is_not_found_by_its_beginning(
    handler: AsyncDatabaseHandler, tmp_path: Path
) -> None:
    job = await handler.create_job("task")
    path = tmp_path / "proj10" / "x.mtz"
    path.parent.mkdir()
    path.write_bytes(b"")
    file = await handler.register_output_file(job.uuid, path, "hklout", "HKLOUT")
    assert await handler.find_file_by_path(tmp_path / "proj1" / "x.mtz") is None
    assert await handler.find_file_by_path(tmp_path / "proj1" / ".." / "proj10" / "x.mtz") == file


async def test_nothing_is_printed(
    handler: AsyncDatabaseHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    await tracked(handler, CPluginScript.SUCCEEDED)
    assert capsys.readouterr() == ("", "")


async def test_files_that_cannot_be_gleaned_hold_nothing_up(
    handler: AsyncDatabaseHandler, tmp_path: Path
) -> None:
    plugin = CPluginScript("task")
    model = tmp_path / "model.pdb"
    model.write_bytes(b"# a comment\ndata_1ABC\n_atom_site.id\n")
    plugin.outputData.XYZOUT.set(model)
    plugin.outputData.HKLOUT.set(tmp_path / "missing.mtz")
    plugin.container.outputData.elsewhere = plugin.inputData.HKLIN
    plugin.inputData.HKLIN.set(model)
    async with handler.track_job(plugin):
        await plugin.execute()
    (file,) = await handler.get_job_files(plugin._dbJobId)
    assert (file.name, file.job_param_name) == ("model.cif", "XYZOUT")


async def test_the_output_of_a_parameter_is_replaced(
    handler: AsyncDatabaseHandler, tmp_path: Path
) -> None:
    job, path = await handler.create_job("task"), tmp_path / "out.txt"
    digests = []
    for content in (b"first", b"second"):
        path.write_bytes(content)
        file = await handler.register_output_file(job.uuid, path, "text", "OUT")
        digests.append((file.uuid, file.sha256))
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]
    assert len(await handler.get_job_files(job.uuid)) == 1
