"""The upload of the stack document: a form with a file, its content in base64."""

import base64

from pegboard import App, Result, get_app

Name = "FileWidget"
export = get_app(Name).tb


@export(mod_name=Name, api=True, name="upload", api_methods=["POST"], level=1)
async def handle_upload(app: App, form_data: dict):
    file = form_data["file"]
    content = base64.b64decode(file["content_base64"])
    if not content:
        return Result.default_user_error(info="the file is empty", exec_code=400)
    return Result.ok(
        data={
            "filename": file["filename"],
            "size": len(content),
            "text": content.decode(),
            "note": form_data.get("note"),
        }
    )
