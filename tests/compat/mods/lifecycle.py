"""The initial and the exit function of the developer guide."""

from pegboard import App, Result, get_app

MOD_NAME = "Lifecycle"
version = "1.0"
export = get_app("Lifecycle").tb


@export(mod_name=MOD_NAME, version=version, initial=True)
def initialize_module(app: App):
    app.print(f"Initializing {MOD_NAME} module")
    app.state(MOD_NAME).open = True
    return Result.ok(info="Module initialized")


@export(mod_name=MOD_NAME, version=version, exit_f=True)
def cleanup_module(app: App):
    app.print(f"Cleaning up {MOD_NAME} module")
    app.state(MOD_NAME).open = False
    return Result.ok(info="Module cleaned up")
