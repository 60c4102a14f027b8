"""Whom a client address stands for. No I/O."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

__all__ = ["network_of"]

PREFIX = 64  # bits: what one customer of a provider has of IPv6


def network_of(address: str) -> str:
    """Return what clients of one household have in common.

    Args:
        address: As the server saw it: an IP address, or whatever stands for one.
    """
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) >> (128 - PREFIX) << (128 - PREFIX)))
