"""What the use cases need from the world. Adapters implement these; `triagebot.testing` has strict fakes of the hosted ones.

Every method may raise `SourceFailed` (or `SourceTimeout`). Times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.audit import AuditEntry, Note, Verified
from triagebot.domain.audit import Head as AuditHead
from triagebot.domain.change import Change, Observation
from triagebot.domain.freeze import Asked, Freeze, Hold, Pass
from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.inputs import InputTest
from triagebot.domain.page import Page
from triagebot.domain.people import Claim, Person
from triagebot.domain.probe import Answered, ProbePlan, ProbePrompt, ProbeRun
from triagebot.domain.recorded import Ask, Played, Recorded, Reply
from triagebot.domain.reminder import Reminder, SentNudge
from triagebot.domain.room import Room
from triagebot.domain.served import Reach
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window

# --- traces -----------------------------------------------------------------------------------------------------------

# The dimensions of a request, in the order in which adapters return them. A label of "" means: not recorded. Where one
# request has several values (two models, three tools), the label joins the sorted values with SEPARATOR.
DIMENSIONS = (
    "model_requested",
    "model_served",
    "provider",
    "fingerprint",
    "prompt",  # name@version
    "prompt_hash",
    "tools",  # hash of the canonical tool definitions
    "tool_names",  # tools called
    "corpus",  # name@version
    "region",
    "environment",
    "route",
    "workload",
    "tenant",
    "key",
    "user",
    "conversation",
    "intent",
    "service_version",
    "revision",
    "flags",
    "judge",  # evaluation name and the judge's own version or model
    "instrumentation",  # scope name@version of the LLM span
    "error_type",
    "finish_reason",
    "language",  # of the SDK
)
# Beside them, for `seen` alone: where a retrieved document comes from, which is its id up to its last `/`, `#` or `:`.
DOCUMENT_SOURCE = "document_source"
# … and which fields JSON answers hold.
ANSWER_FIELD = "answer_field"
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Dimension:
    """Label-encoded column: `labels[codes[i]]` is the value of request i."""

    codes: NDArray[np.int32]
    labels: tuple[str, ...]

    @property
    def named(self) -> NDArray[np.bool_]:
        """Of each label, whether it says anything."""
        return np.array([bool(label) for label in self.labels], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class RequestTable:
    """One row a request, ordered by time: cells of weight one, or `weight` requests each where the window was sampled.

    `at` is the start in seconds since the epoch; `signals[name]` is NaN where the request's trace does not say.
    `spans` is the number of spans behind the rows, `requests` the number of requests in the window before sampling.
    `twice` are the requests of which a span was delivered more than once (it counts once); None where none was.
    `neighbours` has the times of calls that other services made with the same keys, in order, where that was asked for.
    """

    at: NDArray[np.float64]
    weight: NDArray[np.float64]
    trace_id: tuple[str, ...]
    dimensions: Mapping[str, Dimension]
    signals: Mapping[str, NDArray[np.float64]]
    spans: int
    requests: int
    twice: NDArray[np.bool_] | None = None
    neighbours: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenValue:
    """A value of a dimension in a service's spans: when first and last, and on how many requests."""

    dimension: str
    value: str
    first: datetime
    last: datetime
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request for people to look at: times and dimensions, never texts unless `texts` was asked for."""

    trace_id: str
    at: datetime
    dimensions: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows of an evidence query that was run again."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class TraceStore(Protocol):
    """Spans of services, in the OpenTelemetry Collector's `otel_traces`, read through normalised columns."""

    async def requests(
        self, names: Sequence[str], window: Window, signals: Sequence[Signal], *, limit: int = 200_000
    ) -> RequestTable:
        """All requests of the service (its trace names) in the window; beyond `limit` rows a sample by trace id, weighted.

        Spans outside the window are not used, duplicates count once.
        """
        ...

    async def seen(
        self, names: Sequence[str], window: Window, dimensions: Sequence[str], *, sampled: bool = False
    ) -> list[SeenValue]:
        """The values of these dimensions; where `sampled`, those that a sample of a large window shows."""
        ...

    async def neighbours(
        self, names: Sequence[str], keys: Sequence[str], window: Window
    ) -> Mapping[str, NDArray[np.float64]]:
        """When other services called with these keys: by service and workload (`runner/eval`) the minutes of the window with such
        calls, in seconds since the epoch and in order, each as often as it has calls on average. None that calls nearly always.
        """
        ...

    async def coverage(self, names: Sequence[str], window: Window) -> Mapping[str, tuple[int, int]]:
        """For each normalised column: (spans that have it, spans that should)."""
        ...

    async def examples(
        self, names: Sequence[str], trace_ids: Sequence[str], *, texts: bool = False
    ) -> list[Example]: ...

    async def recorded(self, names: Sequence[str], trace_ids: Sequence[str]) -> list[Recorded]:
        """What was recorded of these requests' model and tool calls, texts included, in the order asked for."""
        ...

    def evidence_query(
        self,
        names: Sequence[str],
        window: Window,
        signal: Signal | None,
        slice_: Mapping[str, str],
        split: str,
        told_by: tuple[Signal, InputTest] | None = None,
    ) -> tuple[str, Mapping[str, str]]:
        """SQL and parameters that count requests and average a signal per `split` value (`@onset=<time>` splits by time,
        `@onset=<time>/<time>` counts what lies between the two as after and the rest as before). `told_by`: only of requests
        whose input is so by that signal.
        """
        ...

    async def run(self, query: str, parameters: Mapping[str, str]) -> Answer:
        """Runs one of triagebot's own evidence queries again, read-only. Never text from outside."""
        ...


