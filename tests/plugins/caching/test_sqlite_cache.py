"""The cache in a file: the suite that every cache passes, and what is its own."""

import time

import anyio
import pytest

from pegboard.testing.cache_suite import CacheSuite
from pegboard_caching import SqliteCache


@pytest.fixture
def open_cache(tmp_path):
    def open_one(most=1_000_000, largest=1_000_000):
        return SqliteCache(tmp_path / "cache.db", most=most, largest=largest)

    return open_one


class TestSqliteCache(CacheSuite):
    @pytest.fixture
    def open_cache(self, tmp_path):
        return lambda: SqliteCache(tmp_path / "cache.db", most=1_000_000, largest=1_000_000)


pytestmark = pytest.mark.anyio


async def test_the_oldest_go_when_there_is_no_more_room(open_cache):
    cache = open_cache(most=100_000)
    for number in range(300):
        assert await cache.set(f"{number:04}", b"x" * 1000)
    kept = [number for number in range(300) if await cache.get(f"{number:04}")]
    assert kept
    assert kept == list(range(kept[0], 300))
    assert len(kept) * 1004 <= 100_000


async def test_a_value_that_is_too_large_is_not_kept_and_takes_the_old_one_away(open_cache):
    cache = open_cache(largest=1000)
    assert await cache.set("key", b"small")
    assert not await cache.set("key", b"x" * 1000)
    assert await cache.get("key") is None


async def test_what_was_kept_is_there_after_a_restart(open_cache):
    cache = open_cache()
    await cache.set("key", b"value")
    await cache.aclose()
    assert (await open_cache().get("key")).value == b"value"


async def test_a_clock_that_was_set_back_makes_no_negative_age(open_cache, monkeypatch):
    cache = open_cache()
    await cache.set("key", b"value")
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert (await cache.get("key")).age == 0


async def test_the_file_is_for_its_owner_only(open_cache, tmp_path):
    await open_cache().set("key", b"value")
    assert (tmp_path / "cache.db").stat().st_mode & 0o077 == 0


async def test_many_who_claim_at_once_get_one_claim(open_cache):
    caches = [open_cache() for _ in range(4)]
    claims = []

    async def claim(cache):
        claims.append(await cache.claim("key", 10))

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(claim, caches[number % 4])
    assert len([each for each in claims if each]) == 1
