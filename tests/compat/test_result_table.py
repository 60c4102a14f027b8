"""Every constructor of `Result`: error, code, interface, type and data."""

import base64

import pytest

from pegboard import ApiResult, ErrorKind, Interface, Result


def row(result):
    return (
        result.error,
        result.info.exec_code,
        result.result.data_to,
        result.result.data_type,
        result.result.data,
        result.result.data_info,
    )


def numbers():
    yield 1


STREAM = numbers()
ERRORS = (Result.default_user_error, Result.default_internal_error)

TABLE = [
    (Result.ok(), ("none", 0, "NATIVE", "NoneType", None, "")),
    (Result.ok({"a": 1}, "info"), ("none", 0, "NATIVE", "dict", {"a": 1}, "info")),
    (Result.ok("text"), ("none", 0, "NATIVE", "str", "text", "")),
    (Result.ok(5, interface=Interface.API), ("none", 0, "API", "int", 5, "")),
    (Result.ok([1]), ("none", 0, "NATIVE", "list", [1], "")),
    (Result.json({"a": 1}), ("none", 0, "REMOTE", "json", {"a": 1}, "JSON response")),
    (Result.json([], exec_code=7), ("none", 7, "REMOTE", "json", [], "JSON response")),
    (
        Result.json([], exec_code=7, status_code=201),
        ("none", 201, "REMOTE", "json", [], "JSON response"),
    ),
    (Result.text("x"), ("none", 200, "REMOTE", "text/plain", "x", "Text response")),
    (
        Result.text("x", content_type="text/csv", status=202),
        ("none", 202, "REMOTE", "text/csv", "x", "Text response"),
    ),
    (
        Result.text("x", exec_code=5),
        ("none", 5, "REMOTE", "text/plain", "x", "Text response"),
    ),
    (Result.html("<p>"), ("none", 200, "REMOTE", "html", "<p>", "")),
    (Result.html("<p>", row=True), ("none", 200, "REMOTE", "html", "<p>", "")),
    (
        Result.html("<p>", headers={"x-a": "1"}),
        ("none", 200, "REMOTE", "special_html", {"html": "<p>", "headers": {"x-a": "1"}}, ""),
    ),
    (
        Result.binary(b"\0", "image/png", "a.png"),
        (
            "none",
            0,
            "REMOTE",
            "binary",
            {"data": b"\0", "content_type": "image/png", "filename": "a.png"},
            "Binary response",
        ),
    ),
    (
        Result.file(b"data", "a.txt"),
        ("none", 200, "REMOTE", "file", base64.b64encode(b"data").decode(), "filename=a.txt"),
    ),
    (
        Result.file("ZGF0YQ==", "a.txt"),
        ("none", 200, "REMOTE", "file", "ZGF0YQ==", "filename=a.txt"),
    ),
    (Result.redirect("/x"), ("none", 302, "REMOTE", "redirect", "/x", "Redirect")),
    (
        Result.redirect("/x", status_code=307),
        ("none", 307, "REMOTE", "redirect", "/x", "Redirect"),
    ),
    (
        Result.stream(STREAM),
        (
            "none",
            0,
            "REMOTE",
            "stream",
            {
                "type": "stream",
                "generator": STREAM,
                "content_type": "text/event-stream",
                "headers": {},
            },
            "Streaming response",
        ),
    ),
    (
        Result.default_user_error("no"),
        ("InputError", -3, "NATIVE", "NoneType", None, ""),
    ),
    (
        Result.default_user_error("no", exec_code=400, data={"field": "x"}),
        ("InputError", 400, "NATIVE", "dict", {"field": "x"}, ""),
    ),
    (
        Result.default_internal_error("no"),
        ("InternalError", -2, "NATIVE", "NoneType", None, ""),
    ),
    (Result.custom_error(), ("CustomError", -1, "NATIVE", "NoneType", None, "")),
    (
        Result.custom_error([1], "info", "no", 9),
        ("CustomError", 9, "NATIVE", "list", [1], "info"),
    ),
    (Result.error(), ("CustomError", 450, "REMOTE", "NoneType", None, "")),
    (
        Result.error("x", "info", "no", 409),
        ("CustomError", 409, "REMOTE", "str", "x", "info"),
    ),
    (Result.default(), ("none", -1, "NATIVE", "NoneType", None, None)),
    (Result.future("later"), ("none", 0, "FUTURE", "future", "later", None)),
]


