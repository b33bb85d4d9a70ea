"""How eight instrumentations would write the same spans. Attribute names are each project's own."""

from collections.abc import Callable

from triagebot.drill.conventions import genai, langfuse, mlflow, openinference, traceloop, vercel
from triagebot.drill.conventions.base import Convention, Record


def _post(r: Record) -> str:
    return f"POST {r['route']}"


def _chat(r: Record) -> str:
    return f"chat {r['requested']}"


def _always(name: str) -> Callable[[Record], str]:
    return lambda _: name


CONVENTIONS: dict[str, Convention] = {
    "genai_new": Convention(
        ("opentelemetry.instrumentation.genai", "2.1b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        genai.root,
        genai.llm,
        genai.tool,
        genai.retrieval,
    ),
    "genai_old": Convention(
        ("opentelemetry.instrumentation.llm_v2", "2.0b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        genai.old_root,
        genai.old_llm,
        genai.tool,
        genai.retrieval,
    ),
    "triage": Convention(
        ("opentelemetry.instrumentation.genai", "2.1b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        genai.with_triage(genai.root),
        genai.with_triage(genai.llm),
        genai.with_triage(genai.tool),
        genai.with_triage(genai.retrieval),
    ),
    "openinference": Convention(
        ("openinference.instrumentation.openai", "0.1.38"),
        _always("handle_request"),
        _always("ChatCompletion"),
        lambda r: str(r["tool"]),
        _always("retrieve"),
        openinference.root,
        openinference.llm,
        openinference.tool,
        openinference.retrieval,
    ),
    "traceloop": Convention(
        ("opentelemetry.instrumentation.openai.v1", "0.49.6"),
        _always("answer.workflow"),
        _always("llm.chat"),
        lambda r: f"{r['tool']}.tool",
        _always("retrieve.task"),
        traceloop.root,
        traceloop.llm,
        traceloop.tool,
        traceloop.retrieval,
    ),
    "langfuse": Convention(
        ("langfuse-sdk", "3.10.5"),
        _always("request"),
        _always("generation"),
        lambda r: str(r["tool"]),
        _always("retriever"),
        langfuse.root,
        langfuse.llm,
        langfuse.tool,
        langfuse.retrieval,
    ),
    "mlflow": Convention(
        ("mlflow.tracing", "3.6.0"),
        _always("answer"),
        _always("Completions"),
        lambda r: str(r["tool"]),
        _always("retriever"),
        mlflow.root,
        mlflow.llm,
        mlflow.tool,
        mlflow.retrieval,
    ),
    "vercel": Convention(
        ("ai", "5.0.76"),
        _always("ai.generateText"),
        lambda r: "ai.streamText.doStream" if r["stream"] else "ai.generateText.doGenerate",
        lambda r: "ai.toolCall",
        _always("retrieval"),
        vercel.root,
        vercel.llm,
        vercel.tool,
        vercel.retrieval,
    ),
}

__all__ = ["CONVENTIONS", "Convention", "Record"]
