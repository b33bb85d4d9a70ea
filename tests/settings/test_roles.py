"""`roles:` of triagebot.yaml."""

from __future__ import annotations

from pathlib import Path

from triagebot.settings import load_config, problems_of

HEAD = """
version: 1
people: [{name: Ada Obi, email: ada@acme.example, github: adaobi}]
services: {desk: {slack_channel: "#x"}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "triagebot.yaml"
    file.write_text(HEAD + text)
    return file


def test_people_ids_and_groups_are_members(tmp_path: Path) -> None:
    text = 'roles: {default: viewer, responder: ["@llm-oncall", S0123456789], approver: [Ada Obi, U0123456789], admin: "@leads"}'
    rules = load_config(written(tmp_path, text)).roles
    assert rules.default == "viewer"
    assert rules.members["responder"] == ("@llm-oncall", "S0123456789")
    assert rules.members["approver"] == ("ada@acme.example", "U0123456789")
    assert rules.named("approver") == ["ada@acme.example", "U0123456789", "@leads"]


def test_without_roles_everybody_responds_and_nobody_approves(tmp_path: Path) -> None:
    rules = load_config(written(tmp_path, "")).roles
    assert (rules.default, rules.named("approver")) == ("responder", [])


def test_each_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = "roles: {default: approver, approver: [bob@acme.example], aprover: []}"
    problems = "\n".join(problems_of(written(tmp_path, text)))
    assert '"bob@acme.example" is nobody in `people`, and no user group' in problems
    assert 'roles.default: "approver" is not known; it can be viewer, responder' in problems
    assert 'roles.aprover: is not a setting here; did you mean "approver"?' in problems
    assert problems.count("triagebot.yaml") == 3
