"""New code does not keep what serves from its turn."""

import sys

import anyio
import pytest

from pegboard import App
from pegboard._turn import TURN, ShortTurns


def test_turns_are_short_in_the_outermost_block_and_what_they_were_after_it():
    before = sys.getswitchinterval()
    with ShortTurns():
        with ShortTurns():
            assert sys.getswitchinterval() == pytest.approx(TURN, rel=0.01)
        assert sys.getswitchinterval() == pytest.approx(TURN, rel=0.01)
    assert sys.getswitchinterval() == before


def test_turns_that_are_shorter_already_stay_so():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        with ShortTurns():
            assert sys.getswitchinterval() == pytest.approx(0.0002, rel=0.01)
    finally:
        sys.setswitchinterval(before)


def test_turns_end_once_and_in_any_order():
    before = sys.getswitchinterval()
    first, second = ShortTurns(), ShortTurns()
    first.end()
    first.end()
    assert sys.getswitchinterval() == pytest.approx(TURN, rel=0.01)
    second.end()
    assert sys.getswitchinterval() == before


@pytest.mark.anyio
async def test_others_have_their_turn_after_each_export_that_is_compiled(tmp_path):
    (tmp_path / "mods").mkdir()
    path = tmp_path / "mods" / "many.py"
    head = 'from pegboard import get_app\nexport = get_app("many").tb\n'
    functions = "".join(f"@export()\ndef f{n}() -> int: return VALUE\n" for n in range(20))
    path.write_text(head + functions.replace("VALUE", "1"))
    async with App("test", project=tmp_path, mods=["many"], plugins=[]) as app:
        seen, compiled = [], []

        async def look():
            while True:
                compiled.append(len(seen))
                await anyio.lowlevel.checkpoint()

        stage = app.mods._stage_one
        app.mods._stage_one = lambda *what: (seen.append(1), stage(*what))
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            path.write_text(head + functions.replace("VALUE", "2"))
            await app.reloader.follow([path])
            group.cancel_scope.cancel()
        assert len(set(compiled)) > 10  # trio does not say who is next
        assert (await app.call("many.f7")).get() == 2
