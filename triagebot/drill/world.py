"""One invented organisation and the service that will page: people, places, tenants, models, tools and what is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from triagebot.drill import names
from triagebot.drill.arrays import DAY, Floats, Rng, chance, log_uniform, one, token

CONVENTIONS = ("genai_new", "genai_old", "openinference", "traceloop", "langfuse", "mlflow", "vercel", "triage")


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    github: str
    slack_id: str
    active: bool = True


@dataclass(frozen=True)
class Tool:
    """`required` and `result` map names to JSON types; `rows` is true for a tool that lists."""

    name: str
    description: str
    required: Mapping[str, str]
    optional: Mapping[str, str]
    result: Mapping[str, str]
    rows: bool = False

    def definition(self) -> dict[str, object]:
        properties = {name: {"type": kind} for name, kind in {**self.required, **self.optional}.items()}
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {"type": "object", "properties": properties, "required": sorted(self.required)},
            "outputSchema": {"type": "object", "properties": {n: {"type": k} for n, k in self.result.items()}},
        }


@dataclass(frozen=True)
class Wants:
    """What a family needs of its world; everything else is drawn."""

    flavours: tuple[str, ...] = ("json", "prose", "code", "agent", "label")
    tools: bool = False
    corpus: bool = False
    content: tuple[str, ...] = ("full", "full", "output", "none")
    scores: bool | None = None
    feedback: bool | None = None
    cache: bool | None = None
    judge: bool = False
    suite: bool | None = None
    days: tuple[float, float] = (3.0, 40.0)
    long_conversations: bool = False
    batch: bool | None = None
    fallback: bool | None = None
    requests: tuple[int, int] = (1500, 6000)
    size: float = 1.0


@dataclass(frozen=True)
class World:
    """Shapes: one entry a region, tenant, route, intent. Weights sum to one. `recorded` is the share of spans that carry
    an attribute (`model`, `prompt`, `tools`, `corpus`, `cache`, `prompt_text`).
    """

    service: str
    organisation: str
    topic: str
    flavour: str
    convention: str
    content: str
    people: tuple[Person, ...]
    regions: tuple[str, ...]
    offsets: tuple[float, ...]
    region_weights: Floats
    routes: tuple[str, ...]
    intents: tuple[str, ...]
    tenants: tuple[str, ...]
    tenant_weights: Floats
    tenant_region: tuple[int, ...]
    tenant_rows: Floats
    tenant_intents: Floats
    keys: tuple[str, ...]
    provider: str
    fallback: str | None
    alias: str
    tools: tuple[Tool, ...]
    server: str
    corpus: str | None
    sources: tuple[str, ...]
    suite: str | None
    judge: str | None
    scores: bool
    feedback: bool
    batch: bool
    weekend: float
    languages: tuple[str, ...]
    streaming: bool
    page_at: float
    start: float
    end: float
    page_source: str
    recorded: Mapping[str, float] = field(default_factory=dict)
    long_conversations: bool = False

    @property
    def domain(self) -> str:
        return f"{self.organisation}.example"


def tools_for(rng: Rng, flavour: str) -> tuple[Tool, ...]:
    catalogue = (
        Tool(
            "get_order",
            "Look up one order by its id.",
            {"order_id": "string"},
            {"expand": "boolean"},
            {"order_id": "string", "status": "string", "eta_days": "integer", "total": "number"},
        ),
        Tool(
            "search_articles",
            "Search help articles by words.",
            {"query": "string"},
            {"limit": "integer"},
            {"hits": "array", "count": "integer"},
        ),
        Tool(
            "list_orders",
            "List the orders of a customer.",
            {"customer_id": "string"},
            {"limit": "integer", "cursor": "string"},
            {"rows": "array", "count": "integer"},
            rows=True,
        ),
        Tool(
            "get_stock",
            "Stock of one article in one warehouse.",
            {"sku": "string", "warehouse": "string"},
            {},
            {"sku": "string", "quantity": "integer", "reserved": "integer"},
        ),
        Tool(
            "create_ticket",
            "Open a ticket for a person to handle.",
            {"title": "string", "priority": "integer"},
            {"note": "string"},
            {"ticket": "string", "queue": "string"},
        ),
        Tool(
            "get_rate",
            "Price or exchange rate that applies today.",
            {"code": "string"},
            {"day": "string"},
            {"code": "string", "rate": "number", "valid_days": "integer"},
        ),
        Tool(
            "lookup_address",
            "Normalise a postal address.",
            {"text": "string"},
            {"country": "string"},
            {"street": "string", "city": "string", "score": "number"},
        ),
    )
    count = int(rng.integers(4, 7)) if flavour == "agent" else int(rng.integers(2, 5))
    picked = sorted(rng.permutation(len(catalogue))[:count])
    if 2 not in picked:
        picked = sorted({*picked, 2})
    return tuple(catalogue[i] for i in picked)


def people_of(rng: Rng, organisation: str) -> tuple[Person, ...]:
    """Seven to nine people; the last one or two have left."""
    count = int(rng.integers(7, 10))
    given, family = names.take(rng, names.GIVEN, count), names.take(rng, names.FAMILY, count)
    gone = 2 if chance(rng, 0.3) else 1
    people = []
    for i, (first, last) in enumerate(zip(given, family, strict=True)):
        email = f"{first}.{last}@{organisation}.example".lower()
        slack = "U" + token(rng, 9).upper()
        people.append(Person(f"{first} {last}", email, (first[0] + last).lower(), slack, i < count - gone))
    return tuple(people)


def build_world(rng: Rng, wants: Wants) -> World:
    flavour = one(rng, [f for f in wants.flavours if not (wants.tools and f in ("json", "label"))])
    organisation, topic = one(rng, names.ORGANISATIONS), one(rng, names.TOPICS)
    regions = names.take(rng, names.REGIONS, int(rng.integers(2, 5)))
    intents = names.take(rng, names.INTENTS[flavour], int(rng.integers(4, 7)))
    tenant_count = int(rng.integers(8, 26))
    region_weights = rng.dirichlet(np.linspace(8, 3, len(regions)))
    tenant_weights = 1.0 / np.arange(1, tenant_count + 1) ** rng.uniform(0.6, 1.1)
    look_back = log_uniform(rng, *wants.days)
    page_at = float(int(1767225600 + rng.uniform(20, 320) * DAY))
    has_tools = wants.tools or flavour == "agent" or (flavour in ("prose", "code") and chance(rng, 0.4))
    has_corpus = wants.corpus or (flavour == "prose" and chance(rng, 0.6))
    providers = names.take(rng, names.PROVIDERS, 2)
    fallback = chance(rng, 0.25) if wants.fallback is None else wants.fallback
    routes = names.take(rng, names.ROUTES, int(rng.integers(1, 4)))
    return World(
        service=f"{topic}-{one(rng, names.KINDS[flavour])}",
        organisation=organisation,
        topic=topic,
        flavour=flavour,
        convention=one(rng, CONVENTIONS),
        content=one(rng, wants.content),
        people=people_of(rng, organisation),
        regions=tuple(r[0] for r in regions),
        offsets=tuple(r[1] for r in regions),
        region_weights=np.sort(region_weights)[::-1],
        routes=tuple(routes),
        intents=tuple(intents),
        tenants=tuple(f"t-{token(rng, 4)}" for _ in range(tenant_count)),
        tenant_weights=tenant_weights / tenant_weights.sum(),
        tenant_region=tuple(
            int(rng.choice(len(regions), p=np.sort(region_weights)[::-1])) for _ in range(tenant_count)
        ),
        tenant_rows=np.exp(rng.normal(3.2, 1.6, tenant_count)).clip(3, 60000),
        tenant_intents=rng.dirichlet(np.linspace(4, 1, len(intents)), tenant_count),
        keys=tuple(f"key-{token(rng, 4)}" for _ in range(int(rng.integers(1, 4)))),
        provider=providers[0],
        fallback=providers[1] if fallback else None,
        alias=f"{one(rng, names.MODELS)}-{int(rng.integers(2, 9))}",
        tools=tools_for(rng, flavour) if has_tools else (),
        server=one(rng, names.SERVERS),
        corpus=one(rng, names.CORPORA) if has_corpus else None,
        sources=tuple(f"src-{token(rng, 3)}" for _ in range(int(rng.integers(4, 8)))),
        suite=one(rng, names.SUITES) if (chance(rng, 0.75) if wants.suite is None else wants.suite) else None,
        judge=one(rng, names.JUDGES) if wants.judge or chance(rng, 0.5) else None,
        scores=(wants.judge or chance(rng, 0.6)) if wants.scores is None else wants.scores,
        feedback=chance(rng, 0.5) if wants.feedback is None else wants.feedback,
        batch=chance(rng, 0.3) if wants.batch is None else wants.batch,
        weekend=float(rng.uniform(0.25, 0.9)),
        languages=("en", *names.take(rng, ("de", "fr", "es", "ja"), int(rng.integers(0, 3)))),
        streaming=chance(rng, 0.6),
        page_at=page_at,
        start=page_at - look_back * DAY,
        end=page_at + (0.0 if chance(rng, 0.4) else float(rng.uniform(0.3, 8)) * 3600),
        page_source=one(rng, ("pagerduty", "pagerduty", "alertmanager", "grafana", "generic", "slack")),
        recorded=_recorded(rng, wants),
        long_conversations=wants.long_conversations,
    )


def _recorded(rng: Rng, wants: Wants) -> dict[str, float]:
    def share(full: float, part: float) -> float:
        draw = rng.random()
        return 1.0 if draw < full else (float(rng.uniform(0.6, 0.95)) if draw < full + part else 0.0)

    return {
        "model": share(0.85, 0.13),
        "prompt": share(0.7, 0.15),
        "tools": share(0.45, 0.05),
        "corpus": share(0.6, 0.1),
        "cache": 1.0 if (chance(rng, 0.6) if wants.cache is None else wants.cache) else 0.0,
        "prompt_text": 1.0 if chance(rng, 0.15) else 0.0,
        "fingerprint": 1.0 if chance(rng, 0.4) else 0.0,
        "ttft": 1.0 if chance(rng, 0.6) else 0.0,
    }