class SpanSink(Protocol):
    """Where OTLP/HTTP goes."""

    async def accept(self, body: bytes, *, content_type: str, encoding: str) -> bytes:
        """Stores one export request durably and returns the response body (partial success included).

        `encoding` is "", "gzip" or "zstd". Raises BadTrace for what the OTLP specification answers with 400, SourceFailed
        (retry_after) where 503 or 429 is right.
        """
        ...

    async def flush(self) -> None:
        """Returns when everything accepted so far can be queried."""
        ...


# --- registries and journal ---------------------------------------------------------------------------------------------


class Registry(Protocol):
    """One artifact, where it lives.

    `remembers` is False where it only says what stands there now: that nothing is on record then means nothing unless it was
    looked at.
    """

    surface: str
    artifact: str
    kind: str
    remembers: bool

    async def observe(self, now: datetime) -> Sequence[Observation]:
        """What it holds now."""
        ...

    async def history(self, window: Window) -> Sequence[Change]:
        """Changes that the registry itself remembers within the window; empty where it remembers none."""
        ...

    async def past(self, window: Window) -> Sequence[Observation]:
        """Dated observations that the registry itself holds (eval result files, snapshots), oldest first."""
        ...

    async def claims(self) -> Sequence[Claim]:
        """Who the registry says owns the artifact."""
        ...

    async def reach(self, version: str, now: datetime) -> Reach:
        """Whether a version (a label, an id, the start of a hash) is still there to be looked at or served again."""
        ...

    async def content(self, version: str, at: datetime | None = None) -> str | None:
        """The artifact's text under this version's label, else as it stood at `at`: a prompt, or a JSON list of tools.

        None where the registry does not hold it.
        """
        ...

    async def probe(self) -> str:
        """For `triagebot doctor`: one line on what can be seen. Raises SourceFailed with what to do about it."""
        ...


class Journal(Protocol):
    """Append-only record of observations and change events."""

    async def record(self, observations: Sequence[Observation]) -> None: ...

    async def record_changes(self, changes: Sequence[Change]) -> None: ...

    async def observations(self, service: str, window: Window) -> list[Observation]:
        """What was seen within the window, oldest first, and of each artifact the last look before it.

        The first and the last look of each state are there; looks between that saw the same may be left out.
        """
        ...

    async def changes(self, service: str, window: Window) -> list[Change]:
        """Change events whose interval touches the window, those of every service when `service` is ""."""
        ...


# --- people and pagers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """Where an artifact's files are: `path` within `repository`, absolute where there is none. A folder ends with "/"."""

    repository: Path | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerQuestion:
    """Who owns this artifact? `whole`: it is the service itself (its code, its deployment). `names` are the service's."""

    surface: str
    artifact: str
    places: tuple[ArtifactPlace, ...] = ()
    names: tuple[str, ...] = ()
    whole: bool = False


