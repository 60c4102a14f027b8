"""How many connections there may be."""

import pytest

from pegboard.errors import UnavailableError
from pegboard_transport_ws import WsConfig
from pegboard_transport_ws._limit import ConnectionLimit
from pegboard_transport_ws._refusal import shortened
from pegboard_transport_ws._stall import Stall


def test_one_more_than_the_limit_is_refused_until_one_goes() -> None:
    limit = ConnectionLimit(WsConfig(max_connections=1))
    with limit.counted("a"), pytest.raises(UnavailableError, match="1 sockets are open"):
        limit.check("b")
    limit.check("b")
    assert limit.total == 0


def test_one_client_cannot_take_all() -> None:
    limit = ConnectionLimit(WsConfig(max_connections_per_client=2))
    with limit.counted("a"), limit.counted("a"):
        limit.check("b")
        with pytest.raises(UnavailableError, match="of this client"):
            limit.check("a")
    limit.check("a")


def test_a_stall_is_measured_from_the_last_progress_that_was_due() -> None:
    stall = Stall(0.0)
    assert stall.seconds(0, 1.0) == 0
    assert stall.seconds(0, 3.0) == 2
    assert stall.seconds(1, 4.0) == 0
    assert stall.seconds(1, 9.0, is_due=False) == 0
    assert stall.seconds(1, 10.0) == 1


def test_a_close_reason_fits_its_frame_and_stays_utf8() -> None:
    assert shortened("ok") == "ok"
    assert shortened("ü" * 100) == "ü" * 61
    assert shortened("\ud800") == "?"
