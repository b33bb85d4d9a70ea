"""lm-evaluation-harness's `results_<date>.json`:
https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/interface.md
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from triagebot.adapters.registries.evals.run import (
    NotARun,
    Run,
    digest,
    labellers_of,
    mapping,
    moment,
    number,
    text,
    unique,
)

# What of a task's configuration says how it measures. `metadata` of a task carries the version; generation settings that
# belong to the model under test stand in the top-level config, which is left out.
_MEASURING: Final = (
    *(
        "task",
        "tag",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "test_split",
        "validation_split",
        "fewshot_split",
    ),
    *("doc_to_text", "doc_to_target", "doc_to_choice", "process_results", "description", "num_fewshot", "metric_list"),
    *("output_type", "filter_list", "repeats", "should_decontaminate", "generation_kwargs"),
)


def is_lm_eval(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("results"), Mapping) and isinstance(document.get("versions"), Mapping)


def read_lm_eval(document: Mapping[str, Any], named: datetime | None) -> Run:
    """`named` is the time in the file's name, for files without `date`. `start_time` and `end_time` are no times of day."""
    at = moment(document.get("date")) or named
    if at is None:
        raise NotARun("`date` is missing, and its name has none")
    configs = {str(name): mapping(config) for name, config in mapping(document.get("configs")).items()}
    versions = mapping(document.get("versions"))
    samples = {
        str(n): mapping(one) for n, one in mapping(document.get("n-samples") or document.get("n_samples")).items()
    }
    metadata = [mapping(config.get("metadata")) for config in configs.values()]
    judges = unique(text(m.get(k)) for m in metadata for k in ("judge", "judge_model", "grader_model"))
    return Run(
        format="lm_eval",
        at=at,
        definition={
            "tasks": {
                name: [[config.get(member) for member in _MEASURING], config.get("metadata")]
                for name, config in configs.items()
            },
            "versions": versions,
            "shots": document.get("n-shot"),
            "cases": {name: one.get("original") for name, one in samples.items()},
            "hashes": document.get("task_hashes"),
        },
        scores=_scores(mapping(document.get("results"))),
        cases=int(sum(number(one.get("effective")) or number(one.get("original")) or 0 for one in samples.values())),
        dataset=", ".join(unique(text(config.get("dataset_path")) for config in configs.values())[:5]),
        label=", ".join(unique(text(version) for version in versions.values() if version not in ("N/A", None))[:3]),
        graders=unique(text(m.get("grader")) for m in metadata),
        judge=", ".join(judges),
        rubric=next((digest(m["rubric"])[:12] for m in metadata if m.get("rubric")), ""),
        model=text(document.get("model_name")) or text(mapping(document.get("config")).get("model")),
        labellers=labellers_of(*metadata),
        started=moment(document.get("date")),
    )


def _scores(results: Mapping[str, Any]) -> dict[str, float]:
    """`exact_match,none` of each task, without the standard errors."""
    scores = {}
    for task, measured in results.items():
        for key, value in mapping(measured).items():
            name, _, filtered = str(key).partition(",")
            score = number(value)
            if score is None or name.endswith("_stderr") or name == "sample_len":
                continue
            name = name if filtered in ("", "none") else f"{name} {filtered}"
            scores[name if len(results) == 1 else f"{task}/{name}"] = score
    return scores
