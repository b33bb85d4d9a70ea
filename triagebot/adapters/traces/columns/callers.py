"""Who called, and from where."""

from __future__ import annotations

from triagebot.adapters.traces.columns.column import LC, TEXT, Column


def _who(name: str, *others: str, alias: str = "") -> tuple[str, ...]:
    """Where teams put a fact about the caller that no convention names."""
    families = (
        "traceloop.association.properties.",
        "langfuse.trace.metadata.",
        "langfuse.observation.metadata.",
        "ai.telemetry.metadata.",
        "langsmith.metadata.",
    )
    names = (name, alias) if alias else (name,)
    return (f"triage.{name}", *others, *(family + n for family in families for n in names))


def _metadata(name: str, *others: str) -> str:
    """The attribute, else the same name in OpenInference's `metadata` JSON, else the resource's."""
    resource = "|".join((f"triage.{name}", *others))
    return f"multiIf($first != '', $first, H[metadata], JSONExtractString(A[metadata], '{name}'), R[{resource}])"


WHO = (
    Column(
        "conversation",
        TEXT,
        sources=(
            "gen_ai.conversation.id",
            "session.id",
            "langfuse.session.id",
            "traceloop.association.properties.conversation_id",
            "traceloop.association.properties.session_id",
            "mlflow.trace.session",
            "gcp.vertex.agent.session_id",
            "ai.telemetry.metadata.sessionId",
        ),
    ),
    Column(
        "user",
        TEXT,
        sources=(
            "user.id",
            "enduser.id",
            "langfuse.user.id",
            "traceloop.association.properties.user_id",
            "mlflow.trace.user",
            "ai.telemetry.metadata.userId",
        ),
    ),
    Column("tenant", LC, _metadata("tenant", "tenant.id"), _who("tenant", "tenant.id", alias="tenant_id")),
    Column("workload", LC, _metadata("workload"), _who("workload")),
    Column("route", LC, _metadata("route"), _who("route", "http.route")),
    Column("key", LC, _metadata("key"), _who("key", alias="api_key_id")),
    Column("request_id", TEXT, sources=("triage.request.id",)),
    Column("intent", LC, _metadata("intent"), _who("intent")),
)

ENVIRONMENT = (
    Column("region", LC, "if($first != '', $first, R[cloud.region])", ("triage.region", "cloud.region")),
    Column(
        "environment",
        LC,
        "if($first != '', $first, R[deployment.environment.name|deployment.environment])",
        ("deployment.environment.name", "langfuse.environment"),
    ),
    Column("service_version", LC, "if($first != '', $first, R[service.version])", ("service.version",)),
    Column(
        "revision",
        LC,
        "if($first != '', $first, R[vcs.ref.head.revision])",
        ("vcs.ref.head.revision", "langfuse.release"),
    ),
    Column(
        "flags",
        LC,
        "arrayStringConcat(arraySort(arrayDistinct(arrayConcat(arrayMap(a -> concat(a['feature_flag.key'], '=', "
        "if(a['feature_flag.result.variant'] != '', a['feature_flag.result.variant'], a['feature_flag.variant'])), "
        "@flag_events), if(H[feature_flag.key], [concat(A[feature_flag.key], '=', "
        "A[feature_flag.result.variant|feature_flag.variant])], [])))), ',')",
    ),
)
