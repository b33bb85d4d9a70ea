"""What Slack documents as its limits, each with the page that states it.

A value is characters for text, items for lists, bytes where the name says so. `WEB_API` gives a method's rate as
(calls, seconds): Slack promises "20+ per minute" and the like, so the number enforced here is the promised floor.
"""

from dataclasses import dataclass
from typing import Final

DOCS: Final = "https://docs.slack.dev"
_BLOCKS: Final = f"{DOCS}/reference/block-kit/blocks"
_ELEMENTS: Final = f"{DOCS}/reference/block-kit/block-elements"
_OBJECTS: Final = f"{DOCS}/reference/block-kit/composition-objects"


@dataclass(frozen=True, slots=True)
class Limit:
    value: int
    doc: str


LIMITS: Final[dict[str, Limit]] = {
    # messages
    "message.blocks": Limit(50, _BLOCKS),
    "message.text": Limit(40_000, f"{DOCS}/reference/methods/chat.postMessage#truncating"),
    "message.text_update": Limit(4_000, f"{DOCS}/reference/methods/chat.update#errors"),
    "message.attachments": Limit(100, f"{DOCS}/reference/methods/chat.postMessage#errors"),
    # Not documented; accepted at 9,597 characters of text over all blocks and refused at 11,341.
    "message.blocks_text": Limit(10_000, "https://github.com/slackapi/bolt-js/issues/2867"),
    "message.markdown_text": Limit(12_000, f"{_BLOCKS}/markdown-block"),
    "message.metadata_bytes": Limit(8_000, f"{DOCS}/messaging/message-metadata"),
    # views
    "view.blocks": Limit(100, _BLOCKS),
    "view.title": Limit(24, f"{DOCS}/reference/views/modal-views"),
    "view.submit": Limit(24, f"{DOCS}/reference/views/modal-views"),
    "view.close": Limit(24, f"{DOCS}/reference/views/modal-views"),
    "view.private_metadata": Limit(3_000, f"{DOCS}/reference/views/modal-views"),
    "view.callback_id": Limit(255, f"{DOCS}/reference/views/modal-views"),
    "view.external_id": Limit(255, f"{DOCS}/reference/views/modal-views"),
    "view.bytes": Limit(250_000, f"{DOCS}/reference/methods/views.open#errors"),
    "view.stack": Limit(3, f"{DOCS}/reference/methods/views.push#errors"),
    # every block
    "block_id": Limit(255, f"{_BLOCKS}/section-block"),
    "action_id": Limit(255, f"{_ELEMENTS}/button-element"),
    "text": Limit(3_000, f"{_OBJECTS}/text-object"),
    # blocks
    "section.text": Limit(3_000, f"{_BLOCKS}/section-block"),
    "section.fields": Limit(10, f"{_BLOCKS}/section-block"),
    "section.field": Limit(2_000, f"{_BLOCKS}/section-block"),
    "header.text": Limit(150, f"{_BLOCKS}/header-block"),
    "context.elements": Limit(10, f"{_BLOCKS}/context-block"),
    "actions.elements": Limit(25, f"{_BLOCKS}/actions-block"),
    "context_actions.elements": Limit(5, f"{_BLOCKS}/context-actions-block"),
    "image.url": Limit(3_000, f"{_BLOCKS}/image-block"),
    "image.alt_text": Limit(2_000, f"{_BLOCKS}/image-block"),
    "image.title": Limit(2_000, f"{_BLOCKS}/image-block"),
    "input.label": Limit(2_000, f"{_BLOCKS}/input-block"),
    "input.hint": Limit(2_000, f"{_BLOCKS}/input-block"),
    "markdown.text": Limit(12_000, f"{_BLOCKS}/markdown-block"),
    "table.rows": Limit(100, f"{_BLOCKS}/table-block"),
    "table.columns": Limit(20, f"{_BLOCKS}/table-block"),
    "table.text": Limit(10_000, f"{_BLOCKS}/table-block"),
    "alert.text": Limit(200, f"{_BLOCKS}/alert-block"),
    "video.title": Limit(199, f"{_BLOCKS}/video-block"),
    "video.author_name": Limit(49, f"{_BLOCKS}/video-block"),
    # elements
    "button.text": Limit(75, f"{_ELEMENTS}/button-element"),
    "button.value": Limit(2_000, f"{_ELEMENTS}/button-element"),
    "button.url": Limit(3_000, f"{_ELEMENTS}/button-element"),
    "button.accessibility_label": Limit(75, f"{_ELEMENTS}/button-element"),
    "placeholder": Limit(150, f"{_ELEMENTS}/select-menu-element"),
    "select.options": Limit(100, f"{_ELEMENTS}/select-menu-element"),
    "select.option_groups": Limit(100, f"{_ELEMENTS}/select-menu-element"),
    "overflow.options": Limit(5, f"{_ELEMENTS}/overflow-menu-element"),
    "checkboxes.options": Limit(10, f"{_ELEMENTS}/checkboxes-element"),
    "radio_buttons.options": Limit(10, f"{_ELEMENTS}/radio-button-group-element"),
    "plain_text_input.length": Limit(3_000, f"{_ELEMENTS}/plain-text-input-element"),
    "file_input.files": Limit(10, f"{_ELEMENTS}/file-input-element"),
    # composition objects
    "option.text": Limit(75, f"{_OBJECTS}/option-object"),
    "option.value": Limit(150, f"{_OBJECTS}/option-object"),
    "option.description": Limit(75, f"{_OBJECTS}/option-object"),
    "option.url": Limit(3_000, f"{_OBJECTS}/option-object"),
    "option_group.label": Limit(75, f"{_OBJECTS}/option-group-object"),
    "confirm.title": Limit(100, f"{_OBJECTS}/confirmation-dialog-object"),
    "confirm.text": Limit(300, f"{_OBJECTS}/confirmation-dialog-object"),
    "confirm.button": Limit(30, f"{_OBJECTS}/confirmation-dialog-object"),
    # interaction
    "response_url.uses": Limit(5, f"{DOCS}/interactivity/handling-user-interaction#message_responses"),
    "response_url.seconds": Limit(1_800, f"{DOCS}/interactivity/handling-user-interaction#message_responses"),
    "trigger_id.seconds": Limit(3, f"{DOCS}/interactivity/handling-user-interaction#modal_responses"),
    "ack.seconds": Limit(3, f"{DOCS}/interactivity/handling-user-interaction#acknowledgment_response"),
    "socket.connections": Limit(10, f"{DOCS}/apis/events-api/using-socket-mode#using-multiple-connections"),
    # the rest
    "page.limit": Limit(1_000, f"{DOCS}/apis/web-api/pagination"),
    "file.alt_txt": Limit(1_000, f"{DOCS}/reference/methods/files.getUploadURLExternal"),
    "reactions.per_message": Limit(50, f"{DOCS}/reference/methods/reactions.add#errors"),
    "pins.per_channel": Limit(100, f"{DOCS}/reference/methods/pins.add#errors"),
    "bookmarks.per_channel": Limit(100, f"{DOCS}/reference/methods/bookmarks.add#errors"),
    "channel.topic": Limit(250, f"{DOCS}/reference/methods/conversations.setTopic"),
    "channel.name": Limit(80, f"{DOCS}/reference/methods/conversations.create"),
}


def limit(name: str) -> int:
    return LIMITS[name].value


RATE_DOC: Final = f"{DOCS}/apis/web-api/rate-limits"
# Tier 1 promises one call a minute and tolerates "a small amount of burst": ten in ten minutes here.
TIER: Final[dict[int, tuple[int, int]]] = {1: (10, 600), 2: (20, 60), 3: (50, 60), 4: (100, 60)}
# "one message per second per channel, while also maintaining a workspace-wide limit" of "several hundred a minute".
POSTS_PER_CHANNEL: Final = (1, 1)
POSTS_PER_WORKSPACE: Final = (300, 60)
SPECIAL: Final = (300, 60)
