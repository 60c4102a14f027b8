"""Which content coding a client prefers. No I/O happens here.

Source: RFC 9110, section 12.5.3.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["choose_encoding"]


def choose_encoding(accepted: str, available: Sequence[str]) -> str | None:
    """Return the coding to use, None to send the content as it is.

    Args:
        accepted: Value of Accept-Encoding.
        available: Codings that we have, the best one first; it decides between equals.
    """
    weights = _weights(accepted)
    best, best_weight = None, 0.0
    for coding in available:
        weight = weights.get(coding, weights.get("*", 0.0))
        if weight > best_weight:
            best, best_weight = coding, weight
    return best if best_weight >= weights.get("identity", 0.0) else None


def _weights(accepted: str) -> dict[str, float]:
    weights = {}
    for entry in accepted.split(","):
        coding, *parameters = (part.strip().lower() for part in entry.split(";"))
        if coding:
            weights[coding] = _weight(parameters)
    return weights


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0  # also refuses `nan`
    return 1.0
