"""The examples of the file handling guide, with other import lines and nothing else."""

import json
import threading
from datetime import datetime

import pytest

from pegboard_files import (
    AdvancedFileHandler,
    AtomicFileOperations,
    BackupManager,
    ChecksumCalculator,
    FileLockManager,
    FileMetadata,
    FileVersionManager,
    JsonFileHandler,
)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The guide's paths are relative: it is followed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_quick_start(project):
    handler = AdvancedFileHandler("./my_project")
    result = handler.secure_write(
        "my_precious_data.txt",
        "This content is protected by digital ninjas!",
        create_version=True,
        verify_integrity=True,
    )
    assert len(result["checksum"]) == 64
    assert (project / "my_project" / "my_precious_data.txt").read_text().endswith("ninjas!")


def test_metadata():
    metadata = FileMetadata(
        filename="secret_recipe.txt",
        size=2048,
        checksum="a1b2c3d4e5f6...",
        checksum_algorithm="sha256",
        created_at=datetime.now(),
        modified_at=datetime.now(),
        version=1,
        permissions="644",
    )
    meta_dict = metadata.to_dict()
    assert FileMetadata.from_dict(json.loads(json.dumps(meta_dict))) == metadata


@pytest.mark.anyio
async def test_checksums(project):
    (project / "important_file.txt").write_text("important")
    (project / "big_file.txt").write_text("big")
    checksum = ChecksumCalculator.calculate_checksum("important_file.txt", algorithm="sha256")
    assert ChecksumCalculator.verify_integrity(
        "important_file.txt", expected_checksum=checksum, algorithm="sha256"
    )
    checksum = await ChecksumCalculator.calculate_checksum_async("big_file.txt", algorithm="sha256")
    (project / "suspicious_file.txt").write_text("changed")
    assert not ChecksumCalculator.verify_integrity(
        "suspicious_file.txt", expected_checksum=checksum, algorithm="sha256"
    )


def test_locks(project):
    lock_manager = FileLockManager()
    with lock_manager.acquire_lock("sensitive_file.txt", "exclusive", timeout=5.0) as lock_info:
        with open("sensitive_file.txt", "w") as f:
            f.write("Secret stuff happening...")
        assert lock_info.pid
        assert lock_manager.is_locked("sensitive_file.txt")
    assert not lock_manager.is_locked("some_file.txt")


@pytest.mark.anyio
async def test_atomic_writes(project):
    with AtomicFileOperations.atomic_write("critical_data.txt", "w") as f:
        f.write("Mission critical data that MUST be perfect!")
    assert (project / "critical_data.txt").read_text().endswith("perfect!")
    await AtomicFileOperations.atomic_write_async(
        "async_data.txt", "Lightning fast atomic write!", mode="w"
    )
    assert (project / "async_data.txt").read_text() == "Lightning fast atomic write!"


def test_versions(project):
    version_manager = FileVersionManager("./my_project")
    (project / "my_project" / "important_doc.txt").write_text("one")
    metadata = version_manager.create_version("important_doc.txt")
    assert metadata.version == 1
    (project / "my_project" / "important_doc.txt").write_text("two")
    version_manager.create_version("important_doc.txt")
    versions = version_manager.list_versions("important_doc.txt")
    assert [(v.version, v.modified_at.year >= 2024) for v in versions] == [(1, True), (2, True)]
    version_manager.restore_version(
        "important_doc.txt", version=2, target_path="./restored_doc.txt"
    )
    assert (project / "my_project" / "restored_doc.txt").read_text() == "two"


@pytest.mark.anyio
async def test_json(project):
    json_handler = JsonFileHandler("./json_data")
    my_data = {
        "users": ["alice", "bob", "charlie"],
        "config": {"debug": True, "max_connections": 100},
        "timestamp": "2025-01-15T10:30:00",
    }
    result = json_handler.write("config.json", my_data, create_version=True, verify_integrity=True)
    assert result["size"] == (project / "json_data" / "config.json").stat().st_size
    data = json_handler.read(
        "config.json", verify_integrity=True, expected_checksum=result["checksum"]
    )
    assert len(data["data"].keys()) == 3
    await json_handler.write_async("fast_data.json", {"speed": "ludicrous"})
    result = await json_handler.read_async("fast_data.json")
    assert result["data"] == {"speed": "ludicrous"}


def test_backups(project):
    (project / "important_file1.txt").write_text("one")
    (project / "critical_data.json").write_text("{}")
    (project / "documents").mkdir()
    (project / "documents" / "letter.txt").write_text("dear")
    backup_manager = BackupManager("./backups")
    backup_info = backup_manager.create_backup(
        ["important_file1.txt", "critical_data.json", "./documents/"]
    )
    assert backup_info["name"].startswith("backup_")
    assert backup_info["total_size"] == 9
    assert len(backup_info["files"]) == 3
    assert {*backup_info["files"][0]} == {"path", "size", "checksum", "backup_path"}


