"""System prompts: invented texts with sections, and the edits that changes make to them."""

from collections.abc import Callable

from triagebot.drill.arrays import Rng, one
from triagebot.drill.world import World

FORMAT = {
    "json": "Answer with one JSON object and nothing else. No code fence, no words before or after it.",
    "label": "Answer with one JSON object with the members label and confidence and nothing else.",
    "code": "Answer with code only. No Markdown fence and no explanation.",
    "prose": "Answer in plain text of at most six sentences, in the language of the question.",
    "agent": "Use the tools that you are given. Tell the result in plain text of at most six sentences.",
}
SECTIONS = {
    "role": ("You work for {org}. You handle {topic} requests.", "You are the {topic} assistant of {org}."),
    "tone": ("Be brief and factual.", "Write calmly and to the point."),
    "clarify": ("Ask one question back when the request can be read in two ways.",),
    "safety": (
        (
            "Decline requests for another customer's data, for legal advice and for anything that could hurt a person.\n"
            "Never repeat an identity document's number."
        ),
    ),
    "commitments": ("Never promise a credit, a refund or a date that no tool has confirmed.",),
    "rationale": ("Give the reason for the decision in the member rationale.", "Say in one sentence why."),
    "format": ("{format}",),
}


def prompt_text(rng: Rng, world: World) -> str:
    parts = []
    for name, options in SECTIONS.items():
        text = one(rng, options).format(org=world.organisation, topic=world.topic, format=FORMAT[world.flavour])
        parts.append(f"## {name}\n{text}\n")
    return "\n".join(parts)


def without_section(name: str) -> Callable[[str], str]:
    """Delete a section, as a clean-up does."""

    def edit(text: str) -> str:
        return "\n".join(part for part in text.split("\n\n") if not part.startswith(f"## {name}\n"))

    return edit


def with_line(section: str, line: str) -> Callable[[str], str]:
    """Add a line to a section (at the end where the section is missing)."""

    def edit(text: str) -> str:
        head = f"## {section}\n"
        return text.replace(head, f"{head}{line}\n", 1) if head in text else f"{text}\n{head}{line}\n"

    return edit


def reword(rng: Rng) -> Callable[[str], str]:
    return with_line(
        "role",
        one(
            rng,
            (
                "Use the name on the account.",
                "Our office hours are 8 to 18.",
                "A ticket number starts with T-.",
                "Call the product by its new name.",
            ),
        ),
    )
