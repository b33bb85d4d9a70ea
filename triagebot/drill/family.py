"""What a family of incidents is, and the symptoms that families share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from triagebot.drill.arrays import Mask, one
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.world import Wants

# What a model or a prompt may start to do, by flavour: knob and direction.
BEHAVIOUR: dict[str, tuple[tuple[str, int], ...]] = {
    "json": (("json_invalid", 1), ("fence", 1), ("schema_missing", 1), ("preamble", 1), ("refusal", 1), ("escape", 1),
             ("out_len", 1)),
    "prose": (("refusal", 1), ("apology", 1), ("out_len", 1), ("out_len", -1), ("wrong_language", 1), ("escape", 1)),
    "code": (("fence", 1), ("preamble", 1), ("out_len", 1), ("refusal", 1)),
    "agent": (("steps", 1), ("extra_calls", 1), ("refusal", 1), ("out_len", 1), ("arg_invalid", 1), ("apology", 1)),
    "label": (("confidence", 1), ("confidence", -1), ("json_invalid", 1), ("refusal", 1), ("preamble", 1)),
}  # fmt: skip
WITHOUT_CONTENT = (("out_len", 1), ("out_len", -1), ("steps", 1), ("truncated", 1))

TITLES: dict[str, tuple[str, ...]] = {
    "json_invalid": ("structured-output errors above 2 %", "parser rejects answers, importer backlog grows", "JSON parse failures"),
    "schema_missing": ("required fields missing in extracted records", "importer: KeyError on total", "records without a date"),
    "fence": ("output arrives in Markdown fences", "consumer cannot read answers since the change of tone", "parser errors"),
    "preamble": ("answers start with chit-chat", "parser errors, first character is not a brace", "format complaints"),
    "apology": ("tickets: the bot apologises all the time", "wrong-tone replies"),
    "refusal": ("refusal share above budget", "customers are told that we cannot help", "deflection is down, tickets are up"),
    "wrong_language": ("customers answered in the wrong language", "tickets from DACH and Iberia"),
    "escape": ("odd characters in answers", "u0065 in mails to customers"),
    "claim": ("refunds promised that nobody booked", "legal asks about credits in chat"),
    "unsafe": ("trust & safety: another customer's data in an answer", "T&S page: unsafe answer"),
    "rationale": ("audit: decisions without a reason", "compliance cannot find rationales"),
    "clarify": ("task completion down in the funnel", "agent no longer asks back"),
    "bad_code": ("sandbox SyntaxError on submissions", "generated code does not compile"),
    "truncated": ("answers end mid-sentence", "finish_reason=length above budget"),
    "arg_invalid": ("tool calls rejected", "agent fails at the order desk"),
    "tool_error": ("tool errors above 5 %", "tickets: the assistant says it could not look it up"),
    "type_drift": ("wrong dates in answers", "agent hallucinating delivery times"),
    "unknown_tool": ("tickets say the agent could not do things", "agent errors"),
    "tool_alt": ("search cost doubled", "agent behaves differently from the recorded demo"),
    "extra_calls": ("spend per request 2x", "agent step ceiling hit"),
    "steps": ("agent hits its step ceiling", "spend per task up", "p95 latency above 12 s"),
    "empty": ("answers say nothing was found", "bot has no sources"),
    "score": ("answers cite the wrong articles", "model is hallucinating", "answer quality down"),
    "age": ("answers quote last year's prices", "outdated answers reported"),
    "err_5xx": ("provider errors above 4 %", "requests failing, status page green"),
    "err_429": ("429 on interactive traffic", "rate limit saturation"),
    "timeout": ("timeouts", "p99 latency 30 s"),
    "abort": ("hallucination report: half an answer", "users act on cut-off answers"),
    "app_error": ("5xx from the service", "structured-output errors spike", "error budget burn"),
    "latency": ("p95 latency above 12 s", "slow answers", "queue fills up"),
    "ttft": ("time to first token doubled", "slow start of answers"),
    "out_len": ("output tokens per request above budget", "answers look different", "spend anomaly"),
    "prompt_len": ("spend anomaly: cost per request up", "bill 1.6x"),
    "tokens_per_byte": ("bill page: spend 2x since the weekend", "cost per request up, nothing changed"),
    "cache": ("billing-cycle cost alarm", "spend 3x, cache hit rate collapsed", "cost per request up"),
    "quality": ("answer quality score down", "CSAT dropping", "wrong-tone replies"),
    "judge": ("online quality score dropped", "answer_quality below target", "eval score down 9 points"),
    "outcome": ("task completion down 11 %", "thumbs-down share rising", "funnel analyst flags drop"),
    "confidence": ("wrong cases pass the confidence gate", "customers appeal automated decisions", "human-review queue empty"),
    "fallback": ("share of answers from the fallback provider up",),
    "retry_more": ("spend cap alert while request limits are green", "provider calls per click up"),
    "conflict": ("account blocked by provider", "outage at provider?"),
    "tool_rows": ("one large customer fails, others fine", "context_length_exceeded"),
    "tool_flaky": ("cost anomaly with green dashboards", "spend 3x, success rate unchanged"),
}  # fmt: skip
VAGUE = ("users say it feels different", "support: answers are off since a while", "please look at this feature",
         "tickets above normal", "product asks whether anything changed")  # fmt: skip


@dataclass(frozen=True)
class Family:
    """`build` writes one incident on a draft. `pairs` names the look-alike pairs of the catalogue that it is a member of."""

    name: str
    capability: str
    build: Callable[[Draft], None]
    wants: Wants = field(default_factory=Wants)
    pairs: tuple[str, ...] = ()


def pick_symptom(draft: Draft, options: tuple[tuple[str, int], ...] | None = None) -> tuple[str, int]:
    """A knob and direction that the spans of this world can show."""
    flavour = draft.world.flavour
    given = options or (BEHAVIOUR[flavour] if draft.world.content != "none" else WITHOUT_CONTENT)
    usable = [o for o in given if draft.applies(o[0]).any() and not (o[0] == "steps" and not draft.world.tools)]
    if not usable:
        raise Redraw
    return one(draft.rng, usable)


def say(draft: Draft, knob: str) -> None:
    """Titles for a symptom: its own words, or words that name nothing."""
    draft.titles = (*TITLES[knob], one(draft.rng, VAGUE), one(draft.rng, VAGUE))


def symptom(
    draft: Draft, mask: Mask, options: tuple[tuple[str, int], ...] | None = None, *, among: Mask | None = None
) -> str:
    """Let `mask` show one behaviour, and say so in the title. Returns the knob."""
    knob, sign = pick_symptom(draft, options)
    draft.effect(knob, mask, sign=sign, among=among)
    say(draft, knob)
    return knob
