"""Which content coding a client prefers."""

import pytest

from pegboard_transport_http._encoding import choose_encoding


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1, zstd;q=0", "gzip"),
        ("br, deflate", None),
        ("", None),
        ("gzip;q=0", None),
        ("gzip;q=nonsense", None),
        ("gzip;q=nan", None),
        ("gzip;q=2", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0, gzip;q=0", None),
        (",;,", None),
    ],
)
def test_weights_decide(accepted: str, chosen: str | None) -> None:
    assert choose_encoding(accepted, ("zstd", "gzip")) == chosen