class OwnerFile(Protocol):
    """A file that says who owns what: CODEOWNERS, a Backstage catalogue. `source` is one of OWNER_SOURCES."""

    source: str

    async def claims(self, question: OwnerQuestion) -> Sequence[Claim]: ...


class Pager(Protocol):
    """PagerDuty's REST API. A service is one of triagebot's; None or empty where it is not the pager's.

    `by` is the person on whose behalf it is done: where the pager knows them it is theirs, else its configured sender's.
    """

    async def oncall(self, service: str) -> Person | None:
        """Who is on call now at the first level."""
        ...

    async def line(self, service: str) -> Sequence[Person]:
        """Who is on call now, the first level of the escalation policy first, each person once."""
        ...

    async def note(self, incident_key: str, text: str, *, by: Person | None = None) -> str:
        """Writes the note unless one with the same words is there; returns its id."""
        ...

    async def set_status(self, incident_key: str, status: str, *, by: Person | None = None) -> bool:
        """`acknowledged` or `resolved`; False where the incident was so or further already."""
        ...

    async def set_priority(self, incident_key: str, level: str, *, by: Person | None = None) -> str:
        """The priority that stands for SEV1 to SEV4; its name, "" where the account has none such."""
        ...

    async def changes(self, service: str, window: Window) -> Sequence[Change]:
        """Change events that were sent to the pager for the service."""
        ...


# --- chat ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Blocks (Slack Block Kit) with the plain text that notifications and screen readers use."""

    text: str
    blocks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    channel: str
    ts: str
    link: str = ""


class Chat(Protocol):
    """A chat. `key` makes a post happen once: posting again with the same key finds the first, even after a lost answer."""

    async def post(
        self, channel: str, message: Message, *, key: str, thread: Posted | None = None, fresh: bool = False
    ) -> Posted:
        """`fresh`: the caller's own durable record says that this key was never tried, so there is nothing to look for."""
        ...

    async def update(self, posted: Posted, message: Message) -> None:
        """Raises NotFound where the message is gone or may not be edited any more."""
        ...

    async def upload(
        self, posted: Posted, name: str, content: bytes, *, title: str, alt: str, key: str, replaces: bool = False
    ) -> None:
        """A file into the message's thread. `replaces`: those of the same name and another key are taken out of it."""
        ...

    async def canvas(self, posted: Posted, title: str, markdown: str, *, known: str = "") -> tuple[str, str] | None:
        """A document for everybody in the message's channel: its id and link. None where the chat has none of the kind.

        `known` is the id of one that is rewritten. A new one is shown to nobody before it has been rewritten by its id.
        """
        ...

    async def direct(self, person: Person, message: Message, *, key: str, fresh: bool = False) -> Posted: ...

    async def active(self, person: Person) -> bool | None:
        """Whether the person has an active account; None where the chat cannot tell."""
        ...

    async def person(self, who: str) -> Person | None:
        """The person behind a chat id or an e-mail address; `active` False for guests, bots and people who left."""
        ...

    async def room(self, channel: str) -> Room:
        """Who reads in a channel now, or did within the last minute. Raises SourceFailed where the chat does not say."""
        ...


class UserGroups(Protocol):
    """User groups of the chat."""

    async def members(self, group: str) -> frozenset[str]:
        """Chat ids of the people in `@handle` or `S…`, kept for a while. Raises NotFound, SourceFailed."""
        ...


# --- language model -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of prose and the ids of the evidence that it rests on."""

    text: str
    cites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Sections of a document as the narrator wrote them, with the model that answered and the prompt's hash."""

    sections: Mapping[str, tuple[Sentence, ...]]
    model: str
    prompt_hash: str
    input_tokens: int = 0
    output_tokens: int = 0


class Narrator(Protocol):
    """A language model that writes prose over facts it must cite. Its output is checked before anyone sees it."""

    async def write(self, sections: Sequence[str], facts: Mapping[str, str], complaint: str = "") -> Prose:
        """`facts` maps evidence ids to lines. `complaint` says what was wrong with the previous attempt."""
        ...


