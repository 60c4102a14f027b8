"""A promise and the figure that answers it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One line under a table: what is promised, and whether this run kept it.

    Attributes:
        text: what is compared, and in which unit.
        limit: the promised figure.
        value: the measured figure, None when a contender is missing.
        at_most: True when smaller is better.
    """

    text: str
    limit: float
    value: float | None
    at_most: bool = True

    @property
    def is_met(self) -> bool | None:
        """Whether the measured figure keeps the promise; None when not measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        """Return one readable line."""
        bound = "at most" if self.at_most else "at least"
        verdict = {True: "met", False: "MISSED", None: "not measured"}[self.is_met]
        value = "-" if self.value is None else f"{self.value:,.3g}"
        if self.value is not None and self.value >= 1000:
            value = f"{self.value:,.0f}"
        return f"- {self.text}: {value} ({bound} {self.limit:,g}: {verdict})"
