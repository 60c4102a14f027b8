"""Slots and generations: what serves changes in one go, or not at all."""

import pytest

from pegboard import Binding, Declaration, Export, Generation, Registry
from pegboard._export import ExportOptions
from pegboard._registry import Staged
from pegboard.errors import ConflictError, NotFoundError


def staged_exports(owner, *names, number=1):
    generation = Generation(owner, number, None)
    staged = Staged(generation)
    for name in names:

        def function(): ...

        options = ExportOptions(name=name, mod_name="M")
        declaration = Declaration(function, options, {})
        export = Export(
            declaration, Binding(function), generation, required_level=0, plugin_options={}
        )

        async def call(answer=f"{name} of {owner} {number}"):
            return answer

        staged.add(export, call)
    return staged


@pytest.mark.anyio
async def test_a_slot_outlives_the_generations_that_fill_it():
    registry = Registry()
    registry.commit(staged_exports("m", "f"))
    slot = registry.table["M.f"]
    assert await slot.call() == "f of m 1"
    registry.commit(staged_exports("m", "f", number=2))
    assert registry.table["M.f"] is slot
    assert await slot.call() == "f of m 2"
    assert slot.export.generation.number == 2


@pytest.mark.anyio
async def test_what_the_new_generation_no_longer_exports_is_gone_and_says_so():
    registry = Registry()
    registry.commit(staged_exports("m", "f", "g"))
    slot = registry.table["M.g"]
    registry.commit(staged_exports("m", "f", number=2))
    assert list(registry.table) == ["M.f"]
    with pytest.raises(NotFoundError, match=r"M\.g was removed"):
        await slot.call()
    registry.commit(staged_exports("m", "f", "g", number=3))
    assert registry.table["M.g"] is slot
    assert await slot.call() == "g of m 3"


def test_an_address_belongs_to_whom_it_was_given_first_and_nothing_is_half_done():
    registry = Registry()
    first = staged_exports("first", "f")
    registry.commit(first)
    before = registry.table
    with pytest.raises(ConflictError, match=r"M\.f is exported by first already"):
        registry.commit(staged_exports("second", "a", "f"))
    assert registry.table is before
    registry.withdraw(first.generation)
    registry.commit(staged_exports("second", "a", "f"))
    assert sorted(registry.table) == ["M.a", "M.f"]


def test_a_generation_exports_an_address_once():
    staged = staged_exports("m", "f")
    export, call = staged.calls["M.f"]
    with pytest.raises(ConflictError, match="exported twice"):
        staged.add(export, call)


def test_subscribers_see_the_whole_of_each_commit_and_nothing_after_the_undo():
    registry = Registry()
    seen = []
    undo = registry.subscribe(lambda table: seen.append(sorted(table)))
    staged = staged_exports("m", "f", "g")
    registry.commit(staged)
    registry.withdraw(staged.generation)
    undo()
    registry.commit(staged_exports("m", "h"))
    assert seen == [[], ["M.f", "M.g"], []]


def test_a_table_is_read_only_and_is_never_changed_afterwards():
    registry = Registry()
    staged = staged_exports("m", "f")
    registry.commit(staged)
    table = registry.table
    registry.withdraw(staged.generation)
    assert list(table) == ["M.f"]
    with pytest.raises(TypeError):
        table["M.x"] = None


def test_iterating_gives_the_exports_by_address():
    registry = Registry()
    registry.commit(staged_exports("m", "b", "a"))
    assert [export.address for export in registry] == ["M.a", "M.b"]


def test_an_old_generation_that_is_withdrawn_takes_nothing_from_the_new_one():
    registry = Registry()
    old = staged_exports("m", "f", "g")
    registry.commit(old)
    registry.commit(staged_exports("m", "f", number=2))
    registry.withdraw(old.generation)
    assert list(registry.table) == ["M.f"]


def test_a_subscriber_that_raises_keeps_nobody_from_seeing_the_commit(caplog):
    registry = Registry()
    seen = []

    def broken(table):
        if table:
            raise RuntimeError("cannot follow")

    registry.subscribe(broken)
    registry.subscribe(lambda table: seen.append(list(table)))
    registry.commit(staged_exports("m", "f"))
    assert seen == [[], ["M.f"]]
    assert "cannot follow" in caplog.text
