"""Result files of four evaluation tools, in the shapes that the tools write."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from triagebot.drill.arrays import DAY, HOUR, Rng, fingerprint, one, rfc3339, rng_for, token
from triagebot.drill.artifacts import Artifact
from triagebot.drill.draft import Draft

FORMATS = ("promptfoo", "inspect_ai", "lm_eval", "deepeval")


def run_times(draft: Draft, rng: Rng) -> list[float]:
    """Nightly runs from some days before the window to the page, or to where they stopped."""
    w = draft.world
    hour = rng.uniform(0, 6) * HOUR
    first = np.floor((w.start - 2 * DAY) / DAY) * DAY + hour
    until = draft.suite_runs_until or w.page_at
    every = DAY if (w.page_at - w.start) < 12 * DAY else 2 * DAY
    return [float(t) for t in np.arange(first, until, every)][-16:]


def write_runs(draft: Draft, artifact: Artifact, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Write one file a run. Returns the format and what each run showed: at, label, pass rate, cases, fingerprint."""
    rng = rng_for(*draft.seeds, "evals")
    kind = one(rng, FORMATS)
    folder.mkdir(parents=True, exist_ok=True)
    base = rng.uniform(0.97, 1.0) if draft.suite_saturated else rng.uniform(0.55, 0.93)
    runs = []
    difficulty = rng.random(400)
    for at in run_times(draft, rng):
        index = max((c.index for c in artifact.settled if c.at <= at), default=0)
        detail, label = artifact.contents[index], artifact.labels[index]
        rate = base + (draft.suite_effect(at) if draft.suite_effect else 0.0)
        passed = [bool(d < rate + rng.normal(0, 0.015)) for d in difficulty[: detail["cases"]]]
        body, name = WRITERS[kind](draft, artifact, at, label, passed, detail, rng)
        (folder / name).write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
        runs.append(
            {
                "at": at,
                "label": label,
                "rate": round(sum(passed) / len(passed), 4),
                "cases": len(passed),
                "dataset": detail["dataset"],
                "grader": detail["grader"],
                "fingerprint": fingerprint({"grader": label, "detail": detail}),
            }
        )
    return kind, runs


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)


def _promptfoo(
    draft: Draft, artifact: Artifact, at: float, label: str, passed: list[bool], detail: dict[str, Any], rng: Rng
) -> tuple[Any, str]:
    check = {"type": "javascript", "value": f"file://graders/check.js@{label}"}
    if detail["grader"] != "exact":
        check = {
            "type": "llm-rubric",
            "value": f"file://graders/{detail['grader']}@{label}",
            "provider": detail["grader"],
        }
    results = []
    for i, ok in enumerate(passed):
        grading = {"pass": ok, "score": float(ok), "reason": "ok" if ok else "check failed", "assertion": check}
        results.append(
            {
                "promptIdx": 0,
                "testIdx": i,
                "promptId": "main",
                "provider": {"id": draft.world.alias, "label": draft.world.alias},
                "vars": {"id": f"case-{i}"},
                "testCase": {"description": f"case-{i}", "vars": {"id": f"case-{i}"}, "assert": [check]},
                "response": {},
                "success": ok,
                "score": float(ok),
                "gradingResult": {**grading, "componentResults": [grading]},
                "namedScores": {},
                "failureReason": 0 if ok else 1,
            }
        )
    count = sum(passed)
    metrics = {"score": count, "testPassCount": count, "testFailCount": len(passed) - count, "testErrorCount": 0}
    prompts = [
        {"raw": "{{question}}", "label": "main", "id": "main", "provider": draft.world.alias, "metrics": metrics}
    ]
    stamp = f"{_moment(at):%Y-%m-%dT%H:%M:%S}"
    body = {
        "evalId": f"eval-{token(rng, 5)}-{stamp}",
        "results": {
            "version": 3,
            "timestamp": f"{stamp}.000Z",
            "prompts": prompts,
            "results": results,
            "stats": {"successes": count, "failures": len(passed) - count, "errors": 0},
        },
        "config": {"description": artifact.name, "tests": detail["dataset"]},
    }
    return body, f"{_moment(at):%Y%m%dT%H%M%S}.json"


