"""The background function of the developer guide that is a coroutine."""

from pegboard import App, Result, get_app

MOD_NAME = "BackgroundAsync"
version = "1.0"
export = get_app("BackgroundAsync").tb


@export(mod_name=MOD_NAME, version=version, api=True)
async def function_with_log_running_bg_call(app: App):
    async def compute_expensive_function():
        app.state(MOD_NAME).computed = True

    async def bg_function():
        app.print("running in bg")
        await compute_expensive_function()

    return Result.ok(data="Starting processing").task(bg_function())
