"""The narrator on Anthropic's Messages API. Its prose is checked by triagebot.triage.narrate before anyone sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import anthropic
import httpx2
import pydantic

from triagebot.adapters.llm.patience import Patience, patiently
from triagebot.adapters.llm.prompts import prompt
from triagebot.errors import SourceFailed
from triagebot.ports import Prose, Sentence

# Most of what a line or a prompt may have: a hostile span attribute must not become the bill.
LINE: Final = 600
LINES: Final = 200


class WrittenSentence(pydantic.BaseModel):
    text: str
    cites: list[str]


class WrittenSection(pydantic.BaseModel):
    name: str
    sentences: list[WrittenSentence]


class Written(pydantic.BaseModel):
    """The JSON that the model is held to (structured outputs)."""

    sections: list[WrittenSection]


class AnthropicNarrator:
    """Implements triagebot.ports.Narrator. `purpose` is the folder of its prompt."""

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        *,
        model: str,
        purpose: str = "postmortem",
        max_tokens: int = 4096,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._client = client.with_options(max_retries=0, timeout=httpx2.Timeout(self._patience.per_call, connect=10.0))
        self._model = model
        self._purpose = purpose
        self._max_tokens = max_tokens

    async def write(self, sections: Sequence[str], facts: Mapping[str, str], complaint: str = "") -> Prose:
        """Raises SourceFailed where no prose came: errors of the API, a refusal, a cut-off or malformed answer."""
        given = [(id_, line[:LINE]) for id_, line in list(facts.items())[:LINES]]
        filled = prompt(self._purpose, sections=list(sections), facts=given, complaint=complaint[:4000])

        async def call() -> anthropic.types.ParsedMessage[Written]:
            return await self._client.messages.parse(
                model=self._model,
                max_tokens=self._max_tokens,
                system=filled.system,
                messages=[{"role": "user", "content": filled.user}],
                output_format=Written,
            )

        answer = await patiently(call, self._patience)
        written = answer.parsed_output
        if written is None or answer.stop_reason not in ("end_turn", "stop_sequence"):
            raise SourceFailed(f"the language model wrote nothing usable (stop reason {answer.stop_reason})")
        return Prose(
            sections={
                section.name: tuple(Sentence(text=one.text, cites=tuple(one.cites)) for one in section.sentences)
                for section in written.sections
            },
            model=answer.model,
            prompt_hash=filled.hash,
            input_tokens=answer.usage.input_tokens
            + (answer.usage.cache_read_input_tokens or 0)
            + (answer.usage.cache_creation_input_tokens or 0),
            output_tokens=answer.usage.output_tokens,
        )

    async def close(self) -> None:
        await self._client.close()


def connect(
    api_key: str, *, model: str, base_url: str | None = None, patience: Patience | None = None
) -> AnthropicNarrator:
    """A narrator on the hosted API, or on a gateway at `base_url` that speaks it."""
    client = anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url)
    return AnthropicNarrator(client, model=model, patience=patience)
