"""triagebot.yaml and the environment: what is right loads, and every mistake a person makes gets one line with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import triagebot
from triagebot.domain.service import OWNER_SOURCES
from triagebot.errors import BadConfig
from triagebot.settings import Secret, find_config, load_config, load_settings, problems_of, read_secret
from triagebot.settings.yamlfile import BadFile

EXAMPLE = Path(triagebot.__file__).parent / "templates/config/triagebot.yaml"
GOOD = """\
version: 1
organisation: acme
people:
  - {name: Ada Obi, email: ada@acme.example, github: "@AdaObi", slack_id: U01}
  - {name: Ben Roth, email: ben@acme.example, active: false}
services:
  support-agent:
    slack_channel: "#inc-support"
    registries:
      - {surface: prompt_version, artifact: support/system, kind: git, repo: repo, path: p.md}
    owners:
      - {surface: model_alias, artifact: "*", person: ada@acme.example}
    escalation: ben@acme.example
    look_back: 35d
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "triagebot.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_the_example_shows_every_member_and_loads() -> None:
    config = load_config(EXAMPLE)
    service = config.services["support-agent"]
    assert [entry.surface for entry in service.registries] == [
        "model_alias",
        "prompt_version",
        "tool_schemas",
        "eval_freshness",
    ]
    assert service.signals[0].name == "empty_answer"
    assert service.owner_order == OWNER_SOURCES


def test_the_examples_commented_sections_load_too(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = [
        line[2:] if line.startswith("# ") and line[2:].split(":")[0].isidentifier() and "{" in line else line
        for line in text.splitlines()
    ]
    config = load_config(written(tmp_path, "\n".join(lines)))
    assert set(config.options) >= {"slack", "pagerduty", "alertmanager", "grafana", "api", "narrator", "retention"}


def test_paths_are_absolute_and_start_at_the_file_or_at_root(tmp_path: Path) -> None:
    text = GOOD + "    codeowners: repo/CODEOWNERS\ntraces: ../traces\n"
    config = load_config(written(tmp_path, text))
    assert config.root == tmp_path
    assert config.traces == tmp_path.parent / "traces"
    assert config.services["support-agent"].codeowners == tmp_path / "repo/CODEOWNERS"
    config = load_config(written(tmp_path, text + "root: /elsewhere/case\n"))
    assert config.root == Path("/elsewhere/case")
    assert config.services["support-agent"].codeowners == Path("/elsewhere/case/repo/CODEOWNERS")


def test_a_service_as_it_is_declared(tmp_path: Path) -> None:
    service = load_config(written(tmp_path, GOOD)).services["support-agent"]
    assert service.trace_names == ("support-agent",)
    assert service.look_back == timedelta(days=35)
    entry = service.registries[0]
    assert (entry.kind, entry.options, entry.place) == (
        "git",
        {"repo": "repo", "path": "p.md"},
        "services.support-agent.registries[0]",
    )
    owner = service.owner_declared("model_alias", "anything")
    assert owner is not None
    assert owner.person == "ada@acme.example"


def test_people_are_found_by_any_of_their_names(tmp_path: Path) -> None:
    directory = load_config(written(tmp_path, GOOD)).directory
    ada = directory.find("ada@acme.example")
    assert ada is not None
    assert ada is directory.find("@adaobi") is directory.find("Ada Obi") is directory.find("u01")
    assert directory.find("@acme/platform") is None


def test_an_owner_may_be_named_by_handle(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD.replace("person: ada@acme.example", 'person: "@adaobi"')))
    assert config.services["support-agent"].owners[0].person == "ada@acme.example"


def test_neither_person_nor_team_declares_that_there_is_no_owner(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD.replace("person: ada@acme.example", "person: null, team: null")))
    owner = config.services["support-agent"].owner_declared("model_alias", "x")
    assert owner is not None
    assert (owner.person, owner.team) == (None, None)


