"""The first half of the developer guide, in process and over HTTP."""

import pytest

from pegboard import RequestData, entered
from pegboard.errors import LoadError
from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio


async def test_each_kind_of_function_answers_in_process(documented):
    async with documented("guide") as app:
        assert (await app.call("Guide.your_function")).get() == "Success"
        assert await app.call("Guide.system_function") == "Raw return value"
        assert (await app.call("Guide.function_without_app")).get() == "Success"
        assert (await app.call("Guide.function_with_args", "Ada")).get() == "Ada"
        assert await app.call("Guide.function_with_args_kwargs", "Ada") == "Ada"
        assert await app.call(("Guide", "function_with_args_kwargs"), "Ada", nickname="!") == "Ada!"
        assert await app.call("Guide", "async_function") == "awaited"


async def test_an_endpoint_with_the_request_answers_with_and_without_one(documented):
    async with documented("guide") as app:
        assert (await app.call("Guide.get_data")).get() == {"status": "success"}
        response = await HttpClient(app).get("/api/Guide/get_data", query={"any": "thing"})
        assert response.status == 200
        assert response.json() == {"status": "success", "query": {"any": "thing"}}


async def test_an_endpoint_with_app_and_request_gets_both(documented):
    async with documented("guide") as app:
        response = await HttpClient(app).get("/api/Guide/get_user_data")
        assert response.json() == {
            "error": "none",
            "origin": ["Guide", "get_user_data", "tb"],
            "result": {
                "data_to": "NATIVE",
                "data_info": "",
                "data": {"user": "data"},
                "data_type": "dict",
            },
            "info": {"exec_code": 0, "help_text": "OK"},
        }


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_the_whole_json_body_is_the_parameter_data(documented, method):
    async with documented("guide") as app:
        client = HttpClient(app)
        response = await client.request(method, "/api/Guide/update_data", json={"a": {"b": [1]}})
        assert response.result().get() == {"a": {"b": [1]}}
        assert (await client.get("/api/Guide/update_data")).status == 405
        assert (await app.call("Guide.update_data", data={"c": 1})).get() == {"c": 1}


async def test_a_form_is_the_parameter_form_data(documented):
    async with documented("guide") as app:
        client = HttpClient(app)
        for files in (None, {}):
            response = await client.post(
                "/api/Guide/submit_form", form={"name": "Ada", "city": "London"}, files=files
            )
            assert response.result().get() == {"name": "Ada", "city": "London"}


async def test_the_request_tells_method_path_headers_query_and_json(documented):
    headers = {"user-agent": "compat", "X-Custom-Header": "mine"}
    async with documented("guide") as app:
        response = await HttpClient(app, headers=headers).post(
            "/api/Guide/process_request", query={"search": "böse & gut"}, json={"key": 1}
        )
        assert response.result().get() == {
            "method": "POST",
            "path": "/api/Guide/process_request",
            "user_agent": "compat",
            "content_type": "application/json",
            "custom_header": "mine",
            "search_term": "böse & gut",
            "json": {"key": 1},
        }


async def test_the_request_tells_the_form(documented):
    async with documented("guide") as app:
        response = await HttpClient(app).post("/api/Guide/process_request", form={"field": "x"})
        assert response.result().get("form") == {"field": "x"}


async def test_the_session_of_nobody_is_anonymous(documented):
    async with documented("guide") as app:
        response = await HttpClient(app).get("/api/Guide/get_user_session")
        assert response.result().get() == {
            "user": "anonymous",
            "id": "#0",
            "level": 0,
            "custom": None,
        }


async def test_the_session_is_that_of_who_asks(documented):
    async with documented("guide") as app:
        client = HttpClient(app, headers={"x-user": "ada", "x-level": "5"})
        response = await client.get("/api/Guide/get_user_session")
        assert response.result().get() == {
            "user": "ada",
            "id": "0x3",
            "level": 5,
            "custom": "custom",
        }


