"""Slots and generations: what stays when code is replaced, and what is replaced.

Two rules hold here. Everything that changes which code serves is done in `Registry.commit`, in one
go with no `await`. Nobody but a slot holds a compiled call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pegboard._config import did_you_mean
from pegboard._scope import defer_here
from pegboard.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from pegboard._edition import Edition
    from pegboard._export import Declaration, Export
    from pegboard._result import Result
    from pegboard._scope import Scope
    from pegboard.contracts.call import Call

__all__ = ["Generation", "Registry", "Slot", "Staged"]

_logger = logging.getLogger("pegboard.registry")

Subscriber = Callable[[Mapping[str, "Slot"]], None]


class Generation:
    """One loaded version of a mod or plugin.

    Attributes:
        owner: Name of the mod or plugin.
        number: 1 for the first version, 2 for the next.
        scope: Everything that this version has registered.
        leases: Calls and streams that run in it now; see `busy`.
        edition: Its modules, None where the caller has imported them.
        declarations: What it has exported.
        exits: Exports that run when it ends, with their calls as they are wrapped now.
        is_leaving: Whether it is about to go, so that others may take its addresses.
        previous: The same version of the code as it was wrapped by plugins that have gone since.
    """

    def __init__(
        self, owner: str, number: int, scope: Scope, edition: Edition | None = None
    ) -> None:
        self.owner = owner
        self.number = number
        self.scope = scope
        self.edition = edition
        self.declarations: list[Declaration] = []
        self.exits: dict[str, tuple[Export, Call]] = {}
        self.leases = 0
        self.is_leaving = False
        self.previous: Generation | None = None

    @property
    def busy(self) -> int:
        """Calls and streams that run in this version of the code, however it was wrapped."""
        return self.leases + (0 if self.previous is None else self.previous.busy)

    def rewrapped(self) -> Generation:
        """Return the same version of the code for exports that are wrapped anew."""
        again = Generation(self.owner, self.number, self.scope, self.edition)
        again.declarations, again.exits = self.declarations, self.exits
        if self.previous is not None and not self.previous.busy:
            self.previous = None
        again.previous = self
        return again

    def __repr__(self) -> str:
        return f"<Generation {self.number} of {self.owner}, {self.leases} leases>"


class Slot:
    """The permanent place of an export: hold this, never what is in it.

    Attributes:
        address: `Mod.name`.
        call: The compiled call of the current generation.
        export: The export of the current generation, None where it was removed.
    """

    __slots__ = ("address", "call", "export")

    def __init__(self, address: str) -> None:
        self.address = address
        self.call: Call = self._gone
        self.export: Export | None = None

    async def _gone(self, *_args: Any, **_kwargs: Any) -> Result[Any]:
        raise NotFoundError(f"{self.address} was removed")

    def clear(self) -> None:
        """Take the export out; callers get a not-found error from now on."""
        self.call, self.export = self._gone, None

    def __repr__(self) -> str:
        return f"<Slot {self.address} {'empty' if self.export is None else 'filled'}>"


class Staged:
    """The exports of a generation before they are visible, with their compiled calls.

    Attributes:
        generation: Whose they are.
        calls: The exports and their calls, by address.
        handovers: Functions that take the state over; they get no slot.
    """

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.handovers: list[Export] = []
        self.calls: dict[str, tuple[Export, Call]] = {}

    def add(self, export: Export, call: Call) -> None:
        """Stage one export.

        Raises:
            ConflictError: If the generation has exported that address already.
        """
        if export.address in self.calls:
            raise ConflictError(f"{export.address} is exported twice")
        self.calls[export.address] = (export, call)


class Registry:
    """All slots of one app.

    Attributes:
        table: Address to slot, for those that are filled: a new read-only mapping after each
            commit.
    """

    def __init__(self) -> None:
        self.table: Mapping[str, Slot] = MappingProxyType({})
        self._slots: dict[str, Slot] = {}
        self._owners: dict[str, str] = {}
        self._subscribers: list[Subscriber] = []

    def slot(self, address: str) -> Slot:
        """Return the slot of an address, an empty one where nothing was exported yet."""
        return self._slots.setdefault(address, Slot(address))

    def resolve(self, target: Any, args: tuple[Any, ...]) -> tuple[Slot, tuple[Any, ...]]:
        """Return the slot that a call is for, and the rest of its positional arguments.

        Args:
            target: `"Mod.fn"`, `("Mod", "fn")`, or `"Mod"` with `"fn"` as the first argument.
            args: The positional arguments.

        Raises:
            NotFoundError: If nothing is exported there.
        """
        address = target if isinstance(target, str) else ".".join(target)
        if address in self.table:
            return self.table[address], args
        if isinstance(target, str) and args and isinstance(args[0], str):
            slot = self.table.get(f"{target}.{args[0]}")
            if slot is not None:
                return slot, args[1:]
        hint = did_you_mean(address, self.table)
        raise NotFoundError(f"there is no export {address}{hint}")

    def check(self, *staged: Staged, leaving: Iterable[Generation] = ()) -> None:
        """Make sure that a commit of `staged` will succeed.

        Raises:
            ConflictError: If an address belongs to another mod or plugin that stays.
        """
        owners = {each.generation.owner for each in staged}
        going = owners.union(each.owner for each in leaving)
        claimed: dict[str, str] = {}
        for each in staged:
            own = each.generation.owner
            for address in each.calls:
                holder = self._owners.get(address, own)
                other = own if holder in going else holder
                other = other if other != own else claimed.setdefault(address, own)
                if other != own:
                    raise ConflictError(f"{address} is exported by {other} already")

    def commit(
        self, *staged: Staged, leaving: Iterable[Generation] = (), is_addition: bool = False
    ) -> None:
        """Make the staged exports the ones that serve; those their owner no longer has vanish.

        Args:
            staged: What is to serve.
            leaving: Generations whose exports vanish in the same moment.
            is_addition: Whether the others of the owners stay.

        Raises:
            ConflictError: If an address belongs to another mod or plugin that stays.
        """
        leaving = list(leaving)
        self.check(*staged, leaving=leaving)
        coming = {address for each in staged for address in each.calls}
        owners = {each.owner for each in leaving}
        if not is_addition:
            owners.update(each.generation.owner for each in staged)
        for address in [a for a, holder in self._owners.items() if holder in owners]:
            if address not in coming:
                self._remove(address)
        for each in staged:
            for address, (export, call) in each.calls.items():
                slot = self.slot(address)
                slot.export, slot.call = export, call
                self._owners[address] = each.generation.owner
        self._publish()

    def withdraw(self, generation: Generation) -> None:
        """Empty the slots that still hold an export of this generation."""
        for address in list(self._owners):
            export = self._slots[address].export
            if export is not None and export.generation is generation:
                self._remove(address)
        self._publish()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Hand the table to `subscriber` now and inside each commit; return the undo.

        A subscriber builds its own view (a routing table) and must not raise or block: it runs
        between the old code and the new.
        """
        self._subscribers.append(subscriber)
        subscriber(self.table)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        defer_here("subscription", unsubscribe)
        return unsubscribe

    def __iter__(self) -> Iterator[Export]:
        for slot in self.table.values():
            if slot.export is not None:
                yield slot.export

    def _remove(self, address: str) -> None:
        self._slots[address].clear()
        del self._owners[address]

    def _publish(self) -> None:
        filled = {a: s for a, s in sorted(self._slots.items()) if s.export is not None}
        self.table = MappingProxyType(filled)
        for subscriber in list(self._subscribers):
            try:
                subscriber(self.table)
            except Exception:
                _logger.exception("%r could not follow the exports", subscriber)
