"""The server's sections of triagebot.yaml: what each member gives, and one line for each mistake in it."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from triagebot.errors import BadConfig
from triagebot.settings import load_config, load_settings

HEAD = """\
version: 1
services:
  support-agent: {slack_channel: "#inc"}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "triagebot.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_members_are_of_the_type_that_they_mean(tmp_path: Path) -> None:
    options = load_config(
        written(
            tmp_path,
            "retention: {traces: 60d, size: 20 GB, pages: 9w}\n"
            "probes: {every: 15m, deadline: 5s}\n"
            'reminders: {quiet: "20:00-8:30", zone: Europe/Berlin}\n'
            "pagerduty: {services: {support-agent: PHLF0LT}, secrets: one}\n"
            "generic: {fields: {title: alert.name}}\n"
            'slack: {channel: "#llm", api_url: }\n',
        )
    ).options
    assert options["retention"] == {"traces": timedelta(days=60), "size": 20 << 30, "pages": timedelta(weeks=9)}
    assert options["probes"] == {"every": timedelta(minutes=15), "deadline": timedelta(seconds=5)}
    assert options["reminders"] == {"quiet": (time(20), time(8, 30)), "zone": ZoneInfo("Europe/Berlin")}
    assert options["pagerduty"] == {"services": {"support-agent": "PHLF0LT"}, "secrets": ("one",)}
    assert options["generic"] == {"fields": {"title": "alert.name"}}
    assert options["slack"] == {"channel": "#llm"}


@pytest.mark.parametrize(("size", "is_"), [("500MB", 500 << 20), ("20 g", 20 << 30), ("1TiB", 1 << 40)])
def test_sizes(tmp_path: Path, size: str, is_: int) -> None:
    assert load_config(written(tmp_path, f"retention: {{size: {size}}}")).options["retention"] == {"size": is_}


def test_a_single_secret_and_a_list_of_them(tmp_path: Path) -> None:
    path = written(tmp_path, "mlflow: {secrets: [new, old]}\notlp: {token: one}\n")
    settings = load_settings({}, config=path)
    assert settings.all_of("mlflow_secrets") == ("new", "old")
    assert settings.all_of("otlp_token") == ("one",)
    assert load_settings({"TRIAGEBOT_OTLP_TOKEN": "a, b"}, config=path).all_of("otlp_token") == ("a", "b")


MISTAKES = {
    "slack: {channel: inc-support}": '4: slack.channel: must be "#name" or a channel id',
    "slack: {bot_token: [a, b]}": "4: slack.bot_token: must be text, not a list",
    "slack: {bot_token: true}": "4: slack.bot_token: must be text, not true/false",
    "slack: {api_url: slack.com/api}": '4: slack.api_url: "slack.com/api" is not an address that begins with http',
    "slack: xoxb-1": "4: slack: must be a mapping",
    "slack: {chanel: '#a'}": '4: slack.chanel: is not a setting here; did you mean "channel"?',
    "pagerduty: {secrets: {a: b}}": "4: pagerduty.secrets: must be a list of texts",
    "pagerduty: {services: {suport-agent: P1}}": '4: pagerduty.services.suport-agent: "suport-agent" is not known; did you mean "support-agent"?',
    "pagerduty: {services: [P1]}": "4: pagerduty.services: must be a mapping",
    "pagerduty: {services: {support-agent: [P1]}}": "4: pagerduty.services.support-agent: must be text, not a list",
    "pagerduty: {from: maria}": '4: pagerduty.from: "maria" is not an e-mail address',
    "pagerduty: {webhook_secret: x}": "4: pagerduty.webhook_secret: is not a setting here; it can be secrets, api_token",
    "generic: {fields: {titel: a.b}}": '4: generic.fields.titel: "titel" is not known; did you mean "title"?',
    "generic: {fields: title}": "4: generic.fields: must be a mapping",
    "generic: {fields: {title: }}": "4: generic.fields.title: must be text, not nothing",
    "store: {url: clickhouse.internal:8443}": '4: store.url: "clickhouse.internal:8443" is not an address',
    "store: {url: 'http://[::1'}": "4: store.url: ",
    "narrator: {modell: x}": '4: narrator.modell: is not a setting here; did you mean "model"?',
    "retention: {traces: 2 weeks}": "4: retention.traces: '2 weeks' is not a length of time such as 30m, 24h or 35d",
    "retention: {traces: 12h}": '4: retention.traces: "12h" is not between 1d and 4000d',
    "retention: {size: much}": '4: retention.size: "much" is not a size such as 500MB or 20GB',
    "retention: {size: 0GB}": '4: retention.size: "0GB" is not a size',
    "retention: {size: 20}": '4: retention.size: "20" is not a size',
    "probes: {every: 7m}": '4: probes.every: "7m" is not one of 1m, 2m, 5m',
    "probes: {deadline: 1h}": '4: probes.deadline: "1h" is not between 1s and 10m',
    "reminders: {quiet: 20-8}": '4: reminders.quiet: "20-8" is not hours such as "20:00-08:00"',
    'reminders: {quiet: "24:00-08:00"}': '4: reminders.quiet: "24:00-08:00" is not hours',
    "reminders: {zone: Berlin}": '4: reminders.zone: "Berlin" is not a time zone such as Europe/Berlin',
    "reminders: {zone: Europe}": '4: reminders.zone: "Europe" is not a time zone',
    "reminders: {zone: ../../etc/passwd}": "4: reminders.zone: ",
    "slack: {bot_token: $SLACK_BOT_TOKEN}": '4: slack.bot_token: "$SLACK_BOT_TOKEN" stands for itself here; for the environment\'s write "env:SLACK_BOT_TOKEN"',
    "pagerduty: {secrets: ['${PD}']}": '4: pagerduty.secrets: "${PD}" stands for itself here; for the environment\'s write "env:PD"',
    "state: {url: 'mysql://db/triagebot'}": "4: state.url: must begin with sqlite:// or postgresql://",
    "severity: nowhere.yaml": "4: severity: there is no file ",
    "api: {public_url: x}": '4: api.public_url: "x" is not an address that begins with http:// or https://',
    "reminders: {accept: {SEV1: soon}}": "4: reminders.accept.SEV1:",
    "reminders: {stale: {SEV9: 4h}}": "4: reminders.stale.SEV9:",
    "slack: {channels: {SEVERE: '#major'}}": "4: slack.channels.SEVERE:",
    "otlp: {tokens: [a]}": '4: otlp.tokens: is not a setting here; did you mean "token"?',
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_every_mistake_gets_one_line_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load_config(written(tmp_path, text + "\n"))
    assert f"triagebot.yaml:{MISTAKES[text]}" in str(caught.value)
    assert "\n" not in str(caught.value)
