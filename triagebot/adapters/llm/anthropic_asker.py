"""Fixed prompts through a Messages API: the hosted one, or the team's own gateway that speaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2

from triagebot.adapters.llm.patience import Patience, patiently
from triagebot.domain.probe import Answered, ProbePlan, ProbePrompt


class AnthropicAsker:
    """Implements triagebot.ports.Asker. `client` is made when it is first asked: a key that is missing stops nothing else."""

    def __init__(self, client: Callable[[], anthropic.AsyncAnthropic], patience: Patience | None = None) -> None:
        self._make = client
        self._client: anthropic.AsyncAnthropic | None = None
        self._patience = patience or Patience(attempts=2)

    async def answer(self, prompt: ProbePrompt, plan: ProbePlan) -> Answered:
        if self._client is None:
            timeout = httpx2.Timeout(self._patience.per_call, connect=10.0)
            self._client = self._make().with_options(max_retries=0, timeout=timeout)
        client = self._client
        # Sampling is no parameter of the newest API any more; a gateway may still take it, and one that does not says so.
        extra = {} if plan.temperature is None else {"temperature": plan.temperature}

        async def call() -> anthropic.types.Message:
            return await client.messages.create(
                model=plan.model,
                max_tokens=plan.max_tokens,
                messages=[{"role": "user", "content": prompt.prompt}],
                extra_body=extra | ({"system": prompt.system} if prompt.system else {}),
            )

        message = await patiently(call, self._patience)
        usage = message.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Answered(
            text="".join(block.text for block in message.content if block.type == "text"),
            served=message.model,
            stop=str(message.stop_reason or ""),
            input_tokens=usage.input_tokens + cached,
            output_tokens=usage.output_tokens,
            logprob=_first_logprob(message.model_extra or {}),
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _first_logprob(extra: dict[str, Any]) -> float | None:
    """Some gateways add OpenAI's `logprobs: {content: [{logprob}]}` to the message; the hosted API has none."""
    told = extra.get("logprobs")
    content = told.get("content") if isinstance(told, dict) else None
    first = content[0] if isinstance(content, list) and content else None
    value = first.get("logprob") if isinstance(first, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def connect(api_key: Callable[[], str], base_url: str = "") -> AnthropicAsker:
    """`api_key` is called once the first prompt is asked. Raises what it raises."""
    return AnthropicAsker(lambda: anthropic.AsyncAnthropic(api_key=api_key(), base_url=base_url or None))
