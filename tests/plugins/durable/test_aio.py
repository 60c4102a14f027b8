"""The same, awaited."""

import pytest

from pegboard_durable import OutsideRootError, Root
from pegboard_durable.aio import AsyncRoot

pytestmark = pytest.mark.anyio


async def test_files_are_written_and_read_in_threads(root: Root) -> None:
    files = AsyncRoot(root)
    await files.replace("a/text", b"one")
    assert await files.read("a/text") == b"one"
    with pytest.raises(FileExistsError):
        await files.create("a/text", b"two")
    await files.create("a/other", b"two")
    assert [item.path for item in await files.scan("a")] == ["a/other", "a/text"]
    found = await files.find("a/text")
    assert found is not None
    assert found.stat.st_size == 3
    assert await files.remove("a/text")
    with pytest.raises(OutsideRootError):
        await files.replace("../text", b"")