class Asker(Protocol):
    """The team's own gateway to its model, for probes."""

    async def answer(self, prompt: ProbePrompt, plan: ProbePlan) -> Answered:
        """One answer to a fixed prompt. Raises SourceFailed, with a line that names no prompt."""
        ...


class ProbeStore(Protocol):
    """Rounds of probes."""

    async def save(self, run: ProbeRun) -> int:
        """Returns its id."""
        ...

    async def reference(self, service: str, artifact: str, set_: str) -> ProbeRun | None:
        """The newest frozen one of this set."""
        ...

    async def runs(self, service: str, *, limit: int = 20) -> list[ProbeRun]:
        """The newest first, looks and references, without their answers."""
        ...

    async def spent(self, service: str, since: datetime) -> int:
        """Tokens since then."""
        ...


class Gateway(Protocol):
    """Models that can be called: one attempt a call, no retries of its own."""

    name: str

    async def call(self, ask: Ask) -> Reply:
        """Raises GatewayRefused where the same would be refused again, else SourceFailed (`retry_after`) or SourceTimeout."""
        ...


class Judge(Protocol):
    """Says of requests that were played again what the signals say of recorded ones."""

    async def judge(self, played: Sequence[Played], signals: Sequence[Signal]) -> Sequence[Mapping[str, float]]:
        """For each one, in order, the value of every signal by name; NaN where the answer does not say."""
        ...


