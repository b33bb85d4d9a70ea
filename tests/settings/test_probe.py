"""`probe:` of a service."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.settings.test_load import EXAMPLE, GOOD, written
from triagebot.errors import BadConfig
from triagebot.settings import load_config

PROBE = """\
    probe:
      model: claude-haiku-4-5
      every: 2h
      temperature: 0
      prompts:
        - prompt: What is two and two?
          expect: "4"
        - {id: j, prompt: As JSON., json: true}
"""


def test_a_plan(tmp_path: Path) -> None:
    plan = load_config(written(tmp_path, GOOD + PROBE)).services["support-agent"].probe
    assert plan is not None
    assert (plan.artifact, plan.every, plan.temperature, plan.repeats) == (
        "claude-haiku-4-5",
        timedelta(hours=2),
        0.0,
        10,
    )
    assert [(p.id, p.expect, p.json) for p in plan.prompts] == [("p1", "4", False), ("j", "", True)]
    assert plan.most_tokens(2) > 2 * 2 * plan.max_tokens


def test_a_service_without_one(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, GOOD)).services["support-agent"].probe is None


def test_the_templates_own_loads(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    start = lines.index("    # probe:")
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith("    #"))
    text = "\n".join("    " + line.removeprefix("    # ") for line in lines[start:end])
    plan = load_config(written(tmp_path, GOOD + text + "\n")).services["support-agent"].probe
    assert plan is not None
    assert plan.api_key == "env:GATEWAY_KEY"
    assert [p.expect for p in plan.prompts] == ["Lisbon", ""]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (PROBE.replace("      model: claude-haiku-4-5\n", ""), "`model` is missing"),
        (PROBE.replace("id: j", "id: p1"), "two of them have the same `id`"),
        (PROBE.replace("id: j", "id: 'a b'"), "must be letters"),
        (PROBE.replace("2h", "1m"), "must be from 10m to 7d"),
        (PROBE.replace("temperature: 0", "temperature: warm"), "must be a number from 0 to 2"),
        (PROBE.replace("temperature: 0", "temperature: 3"), "must be a number from 0 to 2"),
        (PROBE.replace("temperature: 0", "repeats: 0"), "must be a whole number from 1 to 50"),
        (PROBE.replace("temperature: 0", "base_url: gateway"), "must begin with http:// or https://"),
        (PROBE.replace("temperature: 0", "temprature: 0"), 'did you mean "temperature"?'),
        (PROBE.partition("      prompts:")[0], "must be 1 to 200 prompts"),
        (PROBE.replace("prompt: What is two and two?\n          ", ""), "`prompt` is missing"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(BadConfig) as error:
        load_config(written(tmp_path, GOOD + wrong))
    assert "services.support-agent.probe" in str(error.value)
    assert said in str(error.value)
