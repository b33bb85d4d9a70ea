"""deepeval's test runs, as it writes them to DEEPEVAL_RESULTS_FOLDER: https://deepeval.com/docs/evaluation-introduction"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triagebot.adapters.registries.evals.run import (
    NotARun,
    Run,
    items,
    labellers_of,
    mapping,
    moment,
    number,
    text,
    unique,
)


def is_deepeval(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("testCases"), list) and ("metricsScores" in document or "testPassed" in document)


def read_deepeval(document: Mapping[str, Any], named: datetime | None) -> Run:
    """`named` is the time in the file's name: deepeval itself writes none into it."""
    at = moment(document.get("createdAt")) or named
    if at is None:
        raise NotARun("its name has no date")
    cases = items(document.get("testCases")) + items(document.get("conversationalTestCases"))
    parameters = mapping(document.get("hyperparameters"))
    metrics = [metric for case in cases for metric in items(case.get("metricsData"))]
    judges = unique(text(metric.get("evaluationModel")) for metric in metrics)
    version = next(filter(None, (text(parameters.get(k)) for k in ("suite_version", "version"))), "")
    ids = [text(case.get("name")) or text(case.get("id")) for case in cases]
    return Run(
        format="deepeval",
        at=at,
        definition={
            "dataset": [document.get("datasetAlias"), document.get("datasetId")],
            "version": version,
            "cases": sorted(ids),
            "metrics": sorted(
                {str([m.get(k) for k in ("name", "threshold", "evaluationModel", "strictMode")]) for m in metrics}
            ),
        },
        scores=_scores(document, cases),
        cases=len(cases),
        dataset=text(document.get("datasetAlias")) or text(document.get("testFile")),
        label=version,
        graders=unique(text(metric.get("name")) for metric in metrics)[:10],
        judge=", ".join(judges),
        model=text(parameters.get("model")),
        labellers=labellers_of(parameters, document.get("metadata")),
        passed={id_: case.get("success") is True for id_, case in zip(ids, cases, strict=True) if id_},
    )


def _scores(document: Mapping[str, Any], cases: list[Mapping[str, Any]]) -> dict[str, float]:
    scores = {"pass_rate": sum(case.get("success") is True for case in cases) / len(cases)} if cases else {}
    for one in items(document.get("metricsScores")):
        values = [v for v in map(number, one.get("scores") or []) if v is not None]
        if values:
            scores[text(one.get("metric"))] = sum(values) / len(values)
    return scores