@pytest.mark.anyio
async def test_the_handler_of_all_parts(project):
    handler = AdvancedFileHandler("./my_awesome_project")
    result = handler.secure_write(
        "ultra_important.txt",
        "This content is protected by digital ninjas and quantum encryption!",
        create_version=True,
        verify_integrity=True,
        algorithm="sha256",
    )
    data = handler.secure_read(
        "ultra_important.txt", verify_integrity=True, expected_checksum=result["checksum"]
    )
    assert data["content"].endswith("encryption!")
    for name in ("file1.txt", "file3.txt"):
        handler.secure_write(name, "there")
    operations = [
        {"type": "read", "path": "file1.txt"},
        {"type": "write", "path": "file2.txt", "content": "New content!"},
        {"type": "checksum", "path": "file3.txt"},
    ]
    results = await handler.async_batch_operations(operations)
    assert [(r["path"], r["status"]) for r in results] == [
        ("file1.txt", "success"),
        ("file2.txt", "success"),
        ("file3.txt", "success"),
    ]


def test_configuration_manager():
    class ConfigManager:
        def __init__(self, config_dir):
            self.json_handler = JsonFileHandler(config_dir)

        def save_config(self, app_name, config_data):
            return self.json_handler.write(
                f"{app_name}_config.json", config_data, create_version=True
            )

        def load_config(self, app_name):
            try:
                result = self.json_handler.read(f"{app_name}_config.json")
                return result["data"]
            except FileNotFoundError:
                return {}

    config_mgr = ConfigManager("./configs")
    assert config_mgr.load_config("myapp") == {}
    config_mgr.save_config(
        "myapp",
        {"database_url": "postgresql://localhost:5432/mydb", "debug": False, "cache_timeout": 3600},
    )
    assert config_mgr.load_config("myapp")["cache_timeout"] == 3600


@pytest.mark.anyio
async def test_data_processing_pipeline(project):
    def transform_data(content):
        return {"length": len(content)}

    async def process_data_files(file_list):
        handler = AdvancedFileHandler("./data_processing")
        read_ops = [{"type": "read", "path": f} for f in file_list]
        results = await handler.async_batch_operations(read_ops)
        processed_data = []
        for result in results:
            if result["status"] == "success":
                processed = transform_data(result["content"])
                processed_data.append(processed)
        for i, data in enumerate(processed_data):
            await handler.secure_write(f"processed_{i}.json", data, create_version=True)

    AdvancedFileHandler("./data_processing").secure_write("a.txt", "four")
    await process_data_files(["a.txt", "nothing.txt"])
    written = (project / "data_processing" / "processed_0.json").read_text()
    assert json.loads(written) == {"length": 4}


def test_database_backup_system(project):
    def backup_database_config():
        handler = AdvancedFileHandler("./database")
        critical_files = ["database.json", "users.json", "permissions.json", "./schemas/"]
        backup_info = handler.create_backup(
            critical_files, backup_name=f"db_backup_{datetime.now().strftime('%Y%m%d_%H%M%S')}"
        )
        return backup_info

    handler = AdvancedFileHandler("./database")
    for name in ("database.json", "users.json", "permissions.json", "schemas/one.sql"):
        handler.secure_write(name, "{}")
    backup_info = backup_database_config()
    assert backup_info["name"].startswith("db_backup_")
    assert backup_info["total_size"] == 8


def test_troubleshooting(project):
    lock_manager = FileLockManager()
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with lock_manager.acquire_lock("my_file.txt"):
            is_held.set()
            may_end.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    if not lock_manager.is_locked("my_file.txt"):
        pytest.fail("the file is locked")
    else:
        lock_info = lock_manager.get_lock_info("my_file.txt")
        assert f"File locked by PID {lock_info.pid} since {lock_info.timestamp}"
    may_end.set()
    thread.join()

    handler = AdvancedFileHandler(".")
    handler.secure_write("file.txt", "good")
    handler.secure_write("file.txt", "bad")
    try:
        data = handler.secure_read("file.txt", verify_integrity=True, expected_checksum="abc123")
        pytest.fail(data)
    except RuntimeError as e:
        assert "an earlier version can be restored" in str(e)
        handler.restore_file_version("file.txt", version=1, target_path="file.txt")
    assert (project / "file.txt").read_text() == "good"
    (project / "big_file.txt").write_bytes(bytes(10_000))
    checksum = ChecksumCalculator.calculate_checksum("big_file.txt", chunk_size=4096)
    assert checksum == ChecksumCalculator.calculate_checksum("big_file.txt")
