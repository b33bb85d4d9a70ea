"""What hangs on the spans of a request: the documents that were found, the scores and thumbs that were given."""

from typing import Any

import numpy as np

from triagebot.drill.arrays import DAY, rfc3339, rng_for
from triagebot.drill.draft import Draft
from triagebot.drill.otlp import attributes, nanos
from triagebot.drill.requests import Outcome

AGE_FIELDS = ("updated_at", "updated_at", "updated_at", "last_modified", "age_days")


class Observed:
    """Documents and evaluations of each request. `salt` makes document ids differ between requests."""

    def __init__(self, draft: Draft, outcome: Outcome, salt: list[int]) -> None:
        self.d, self.o, self.w, self.salt = draft, outcome, draft.world, salt
        self.age_field = AGE_FIELDS[int(rng_for(*draft.seeds, "age").integers(len(AGE_FIELDS)))]

    def documents(self, i: int, now: float) -> list[tuple[str, float, dict[str, Any]]]:
        """Id, score and metadata, best first."""
        o = self.o
        gone, since = self.d.options.get("deleted_source", (None, None))
        sources = [s for k, s in enumerate(self.w.sources) if k != gone or not since[i]]
        made = []
        for k in range(int(o.docs[i])):
            source = sources[(self.d.traffic.intent[i] + (0 if k < 3 else k)) % len(sources)]
            metadata = {"source": source, **self._aged(now, float(o.ages[i]) * (0.6 + 0.2 * k))}
            made.append(
                (f"{source}/{(self.salt[i] + 31 * k) % 4999}", round(float(o.top[i]) * (1 - 0.06 * k), 4), metadata)
            )
        return made

    def _aged(self, now: float, days: float) -> dict[str, Any]:
        """A document's age as this team's indexer writes it."""
        if self.age_field == "age_days":
            return {"age_days": round(days, 1)}
        return {self.age_field: rfc3339(now - days * DAY)}

    def evaluations(self, i: int, at: float) -> list[dict[str, Any]]:
        """Events of the request's last model call."""
        lost = self.d.options.get("lost")
        unseen = lost is not None and lost[i] and "scores" in self.d.options.get("lost_attributes", ())
        made = []
        if not np.isnan(self.o.score[i]) and not unseen:
            value = round(float(self.o.score[i]), 3)
            made.append((self.w.judge or "answer_quality", value, "pass" if value >= 0.5 else "fail"))
        if self.o.thumbs[i] >= 0:
            made.append(("user_feedback", float(self.o.thumbs[i]), "up" if self.o.thumbs[i] else "down"))
        return [
            {
                "timeUnixNano": nanos(at),
                "name": "gen_ai.evaluation.result",
                "attributes": attributes(
                    {
                        "gen_ai.evaluation.name": name,
                        "gen_ai.evaluation.score.value": value,
                        "gen_ai.evaluation.score.label": label,
                    }
                ),
            }
            for name, value, label in made
        ]