def _inspect(
    draft: Draft, artifact: Artifact, at: float, label: str, passed: list[bool], detail: dict[str, Any], rng: Rng
) -> tuple[Any, str]:
    own, created = token(rng, 12), _moment(at).isoformat()
    rate = sum(passed) / len(passed)
    scorer = "check" if detail["grader"] == "exact" else f"model_graded_qa({detail['grader']})"
    samples = [
        {
            "id": f"case-{i}",
            "epoch": 1,
            "input": f"case-{i}",
            "target": "",
            "scores": {scorer: {"value": "C" if ok else "I", "answer": "", "explanation": None}},
            "metadata": {},
        }
        for i, ok in enumerate(passed)
    ]
    body = {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": token(rng, 16),
            "run_id": token(rng, 16),
            "created": created,
            "task": artifact.name,
            "task_id": fingerprint(artifact.name)[7:23],
            "task_version": label,
            "task_attribs": {},
            "task_args": {},
            "dataset": {
                "name": detail["dataset"],
                "location": detail["dataset"],
                "samples": len(passed),
                "shuffled": False,
            },
            "model": f"openai/{draft.world.alias}",
            "scorers": [{"name": scorer}],
        },
        "results": {
            "total_samples": len(passed),
            "completed_samples": len(passed),
            "scores": [
                {
                    "name": scorer,
                    "scorer": scorer,
                    "metrics": {"accuracy": {"name": "accuracy", "value": round(rate, 4)}},
                }
            ],
        },
        "stats": {"started_at": created, "completed_at": (_moment(at) + timedelta(minutes=31)).isoformat()},
        "samples": samples,
    }
    return body, f"{_moment(at):%Y-%m-%dT%H-%M-%S}+00-00_{artifact.name}_{own}.json"


def _lm_eval(
    draft: Draft, artifact: Artifact, at: float, label: str, passed: list[bool], detail: dict[str, Any], rng: Rng
) -> tuple[Any, str]:
    n, name = len(passed), artifact.name
    rate = sum(passed) / n
    body = {
        "results": {
            name: {
                "alias": name,
                "pass_rate,none": round(rate, 4),
                "pass_rate_stderr,none": round(float(np.sqrt(max(rate * (1 - rate), 0) / n)), 6),
            }
        },
        "group_subtasks": {name: []},
        "configs": {
            name: {
                "task": name,
                "dataset_path": detail["dataset"],
                "num_fewshot": 0,
                "metadata": {"version": label, "grader": detail["grader"]},
            }
        },
        "versions": {name: label},
        "n-shot": {name: 0},
        "higher_is_better": {name: {"pass_rate": True}},
        "n-samples": {name: {"original": n, "effective": n}},
        "config": {"model": "local-chat-completions", "model_args": f"model={draft.world.alias}", "batch_size": 1},
        "git_hash": token(rng, 7),
        "date": float(int(at)),
        "model_name": draft.world.alias,
        "start_time": float(int(at)),
        "end_time": float(int(at) + 1860),
        "total_evaluation_time_seconds": "1860.4",
    }
    return body, f"results_{_moment(at):%Y-%m-%dT%H-%M-%S}.000000.json"


def _deepeval(
    draft: Draft, artifact: Artifact, at: float, label: str, passed: list[bool], detail: dict[str, Any], rng: Rng
) -> tuple[Any, str]:
    metric = {
        "name": "Correctness [GEval]" if detail["grader"] != "exact" else "Exact match",
        "threshold": 0.5,
        "evaluationModel": detail["grader"] if detail["grader"] != "exact" else None,
        "strictMode": False,
    }
    cases = [
        {
            "name": f"case-{i}",
            "input": f"case-{i}",
            "actualOutput": "",
            "success": ok,
            "metricsData": [{**metric, "success": ok, "score": 1.0 if ok else 0.0, "reason": ""}],
        }
        for i, ok in enumerate(passed)
    ]
    count = sum(passed)
    body = {
        "identifier": artifact.name,
        "testFile": f"evals/{artifact.name}",
        "datasetAlias": detail["dataset"],
        "hyperparameters": {"model": draft.world.alias, "suite_version": label},
        "createdAt": rfc3339(at),
        "testCases": cases,
        "testPassed": count,
        "testFailed": len(passed) - count,
        "runDuration": 1860.4,
        "metricsScores": [
            {
                "metric": metric["name"],
                "scores": [1.0 if ok else 0.0 for ok in passed],
                "passes": count,
                "fails": len(passed) - count,
                "errors": 0,
            }
        ],
    }
    return body, f"{_moment(at):%Y%m%d_%H%M%S}.json"


WRITERS = {"promptfoo": _promptfoo, "inspect_ai": _inspect, "lm_eval": _lm_eval, "deepeval": _deepeval}