@pytest.mark.parametrize(("result", "expected"), TABLE)
def test_each_constructor_makes_what_the_table_says(result, expected):
    assert row(result) == expected


def test_help_texts_have_their_defaults():
    assert [Result.ok().info.help_text, Result.json({}).info.help_text] == ["OK", "OK"]
    assert Result.file(b"", "a.txt").info.help_text == "File download: a.txt"
    assert Result.redirect("/").info.help_text == "Redirect"
    assert [each("why").info.help_text for each in ERRORS] == ["why", "why"]


def test_sse_is_a_stream_of_events():
    result = Result.sse(STREAM, info="events", cleanup_func=print)
    assert row(result) == row(Result.stream(STREAM))
    assert (result.info.help_text, result.cleanup) == ("events", print)


def test_a_file_on_disk_is_a_path_and_a_missing_one_is_an_error(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF")
    assert row(Result.file_path(path)) == (
        "none",
        200,
        "REMOTE",
        "file_path",
        str(path),
        "filename=report.pdf",
    )
    assert Result.file_path(path, filename="other.pdf").result.data_info == "filename=other.pdf"
    missing = Result.file_path(tmp_path / "nothing.pdf")
    assert (missing.is_error(), missing.info.exec_code) == (True, 404)
    assert str(tmp_path) not in missing.info.help_text


def test_a_streamed_file_knows_its_name_type_and_length():
    result = Result.file_stream(STREAM, "a.csv", size=10)
    assert row(result)[:4] == ("none", 0, "REMOTE", "stream")
    assert result.get("content_type") == "text/csv"
    assert result.get("headers") == {"content-length": "10"}


def test_on_the_wire_it_is_the_documented_envelope():
    result = Result.ok({"a": 1}).set_origin(("Mod", "fn", "tb"))
    assert result.as_dict() == {
        "error": "none",
        "origin": ["Mod", "fn", "tb"],
        "result": {"data_to": "NATIVE", "data_info": "", "data": {"a": 1}, "data_type": "dict"},
        "info": {"exec_code": 0, "help_text": "OK"},
    }
    assert Result.result_from_dict(**result.as_dict()) == result
    assert result.to_api_result().as_result() is result
    assert isinstance(result, ApiResult)


def test_the_enumerations_have_the_documented_members():
    assert [each.value for each in ErrorKind] == [
        "none",
        "InputError",
        "InternalError",
        "CustomError",
    ]
    assert {each.value for each in Interface} == {
        "CLI",
        "API",
        "REMOTE",
        "NATIVE",
        "INTERNAL",
        "FUTURE",
    }


@pytest.mark.parametrize(
    ("result", "arguments", "expected"),
    [
        (Result.ok({"a": 1}), (), {"a": 1}),
        (Result.ok({"a": 1}), ("a",), 1),
        (Result.ok({"a": 1}), ("b", 2), 2),
        (Result.ok(5), ("a",), 5),
        (Result.ok(), (None, "default"), "default"),
        (Result.ok(Result.ok({"a": 1})), ("a",), 1),
        (Result.default_user_error("no"), (), None),
    ],
)
def test_get_reads_the_data_or_an_item_of_it(result, arguments, expected):
    assert result.get(*arguments) == expected


@pytest.mark.anyio
async def test_aget_awaits_what_is_still_to_come():
    async def answer():
        return {"a": 1}

    async def nested():
        return Result.ok({"a": 2})

    assert await Result.future(answer()).aget("a") == 1
    assert await Result.future(nested()).aget("a") == 2
    assert await Result.ok({"a": 3}).aget("a") == 3
    assert await Result.ok({"n": "4"}).typed_aget(dict[str, str]) == {"n": "4"}


def test_typed_get_converts_or_refuses():
    assert Result.ok({"a": [1]}).typed_get(list[int], "a") == [1]
    with pytest.raises(ValueError, match="Expected `str`"):
        Result.ok(5).typed_get(str)
    result = Result.ok(5)
    assert result.cast_to(int) is result


def test_an_error_nested_in_a_success_is_an_error():
    assert Result.ok(Result.default_user_error("no")).is_error()
    assert not Result.ok(Result.ok()).is_error()
    assert Result.ok().is_ok()
    assert (Result.ok(0).is_data(), Result.ok().is_data()) == (True, False)


def test_an_origin_is_set_once():
    result = Result.ok().set_dir_origin("Mod")
    assert result.origin == "mods/Mod/assets/"
    with pytest.raises(ValueError, match="set already"):
        result.set_origin("Other.fn")


def test_print_returns_and_shows_a_few_lines(capsys):
    result = Result.ok("x" * 1000, info="fine").set_origin(("M", "f", "tb"))
    text = result.print(prifix="> ")
    assert capsys.readouterr().out == f"{text}\n"
    assert text.startswith("> none from M.f.tb")
    assert len(text) < 400
    assert "x" * 1000 in result.print(show=False, full_data=True)
    assert "xxx" not in result.print(show=False, show_data=False)


def test_log_writes_errors_as_warnings(caplog):
    assert Result.default_user_error("no").log().is_error()
    assert [(each.levelname, "no" in each.message) for each in caplog.records] == [
        ("WARNING", True)
    ]


# -- lazy_return -------------------------------------------------------------------------------

SUCCESSES = [Result.ok(1), Result.html("<p>"), Result.text("x"), Result.json({}, status_code=201)]
FLAGS = [0, 1, 2, 3, "raise", "logg", "user", "intern"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("success", SUCCESSES)
def test_a_success_goes_on_with_itself_with_the_data_or_with_another_result(success, flag):
    other = Result.ok("other")
    assert success.lazy_return(flag) is success
    assert success.lazy_return(flag, data=other) is other
    assert success.lazy_return(flag, data={"n": 1}).get() == {"n": 1}


@pytest.mark.parametrize("flag", [0, "raise"])
def test_an_error_is_raised_with_its_description(flag):
    with pytest.raises(ValueError, match="the reason"):
        Result.default_user_error("the reason").lazy_return(flag, data=1)


@pytest.mark.parametrize(
    ("flag", "kind", "code"),
    [
        ("logg", "CustomError", -1),
        (1, "CustomError", -1),
        ("user", "InputError", -3),
        (2, "InputError", -3),
        ("intern", "InternalError", -2),
        (3, "InternalError", -2),
    ],
)
def test_an_error_becomes_one_of_the_named_kind_and_keeps_its_reason(flag, kind, code):
    result = Result.error(info="the reason").lazy_return(flag, data=[1])
    assert (result.error, result.info.exec_code, result.get()) == (kind, code, [1])
    assert result.info.help_text == "the reason"
    own = Result.error(info="the reason").lazy_return(flag, data=[1], info="mine", exec_code=418)
    assert (own.info.help_text, own.info.exec_code) == ("mine", 418)


@pytest.mark.parametrize("flag", [1, 2, 3])
def test_an_error_without_data_stays_what_it_is(flag):
    error = Result.default_user_error("the reason")
    assert error.lazy_return(flag) is error


@pytest.mark.parametrize("flag", [4, -1, "shout"])
def test_an_unknown_flag_is_refused_on_errors_and_on_successes(flag):
    for result in (Result.ok(), Result.error()):
        with pytest.raises(ValueError, match="raise, logg, user, intern"):
            result.lazy_return(flag)
