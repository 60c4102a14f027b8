"""The event stream of the stack document, for one game."""

from pegboard import Result, get_app

Name = "UltimateTTT"
export = get_app(Name).tb


@export(mod_name=Name, api=True)
async def open_game_stream(game_id: str):
    async def moves():
        yield {"event": "state", "data": {"game": game_id, "turn": "X"}}
        yield {"move": 4}

    return Result.sse(moves())
