"""Invented names. None of them is a vendor, a model, a firm or a person."""

from collections.abc import Sequence
from typing import TypeVar

from triagebot.drill.arrays import Rng

T = TypeVar("T")

GIVEN = (
    "Aveline", "Birger", "Calla", "Dario", "Eskil", "Farida", "Gwenn", "Halvor", "Imre", "Jovana", "Kasimir", "Liesl",
    "Mirek", "Nadja", "Orla", "Petros", "Quilla", "Runa", "Severin", "Tamsin", "Ulrika", "Vasco", "Wilma", "Xiadani",
    "Ysolde", "Zeno",
)  # fmt: skip
FAMILY = (
    "Ackerblom", "Bexfield", "Corradin", "Drummore", "Esterhuis", "Fjellstad", "Garrowby", "Hallowes", "Ingersoll",
    "Jurgensen", "Kestrel", "Lindqvale", "Marchetta", "Norrgard", "Ostrander", "Pellworm", "Quarrie", "Rostrevor",
    "Sandgate", "Tollgard", "Uldall", "Vintermyr", "Westergaard", "Yarrowby", "Zelenka",
)  # fmt: skip
ORGANISATIONS = (
    "fernhollow", "brightquay", "saltmarsh", "oakhampton", "greyharbour", "tallowmere", "windlass", "copperfold",
    "emberlyne", "northwick",
)  # fmt: skip
TOPICS = (
    "ledger", "orchard", "harbour", "atlas", "beacon", "lantern", "meadow", "compass", "thimble", "kiln", "ferry",
    "granary", "signal", "tandem", "willow",
)  # fmt: skip
PROVIDERS = ("cloudberry", "stonepine", "marrowgate", "tidewell", "ashlark", "hollowpeak", "rivermint")
MODELS = (
    "basalt", "cinnabar", "dolerite", "feldspar", "gabbro", "hornfels", "jasper", "kyanite", "marl", "obsid", "peridot",
    "sard", "tourmal",
)  # fmt: skip
SERVERS = ("orderdesk-mcp", "casebook-mcp", "ledgerline-mcp", "fieldkit-mcp", "toolshed-mcp")
CORPORA = ("kb-main", "handbook", "product-docs", "policy-library", "help-centre")
SUITES = ("regression-80", "golden-120", "nightly-96", "release-gate")
JUDGES = ("answer_quality", "helpfulness", "task_success")
REGIONS = (
    ("eu-west-1", 1.0), ("us-east-1", -5.0), ("ap-southeast-2", 10.0), ("eu-central-1", 1.0), ("us-west-2", -8.0),
    ("sa-east-1", -3.0),
)  # fmt: skip
ROUTES = ("/v1/answer", "/v1/chat", "/v1/assist", "/v1/batch-extract", "/v2/answer")
KINDS = {
    "json": ("intake", "extract", "parser"),
    "prose": ("support", "desk", "concierge"),
    "code": ("coder", "sql", "scripts"),
    "agent": ("agent", "ops", "assistant"),
    "label": ("triage", "screening", "gate"),
}
INTENTS = {
    "json": ("invoice", "receipt", "purchase_order", "contract", "delivery_note", "multi_line_address"),
    "prose": ("refund", "shipping", "account_access", "pricing", "cancellation", "product_howto"),
    "code": ("report_query", "migration", "unit_test", "transform", "regex", "refactor"),
    "agent": ("order_status", "reschedule", "return_label", "stock_check", "bulk_update", "address_change"),
    "label": ("fraud", "abuse", "spam", "urgent", "duplicate", "transfer"),
}
HARMLESS_PROMPT = (
    "Fix a typo in the greeting", "Reword the closing line", "Mention the new opening hours", "Use the new product name",
    "Shorten the preamble for the model", "chore(prompt): reflow to 100 columns", "Clarify what a ticket number is",
)  # fmt: skip
HARMLESS_CODE = (
    "Bump the HTTP client", "Add a metric for queue depth", "Refactor the session store", "Drop an unused endpoint",
    "fix: log the request id once", "Upgrade the base image", "Tidy feature flag defaults",
)  # fmt: skip
HARMLESS_TOOLS = (
    "Describe units in get_stock", "Document error codes", "Add examples to tool descriptions", "Sort the tool list",
)  # fmt: skip
CHORES = (
    "docs: runbook links",
    "ci: cache wheels",
    "test: steadier clock",
    "chore: bump linters",
    "docs: on-call page",
)


def take(rng: Rng, options: Sequence[T], count: int) -> list[T]:
    """`count` different options in random order."""
    return [options[i] for i in rng.permutation(len(options))[:count]]
