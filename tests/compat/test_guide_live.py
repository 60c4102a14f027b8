"""What goes on after the answer: streams, background functions, sockets; uploads and events."""

import anyio
import pytest

from pegboard.testing import EventStreamClient, HttpClient, WebSocketClient

pytestmark = pytest.mark.anyio


async def test_a_stream_arrives_chunk_by_chunk_and_is_cleaned_up(documented):
    path = "/sse/Streaming/stream_data"
    async with documented("streaming") as app:
        async with EventStreamClient(app).connect(path) as events:
            chunks = [event.json() async for event in events if event.event == "message"]
        assert chunks == [{"chunk": number} for number in range(10)]
        assert app.state("Streaming").closed.is_set()


async def test_a_stream_can_be_asked_for_under_api_as_well(documented):
    async with documented("streaming") as app:
        async with EventStreamClient(app).connect("/api/Streaming/stream_data") as events:
            chunks = [event async for event in events if event.event == "message"]
        assert len(chunks) == 10


async def test_a_stream_whose_client_leaves_is_cleaned_up(documented):
    async with documented("streaming") as app:
        app.state("Streaming").gate = anyio.Event()
        async with EventStreamClient(app).connect("/sse/Streaming/stream_data") as events:
            async for event in events:
                if event.event == "message":
                    break
        with anyio.fail_after(5):
            await app.state("Streaming").finished.wait()
            await app.state("Streaming").closed.wait()


@pytest.mark.parametrize(
    ("name", "mod"),
    [("background_sync", "BackgroundSync"), ("background_async", "BackgroundAsync")],
)
async def test_a_background_function_runs_after_the_answer(documented, name, mod):
    async with documented(name) as app:
        response = await HttpClient(app).get(f"/api/{mod}/function_with_log_running_bg_call")
        assert response.result().get() == "Starting processing"
    assert app.state(mod).computed


@pytest.mark.parametrize(
    ("name", "mod"),
    [("background_sync", "BackgroundSync"), ("background_async", "BackgroundAsync")],
)
async def test_a_background_function_of_a_call_in_process_runs_too(documented, name, mod):
    async with documented(name) as app:
        result = await app.call(f"{mod}.function_with_log_running_bg_call")
        assert result.get() == "Starting processing"
    assert app.state(mod).computed


async def test_the_chat_welcomes_tells_the_others_and_passes_messages_on(documented):
    path = "/ws/ChatModule/public_room"
    async with documented("chat_module") as app:
        with anyio.fail_after(10):
            async with WebSocketClient(app, headers={"x-user": "ada"}).connect(path) as ada:
                assert await ada.receive_json() == {"event": "welcome", "data": "Welcome, ada!"}
                async with WebSocketClient(app).connect(path) as guest:
                    welcome = {"event": "welcome", "data": "Welcome, anonymous!"}
                    assert await guest.receive_json() == welcome
                    joined = {"event": "user_joined", "data": "anonymous has joined the chat."}
                    assert await ada.receive_json() == joined
                    await guest.send_json({"event": "chat_message", "data": {"message": "  "}})
                    await guest.send_json({"event": "chat_message", "data": {"message": " hi "}})
                    message = {"event": "new_message", "data": {"user": "anonymous", "text": "hi"}}
                    assert await guest.receive_json() == message
                    assert await ada.receive_json() == message
                left = {"event": "user_left", "data": "anonymous has left the chat."}
                assert await ada.receive_json() == left


async def test_an_upload_arrives_as_base64_with_its_fields(documented):
    async with documented("file_widget") as app:
        response = await HttpClient(app, headers={"x-user": "ada"}).post(
            "/api/FileWidget/upload",
            form={"note": "first"},
            files={"file": ("grün.txt", "hällo".encode(), "text/plain")},
        )
        assert response.result().get() == {
            "filename": "grün.txt",
            "size": 6,
            "text": "hällo",
            "note": "first",
        }


async def test_a_call_without_a_valid_session_is_unauthorized(documented):
    async with documented("file_widget") as app:
        response = await HttpClient(app).post(
            "/api/FileWidget/upload", form={}, files={"file": b"data"}
        )
        assert response.status == 401
        assert response.result().is_error()


async def test_an_error_of_the_user_reaches_the_client_as_the_envelope(documented):
    async with documented("file_widget") as app:
        response = await HttpClient(app, headers={"x-user": "ada"}).post(
            "/api/FileWidget/upload", form={}, files={"file": b""}
        )
        assert response.status == 400
        assert response.result().error == "InputError"
        assert response.result().info.help_text == "the file is empty"


async def test_an_event_stream_takes_its_argument_from_the_query(documented):
    path = "/sse/UltimateTTT/open_game_stream"
    async with documented("ultimate_ttt") as app:
        async with EventStreamClient(app).connect(path, query={"game_id": "7"}) as events:
            seen = [(event.event, event.json()) async for event in events]
        assert ("state", {"game": "7", "turn": "X"}) in seen
        assert ("message", {"move": 4}) in seen
