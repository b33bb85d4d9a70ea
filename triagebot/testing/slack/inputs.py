"""What a person has typed or chosen: the `state.values` of messages and views."""

from typing import Any, Final

from triagebot.testing.slack.blocks import elements_of
from triagebot.testing.slack.errors import CannotActError

# element type -> (member of the state, member of the element that presets it)
STATEFUL: Final[dict[str, tuple[str, str]]] = {
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "checkboxes": ("selected_options", "initial_options"),
    "radio_buttons": ("selected_option", "initial_option"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "file_input": ("files", "initial_files"),
}
_LISTS: Final = frozenset(
    {"selected_options", "selected_users", "selected_conversations", "selected_channels", "files"}
)


def initial_state(blocks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every stateful element with its preset value, null or an empty list where it has none."""
    values: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for element in elements_of(block):
            if element["type"] in STATEFUL:
                member, preset = STATEFUL[element["type"]]
                empty: Any = [] if member in _LISTS else None
                entry = {"type": element["type"], member: element.get(preset, empty)}
                values.setdefault(block["block_id"], {})[element["action_id"]] = entry
    return values


def find_element(
    blocks: list[dict[str, Any]], action_id: str, block_id: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The block and the element with this action_id; refused where there is none, or more than one to choose from."""
    hits = [
        (block, element)
        for block in blocks
        for element in elements_of(block)
        if element.get("action_id") == action_id and block_id in (None, block["block_id"])
    ]
    if len(hits) != 1:
        there = sorted({e.get("action_id", "") for b in blocks for e in elements_of(b)})
        raise CannotActError(f"{len(hits)} elements have action_id {action_id!r}; there are {there}")
    return hits[0]


def _options(element: dict[str, Any]) -> list[dict[str, Any]]:
    grouped = [option for group in element.get("option_groups", []) for option in group["options"]]
    return [*element.get("options", []), *grouped]


def option_of(element: dict[str, Any], value: str) -> dict[str, Any]:
    """The option with this value (or this text), of a select menu, radio buttons, checkboxes or an overflow menu."""
    for option in _options(element):
        if value in (option["value"], option["text"]["text"]):
            return option
    raise CannotActError(f"no option {value!r}; there are {[o['value'] for o in _options(element)]}")


def entered(element: dict[str, Any], value: Any) -> dict[str, Any]:
    """The state entry after a person enters `value`: text, an option's value, an id, or a list of them."""
    kind = element["type"]
    member, _ = STATEFUL[kind]
    if member == "selected_option" and value is not None:
        value = option_of(element, value) if kind != "external_select" else value
    elif member == "selected_options" and kind != "multi_external_select":
        value = [option_of(element, one) for one in value]
    elif kind == "plain_text_input" and value is not None:
        least, most = element.get("min_length", 0), element.get("max_length", 3000)
        if not least <= len(value) <= most:
            raise CannotActError(f"{element['action_id']} takes {least} to {most} characters, not {len(value)}")
    elif kind == "number_input" and value is not None:
        value = str(value)
        if not element["is_decimal_allowed"] and not value.lstrip("-").isdigit():
            raise CannotActError(f"{element['action_id']} takes a whole number, not {value!r}")
    return {"type": kind, member: value}


def is_empty(entry: dict[str, Any]) -> bool:
    member, _ = STATEFUL[entry["type"]]
    return entry[member] in (None, "", [])
