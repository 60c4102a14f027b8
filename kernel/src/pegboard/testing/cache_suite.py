"""What every cache has to do: subclass `CacheSuite` and give it yours.

```python
class TestMyCache(CacheSuite):
    @pytest.fixture
    def open_cache(self, tmp_path: Path) -> Callable[[], Cache]:
        return lambda: MyCache(tmp_path)
```

Each call of `open_cache` answers another object on the same data, as another process has it; each
test starts with an empty cache. The tests run on asyncio and on trio.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from pegboard.contracts.cache import Cache

__all__ = ["CacheSuite"]

SHORT = 0.05  # seconds that a value or claim of a test lasts, where it is to end
LONG = 60.0  # seconds that a claim of a test lasts, where it is not


@pytest.mark.anyio
class CacheSuite:
    """The contract `pegboard.contracts.cache.Cache` as tests."""

    @pytest.fixture
    def open_cache(self) -> Callable[[], Cache]:
        """Give a function that opens the cache under test."""
        raise NotImplementedError

    @pytest.fixture
    def cache(self, open_cache: Callable[[], Cache]) -> Cache:
        """Give the cache under test."""
        return open_cache()

    async def test_what_was_never_set_is_not_there(self, cache: Cache) -> None:
        """It is None, not an error and not empty bytes."""
        assert await cache.get("missing") is None
        assert not await cache.delete("missing")

    @pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n", b"x" * 100_000], ids=len)
    async def test_bytes_come_back_as_they_were_set(self, cache: Cache, value: bytes) -> None:
        """No byte is added, lost or translated."""
        assert await cache.set("key", value)
        found = await cache.get("key")
        assert found is not None
        assert found.value == value
        assert 0 <= found.age < LONG

    @pytest.mark.parametrize("key", ["", "a b", "ключ/🔑", "x" * 2000, "a:b", "A:B"])
    async def test_any_text_is_a_key(self, cache: Cache, key: str) -> None:
        """And no two texts are the same key."""
        await cache.set(key, b"own")
        await cache.set(f"{key} ", b"other")
        found = await cache.get(key)
        assert found is not None
        assert found.value == b"own"

    async def test_the_last_value_is_the_one_that_is_kept(self, cache: Cache) -> None:
        """With its tags and its time, not those of the value before."""
        await cache.set("key", b"first", tags=["old"], ttl=SHORT)
        await cache.set("key", b"second", tags=["new"])
        assert await cache.invalidate("old") == 0
        await anyio.sleep(SHORT * 2)
        found = await cache.get("key")
        assert found is not None
        assert found.value == b"second"

    async def test_a_value_expires(self, cache: Cache) -> None:
        """It is given before its time is over, and never after."""
        await cache.set("key", b"value", ttl=SHORT)
        await cache.set("later", b"value", ttl=3600)
        await anyio.sleep(SHORT * 2)
        assert await cache.get("key") is None
        assert await cache.get("later") is not None

    async def test_another_object_sees_what_one_has_kept(
        self, open_cache: Callable[[], Cache]
    ) -> None:
        """They stand for two processes."""
        first, second = open_cache(), open_cache()
        await first.set("key", b"value")
        found = await second.get("key")
        assert found is not None
        assert found.value == b"value"
        assert await second.delete("key")
        assert await first.get("key") is None

    async def test_a_tag_takes_all_that_have_it_and_nothing_else(self, cache: Cache) -> None:
        """How many it were is counted."""
        await cache.set("a", b"1", tags=["red", "round"])
        await cache.set("b", b"2", tags=["red"])
        await cache.set("c", b"3", tags=["blue"])
        assert await cache.invalidate("red") == 2
        assert await cache.invalidate("red") == 0
        assert await cache.get("a") is None
        assert await cache.get("c") is not None

    async def test_a_claim_has_one_holder(self, open_cache: Callable[[], Cache]) -> None:
        """Whichever object they ask."""
        first, second = open_cache(), open_cache()
        claim = await first.claim("key", LONG)
        assert claim is not None
        assert await second.claim("key", LONG) is None
        assert await first.claim("key", LONG) is None
        assert await second.claim("other", LONG) is not None

    async def test_a_claim_ends_with_its_value(self, cache: Cache) -> None:
        """Whoever comes next may make a new one."""
        claim = await cache.claim("key", LONG)
        assert await cache.set("key", b"value", claim=claim)
        assert await cache.claim("key", LONG) is not None

    async def test_a_claim_ends_when_it_is_released(self, cache: Cache) -> None:
        """And only by its own token."""
        claim = await cache.claim("key", LONG)
        assert claim is not None
        await cache.release("key", "somebody else's")
        assert await cache.claim("key", LONG) is None
        await cache.release("key", claim)
        assert await cache.claim("key", LONG) is not None

    async def test_a_claim_that_is_not_renewed_ends_by_itself(self, cache: Cache) -> None:
        """The value of whoever held it is not kept any more."""
        lost = await cache.claim("key", SHORT)
        await anyio.sleep(SHORT * 2)
        claim = await cache.claim("key", LONG)
        assert claim is not None
        assert not await cache.set("key", b"late", claim=lost)
        assert await cache.claim("key", LONG, renew=lost) is None
        assert await cache.set("key", b"value", claim=claim)

    async def test_a_claim_that_is_renewed_holds(self, cache: Cache) -> None:
        """Its token stays the same."""
        claim = await cache.claim("key", SHORT)
        assert await cache.claim("key", LONG, renew=claim) == claim
        await anyio.sleep(SHORT * 2)
        assert await cache.claim("key", LONG) is None

    async def test_what_was_invalidated_while_it_was_made_is_not_kept(self, cache: Cache) -> None:
        """It may have been made from what is no longer true."""
        for invalidate in (cache.invalidate("any"), cache.delete("key")):
            claim = await cache.claim("key", LONG)
            await invalidate
            assert not await cache.set("key", b"old", claim=claim)
            assert await cache.get("key") is None
