"""A server with things that can be frozen: a file that services read, a bare git repository with a hook, jobs."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.bench import ROOM, TOKEN, Bench, bench, until
from tests.fakes.incidents import cause, page, verdict
from triagebot.entrypoints.hooks import Hook
from triagebot.testing.slack import LocalSlack, Message

PEOPLE = [
    {"name": "Ada Obi", "email": "ada@example.com"},
    {"name": "Ben Roth", "email": "ben@example.com"},
    {"name": "Maria Ruiz", "email": "maria@example.com"},
    {"name": "Zoe Gone", "email": "zoe@example.com", "active": False},
]
ROLES = {"default": "viewer", "responder": ["@llm-oncall"], "approver": ["maria@example.com"]}


def document(folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "models.json").write_text(json.dumps({"support": "sonnet-latest"}))
    (folder / "prompts.git" / "objects").mkdir(parents=True, exist_ok=True)
    hook = Hook(kind="pre-receive", url="http://triagebot", service="support-agent", surface="prompt_version")
    hook.install(folder / "prompts.git")
    service = {
        "slack_channel": f"#{ROOM}",
        "names": ["PSUPPORT"],
        "oncall": "ada@example.com",
        "escalation": "ada@example.com",
        "registries": [
            {"surface": "prompt_version", "artifact": "support/system", "kind": "declared"},
            {"surface": "tool_schemas", "artifact": "orders", "kind": "declared"},
        ],
        "holds": [
            {
                "surface": "model_alias",
                "artifact": "support-model",
                "kind": "model_file",
                "file": "models.json",
                "key": "support",
                "to": "sonnet-4-20260301",
            },
            {"surface": "prompt_version", "artifact": "support/system", "kind": "git_hook", "repo": "prompts.git"},
            {"surface": "tool_schemas", "kind": "gate", "by": "publish-tools"},
            {
                "surface": "retrieval_corpus",
                "artifact": "docs",
                "kind": "job",
                "name": "reindex",
                "schedule": "0 3 * * *",
            },
        ],
    }
    services = {"support-agent": service | more, "other": {"slack_channel": f"#{ROOM}"}}
    return {"people": PEOPLE, "roles": ROLES, "services": services}


@dataclass
class Freezing:
    """A bench whose responders click and type."""

    bench: Bench

    @property
    def slack(self) -> LocalSlack:
        return self.bench.slack

    @property
    def desk(self) -> Any:
        return self.bench.server.freezing.desk

    async def incident(self, *, drill: bool = False) -> str:
        """An open incident whose verdict names the prompt."""
        ledger, arrived = self.bench.server.ledger, page()
        await ledger.accept(arrived, b"{}")
        work = await ledger.claim(["page"], worker="t", lease_seconds=60)
        if work is not None:
            await ledger.finish(work)
        incident, _ = await ledger.join_or_open(arrived, "support-agent", arrived.title, drill=drill)
        await self.bench.server.tell.walking(incident.id)
        await ledger.save_verdict(incident.id, verdict(causes=[cause(before="v14", after="v17")]))
        await self.bench.server.tell.verdict(incident.id)
        return incident.id

    def message(self) -> Message:
        return self.bench.messages()[-1]

    def said(self) -> str:
        """What the newest message of the channel says; "" while there is none."""
        return words(self.message()) if self.bench.messages() else ""

    async def ask(self, text: str, who: str = "ben") -> Message:
        """What only they are told in answer to /triage."""
        person = self.slack.user(who)
        before = len(person.ephemerals())
        assert (await person.slash("/triage", text, ROOM)).acked
        await until(lambda: len(person.ephemerals()) > before)
        return person.ephemerals()[-1]

    async def click(self, message: Message, action: str, who: str = "ben") -> Message:
        person = self.slack.user(who)
        before = len(person.ephemerals())
        assert (await person.click(message, action)).acked
        await until(
            lambda: len(person.ephemerals()) > before or (person.ephemerals() and edited(person.ephemerals()[-1]))
        )
        return person.ephemerals()[-1]

    async def freeze(self, words: str = "support-agent for 4h because answers are wrong", who: str = "ben") -> str:
        """Freezes by command and click; the id."""
        preview = await self.ask(f"freeze {words}", who)
        id_ = str(next(e for b in preview.blocks if b["type"] == "actions" for e in b["elements"])["value"])
        assert (await self.slack.user(who).click(preview, "freeze_confirm")).acked
        await until(lambda: self.status(id_, "in_force"))
        return id_

    async def status(self, id_: str, wanted: str) -> bool:
        return bool((await self.desk.find(id_)).status == wanted)

    async def gate(self, surface: str = "prompt_version", **more: str) -> tuple[int, Any]:
        query = {"service": "support-agent", "surface": surface, **more}
        answer = await self.bench.http.get("/api/gate", params=query, headers=TOKEN)
        return answer.status_code, answer.json()

    async def trail(self) -> list[str]:
        entries = await self.bench.server.audit.entries(limit=500)
        return [str(entry.read()["action"]) for entry in reversed(entries)]


def edited(message: Message) -> bool:
    return message.edited_ts is not None


def words(message: Message) -> str:
    return "\n".join(
        b["text"]["text"] if b["type"] == "section" else "\n".join(e["text"] for e in b["elements"])
        for b in message.blocks
        if b["type"] in ("section", "context")
    )


@asynccontextmanager
async def freezing(folder: Path, slack: LocalSlack, **more: Any) -> Any:
    """`service` are further members of the service, `extra` of triagebot.yaml; the rest is for the bench."""
    services, extra = more.pop("service", {}), more.pop("extra", {})
    async with bench(folder, slack, more=document(folder, **services) | extra, **more) as made:
        await until(lambda: slack.socket.connections)
        yield Freezing(made)


def people(slack: LocalSlack) -> None:
    """Ada is on call, Ben in the group of responders, Maria approves, Vic only looks on."""
    for name in ("ben", "maria", "vic"):
        if name not in [user.name for user in slack.workspace.users.values()]:
            slack.workspace.add_user(name)
    room = slack.workspace.channel(ROOM)
    room.members |= set(slack.workspace.users)
    slack.workspace.add_usergroup("llm-oncall", [slack.user("ben").user])