# --- state --------------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message that was posted for an incident: `purpose` is unique within it (`incident`, `details`, `picture` …)."""

    purpose: str
    posted: Posted
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Of one incident: its newest verdict, its timeline, and what was told, by purpose."""

    verdict: Mapping[str, Any] | None
    events: Sequence[TimelineEvent]
    told: Mapping[str, Told]


class Reminders(Protocol):
    """Rows that say whom to ask about what, and when to look again: the truth that the clock only wakes."""

    async def remind(
        self, kind: str, ref: str, *, due: datetime, incident: str = "", payload: Mapping[str, Any] | None = None
    ) -> bool:
        """Makes the row unless there is one of this kind and ref, done ones included."""
        ...

    async def move(self, kind: str, ref: str, *, due: datetime, payload: Mapping[str, Any] | None = None) -> bool:
        """Makes a row wait for another time, a done one too. False where there is none."""
        ...

    async def close(self, kind: str, ref: str) -> bool:
        """Nothing more to ask. False where nothing was."""
        ...

    async def due(self, at: datetime, limit: int = 100) -> list[Reminder]:
        """What waits, is due and is held by nobody, longest due first."""
        ...

    async def claim(self, wanted: Reminder, *, at: datetime, until: datetime) -> Reminder | None:
        """The row for this process alone until then; None where another has it, or where it was moved or closed."""
        ...

    async def settle(
        self,
        held: Reminder,
        *,
        due: datetime | None,
        payload: Mapping[str, Any] | None = None,
        sent: SentNudge | None = None,
    ) -> None:
        """Gives the row back: due again then, done where that is None. What was moved meanwhile stays moved."""
        ...

    async def find(self, kind: str, ref: str) -> Reminder | None: ...

    async def by_id(self, id_: int) -> Reminder | None: ...

    async def waiting(self, incident: str = "", limit: int = 200) -> list[Reminder]:
        """What waits, of one incident or of all, soonest first."""
        ...

    async def snooze(self, id_: int, until: datetime) -> bool: ...

    async def nudges(self, id_: int) -> list[SentNudge]: ...

    async def turn(self, who: str, key: str, *, at: datetime, apart: timedelta) -> datetime:
        """Takes the person's turn for this nudge: `at` where it has it now, else when somebody's may be had again.

        Of all who ask at once one gets it, and the same nudge gets it again.
        """
        ...


class Ledger(Protocol):
    """Durable state: pages, incidents, timeline, work queue, documents. One call is one transaction."""

    # pages and the queue
    async def accept(self, page: Page, body: bytes) -> bool:
        """Stores the page and its work item once; False where (source, event_id) was there already. Returns after commit."""
        ...

    async def page(self, source: str, event_id: str) -> Page | None: ...

    async def enqueue(
        self, kind: str, ref: str, *, due: datetime | None = None, dedupe: str, payload: Mapping[str, Any] | None = None
    ) -> bool: ...

    async def claim(self, kinds: Sequence[str], *, worker: str, lease_seconds: float) -> Work | None:
        """The work of these kinds that has been due longest, for this worker alone until the lease ends.

        Every write that takes a Work raises LeaseLost once somebody else has claimed it.
        """
        ...

    async def extend(self, work: Work, lease_seconds: float) -> None: ...

    async def finish(self, work: Work) -> None: ...

    async def retry(self, work: Work, error: str, *, at: datetime) -> None:
        """Gives it back to be done at `at`; after too many attempts it has failed instead, and `failed` shows it."""
        ...

    async def fail(self, work: Work, error: str) -> None:
        """Gives it up: trying again cannot help."""
        ...

    async def release(self, work: Work) -> None:
        """Gives it back undone, as if it had not been claimed: the worker is stopping."""
        ...

    async def revive(self, since: datetime) -> int:
        """Makes work due again that was given up as hopeless since then (a revoked token); returns how much.

        What was tried as often as work is, or took its workers down, stays given up.
        """
        ...

    async def failed(self, limit: int = 50) -> list[Work]:
        """Work that was given up, newest first, each with its error."""
        ...

    async def queue(self, kinds: Sequence[str] = ()) -> Mapping[str, int]:
        """How much work is `ready`, `leased`, `done` and `failed`; only of these kinds where any are given."""
        ...

    async def step(self, work: Work, name: str) -> Mapping[str, Any] | None:
        """The recorded result of a step of this work, None where it has not been done."""
        ...

    async def record_step(self, work: Work, name: str, result: Mapping[str, Any], *, instead_of: str = "") -> None:
        """Kept as it was where it was recorded before. The step `instead_of` is dropped with it, at once."""
        ...

    # incidents
    async def join_or_open(
        self, page: Page, service: str, symptom_key: str, *, drill: bool = False
    ) -> tuple[Incident, bool]:
        """The incident this page belongs to, and whether it is new.

        Same sender's incident key: the same incident, unless it is resolved. Else an open incident of the same service and
        symptom key takes it in. A resolved incident never takes in a new page. Asked again for a page, gives the same answer.
        """
        ...

    async def attach(self, page: Page, incident: str) -> None:
        """Makes a later page (acknowledged, resolved …) one of the incident's."""
        ...

    async def incident(self, id_: str) -> Incident | None: ...

    async def incident_of(self, source: str, incident_key: str, *, at: datetime | None = None) -> Incident | None:
        """The newest incident of what the sender calls by this key; with `at`, the newest that was open by then."""
        ...

    async def incidents(
        self, *, service: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[Incident]: ...

    async def pages_of(self, incident: str) -> list[Page]:
        """Its pages by the time they occurred."""
        ...

    async def pages_by_key(self, source: str, incident_key: str) -> list[Page]:
        """Every page of what the sender calls one incident, by the time they occurred."""
        ...

    async def set_status(self, incident: str, status: str, at: datetime) -> None:
        """`open`, `acknowledged` (the first one counts) or `resolved`, as of `at`; older than what it knows already: nothing."""
        ...

    async def append(self, incident: str, event: TimelineEvent) -> bool:
        """False where an event of the same `dedupe` is there. Raises BadInput for a kind not in TIMELINE_KINDS."""
        ...

    async def timeline(self, incident: str) -> list[TimelineEvent]: ...

    # what was concluded and told
    async def save_verdict(self, incident: str, verdict: Mapping[str, Any]) -> int: ...

    async def verdict(self, incident: str) -> Mapping[str, Any] | None:
        """The newest verdict of the incident, as JSON."""
        ...

    async def save_told(self, incident: str, told: Told) -> None: ...

    async def told(self, incident: str) -> Mapping[str, Told]: ...

    async def kept(self, incidents: Sequence[str]) -> Mapping[str, Kept]:
        """What is kept of several incidents, in one look, for lists of them."""
        ...

    async def incident_by_message(self, channel: str, ts: str) -> Incident | None: ...

    async def save_document(
        self, incident: str, document: Mapping[str, Any], *, over: Mapping[str, Any] | None = None
    ) -> bool:
        """The postmortem: status, owner, markdown, html, sources.

        With `over` only in the place of this one ({}: of none): False where somebody else has saved another since.
        """
        ...

    async def document(self, incident: str) -> Mapping[str, Any] | None: ...

    async def documents(self, incidents: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Those that there are, by incident."""
        ...

    async def claim_slot(self, job: str, slot: datetime) -> bool:
        """True for the one process that may run this scheduled slot."""
        ...

    async def forget_before(self, at: datetime) -> int:
        """Retention: drops pages' bodies and done work older than `at`; returns the number of rows."""
        ...


# --- freezes and the audit trail ----------------------------------------------------------------------------------------


class Audit(Protocol):
    """The trail of who did what: only ever added to, each entry chained to the one before it."""

    async def enter(self, note: Note) -> AuditEntry: ...

    async def entries(self, *, subject: str = "", limit: int = 50) -> list[AuditEntry]:
        """The newest, newest first; those of one subject (`FRZ-3`, `INC-12`) where it is given."""
        ...

    async def verify(self, heads: Sequence[AuditHead] = ()) -> Verified:
        """Goes through all of it, and compares it with the heads that were noted outside and those that are given."""
        ...


class FreezeBook(Protocol):
    """Freezes in the database, which are what the gate goes by. Each call is one transaction with its entries in the trail."""

    async def draft(self, freeze: Freeze, note: Note) -> Freeze:
        """Stores a preview; `id` and the subject of the note are given here."""
        ...

    async def find(self, id_: str) -> Freeze | None: ...

    async def listed(self, *, service: str = "", status: Collection[str] = (), limit: int = 50) -> list[Freeze]:
        """Newest first."""
        ...

    async def confirm(self, id_: str, at: datetime, note: Note) -> tuple[Freeze, bool]:
        """Shuts the gate and queues the rest; False where somebody did already.

        What another freeze holds already is left to that one (`elsewhere`). Raises Refused where nothing is left to hold.
        """
        ...

    async def change(
        self, id_: str, expected: Collection[str], note: Note | None, *, queue: str = "", **values: Any
    ) -> Freeze | None:
        """Sets members of a freeze that has one of these statuses; None where it has none of them. `queue` names work to do."""
        ...

    async def settle(self, id_: str, hold: Hold, note: Note | None, *, was: Hold | None = None) -> bool:
        """What came of a hold. With `was` only where it is still so: False where somebody else has settled it since."""
        ...

    async def grant(self, id_: str, granted: Pass, note: Note) -> bool:
        """False where the change is let through already."""
        ...

    async def ask(self, service: str, surface: str, artifact: str, asker: str, at: datetime, *, open_: bool) -> None:
        """Somebody asked the gate."""
        ...

    async def askers(self, service: str) -> list[Asked]: ...


class Brake(Protocol):
    """A way to hold or to pin one artifact, as `holds:` of triagebot.yaml declares it.

    What was put is never taken for granted: the caller looks again. `pins` False: it only holds, and `look` says what does.
    `puts_back`: what moves away from a pin is put back.
    """

    surface: str
    artifact: str
    kind: str
    pins: bool
    holds: bool
    puts_back: bool
    title: str

    def due(self, now: datetime) -> datetime | None:
        """When the job that changes the artifact runs next; None where no schedule of one is declared."""
        ...

    async def look(self) -> str:
        """What stands there now; of a brake that only holds, a line on what does. Raises SourceFailed."""
        ...

    async def target(self, stands: str, resolved: str, before: str) -> str:
        """What a pin would keep it at.

        `stands` is what `look` said, `resolved` what the registry says it is now ("" where none does), `before` what is to be
        put back ("" where it is to stay as it is). Raises Refused with the reason where it cannot be pinned so, SourceFailed.
        """
        ...

    async def put(self, value: str, *, freeze: str) -> None: ...

    def pinned(self, value: str) -> str:
        """How a person reads what a pin keeps it at."""
        ...
