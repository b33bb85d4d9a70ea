"""What others run and a server is connected to: the chat, the pager, the model that writes prose; and how senders are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.chat.unconnected import UnconnectedChat
from triagebot.adapters.pagers import pagerduty_api
from triagebot.adapters.pagers.pagerduty import Signature
from triagebot.adapters.pagers.verify import BearerOrHmac, grafana
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.replaying import NARRATOR
from triagebot.domain.service import Service
from triagebot.ports import Chat, Narrator, Pager
from triagebot.settings import Settings

Check = Callable[[Mapping[str, str], bytes, datetime], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """`slack` is the chat where Slack is configured; `chat` is always one that can be called."""

    chat: Chat
    slack: SlackChat | None
    pager: Pager | None


def open_ends(settings: Settings, options: Options, stack: AsyncExitStack) -> Ends:
    """Nothing is called yet. Closed by `stack`."""
    slack = _slack(settings, options, stack)
    return Ends(chat=slack or UnconnectedChat(), slack=slack, pager=_pager(settings, options, stack))


def _slack(settings: Settings, options: Options, stack: AsyncExitStack) -> SlackChat | None:
    token = settings.secret("slack_bot_token")
    if token is None:
        return None
    base = options.text("slack", "api_url") or "https://slack.com/api/"
    chat = SlackChat.with_token(token, base_url=base if base.endswith("/") else f"{base}/")
    stack.push_async_callback(chat.close)
    return chat


def _pager(settings: Settings, options: Options, stack: AsyncExitStack) -> Pager | None:
    token = settings.secret("pagerduty_api_token")
    if token is None:
        return None
    declared = options.mapping("pagerduty", "services")
    named = {s.name: id_ for s in settings.config.services.values() if (id_ := _pagerduty_id(s))}
    pager = pagerduty_api.connect(
        token,
        {**named, **declared},
        sender=options.text("pagerduty", "from"),
        base_url=options.text("pagerduty", "api_url") or pagerduty_api.API,
        priorities=options.mapping("pagerduty", "priorities"),
    )
    stack.push_async_callback(pager.close)
    return pager


def _pagerduty_id(service: Service) -> str | None:
    return next((name for name in service.names if pagerduty_api.looks_like_id(name)), None)


def open_narrator(settings: Settings, options: Options, stack: AsyncExitStack) -> Narrator | None:
    """Who writes a postmortem's prose; None without a key, and the plain template stands."""
    key = settings.secret("anthropic_api_key")
    if key is None:
        return None
    # Imported only here: the SDK takes longer to load than everything else together.
    from triagebot.adapters.llm.anthropic_narrator import connect  # noqa: PLC0415

    model = options.text("narrator", "model") or NARRATOR
    narrator = connect(key, model=model, base_url=options.text("narrator", "base_url") or None)
    stack.push_async_callback(narrator.close)
    return narrator


def checks_of(settings: Settings) -> dict[str, Check]:
    """A sender without a secret is served too: it is refused with what is missing, where a 404 would say nothing."""

    def both(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return settings.all_of(f"{name}_token"), settings.all_of(f"{name}_secret")

    checks: dict[str, Check] = {"pagerduty": Signature(settings.all_of("pagerduty_secrets")).check}
    for name in ("alertmanager", "generic"):
        tokens, secrets = both(name)
        checks[name] = BearerOrHmac(name=name, tokens=tokens, secrets=secrets).check
    checks["grafana"] = grafana(*both("grafana")).check
    return checks