async def test_a_request_can_be_made_by_hand_for_a_call_in_process(documented):
    request = RequestData.from_dict(
        {"request": {"method": "PUT", "path": "/x"}, "session": {"user_name": "ada"}}
    )
    async with documented("guide") as app:
        with entered(app, request):
            assert (await app.call("Guide.get_user_session")).get("user") == "ada"
            assert (await app.call("Guide.process_request")).get("method") == "PUT"


async def test_errors_of_the_user_and_of_the_function_are_results(documented):
    async with documented("guide") as app:
        empty = await app.call("Guide.process_with_validation", "")
        assert (empty.error, empty.info.exec_code) == ("InputError", 400)
        assert empty.info.help_text == "Empty input is not allowed"
        broken = await app.call("Guide.process_with_validation", "x")
        assert (broken.error, broken.info.exec_code) == ("InternalError", 500)
        assert broken.info.help_text.startswith("Processing error: ")
        assert (await app.call("Guide.process_with_validation", "21")).get() == 42


async def test_lazy_return_goes_on_with_the_data_or_with_the_error(documented):
    async with documented("guide") as app:
        fine = await app.call("Guide.validate_and_process", {"name": "Ada"})
        assert fine.get() == {"processed": True, "original": {"name": "Ada"}}
        wrong = await app.call("Guide.validate_and_process", {})
        assert wrong.error == "InputError"
        assert wrong.info.help_text == "name is missing"


async def test_the_answers_travel_as_what_they_are(documented):
    async with documented("responses") as app:
        client = HttpClient(app)
        standard = await client.get("/api/Responses/standard")
        assert standard.result().get() == {"key": "value"}
        assert standard.result().info.help_text == "Operation completed successfully"
        as_json = await client.get("/api/Responses/as_json")
        assert as_json.json() == {"status": "online", "version": "1.0"}
        assert as_json.headers.content_type == "application/json"
        html = await client.get("/api/Responses/as_html")
        assert html.text == "<html><body><h1>Welcome</h1></body></html>"
        assert html.headers.content_type == "text/html; charset=utf-8"
        text = await client.get("/api/Responses/as_text")
        assert text.text == "Plain text content"
        assert text.headers.content_type == "text/plain; charset=utf-8"
        binary = await client.get("/api/Responses/as_binary")
        assert binary.body == b"%PDF-1.7 \x00\xff"
        assert binary.headers.content_type == "application/pdf"
        assert "report.pdf" in binary.headers.content_disposition
        redirect = await client.get("/api/Responses/as_redirect")
        assert (redirect.status, redirect.headers.location) == (302, "/dashboard")


async def test_the_answers_are_results_in_process(documented):
    async with documented("responses") as app:
        assert (await app.call("Responses.as_json")).get("status") == "online"
        assert (await app.call("Responses.as_text")).get() == "Plain text content"
        assert (await app.call("Responses.as_binary")).get("filename") == "report.pdf"
        assert (await app.call("Responses.as_redirect")).get() == "/dashboard"


async def test_compute_functions_see_the_call_and_its_result(documented):
    async with documented("compute") as app:
        result = await app.call("Compute.monitored_function", "Ada")
        assert result.get() == "Hello, Ada!"
        function = app.registry.table["Compute.monitored_function"].export.function
        assert function.__globals__["log"] == [
            "Executing monitored_function with args: ('Ada',), kwargs: {}",
            "Function monitored_function returned: Hello, Ada!",
        ]


async def test_initial_and_exit_functions_run_around_the_life_of_the_mod(documented):
    async with documented("lifecycle") as app:
        assert app.state("Lifecycle").open is True
    assert app.state("Lifecycle").open is False


async def test_cached_functions_name_the_plugin_that_they_need(documented):
    with pytest.raises(LoadError, match="pip install pegboard-caching"):
        async with documented("cached"):
            pass


@pytest.mark.parametrize("name", ["cached_function", "file_cached_function"])
async def test_cached_functions_answer_from_their_cache(documented, name):
    async with documented("cached", plugins=["caching"]) as app:
        for _ in range(2):
            result = await app.call(f"Cached.{name}", "a")
            assert result.get() == "a"
            assert result.info.exec_code == 0
        assert app.cache.statistics()[f"Cached.{name}"].hits == 1
