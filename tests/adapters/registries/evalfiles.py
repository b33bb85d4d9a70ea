"""Result files as promptfoo, inspect_ai, lm_eval and deepeval write them, cut down to what matters."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def promptfoo(
    at: datetime, passed: dict[str, bool], *, grader: str = "1.3.0", rubric: str = "", judge: str = "", **members: Any
) -> dict[str, Any]:
    check: dict[str, Any] = {"type": "javascript", "value": f"file://graders/check.js@{grader}"}
    if rubric:
        check = {"type": "llm-rubric", "value": rubric, "provider": {"id": judge}}
    rows = [
        {
            "testIdx": index,
            "provider": {"id": "larkspur-3", "label": "larkspur-3"},
            "vars": {"id": case},
            "testCase": {"description": case, "vars": {"id": case}, "assert": [check]},
            "response": {"output": "secret answer"},
            "success": ok,
            "score": float(ok),
            "gradingResult": {"pass": ok, "score": float(ok), "reason": "secret reason"},
            "namedScores": {"tone": 0.5},
        }
        for index, (case, ok) in enumerate(passed.items())
    ]
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    return {
        "evalId": "eval-1",
        "results": {"version": 3, "timestamp": stamp, "prompts": [], "results": rows},
        "config": {"tests": "cases.jsonl"},
    } | members


def inspect_ai(
    at: datetime, passed: dict[str, bool], *, version: str = "1.3.0", model: str = "openai/larkspur-3", **spec: Any
) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "created": (at - timedelta(minutes=20)).isoformat(),
            "task": "regression",
            "task_version": version,
            "task_args": {},
            "dataset": {
                "name": "cases",
                "location": "/srv/ci/cases.jsonl",
                "samples": len(passed),
                "sample_ids": list(passed),
                "shuffled": False,
            },
            "model": model,
            "config": {"epochs": 1},
            "scorers": [{"name": "check", "options": {}, "metrics": [{"name": "accuracy"}], "metadata": {}}],
            **spec,
        },
        "results": {
            "total_samples": len(passed),
            "scores": [
                {
                    "name": "check",
                    "scorer": "check",
                    "metrics": {"accuracy": {"name": "accuracy", "value": sum(passed.values()) / max(len(passed), 1)}},
                }
            ],
        },
        "stats": {"started_at": (at - timedelta(minutes=20)).isoformat(), "completed_at": at.isoformat()},
        "samples": [
            {"id": case, "epoch": 1, "input": "secret", "scores": {"check": {"value": "C" if ok else "I"}}}
            for case, ok in passed.items()
        ],
    }


def lm_eval(at: datetime, passed: dict[str, bool], *, version: str = "1.3.0", **config: Any) -> dict[str, Any]:
    rate = sum(passed.values()) / max(len(passed), 1)
    return {
        "results": {"regression": {"alias": "regression", "exact_match,none": rate, "exact_match_stderr,none": 0.04}},
        "configs": {
            "regression": {
                "task": "regression",
                "dataset_path": "cases.jsonl",
                "num_fewshot": 0,
                "metadata": {"version": version},
                **config,
            }
        },
        "versions": {"regression": version},
        "n-shot": {"regression": 0},
        "n-samples": {"regression": {"original": len(passed), "effective": len(passed)}},
        "config": {"model": "local-chat-completions", "model_args": "model=larkspur-3"},
        "model_name": "larkspur-3",
        "date": at.timestamp(),
        "start_time": 12345.6,
        "end_time": 12400.1,
    }


def deepeval(
    at: datetime, passed: dict[str, bool], *, version: str = "1.3.0", judge: str | None = None
) -> dict[str, Any]:
    metric = {"name": "Correctness [GEval]", "threshold": 0.5, "evaluationModel": judge, "strictMode": False}
    return {
        "testFile": "test_regression.py",
        "datasetAlias": "cases",
        "hyperparameters": {"model": "larkspur-3", "suite_version": version},
        "testCases": [
            {
                "name": case,
                "input": "secret",
                "actualOutput": "secret",
                "success": ok,
                "metricsData": [{**metric, "success": ok, "score": float(ok), "reason": "secret"}],
            }
            for case, ok in passed.items()
        ],
        "metricsScores": [
            {
                "metric": metric["name"],
                "scores": [float(ok) for ok in passed.values()],
                "passes": sum(passed.values()),
                "fails": 0,
                "errors": 0,
            }
        ],
        "testPassed": sum(passed.values()),
        "testFailed": len(passed) - sum(passed.values()),
        "createdAt": at.isoformat(),
    }


WRITERS = {"promptfoo": promptfoo, "inspect_ai": inspect_ai, "lm_eval": lm_eval, "deepeval": deepeval}


def write(folder: Path, at: datetime, document: Any, suffix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{at:%Y%m%dT%H%M%SZ}{suffix}.json"
    file.write_text(json.dumps(document))
    return file
