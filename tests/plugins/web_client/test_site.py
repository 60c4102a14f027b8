"""How the files of the client are served."""

import gzip

import pytest

from pegboard.testing import HttpClient
from pegboard_web_client import client_url

pytestmark = pytest.mark.anyio


async def get(pegboard_app, path, method="GET", **headers):
    async with pegboard_app(plugins=["web_client"]) as app:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await HttpClient(app).request(method, path, headers=named)


@pytest.mark.parametrize("name", ["pegboard.js", "pegboard.classic.js", "pegboard.d.ts"])
async def test_a_file_under_its_hash_is_kept_for_ever(pegboard_app, name):
    answer = await get(pegboard_app, client_url(name))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.body) == int(answer.headers["content-length"])


async def test_a_file_under_its_name_is_asked_for_again_and_not_sent_again(pegboard_app):
    first = await get(pegboard_app, "/pegboard/pegboard.js")
    assert first.headers["cache-control"] == "public, no-cache"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = await get(pegboard_app, "/pegboard/pegboard.js", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_file_is_packed_for_who_can_unpack_it(pegboard_app):
    plain = await get(pegboard_app, "/pegboard/pegboard.js")
    packed = await get(pegboard_app, "/pegboard/pegboard.js", accept_encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", ["/pegboard", "/pegboard/", "/pegboard/x", "/pegboard/../x"])
async def test_nothing_else_is_there(pegboard_app, path):
    assert (await get(pegboard_app, path)).status == 404


async def test_nothing_can_be_sent_there(pegboard_app):
    answer = await get(pegboard_app, "/pegboard/pegboard.js", "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_head_request_gets_no_body(pegboard_app):
    answer = await get(pegboard_app, "/pegboard/pegboard.js", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 1000


async def test_the_classic_script_is_the_module_without_its_exports(pegboard_app):
    module = (await get(pegboard_app, "/pegboard/pegboard.js")).body.decode()
    classic = (await get(pegboard_app, "/pegboard/pegboard.classic.js")).body.decode()
    assert "export " in module
    assert "\nexport " not in classic
    assert classic.endswith("window.TB = TB;\n})();\n")
    assert module.partition("\nexport ")[0] in classic


def test_a_file_that_is_not_there_has_no_address():
    with pytest.raises(KeyError):
        client_url("other.js")
