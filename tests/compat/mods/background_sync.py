"""The background function of the developer guide that is a plain function."""

from pegboard import App, Result, get_app

MOD_NAME = "BackgroundSync"
version = "1.0"
export = get_app("BackgroundSync").tb


@export(mod_name=MOD_NAME, version=version, api=True)
def function_with_log_running_bg_call(app: App):
    def compute_expensive_function():
        app.state(MOD_NAME).computed = True

    def sync_bg_function():
        app.print("running in bg")
        compute_expensive_function()

    return Result.ok(data="Starting processing").task(sync_bg_function)
