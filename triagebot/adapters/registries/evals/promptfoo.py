"""promptfoo's JSON output (`promptfoo eval -o results.json`): https://www.promptfoo.dev/docs/configuration/outputs/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triagebot.adapters.registries.evals.run import (
    NotARun,
    Run,
    digest,
    items,
    labellers_of,
    mapping,
    moment,
    number,
    text,
    unique,
)

# Members of an assertion that say how it judges. Its `value` may be a rubric's text, which is hashed only.
_JUDGING: Final = ("type", "value", "threshold", "weight", "metric", "rubricPrompt", "transform")


def is_promptfoo(document: Mapping[str, Any]) -> bool:
    results = mapping(document.get("results"))
    return isinstance(results.get("results"), list) and (
        "prompts" in results or "stats" in results or "version" in results
    )


def read_promptfoo(document: Mapping[str, Any]) -> Run:
    results, config = mapping(document.get("results")), mapping(document.get("config"))
    rows = items(results.get("results"))
    at = moment(results.get("timestamp")) or moment(document.get("createdAt"))
    if at is None:
        raise NotARun("results.timestamp is missing")
    default = mapping(config.get("defaultTest"))
    cases: dict[str, str] = {}
    passed: dict[str, bool] = {}
    asserted: dict[str, Mapping[str, Any]] = {}
    named: dict[str, list[float]] = {}
    for row in rows:
        test = mapping(row.get("testCase"))
        checks = [(digest(_judging(check)), check) for check in items(test.get("assert"))]
        content = digest([test.get("vars"), sorted(found for found, _ in checks)])
        case = _case_id(row, test)
        if cases.get(case, content) != content:  # descriptions need not be unique
            case = f"{case} {content[:6]}"
        cases[case] = content
        passed[case] = passed.get(case, True) and row.get("success") is True
        asserted.update(checks)
        for name, score in mapping(row.get("namedScores")).items():
            value = number(score)
            if value is not None:
                named.setdefault(str(name), []).append(value)
    distinct = list(asserted.values())
    judges = unique([_provider(check.get("provider")) for check in distinct] + [_provider(_judge_of(default))])
    versions = unique(_version(check) for check in distinct)
    rubrics = [
        check for check in distinct if "rubric" in text(check.get("type")) or "model-graded" in text(check.get("type"))
    ]
    total = len(rows)
    scores = {"pass_rate": sum(row.get("success") is True for row in rows) / total} if total else {}
    scores |= {name: sum(values) / len(values) for name, values in named.items()}
    return Run(
        format="promptfoo",
        at=at,
        definition={
            "cases": cases,
            "judges": judges,
            "default": digest(_judging_default(default)),
            "tests": text(config.get("tests")),
        },
        scores=scores,
        cases=len(cases),
        dataset=text(config.get("tests")),
        label=", ".join(versions[:3]),
        graders=unique(text(check.get("type")) for check in distinct)[:10],
        judge=", ".join(judges),
        rubric=digest(sorted(text(check.get("value")) for check in rubrics))[:12] if rubrics else "",
        model=", ".join(unique(_provider(row.get("provider")) for row in rows)[:5]),
        labellers=labellers_of(config.get("metadata"), default.get("metadata"), document.get("metadata")),
        passed=passed,
    )


def _case_id(row: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    own = mapping(test.get("vars")) or mapping(row.get("vars"))
    return text(own.get("id")) or text(test.get("description")) or f"test {text(row.get('testIdx'))}"


def _judging(check: Mapping[str, Any]) -> dict[str, Any]:
    return {name: check.get(name) for name in _JUDGING if name in check} | {
        "provider": _provider(check.get("provider"))
    }


def _judging_default(default: Mapping[str, Any]) -> Any:
    return [
        [_judging(check) for check in items(default.get("assert"))],
        mapping(default.get("options")).get("rubricPrompt"),
    ]


def _judge_of(default: Mapping[str, Any]) -> Any:
    return mapping(default.get("options")).get("provider")


def _provider(value: Any) -> str:
    """A provider is a name, an object with an id, or a map of such by kind (`{text: …, embedding: …}`)."""
    if isinstance(value, Mapping):
        return text(value.get("id")) or _provider(value.get("text"))
    return text(value)


def _version(check: Mapping[str, Any]) -> str:
    """`file://graders/check.js@1.3.0`."""
    value = check.get("value")
    if not isinstance(value, str) or not value.startswith("file://") or "\n" in value:
        return ""
    return value.rpartition("@")[2] if "@" in value else ""
