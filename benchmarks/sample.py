"""The figures of one suite: collected in rounds, read as medians and paired ratios."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Samples:
    """Values by contender and case, in the order of the rounds.

    The contenders take turns, so the values at one position were measured within seconds of
    each other; a ratio is the median of the ratios at each position, which a change of the
    machine's speed during the run does not touch.
    """

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, contender: str, case: str, value: float) -> None:
        """Record one value."""
        self.values.setdefault(contender, {}).setdefault(case, []).append(value)

    def get(self, contender: str, case: str) -> list[float]:
        """Return the values recorded, none if there are none."""
        return self.values.get(contender, {}).get(case, [])

    def median(self, contender: str, case: str) -> float | None:
        """Return the median, or None without values."""
        return self._reduce(median, contender, case)

    def max(self, contender: str, case: str) -> float | None:
        """Return the largest value, or None without values."""
        return self._reduce(max, contender, case)

    def ratio(self, contender: str, other: str, case: str) -> float | None:
        """Return the median of ``contender / other`` over the rounds, or None without values."""
        pairs = zip(self.get(contender, case), self.get(other, case), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if theirs]
        return median(ratios) if ratios else None

    def _reduce(
        self, function: Callable[[list[float]], float], contender: str, case: str
    ) -> float | None:
        values = self.get(contender, case)
        return function(values) if values else None
