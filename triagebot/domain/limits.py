"""The last step of every message and modal: nothing leaves over Slack's limits. Pure.

Figures: https://docs.slack.dev/reference/block-kit/blocks and the pages of its elements and objects. Texts are held a little
below them, since Slack does not say whether it counts code points or UTF-16 units, before or after its own escaping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from triagebot.domain.mrkdwn import clean, cut, shorten, units

TEXT: Final = 2_900  # chat.update refuses a text of 4,000 that chat.postMessage takes, so both get less
SECTION: Final = 2_900
FIELD: Final = 1_900
CONTEXT: Final = 1_900
HEADER: Final = 150
ALT: Final = 900
# Not documented: Slack refuses messages whose blocks hold more than about 10,000 characters in all, with
# `msg_blocks_too_long` (https://github.com/slackapi/bolt-js/issues/2867).
ALL_TEXT: Final = 9_000
SHORTEST: Final = 40
MESSAGE_BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
BUTTON: Final = 75
VALUE: Final = 2_000
OPTIONS: Final = 100
NOTHING: Final = "triagebot"
NO_NAME: Final = "(no name)"

Block = dict[str, Any]


def fit(text: str, blocks_: Iterable[Mapping[str, Any]]) -> tuple[str, list[Block]]:
    """A message as Slack takes it: blocks too many or too long are shortened and say so, empty ones are left out."""
    blocks = _unique([b for b in map(_block, blocks_) if b is not None])
    if len(blocks) > MESSAGE_BLOCKS:
        kept = [b for b in blocks if b["type"] == "actions"][:5]
        rest = [b for b in blocks if b["type"] != "actions"][: MESSAGE_BLOCKS - 1 - len(kept)]
        missing = len(blocks) - len(rest) - len(kept)
        note = {"type": "context", "elements": [{"type": "mrkdwn", "text": f"… {missing} more left out here"}]}
        blocks = [*rest, note, *kept]
    _share(blocks)
    return shorten(_printable(text), TEXT) or _first_text(blocks) or NOTHING, blocks


def fit_view(view: Mapping[str, Any]) -> dict[str, Any]:
    """A modal as Slack takes it. Its private metadata must fit as it is: half of it would be worse than none."""
    if len(str(view.get("private_metadata", ""))) > 3_000:
        raise ValueError("a modal's private metadata is limited to 3,000 characters")
    fitted = dict(view)
    for name in ("title", "submit", "close"):
        if name in fitted:
            fitted[name] = _plain(fitted[name], 24) or {"type": "plain_text", "text": NOTHING}
    fitted["blocks"] = _unique([b for b in map(_block, view["blocks"]) if b is not None])[:VIEW_BLOCKS]
    return fitted


def _printable(text: str) -> str:
    """Lines and the spaces in them kept, everything that JSON or Slack cannot carry left out."""
    return "\n".join(line if line.isprintable() else _only_printable(line) for line in text.splitlines()).strip()


def _only_printable(line: str) -> str:
    return "".join(" " if c.isspace() else c for c in line if c.isspace() or c.isprintable())


def _text(value: object, limit: int) -> dict[str, Any] | None:
    """A text object, None where nothing is left to read."""
    if not isinstance(value, Mapping):
        return None
    if value.get("type") == "plain_text":
        return _plain(value, limit)
    text = shorten(_printable(str(value.get("text", ""))), limit)
    # verbatim: Slack makes no links, mentions or channels of its own out of the text.
    return {"type": "mrkdwn", "text": text, "verbatim": True} if text else None


def _plain(value: object, limit: int) -> dict[str, Any] | None:
    raw = value.get("text", "") if isinstance(value, Mapping) else value
    text = cut(clean(raw), limit)
    return {"type": "plain_text", "text": text} if text else None


def _some(values: object, limit: int, most: int) -> list[dict[str, Any]]:
    listed = values if isinstance(values, (list, tuple)) else []
    return [t for t in (_text(v, limit) for v in listed) if t is not None][:most]


def _section(block: Block) -> Block | None:
    text = _text(block.pop("text", None), SECTION)
    fields = _some(block.pop("fields", None), FIELD, 10)
    if text:
        block["text"] = text
    if fields:
        block["fields"] = fields
    if "accessory" in block:
        block["accessory"] = _element(block["accessory"])
    return block if text or fields else None


def _context(block: Block) -> Block | None:
    block["elements"] = _some(block.get("elements"), CONTEXT, 10)
    return block if block["elements"] else None


def _header(block: Block) -> Block | None:
    text = _plain(block.get("text"), HEADER)
    return {**block, "text": text} if text else None


def _actions(block: Block) -> Block | None:
    block["elements"] = [_element(e) for e in block.get("elements", ())][:25]
    return block if block["elements"] else None


def _input(block: Block) -> Block | None:
    block["label"] = _plain(block.get("label"), 200) or {"type": "plain_text", "text": NOTHING}
    if "hint" in block:
        block["hint"] = _plain(block["hint"], 200) or {"type": "plain_text", "text": NOTHING}
    block["element"] = _element(block["element"])
    return block


def _image(block: Block) -> Block | None:
    return {**block, "alt_text": cut(clean(block.get("alt_text")), ALT) or NOTHING}


_BLOCKS: Final[Mapping[str, Callable[[Block], Block | None]]] = {
    "section": _section,
    "context": _context,
    "header": _header,
    "actions": _actions,
    "input": _input,
    "image": _image,
}


def _block(block: Mapping[str, Any]) -> Block | None:
    copy = dict(block)
    if "block_id" in copy:
        copy["block_id"] = str(copy["block_id"])[:255]
    rule = _BLOCKS.get(str(copy.get("type")))
    return rule(copy) if rule else copy


def _element(element: Mapping[str, Any]) -> dict[str, Any]:
    fitted = dict(element)
    if element["type"] == "button":
        fitted["text"] = _plain(element.get("text"), BUTTON) or {"type": "plain_text", "text": NOTHING}
        fitted["value"] = str(element.get("value", ""))[:VALUE]
    if "placeholder" in element:
        fitted["placeholder"] = _plain(element["placeholder"], 150) or {"type": "plain_text", "text": NOTHING}
    if "options" in element:
        fitted["options"] = [_option(o) for o in element["options"]][:OPTIONS]
    if "initial_option" in element:
        fitted["initial_option"] = _option(element["initial_option"])
        if fitted["initial_option"] not in fitted["options"]:
            del fitted["initial_option"]
    if "initial_value" in element:
        fitted["initial_value"] = cut(_printable(str(element["initial_value"])), VALUE)
    return fitted


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    text = _plain(option.get("text"), 75) or {"type": "plain_text", "text": NO_NAME}
    return {"text": text, "value": str(option["value"])[:150]}


def _unique(blocks: list[Block]) -> list[Block]:
    """Slack refuses two blocks with the same id; the second one loses it."""
    seen: set[str] = set()
    for block in blocks:
        name = block.get("block_id")
        if name in seen:
            del block["block_id"]
        elif name:
            seen.add(name)
    return blocks


def _texts(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for block in blocks:
        for part in (block.get("text"), *block.get("fields", ()), *block.get("elements", ())):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                found.append(part)
            elif isinstance(part, dict) and isinstance(part.get("text"), dict):
                found.append(part["text"])
    return found


def _share(blocks: list[Block]) -> None:
    """Shortens the longest texts until all of them together fit."""
    texts = _texts(blocks)
    while (longest := _level([units(t["text"]) for t in texts])) < SHORTEST:
        blocks.remove(next(b for b in reversed(blocks) if b["type"] != "actions"))
        texts = _texts(blocks)
    for text in texts:
        text["text"] = shorten(text["text"], longest)


def _level(lengths: list[int]) -> int:
    """The length that no text may exceed for all of them to fit."""
    left = ALL_TEXT
    for n, length in enumerate(sorted(lengths)):
        if length * (len(lengths) - n) > left:
            return left // (len(lengths) - n)
        left -= length
    return ALL_TEXT


def _first_text(blocks: list[Block]) -> str:
    return next((cut(clean(t["text"]), TEXT) for t in _texts(blocks)), "")
