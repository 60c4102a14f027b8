"""The examples of `FileHandlerV2` in the second half of document 000, in its order.

Only the imports and, where two examples would have one name, that of the function differ.
"""

import time

from pegboard import App, RequestData, get_app
from pegboard_storage import (
    FileHandler,
    FileHandlerV2,
    StorageScope,
    create_config_handler,
    create_data_handler,
    set_current_context,
)

app = get_app("MyModule")
Name = "MyModule"
version = "1.0.0"
export = app.tb


# Example 1: settings of the module

config = create_config_handler(Name)
config.load()


@export(mod_name=Name, api=True, version=version)
def get_setting(key: str, default=None):
    return config.get(key, default)


@export(mod_name=Name, api=True, version=version)
def set_setting(key: str, value):
    config.set(key, value)
    config.save()
    return {"status": "ok"}


# Example 2: files of users


@export(mod_name=Name, api=True, version=version, request_as_kwarg=True)
async def save_user_preferences(app: App, request: RequestData, preferences: dict):
    set_current_context(request)
    fh = FileHandlerV2(
        "private.data",
        name=Name,
        request=request,
    )
    async with fh:
        fh.update(preferences)
    return {"status": "saved", "scope": "user_private"}


@export(mod_name=Name, api=True, version=version, request_as_kwarg=True)
async def get_user_preferences(app: App, request: RequestData):
    fh = FileHandlerV2("private.data", name=Name, request=request)
    await fh.aload()
    return {"preferences": fh.to_dict()}


@export(mod_name=Name, api=True, version=version, request_as_kwarg=True)
async def share_profile(app: App, request: RequestData, profile: dict):
    fh = FileHandlerV2(
        "public.data",
        name=Name,
        request=request,
    )
    await fh.aload()
    fh.update(profile)
    await fh.asave()
    return {"status": "shared", "scope": "user_public"}


# Example 3: files of the server


@export(mod_name=Name, api=True, version=version)
def get_announcements():
    fh = FileHandlerV2(
        "global.data",
        name=Name,
    )
    fh.load()
    return fh.get("announcements", [])


@export(mod_name=Name, api=True, version=version, level=10)
def set_announcement(title: str, message: str):
    fh = FileHandlerV2("global.data", name=Name)
    fh.load()
    announcements = fh.get("announcements", [])
    announcements.append(
        {
            "title": title,
            "message": message,
            "timestamp": time.time(),
        }
    )
    fh.set("announcements", announcements)
    fh.save()
    return {"status": "announced"}


# Example 4: backends


@export(mod_name=Name, version=version)
def choose_backends():
    local = FileHandlerV2(
        "cache.data",
        name=Name,
        backend="local",
    )
    cloud = FileHandlerV2(
        "important.data",
        name=Name,
        backend="cloud",
        scope="user_private",
        request=None,
        owner="alice",
    )
    auto = FileHandlerV2(
        "auto.data",
        name=Name,
        backend="auto",
    )
    return local, cloud, auto


# Example 5: with


@export(mod_name=Name, version=version, request_as_kwarg=True)
async def use_with(request: RequestData):
    with FileHandlerV2("settings.config", name=Name) as fh:
        fh["theme"] = "dark"
        fh["language"] = "de"

    async with FileHandlerV2("async.data", name=Name, request=request) as fh:
        await fh.aset("key", "value")

    try:
        with FileHandlerV2("risky.data", name=Name) as fh:
            fh["step1"] = "done"
            raise ValueError("Oops!")  # noqa: TRY301 - as in the document
            fh["step2"] = "done"
    except ValueError:
        pass


# Example 6: the context of the app


@export(mod_name=Name, api=True, request_as_kwarg=True)
async def my_api_function(app: App, request: RequestData):
    App.set_ctx(request)
    fh = FileHandlerV2("user.data", name=Name)
    await fh.aset("seen", True)
    await fh.asave()
    return App.get_ctx().user_id


# Example 7: the names of before


@export(mod_name=Name, version=version)
async def migrate():
    fh = FileHandler("mymod.config", name="MyMod")
    fh.load_file_handler()
    values = [fh.get_file_handler("key")]
    fh.add_to_save_file_handler("key", "value")
    fh.save_file_handler()

    fh.load()
    values.append(fh.get("key"))
    fh["key"] = "other"
    fh.save()

    await fh.aload()
    values.append(await fh.aget("key"))
    await fh.asave()
    return values


# The table of scopes


@export(mod_name=Name, version=version)
def scopes_of_names():
    set_current_context(None)
    names = ["a.config", "global.data", "shared.data", "server.data", "plain.data"]
    found = {name: FileHandlerV2(name, name=Name).scope for name in names}
    for name in ("private.data", "public.data"):
        found[name] = FileHandlerV2(name, name=Name, owner="alice").scope
    assert all(isinstance(scope, StorageScope) for scope in found.values())
    assert create_data_handler(Name).filename == "mod.data"
    return {name: scope.value for name, scope in found.items()}
