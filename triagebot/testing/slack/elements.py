"""Block Kit's composition objects and interactive elements, as tables. https://docs.slack.dev/reference/block-kit"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.schema import (
    Anything,
    Flag,
    Items,
    Later,
    Nested,
    Num,
    Shape,
    Str,
    Struct,
    Typed,
    complain,
    exactly_one_of,
)

URL: Final = r"https?://[^\s<>]+"
DATE: Final = Str(pattern=r"\d{4}-\d{2}-\d{2}")


def text(most: int, *kinds: str, least: int = 1) -> Shape:
    """A text object of at most so many characters; both kinds unless told."""
    body = Str(max=most, min=least)
    both = {
        "plain_text": Struct({"type": Str(), "text": body}, {"emoji": Flag()}),
        "mrkdwn": Struct({"type": Str(), "text": body}, {"verbatim": Flag()}),
    }
    return Nested(Typed({kind: both[kind] for kind in kinds or both}))


def plain(most: int, least: int = 1) -> Shape:
    return text(most, "plain_text", least=least)


ACTION_ID: Final = Str(max=limit("action_id"), min=1)
PLACEHOLDER: Final = plain(limit("placeholder"))
CONFIRM: Final = Struct(
    {
        "title": plain(limit("confirm.title")),
        "text": text(limit("confirm.text")),
        "confirm": plain(limit("confirm.button")),
        "deny": plain(limit("confirm.button")),
    },
    {"style": Str(enum=("primary", "danger"))},
)


def option(text_kinds: Iterable[str] = ("plain_text",), *, url: bool = False) -> Struct:
    kinds = tuple(text_kinds)
    extra: dict[str, Shape] = {"url": Str(max=limit("option.url"), pattern=URL)} if url else {}
    return Struct(
        {"text": text(limit("option.text"), *kinds), "value": Str(max=limit("option.value"))},
        {"description": text(limit("option.description"), *kinds), **extra},
    )


def _options_rule(value: dict[str, Any], at: str, found: list[str]) -> None:
    """Initial options must be among the options, word for word."""
    offered = list(value.get("options", []))
    for group in value.get("option_groups", []):
        offered += group["options"]
    chosen = list(value.get("initial_options", []))
    if "initial_option" in value:
        chosen.append(value["initial_option"])
    known = {(o["value"], o["text"]["text"]) for o in offered}
    for one in chosen:
        if (one["value"], one["text"]["text"]) not in known:
            complain(found, "initial option is not among the options", at)


OPTION: Final = option()
GROUP: Final = Struct({"label": plain(limit("option_group.label")), "options": Items(OPTION, limit("select.options"))})
RICH_OPTION: Final = option(("plain_text", "mrkdwn"))
DISPATCH: Final = Struct({}, {"trigger_actions_on": Items(Str(enum=("on_enter_pressed", "on_character_entered")), 2)})
FILTER: Final = Struct(
    {},
    {
        "include": Items(Str(enum=("im", "mpim", "private", "public")), 4),
        "exclude_external_shared_channels": Flag(),
        "exclude_bot_users": Flag(),
    },
)
SLACK_FILE: Final = Struct({}, {"id": Str(min=1), "url": Str(pattern=URL)}, (exactly_one_of("id", "url"),))
IMAGE_FIELDS: Final[dict[str, Shape]] = {
    "image_url": Str(max=limit("image.url"), pattern=URL),
    "slack_file": SLACK_FILE,
}


def _element(
    kind: str, required: Mapping[str, Shape] | None = None, optional: Mapping[str, Shape] | None = None, *rules: Any
) -> Struct:
    return Struct(
        {"type": Str(enum=(kind,)), **(required or {})},
        {"action_id": ACTION_ID, **(optional or {})},
        rules,
    )


_FOCUS: Final[dict[str, Shape]] = {"focus_on_load": Flag()}
_CONFIRMED: Final[dict[str, Shape]] = {"confirm": CONFIRM, **_FOCUS}
_SELECT: Final[dict[str, Shape]] = {"placeholder": PLACEHOLDER, **_CONFIRMED}
_MULTI: Final[dict[str, Shape]] = {**_SELECT, "max_selected_items": Num(min=1)}
_TYPED: Final[dict[str, Shape]] = {
    "placeholder": PLACEHOLDER,
    "initial_value": Str(),
    "dispatch_action_config": DISPATCH,
    **_FOCUS,
}
_STATIC: Final[dict[str, Shape]] = {
    "options": Items(OPTION, limit("select.options")),
    "option_groups": Items(GROUP, limit("select.option_groups")),
}
_ONE_LIST: Final = exactly_one_of("options", "option_groups")
_IDS: Final = Items(Str(min=1))
_BUTTON_TEXT: Final = plain(limit("button.text"))
_LABEL: Final = Str(max=limit("button.accessibility_label"))
_VALUE: Final = Str(max=limit("button.value"))
_FEEDBACK: Final = Struct({"text": _BUTTON_TEXT, "value": _VALUE}, {"accessibility_label": _LABEL})

ELEMENTS: Final[dict[str, Struct]] = {
    "button": _element(
        "button",
        {"text": _BUTTON_TEXT},
        {
            "url": Str(max=limit("button.url"), pattern=r"[a-z][a-z0-9+.-]*:[^\s<>]+"),
            "value": _VALUE,
            "style": Str(enum=("primary", "danger")),
            "confirm": CONFIRM,
            "accessibility_label": _LABEL,
        },
    ),
    "workflow_button": _element(
        "workflow_button",
        {"text": _BUTTON_TEXT, "workflow": Anything()},
        {"style": Str(enum=("primary", "danger")), "accessibility_label": _LABEL},
    ),
    "feedback_buttons": _element("feedback_buttons", {"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}),
    "icon_button": _element(
        "icon_button",
        {"icon": Str(enum=("trash",)), "text": _BUTTON_TEXT},
        {"value": _VALUE, "confirm": CONFIRM, "accessibility_label": _LABEL, "visible_to_user_ids": Items(Str(), 10)},
    ),
    "overflow": _element(
        "overflow", {"options": Items(option(url=True), limit("overflow.options"))}, {"confirm": CONFIRM}
    ),
    "checkboxes": _element(
        "checkboxes",
        {"options": Items(RICH_OPTION, limit("checkboxes.options"))},
        {"initial_options": Items(RICH_OPTION), **_CONFIRMED},
        _options_rule,
    ),
    "radio_buttons": _element(
        "radio_buttons",
        {"options": Items(RICH_OPTION, limit("radio_buttons.options"))},
        {"initial_option": RICH_OPTION, **_CONFIRMED},
        _options_rule,
    ),
    "datepicker": _element("datepicker", {}, {"initial_date": DATE, **_SELECT}),
    "timepicker": _element(
        "timepicker", {}, {"initial_time": Str(pattern=r"\d{2}:\d{2}"), "timezone": Str(), **_SELECT}
    ),
    "datetimepicker": _element("datetimepicker", {}, {"initial_date_time": Num(min=10**9, max=10**10), **_CONFIRMED}),
    "static_select": _element(
        "static_select", {}, {**_STATIC, "initial_option": OPTION, **_SELECT}, _ONE_LIST, _options_rule
    ),
    "external_select": _element(
        "external_select", {}, {"initial_option": OPTION, "min_query_length": Num(min=0), **_SELECT}
    ),
    "users_select": _element("users_select", {}, {"initial_user": Str(min=1), **_SELECT}),
    "conversations_select": _element(
        "conversations_select",
        {},
        {
            "initial_conversation": Str(min=1),
            "default_to_current_conversation": Flag(),
            "response_url_enabled": Flag(),
            "filter": FILTER,
            **_SELECT,
        },
    ),
    "channels_select": _element(
        "channels_select", {}, {"initial_channel": Str(min=1), "response_url_enabled": Flag(), **_SELECT}
    ),
    "multi_static_select": _element(
        "multi_static_select", {}, {**_STATIC, "initial_options": Items(OPTION), **_MULTI}, _ONE_LIST, _options_rule
    ),
    "multi_external_select": _element(
        "multi_external_select", {}, {"initial_options": Items(OPTION), "min_query_length": Num(min=0), **_MULTI}
    ),
    "multi_users_select": _element("multi_users_select", {}, {"initial_users": _IDS, **_MULTI}),
    "multi_conversations_select": _element(
        "multi_conversations_select",
        {},
        {"initial_conversations": _IDS, "default_to_current_conversation": Flag(), "filter": FILTER, **_MULTI},
    ),
    "multi_channels_select": _element("multi_channels_select", {}, {"initial_channels": _IDS, **_MULTI}),
    "plain_text_input": _element(
        "plain_text_input",
        {},
        {
            **_TYPED,
            "initial_value": Str(max=limit("plain_text_input.length")),
            "multiline": Flag(),
            "min_length": Num(min=0, max=limit("plain_text_input.length")),
            "max_length": Num(min=1, max=limit("plain_text_input.length")),
        },
    ),
    "email_text_input": _element("email_text_input", {}, _TYPED),
    "url_text_input": _element("url_text_input", {}, _TYPED),
    "number_input": _element(
        "number_input",
        {"is_decimal_allowed": Flag()},
        {**_TYPED, "min_value": Str(), "max_value": Str()},
    ),
    "rich_text_input": _element(
        "rich_text_input",
        {},
        {**_TYPED, "initial_value": Later(lambda: RICH_TEXT), "min_lines": Num(), "max_lines": Num()},
    ),
    "file_input": _element(
        "file_input", {}, {"filetypes": Items(Str()), "max_files": Num(min=1, max=limit("file_input.files"))}
    ),
}
# An image element has no action_id, unlike everything else that sits in a section or a context block.
IMAGE_ELEMENT: Final = Struct(
    {"type": Str(enum=("image",)), "alt_text": Str(max=limit("image.alt_text"), min=1)},
    IMAGE_FIELDS,
    (exactly_one_of("image_url", "slack_file"),),
)

_STYLE: Final = Struct(
    {},
    {
        name: Flag()
        for name in ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink")
    },
)


def _part(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Struct:
    return Struct({"type": Str(), **required}, {"style": _STYLE, **(optional or {})})


_PARTS: Final = Typed(
    {
        "text": _part({"text": Str(min=1)}),
        "link": _part({"url": Str(min=1)}, {"text": Str(), "unsafe": Flag()}),
        "user": _part({"user_id": Str(min=1)}),
        "usergroup": _part({"usergroup_id": Str(min=1)}),
        "channel": _part({"channel_id": Str(min=1)}),
        "emoji": _part({"name": Str(min=1)}, {"unicode": Str(), "skin_tone": Num()}),
        "broadcast": _part({"range": Str(enum=("here", "channel", "everyone"))}),
        "date": _part({"timestamp": Num(), "format": Str()}, {"url": Str(), "fallback": Str()}),
        "color": _part({"value": Str()}),
    }
)
_RUN: Final = Items(_PARTS, min=0)
_SECTION: Final = Struct({"type": Str(), "elements": _RUN})
RICH_TEXT: Final[Struct] = Struct(
    {
        "type": Str(enum=("rich_text",)),
        "elements": Items(
            Typed(
                {
                    "rich_text_section": _SECTION,
                    "rich_text_quote": Struct({"type": Str(), "elements": _RUN}, {"border": Num()}),
                    "rich_text_preformatted": Struct(
                        {"type": Str(), "elements": _RUN}, {"border": Num(), "language": Str()}
                    ),
                    "rich_text_list": Struct(
                        {
                            "type": Str(),
                            "style": Str(enum=("bullet", "ordered")),
                            "elements": Items(Typed({"rich_text_section": _SECTION})),
                        },
                        {"indent": Num(min=0, max=8), "offset": Num(min=0), "border": Num(min=0, max=1)},
                    ),
                }
            )
        ),
    },
    {"block_id": Str(max=limit("block_id"), min=1)},
)
