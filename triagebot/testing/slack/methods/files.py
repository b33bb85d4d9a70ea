"""files.* and canvases.*. Uploading is three steps: https://docs.slack.dev/messaging/working-with-files#upload"""

import mimetypes
from typing import Any

from triagebot.testing.slack.call import Call
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.methods.chat import parent_of
from triagebot.testing.slack.shapes import file_json
from triagebot.testing.slack.workspace import Channel, File


def get_upload_url(call: Call) -> dict[str, Any]:
    if call.args["length"] <= 0:
        raise SlackError("invalid_arguments", "length must be more than 0 [json-pointer:/length]")
    if len(call.args.get("alt_txt", "")) > limit("file.alt_txt"):
        raise SlackError("alt_txt_too_large")
    name = call.args["filename"]
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = File(
        call.workspace.fresh_id("F"), name, call.args["length"], alt_txt=call.args.get("alt_txt", ""), mimetype=kind
    )
    call.workspace.files[file.id] = file
    return {"upload_url": f"{call.base_url}/upload/v1/{file.id}", "file_id": file.id}


def _named_files(call: Call) -> list[tuple[File, str]]:
    given = call.args["files"]
    if not isinstance(given, list) or not given or not all(isinstance(g, dict) and "id" in g for g in given):
        raise SlackError("invalid_arguments", "files takes a list of objects with an id [json-pointer:/files]")
    named = []
    for entry in given:
        if not set(entry) <= {"id", "title", "highlight_type"}:
            raise SlackError("invalid_arguments", "a file takes id, title and highlight_type [json-pointer:/files]")
        file = call.workspace.files.get(entry["id"])
        if file is None or file.content is None or file.deleted or file.complete:
            raise SlackError("file_not_found")
        named.append((file, entry.get("title", file.name)))
    return named


def _targets(call: Call) -> list[Channel]:
    ids = [call.args["channel_id"]] if "channel_id" in call.args else call.args.get("channels", [])
    targets = []
    for one in ids:
        call.args["channel"] = one
        targets.append(call.writable_channel())
    return targets


def complete_upload(call: Call) -> dict[str, Any]:
    named = _named_files(call)
    targets = _targets(call)
    if "thread_ts" in call.args and len(targets) != 1:
        raise SlackError("invalid_arguments", "thread_ts takes exactly one channel [json-pointer:/thread_ts]")
    parents = [parent_of(call, channel) for channel in targets]
    for file, title in named:
        file.complete, file.title = True, title
    for channel, parent in zip(targets, parents, strict=True):
        message = call.workspace.post(
            channel.id,
            call.workspace.bot.id,
            call.args.get("initial_comment", ""),
            thread_ts=parent,
            bot_id=call.workspace.bot_id,
            files=[file.id for file, _ in named],
        )
        for file, _ in named:
            file.shared_in.append((channel.id, message.ts))
    return {"files": [file_json(call.workspace, file) for file, _ in named]}


def _file(call: Call) -> File:
    file = call.workspace.files.get(call.args["file"])
    if file is None or not file.complete:
        raise SlackError("file_not_found")
    if file.deleted:
        raise SlackError("file_deleted")
    return file


def info(call: Call) -> dict[str, Any]:
    file = _file(call)
    shares: dict[str, Any] = {}
    for channel_id, ts in file.shared_in:
        kind = "public" if call.workspace.channels[channel_id].kind == "public" else "private"
        shares.setdefault(kind, {}).setdefault(channel_id, []).append({"ts": ts})
    return {"file": {**file_json(call.workspace, file), "shares": shares}, "comments": []}


def delete(call: Call) -> dict[str, Any]:
    _file(call).deleted = True
    return {}


# -- canvases -----------------------------------------------------------------------------------------------------


def _document(given: Any) -> str:
    if not isinstance(given, dict) or given.get("type") != "markdown" or not isinstance(given.get("markdown"), str):
        raise SlackError("invalid_arguments", "document_content takes type markdown [json-pointer:/document_content]")
    return str(given["markdown"])


def create_canvas(call: Call) -> dict[str, Any]:
    if call.workspace.plan == "free" and "channel_id" not in call.args:
        raise SlackError("free_teams_cannot_create_standalone_canvases")
    if "channel_id" in call.args:
        call.writable_channel("channel_id")
    canvas_id = call.workspace.fresh_id("F")
    markdown = _document(call.args["document_content"]) if "document_content" in call.args else ""
    call.workspace.canvases[canvas_id] = {
        "title": call.args.get("title", ""),
        "markdown": markdown,
        "channel_id": call.args.get("channel_id"),
        "access": {},
    }
    return {"canvas_id": canvas_id}


def create_channel_canvas(call: Call) -> dict[str, Any]:
    call.writable_channel("channel_id")
    if any(c["channel_id"] == call.args["channel_id"] for c in call.workspace.canvases.values()):
        raise SlackError("channel_canvas_already_exists")
    return create_canvas(call)


def _canvas(call: Call) -> dict[str, Any]:
    canvas = call.workspace.canvases.get(call.args["canvas_id"])
    if canvas is None:
        raise SlackError("canvas_not_found")
    return canvas


def edit_canvas(call: Call) -> dict[str, Any]:
    """Whole-document operations only: nothing here knows sections, so a section_id is refused."""
    canvas = _canvas(call)
    for change in call.args["changes"]:
        operation, section = change.get("operation"), change.get("section_id")
        if section is not None or operation not in ("insert_at_start", "insert_at_end", "replace"):
            raise SlackError("canvas_editing_failed", f"unsupported change: {operation} [json-pointer:/changes]")
        text = _document(change.get("document_content"))
        canvas["markdown"] = {
            "insert_at_start": f"{text}\n{canvas['markdown']}",
            "insert_at_end": f"{canvas['markdown']}\n{text}",
            "replace": text,
        }[operation]
    return {}


def set_canvas_access(call: Call) -> dict[str, Any]:
    canvas = _canvas(call)
    if call.args["access_level"] not in ("read", "write", "owner"):
        raise SlackError("invalid_arguments", "access_level is read, write or owner [json-pointer:/access_level]")
    for who in [*call.args.get("channel_ids", []), *call.args.get("user_ids", [])]:
        canvas["access"][who] = call.args["access_level"]
    return {}


def delete_canvas(call: Call) -> dict[str, Any]:
    _canvas(call)
    del call.workspace.canvases[call.args["canvas_id"]]
    return {}
