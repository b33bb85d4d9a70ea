"""What Slack accepts as blocks, attachments and views, and its words for what it refuses.

`check_blocks`, `check_attachments` and `check_view` return Slack's explanations, an empty list where all is well.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from triagebot.testing.slack.elements import (
    ELEMENTS,
    IMAGE_ELEMENT,
    IMAGE_FIELDS,
    RICH_TEXT,
    URL,
    plain,
    text,
)
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.schema import (
    Flag,
    Items,
    Num,
    Rule,
    Shape,
    Str,
    Struct,
    Typed,
    at_least_one_of,
    complain,
    exactly_one_of,
)

_SELECTS: Final = ("static_select", "external_select", "users_select", "conversations_select", "channels_select")
_MULTI_SELECTS: Final = tuple(f"multi_{name}" for name in _SELECTS)
_PICKERS: Final = ("checkboxes", "radio_buttons", "datepicker", "timepicker", *_SELECTS, *_MULTI_SELECTS)
_TYPED_INPUTS: Final = ("plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input")
IN_SECTION: Final = ("button", "workflow_button", "overflow", *_PICKERS)
IN_ACTIONS: Final = ("button", "workflow_button", "overflow", "datetimepicker", "rich_text_input", *_PICKERS)
IN_INPUT: Final = ("datetimepicker", "file_input", *_TYPED_INPUTS, *_PICKERS)


def _of(names: Iterable[str], **more: Struct) -> Typed:
    return Typed({name: ELEMENTS[name] for name in names} | more)


def _block(
    kind: str, required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None, *rules: Rule
) -> Struct:
    return Struct(
        {"type": Str(enum=(kind,)), **required},
        {"block_id": Str(max=limit("block_id"), min=1), **(optional or {})},
        rules,
    )


_CONTEXT_TEXT: Final = {
    "plain_text": Struct({"type": Str(), "text": Str(max=limit("text"), min=1)}, {"emoji": Flag()}),
    "mrkdwn": Struct({"type": Str(), "text": Str(max=limit("text"), min=1)}, {"verbatim": Flag()}),
}
_RAW: Final = Struct({"type": Str(), "text": Str(min=1)})


def _table_rule(value: dict[str, Any], at: str, found: list[str]) -> None:
    if sum(len(t) for t in texts(value["rows"])) > limit("table.text"):
        complain(found, f"must be less than {limit('table.text') + 1} characters in all cells", f"{at}/rows")


BLOCKS: Final[dict[str, Struct]] = {
    "section": _block(
        "section",
        {},
        {
            "text": text(limit("section.text")),
            "fields": Items(text(limit("section.field")), limit("section.fields")),
            "accessory": _of(IN_SECTION, image=IMAGE_ELEMENT),
            "expand": Flag(),
        },
        at_least_one_of("text", "fields"),
    ),
    "divider": _block("divider", {}),
    "header": _block("header", {"text": plain(limit("header.text"))}),
    "context": _block(
        "context", {"elements": Items(Typed({**_CONTEXT_TEXT, "image": IMAGE_ELEMENT}), limit("context.elements"))}
    ),
    "actions": _block("actions", {"elements": Items(_of(IN_ACTIONS), limit("actions.elements"))}),
    "context_actions": _block(
        "context_actions",
        {"elements": Items(_of(("feedback_buttons", "icon_button")), limit("context_actions.elements"))},
    ),
    "image": _block(
        "image",
        {"alt_text": Str(max=limit("image.alt_text"), min=1)},
        {"title": plain(limit("image.title")), **IMAGE_FIELDS},
        exactly_one_of("image_url", "slack_file"),
    ),
    "input": _block(
        "input",
        {"label": plain(limit("input.label")), "element": _of(IN_INPUT)},
        {"hint": plain(limit("input.hint")), "optional": Flag(), "dispatch_action": Flag()},
    ),
    "markdown": _block("markdown", {"text": Str(max=limit("markdown.text"), min=1)}),
    "rich_text": RICH_TEXT,
    "table": _block(
        "table",
        {
            "rows": Items(
                Items(Typed({"raw_text": _RAW, "rich_text": RICH_TEXT}), limit("table.columns")), limit("table.rows")
            )
        },
        {
            "column_settings": Items(
                Struct({}, {"align": Str(enum=("left", "center", "right")), "is_wrapped": Flag()}),
                limit("table.columns"),
                min=0,
            )
        },
        _table_rule,
    ),
    "alert": _block(
        "alert",
        {"text": text(limit("alert.text"))},
        {"level": Str(enum=("default", "info", "warning", "error", "success"))},
    ),
    "video": _block(
        "video",
        {
            "alt_text": Str(min=1),
            "title": plain(limit("video.title")),
            "thumbnail_url": Str(pattern=URL),
            "video_url": Str(pattern=URL),
        },
        {
            "author_name": Str(max=limit("video.author_name")),
            "description": plain(limit("text")),
            "provider_icon_url": Str(pattern=URL),
            "provider_name": Str(),
            "title_url": Str(pattern=URL),
        },
    ),
}
MESSAGE_ONLY: Final = frozenset({"context_actions", "markdown", "table"})
_ON: Final = {
    "message": Typed(BLOCKS),
    "view": Typed({name: block for name, block in BLOCKS.items() if name not in MESSAGE_ONLY}),
}

_ATTACHMENT: Final = Struct(
    {},
    {
        **{
            name: Str()
            for name in (
                "fallback", "color", "pretext", "author_name", "author_link", "author_icon", "title", "title_link",
                "text", "image_url", "thumb_url", "footer", "footer_icon", "callback_id", "from_url", "original_url",
            )
        },
        "ts": Num(whole=False),
        "mrkdwn_in": Items(Str(), min=0),
        "fields": Items(Struct({}, {"title": Str(), "value": Str(), "short": Flag()}), min=0),
        "blocks": Items(Typed(BLOCKS), limit("message.blocks")),
    },
)  # fmt: skip
_VIEW_COMMON: Final[dict[str, Shape]] = {
    "private_metadata": Str(max=limit("view.private_metadata")),
    "callback_id": Str(max=limit("view.callback_id")),
    "external_id": Str(max=limit("view.external_id")),
}
_VIEW_BLOCKS: Final = Items(_ON["view"], limit("view.blocks"))


def _needs_submit(value: dict[str, Any], at: str, found: list[str]) -> None:
    if "submit" not in value and any(block["type"] == "input" for block in value["blocks"]):
        complain(found, "missing required field: submit (the view has an input block)", at)


VIEWS: Final = Typed(
    {
        "modal": Struct(
            {"type": Str(), "title": plain(limit("view.title")), "blocks": _VIEW_BLOCKS},
            {
                **_VIEW_COMMON,
                "submit": plain(limit("view.submit")),
                "close": plain(limit("view.close")),
                "clear_on_close": Flag(),
                "notify_on_close": Flag(),
                "submit_disabled": Flag(),
            },
            (_needs_submit,),
        ),
        "home": Struct({"type": Str(), "blocks": _VIEW_BLOCKS}, _VIEW_COMMON),
    }
)


def texts(value: Any) -> Iterator[str]:
    """Every piece of text a person would read, wherever it sits."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def elements_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """The interactive elements of one block."""
    found = [*block.get("elements", []), block.get("accessory"), block.get("element")]
    return [e for e in found if isinstance(e, dict) and e.get("type") in ELEMENTS]


def _unique_ids(blocks: list[dict[str, Any]], at: str, found: list[str]) -> None:
    seen: set[str] = set()
    focused = 0
    for n, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id in seen:
            complain(found, f"block_id '{block_id}' already exists", f"{at}/{n}/block_id")
        if block_id:
            seen.add(block_id)
        actions: set[str] = set()
        for element in elements_of(block):
            action_id = element.get("action_id")
            if action_id in actions:
                complain(found, f"action_id '{action_id}' already exists", f"{at}/{n}")
            if action_id:
                actions.add(action_id)
            focused += bool(element.get("focus_on_load"))
    if focused > 1:
        complain(found, "only one element can have focus_on_load", at)


def check_blocks(blocks: Any, at: str = "/blocks") -> list[str]:
    """Blocks of a message."""
    found: list[str] = []
    Items(_ON["message"], limit("message.blocks"), min=0).check(blocks, at, found)
    if not found:
        _unique_ids(blocks, at, found)
        if sum(block["type"] == "table" for block in blocks) > 1:
            complain(found, "only_one_table_allowed", at)
        markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
        if markdown > limit("markdown.text"):
            complain(found, f"markdown blocks must be less than {limit('markdown.text') + 1} characters in all", at)
    return found


def too_long_in_all(blocks: list[dict[str, Any]]) -> bool:
    """Whether the text of all blocks together is what Slack answers `msg_blocks_too_long` to."""
    return sum(len(t) for t in texts(blocks)) > limit("message.blocks_text")


def check_attachments(attachments: Any, at: str = "/attachments") -> list[str]:
    found: list[str] = []
    Items(_ATTACHMENT, min=0).check(attachments, at, found)
    return found


def check_view(view: Any, at: str = "/view") -> list[str]:
    found: list[str] = []
    VIEWS.check(view, at, found)
    if not found:
        _unique_ids(view["blocks"], f"{at}/blocks", found)
    return found


def view_bytes(view: Any) -> int:
    return len(json.dumps(view).encode())


def completed(blocks: list[dict[str, Any]], fresh_id: Callable[[], str]) -> list[dict[str, Any]]:
    """The blocks as Slack gives them back: ids filled in by `fresh_id()`, `emoji` and `verbatim` made explicit."""
    done: list[dict[str, Any]] = json.loads(json.dumps(blocks))
    for block in done:
        if "block_id" not in block:
            block["block_id"] = fresh_id()
        for element in elements_of(block):
            if "action_id" not in element:
                element["action_id"] = fresh_id()
    _explicit(done)
    return done


def _explicit(value: Any) -> None:
    if isinstance(value, dict):
        if value.get("type") == "plain_text":
            value.setdefault("emoji", True)
        elif value.get("type") == "mrkdwn":
            value.setdefault("verbatim", False)
        for inner in value.values():
            _explicit(inner)
    elif isinstance(value, list):
        for inner in value:
            _explicit(inner)