MISTAKES = {
    "unknown key": (GOOD + "    slack_chanel: x\n", ':15: services.support-agent.slack_chanel: is not a setting here; did you mean "slack_channel"?'),
    "unknown top key": (GOOD + "pagerdutty: {}\n", ':15: pagerdutty: is not a setting here; did you mean "pagerduty"?'),
    "unknown key of a section": (GOOD + "slack: {bot_tokn: x}\n", ':15: slack.bot_tokn: is not a setting here; did you mean "bot_token"?'),
    "wrong type": (GOOD.replace("35d", "[35]"), ":14: services.support-agent.look_back: must be text, not a list ([35])"),
    "a list where a mapping belongs": (GOOD + "slack: [a]\n", ":15: slack: must be a mapping (`key: value` lines), not a list"),
    "a mapping where a list belongs": (GOOD.replace("owners:\n      - {", "owners:\n        {"), ":11: services.support-agent.owners: must be a list (lines that begin with `-`), not a mapping"),
    "a text in a list of mappings": (GOOD.replace('- {surface: model_alias, artifact: "*", person: ada@acme.example}', "- ada"), ":12: services.support-agent.owners[0]: must be a mapping"),
    "unknown surface": (GOOD.replace("surface: prompt_version", "surface: prompts"), ':10: services.support-agent.registries[0].surface: "prompts" is not known; did you mean "prompt_version"?'),
    "missing surface": (GOOD.replace("surface: prompt_version, ", ""), ":10: services.support-agent.registries[0]: `surface` is missing: one of model_alias"),
    "missing kind": (GOOD.replace("kind: git, ", ""), ":10: services.support-agent.registries[0]: `kind` is missing"),
    "unknown harm": (GOOD + "    harm: monney\n", ':15: services.support-agent.harm: "monney" is not known; did you mean "money"?'),
    "unknown owner source": (GOOD + "    owner_order: [configured, codeowner]\n", ':15: services.support-agent.owner_order: "codeowner" is not known; did you mean "codeowners"?'),
    "missing channel": (GOOD.replace('    slack_channel: "#inc-support"\n', "    harm: trust\n"), ":8: services.support-agent: `slack_channel` is missing"),
    "channel without quotes": (GOOD.replace('"#inc-support"', "#inc-support"), ":8: services.support-agent.slack_channel: is empty: a channel that begins with # needs quotes"),
    "not a channel": (GOOD.replace('"#inc-support"', "inc support"), ':8: services.support-agent.slack_channel: must be "#name" or a channel id'),
    "bad duration": (GOOD.replace("35d", "35 days"), ":14: services.support-agent.look_back: '35 days' is not a length of time such as 30m, 24h or 35d"),
    "endless duration": (GOOD.replace("35d", "9000d"), ":14: services.support-agent.look_back: '9000d' is not between 1h and 400d"),
    "owner not in people": (GOOD.replace("person: ada@acme", "person: aada@acme"), ':12: services.support-agent.owners[0].person: "aada@acme.example" is nobody in `people`; did you mean "ada@acme.example"?'),
    "escalation not in people": (GOOD.replace("escalation: ben@acme.example", "escalation: zed@else.where"), ':13: services.support-agent.escalation: "zed@else.where" is nobody in `people`; add the person there'),
    "person and team": (GOOD.replace("person: ada@acme.example", "person: ada@acme.example, team: core"), ":12: services.support-agent.owners[0].team: a person or a team, not both"),
    "the same person twice": (GOOD.replace("email: ben@", "email: ada@"), ':5: people[1].email: "ada@acme.example" stands at people[0] already'),
    "no e-mail": (GOOD.replace(", email: ben@acme.example", ""), ":5: people[1]: `email` is missing"),
    "not an e-mail": (GOOD.replace("email: ben@acme.example", "email: ben"), ':5: people[1].email: "ben" is not an e-mail address'),
    "duplicate key": (GOOD + "    look_back: 3d\n", ':15: the key "look_back" stands twice (first in line 14)'),
    "no version": (GOOD.replace("version: 1\n", "", 1), ":1: `version: 1` is missing at the top"),
    "another version": (GOOD.replace("version: 1\n", "version: 2\n", 1), ":1: version: must be 1, not 2"),
    "no service": ("version: 1\n", ": no service is configured"),
    "an empty service": ("version: 1\nservices:\n  a:\n", ":3: services.a: is empty"),
    "a control character": (GOOD.replace("kind: git", 'kind: "g\\e[31m"'), ":10: services.support-agent.registries[0].kind: must be plain text"),
    "a tab": (GOOD + "\t- x\n", ":15: is not YAML: while scanning for the next token found character '\\t' that cannot start any token"),
    "an indentation": (GOOD.replace("    look_back", "   look_back"), "(is it indented as the lines above?)"),
    "no space after a colon": (GOOD.replace("look_back: 35d", "look_back:35d"), ":14: is not YAML: while scanning a simple key could not find expected ':' (is there a space after the colon?)"),
    "an open quotation mark": (GOOD + '    notes: {a: "x}\n', ":15: is not YAML: while scanning a quoted scalar found unexpected end of stream (is the quotation mark closed?)"),
    "an open brace": (GOOD.replace("path: p.md}", "path: p.md"), ":10: is not YAML: while parsing a flow mapping expected ',' or '}', but got ':' (is the brace closed?)"),
    "an object tag": ("version: !!python/object/apply:os.system [x]\n", ':1: the YAML tag "tag:yaml.org,2002:python/object/apply:os.system" is not understood'),
    "a self-reference": ("version: 1\nnotes: &a {b: *a}\n", ":2: refers to itself"),
    "a signal without sql": (GOOD + "    signals: [{name: x}]\n", ":15: services.support-agent.signals[0]: `sql` is missing"),
    "a signal with two statements": (GOOD + "    signals: [{name: x, sql: '1; drop'}]\n", ":15: services.support-agent.signals[0].sql: must be one expression, without `;`"),
    "a signal folded by a strange word": (GOOD + "    signals: [{name: x, sql: '1', fold: middle}]\n", ':15: services.support-agent.signals[0].fold: "middle" is not known; it can be max, min, sum, avg'),
    "two services of one name": (GOOD + "  other:\n    slack_channel: '#x'\n    names: [SUPPORT-agent]\n", ':6: services: "SUPPORT-agent" names both "support-agent" and "other"'),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_gets_one_line_with_its_place(tmp_path: Path, name: str) -> None:
    text, expected = MISTAKES[name]
    with pytest.raises(BadConfig) as caught:
        load_config(written(tmp_path, text))
    assert f"triagebot.yaml{expected}" in str(caught.value) or expected in str(caught.value).removeprefix(
        "triagebot.yaml"
    )
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_found_in_one_reading(tmp_path: Path) -> None:
    path = written(
        tmp_path, GOOD.replace("35d", "soon").replace("kind: git", "kind: ''").replace("ada@acme.example}", "zed}")
    )
    assert [line.split(": ")[1] for line in problems_of(path)] == [
        "services.support-agent.registries[0].kind",
        "services.support-agent.owners[0].person",
        "services.support-agent.look_back",
    ]
    with pytest.raises(BadFile, match="and 2 more"):
        load_config(path)


def test_a_server_refuses_a_kind_without_an_adapter_and_a_case_does_not(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("kind: git", "kind: giit"))
    assert load_config(path).services["support-agent"].registries[0].kind == "giit"
    with pytest.raises(BadConfig, match=r'registries\[0\].kind: "giit" is not known; did you mean "git"\?'):
        load_config(path, kinds={"git", "mlflow"})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read: No such file"):
        load_config(tmp_path / "triagebot.yaml")
    (tmp_path / "triagebot.yaml").write_bytes(b"version: 1\nname: \xff\n")
    with pytest.raises(BadConfig, match=r"triagebot.yaml:2: byte 17 is not UTF-8"):
        load_config(tmp_path / "triagebot.yaml")
    written(tmp_path, "[" * 5000)
    with pytest.raises(BadConfig, match="nested too deeply"):
        load_config(tmp_path / "triagebot.yaml")
    written(
        tmp_path,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefg", "bcdefgh", strict=True)),
    )
    with pytest.raises(BadConfig, match="aliases unfold"):
        load_config(tmp_path / "triagebot.yaml")


def test_shared_parts_and_words_that_yaml_would_change(tmp_path: Path) -> None:
    text = GOOD.replace(
        "  support-agent:",
        "  base: &base {harm: cost, slack_channel: '#base'}\n  other:\n    <<: *base\n    harm: legal\n  on:\n    slack_channel: '#on'\n    notes: {at: 12:30:00, day: 2026-01-02}\n  support-agent:",
    )
    services = load_config(written(tmp_path, text)).services
    assert (services["other"].harm, services["other"].slack_channel) == ("legal", "#base")
    assert services["on"].options == {"at": "12:30:00", "day": "2026-01-02"}


KEYS = st.sampled_from(
    [
        "version",
        "services",
        "people",
        "name",
        "email",
        "active",
        "slack_channel",
        "registries",
        "surface",
        "artifact",
        "kind",
        "owners",
        "person",
        "team",
        "oncall",
        "harm",
        "look_back",
        "signals",
        "sql",
        "over",
        "unit",
        "notes",
        "severity",
        "slack",
        "traces",
        "root",
        "codeowners",
        "names",
        "owner_order",
        "<<",
        "~",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1", "#x", "a@b", "git", "model_alias", "~nobody/x"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)


def loads_or_says_why(path: Path) -> None:
    """Any other exception fails the test."""
    try:
        said, config = "", load_config(path)
    except BadConfig as error:
        said, config = str(error), None
    assert (config is not None and config.services) or said
    assert "\n" not in said


@settings(max_examples=50, deadline=None)
@given(
    members=st.dictionaries(KEYS, VALUES, max_size=4), service=st.dictionaries(KEYS, VALUES, max_size=6), people=VALUES
)
def test_any_members_give_a_config_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, members: Any, service: Any, people: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "members.yaml"
    value = {"version": 1, "people": people, "services": {"s": {"slack_channel": "#x", **service}}} | members
    path.write_text(yaml.dump(value), encoding="utf-8", errors="replace")
    loads_or_says_why(path)


@settings(max_examples=50, deadline=None)
@given(
    noise=st.text(alphabet="abv12: -[]{}&*!|>'\"#\n\t<?%@=~.\u00e9\x00\ud7ff", max_size=40),
    at=st.integers(0, len(GOOD)),
)
def test_any_text_gives_a_config_or_one_line(tmp_path_factory: pytest.TempPathFactory, noise: str, at: int) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.yaml"
    path.write_text(GOOD[:at] + noise + GOOD[at:], encoding="utf-8")
    loads_or_says_why(path)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_give_a_config_or_one_line(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(body)
    loads_or_says_why(path)


# --- a case folder, the environment ----------------------------------------------------------------------------------


def test_a_case_folder_without_a_configuration_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="is not a folder"):
        find_config(tmp_path / "nothing")
    with pytest.raises(BadConfig, match=r"has no triagebot.yaml; `triagebot init --out .*` writes one"):
        find_config(tmp_path)
    (tmp_path / "world.json").write_text("{}")
    with pytest.raises(BadConfig, match=r"has no triagebot.yaml; run `triagebot init --from .*world.json` first"):
        find_config(tmp_path)
    assert find_config(written(tmp_path, GOOD).parent) == tmp_path / "triagebot.yaml"


def test_settings_come_from_arguments_then_environment_then_file(tmp_path: Path) -> None:
    (tmp_path / "signing").write_text("shh\n")
    path = written(
        tmp_path,
        GOOD
        + "slack: {bot_token: 'env:BOT', signing_secret: 'file:signing'}\npagerduty: {secrets: [a, 'env:PD']}\napi: {token: plain}\n",
    )
    environ = {
        "TRIAGEBOT_CONFIG": str(path),
        "BOT": "xoxb-1",
        "PD": "b",
        "TRIAGEBOT_PORT": "9000",
        "TRIAGEBOT_API_TOKEN": "ours",
        "HOME": "/",
    }
    loaded = load_settings(environ, data=tmp_path / "d")
    assert (loaded.host, loaded.port, loaded.data) == ("127.0.0.1", 9000, tmp_path / "d")
    assert loaded.secret("slack_bot_token") == "xoxb-1"
    assert loaded.secret("slack_signing_secret") == "shh"
    assert loaded.all_of("pagerduty_secrets") == ("a", "b")
    assert loaded.secret("api_token") == "ours"
    assert loaded.secret("grafana_token") is None
    assert load_settings(environ, port=1).port == 1
    assert "xoxb" not in repr(loaded.secrets)
    assert "shh" not in f"{loaded.secrets}{Secret('shh')}"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TRIAGEBOT_PORT", "ninety", 'TRIAGEBOT_PORT: "ninety" is not a port'),
        ("TRIAGEBOT_PORT", "65536", 'TRIAGEBOT_PORT: "65536" is not a port'),
        ("TRIAGEBOT_LOG", "debgu", 'TRIAGEBOT_LOG: "debgu" is not known; did you mean "debug"'),
        (
            "TRIAGEBOT_SLACK_BOT_TOKN",
            "x",
            "TRIAGEBOT_SLACK_BOT_TOKN is not a setting; did you mean TRIAGEBOT_SLACK_BOT_TOKEN",
        ),
        ("TRIAGEBOT_API_TOKEN", "env:NOWHERE", "TRIAGEBOT_API_TOKEN: the environment variable NOWHERE is not set"),
        ("TRIAGEBOT_API_TOKEN", "file:nowhere", "TRIAGEBOT_API_TOKEN: the secret's file .*/nowhere cannot be read"),
    ],
)
def test_mistakes_in_the_environment(tmp_path: Path, variable: str, value: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        load_settings({"TRIAGEBOT_CONFIG": str(written(tmp_path, GOOD)), variable: value})


def test_a_secret_never_appears_in_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("top secret\nof two lines\n")
    with pytest.raises(BadConfig) as caught:
        read_secret("file:key", place="api.token", root=tmp_path, environ={})
    assert str(caught.value).startswith("api.token: the secret holds white space or control characters")
    assert "top" not in str(caught.value)
