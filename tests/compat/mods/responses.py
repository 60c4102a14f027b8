"""The six kinds of answers of the developer guide, each in a function of its own."""

from pegboard import Result, get_app

MOD_NAME = "Responses"
export = get_app("Responses").tb

binary_data = b"%PDF-1.7 \x00\xff"


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def standard(app):
    return Result.ok(data={"key": "value"}, info="Operation completed successfully")


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def as_json(app):
    return Result.json(data={"status": "online", "version": "1.0"}, info="API status retrieved")


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def as_html(app):
    return Result.html(data="<html><body><h1>Welcome</h1></body></html>", info="Page rendered")


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def as_text(app):
    return Result.text(text_data="Plain text content", content_type="text/plain")


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def as_binary(app):
    return Result.binary(
        data=binary_data, content_type="application/pdf", download_name="report.pdf"
    )


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def as_redirect(app):
    return Result.redirect(url="/dashboard", status_code=302)
