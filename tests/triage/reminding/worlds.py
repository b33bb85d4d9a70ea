"""A house with people, an incident and a chat that a key reaches once."""

from tests.fakes.incidents import PAGED, page, verdict
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Directory, Service
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Posted, Told

MARIA = Person(name="Maria Ruiz", email="maria@example.com", slack_id="U0000MARIA")
OLA = Person(name="Ola Berg", email="ola@example.com", slack_id="U0000OLA11")
EVA = Person(name="Eva Kern", email="eva@example.com", slack_id="U0000EVA11")
LEFT = Person(name="Lea Left", email="lea@example.com", active=False)


def config(**more):
    values = {"oncall": "ola@example.com", "escalation": "eva@example.com"} | more
    service = Service(name="support-agent", slack_channel="#llm-oncall", **values)
    return Config(
        root=None,
        organisation="acme",
        services={"support-agent": service},
        directory=Directory(people=(MARIA, OLA, EVA, LEFT)),
    )


class Chat:
    """Keeps what was sent, by key; can be down, lose its answer, or have nobody of a name."""

    def __init__(self):
        self.sent, self.keys, self.updated = [], {}, []
        self.down = self.lose = False
        self.gone = set()

    async def _send(self, to, message, key):
        if self.down:
            raise SourceFailed("slack is away")
        if to in self.gone:
            raise NotFound(f"{to} has no account here")
        if key not in self.keys:
            self.keys[key] = Posted(channel=f"D-{to}", ts=f"{len(self.keys)}.0")
            self.sent.append((to, message))
        if self.lose:
            raise SourceFailed("the answer was lost")
        return self.keys[key]

    async def direct(self, person, message, *, key, fresh=False):
        return await self._send(person.email, message, key)

    async def post(self, channel, message, *, key, thread=None, fresh=False):
        return await self._send(f"{channel}:{thread.ts if thread else ''}", message, key)

    async def update(self, posted, message):
        self.updated.append((posted, message.text))

    @property
    def asked(self):
        return [to for to, _ in self.sent]


async def opened(ledger, said=None, **more):
    """An open incident, its verdict told."""
    arrived = page(**more)
    await ledger.accept(arrived, b"{}")
    incident, _ = await ledger.join_or_open(arrived, "support-agent", "format")
    await ledger.save_verdict(incident.id, said or verdict())
    await ledger.save_told(incident.id, Told(purpose="incident", posted=Posted(channel="C1", ts="7.1")))
    return incident


def actions(message):
    return [e["action_id"] for block in message.blocks if block["type"] == "actions" for e in block["elements"]]


__all__ = ["EVA", "LEFT", "MARIA", "OLA", "PAGED", "Chat", "actions", "config", "opened"]
