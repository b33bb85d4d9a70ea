"""A case folder, opened: everything from files, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.adapters.pagers.parse import parse_page
from triagebot.adapters.registries.events import read_changes, read_journal
from triagebot.adapters.traces.casefolder import load_case_traces
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.sources import owner_sources, registries_of
from triagebot.domain.evidence import Verdict
from triagebot.domain.page import Page
from triagebot.domain.service import Config, Service
from triagebot.domain.times import format_time
from triagebot.errors import BadInput, BadPage
from triagebot.settings import find_config, load_config
from triagebot.settings.rubric import load_rubric
from triagebot.triage.gathering import Gathered, Investigation, gather
from triagebot.triage.investigate import investigate
from triagebot.triage.owners import OwnerDesk

PAGE_NAME, CHANGES_NAME, JOURNAL_NAME = "page.json", "changes.jsonl", "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case folder, opened: its page, the service that the page is for, and what a walk needs."""

    page: Page
    service: Service
    config: Config
    investigation: Investigation

    async def walk(self, until: datetime | None = None) -> Verdict:
        """As of the page's own time, or of a later one. Raises BadInput for an earlier one: nobody was paged yet."""
        if until is not None and until < self.page.occurred_at:
            at, page = format_time(until), format_time(self.page.occurred_at)
            raise BadInput(f"until {at}: lies before the page ({page}); the as-of time only moves forward")
        return await investigate(self.page, self.service, self.investigation, until=until)

    async def gather(self) -> Gathered:
        """What the walk starts from, for other methods to be compared with it."""
        return await gather(self.service, self.page.occurred_at, self.investigation)


async def open_case(folder: Path, stack: AsyncExitStack) -> Case:
    """Opens a case folder (contract.md). Nothing is left behind once `stack` closes. Raises BadInput, naming file and line."""
    config = load_config(find_config(folder))
    page = _read_page(folder / PAGE_NAME, Options(config).mapping("generic", "fields"))
    service = _service_of(config, page)
    traces = await load_case_traces(config.traces or folder / "traces")
    stack.push_async_callback(traces.close)
    # They belong to the folder: a triagebot.yaml need not name them.
    told, polled = config.changes or folder / CHANGES_NAME, config.journal or folder / JOURNAL_NAME
    changes = read_changes(told) if told.exists() else []
    observations = read_journal(polled) if polled.exists() else []
    investigation = Investigation(
        traces=traces,
        journal=MemoryJournal(changes, observations),
        registries=registries_of(config, service),
        owners=OwnerDesk(config=config, sources={service.name: owner_sources(service)}),
        rubric=load_rubric(config),
    )
    return Case(page=page, service=service, config=config, investigation=investigation)


def _read_page(path: Path, fields: Mapping[str, str]) -> Page:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadPage(f"{path}: is missing") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        line = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadPage(f"{path}{line}: is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("source"), str) or "body" not in document:
        raise BadPage(f"{path}: wants an object with `source` and `body`")
    try:
        headers, body = document.get("headers") or {}, document["body"]
        pages: Sequence[Page] = parse_page(document["source"], headers, body, fields=fields)
    except BadPage as error:
        raise BadPage(f"{path}: {error}") from error
    if not pages:
        raise BadPage(f"{path}: holds no page")
    return next((page for page in pages if page.kind in ("triggered", "reopened")), pages[0])


def _service_of(config: Config, page: Page) -> Service:
    """The service that the page names; a case with a single service is about that one."""
    service = config.service_for(page.service, *page.service_ids)
    if service is None and len(config.services) == 1:
        service = next(iter(config.services.values()))
    if service is None:
        raise BadPage(f"{PAGE_NAME}: names the service {page.service!r}, which triagebot.yaml does not have")
    return service
