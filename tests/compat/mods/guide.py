"""The functions of the developer guide: function types, endpoints, request, session, errors."""

from typing import Dict, Optional  # noqa: UP035 - as the guide writes it

from pegboard import App, RequestData, Result, get_app

MOD_NAME = "Guide"
version = "1.0"
export = get_app("Guide.Examples").tb


@export(mod_name=MOD_NAME, version=version)
def your_function():
    return Result.ok(data="Success")


# -- kinds of functions ------------------------------------------------------------------------


@export(mod_name=MOD_NAME, version=version, row=True)
def system_function(app: App):
    return "Raw return value"


@export(mod_name=MOD_NAME, version=version)
def function_without_app():
    return Result.ok(data="Success")


@export(mod_name=MOD_NAME, version=version)
def function_with_args(name: str) -> Result:
    return Result.ok(data=name)


@export(mod_name=MOD_NAME, version=version, row=True)
def function_with_args_kwargs(name: str, nickname: Optional[str] = None) -> str:  # noqa: UP045
    if nickname is None:
        nickname = ""
    return name + nickname


async def some_async_operation():
    return "awaited"


@export(mod_name=MOD_NAME, version=version, row=True)
async def async_function(app: App):
    result = await some_async_operation()
    return result  # noqa: RET504 - as the guide writes it


# -- endpoints ---------------------------------------------------------------------------------


@export(mod_name=MOD_NAME, api=True, version="1.0", request_as_kwarg=True)
async def get_data(request: Optional[RequestData] = None):  # noqa: UP045
    if request:
        query_params = request.query_params
        return Result.json(data={"status": "success", "query": query_params})
    return Result.json(data={"status": "success"})


@export(mod_name=MOD_NAME, api=True, version="1.0", request_as_kwarg=True)
async def get_user_data(app, request: Optional[RequestData] = None):  # noqa: UP045
    return Result.ok(data={"user": "data"})


@export(mod_name=MOD_NAME, api=True, version="1.0", api_methods=["PUT", "POST"])
async def update_data(app, data: Dict):  # noqa: UP006
    return Result.ok(data=data)


@export(mod_name=MOD_NAME, api=True, version="1.0", api_methods=["PUT", "POST"])
async def submit_form(app, form_data: Dict):  # noqa: UP006
    return Result.ok(data=form_data)


# -- request and session -----------------------------------------------------------------------


@export(mod_name=MOD_NAME, api=True, version="1.0", request_as_kwarg=True)
async def process_request(request: Optional[RequestData] = None):  # noqa: UP045
    seen = {}
    if request:
        seen["method"] = request.method
        seen["path"] = request.path
        seen["user_agent"] = request.headers.user_agent
        seen["content_type"] = request.headers.content_type
        seen["custom_header"] = request.headers.extra_headers.get("x-custom-header")
        query_params = request.query_params
        seen["search_term"] = query_params.get("search")
        if request.form_data:
            seen["form"] = request.form_data
        if request.body and request.content_type == "application/json":
            seen["json"] = request.body
    return Result.ok(data=seen)


@export(mod_name=MOD_NAME, api=True, version="1.0", request_as_kwarg=True)
async def get_user_session(request: Optional[RequestData] = None):  # noqa: UP045
    if request and hasattr(request, "session"):
        session_id = request.session.SiID
        user_name = request.session.user_name
        session_level = request.session.level
        custom_data = request.session.extra_data.get("custom_key")
    return Result.ok(
        data={"user": user_name, "id": session_id, "level": session_level, "custom": custom_data}
    )


# -- errors ------------------------------------------------------------------------------------


def process_data(user_input):
    return int(user_input) * 2


@export(mod_name=MOD_NAME, version=version)
def process_with_validation(user_input):
    if not user_input:
        return Result.default_user_error(info="Empty input is not allowed", exec_code=400)
    try:
        processed_data = process_data(user_input)
        return Result.ok(data=processed_data)
    except Exception as e:  # noqa: BLE001 - as the guide writes it
        return Result.default_internal_error(info=f"Processing error: {str(e)}", exec_code=500)  # noqa: RUF010


def validate_data(data):
    if "name" in data:
        return Result.ok(data=data)
    return Result.default_user_error(info="name is missing", exec_code=400)


@export(mod_name=MOD_NAME, version=version)
def validate_and_process(data):
    validation_result = validate_data(data)
    return validation_result.lazy_return("user", data={"processed": True, "original": data})
