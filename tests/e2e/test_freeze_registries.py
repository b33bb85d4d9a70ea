"""A freeze on the real registries: MLflow's prompts and models, a LanceDB table, a git repository."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.registries.mlflow_real import call, mlflow_server
from tests.adapters.registries.support import Repository
from tests.e2e.bench import local_slack, until
from tests.e2e.freezing import Freezing, freezing, people, words
from tests.fakes.incidents import cause, page, verdict

SECRET = "mlflow-secret"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
        call(url, "registered-models/create", name="desk", tags=prompt)
        for number in (1, 2, 3):
            tags = [*prompt, {"key": "mlflow.prompt.text", "value": f"secret {number}"}]
            call(url, "model-versions/create", name="desk", source="dummy-source", tags=tags)
        call(url, "registered-models/create", name="ranker")
        call(url, "model-versions/create", name="ranker", source="s3://models/1")
        call(url, "registered-models/alias", name="ranker", alias="champion", version="1")
        yield url


def service(folder: Path, url: str) -> dict[str, Any]:
    desk = {"surface": "prompt_version", "artifact": "desk", "kind": "mlflow", "url": url, "alias": "production"}
    return {
        "registries": [{**desk, "timeout": 60}],
        "holds": [
            {**desk, "timeout": 60, "when_moved": "put_back"},
            {"surface": "model_alias", "artifact": "ranker", "kind": "mlflow", "url": url, "alias": "champion"},
            {"surface": "retrieval_corpus", "artifact": "docs", "kind": "lancedb", "path": "lance", "tag": "serving"},
            {
                "surface": "tool_schemas",
                "artifact": "orders",
                "kind": "git_revert",
                "repo": "tools",
                "path": "orders.json",
                "ref": "main",
            },
        ],
    }


@pytest.fixture
async def house(mlflow: str, tmp_path: Path) -> Any:
    lancedb = pytest.importorskip("lancedb")
    database = await lancedb.connect_async(tmp_path / "lance")
    table = await database.create_table("docs", [{"id": 1}])
    await table.add([{"id": 2}])
    tools = Repository(tmp_path / "tools")
    tools.good = tools.commit("one", {"orders.json": "{}"}, at=0)
    tools.commit("two", {"orders.json": "[]"}, at=1)
    call(mlflow, "registered-models/alias", name="desk", alias="production", version="3")
    async with local_slack() as slack:
        people(slack)
        more = {"service": service(tmp_path, mlflow), "TRIAGEBOT_MLFLOW_SECRETS": SECRET}
        async with freezing(tmp_path, slack, **more) as house:
            for name in ("look_seconds", "put_seconds"):
                object.__setattr__(house.desk._parts, name, 60.0)
            house.table, house.tools, house.mlflow = table, tools, mlflow
            yield house


def alias(url: str, name: str, which: str) -> str:
    import httpx2  # noqa: PLC0415

    found = httpx2.get(f"{url}/api/2.0/mlflow/registered-models/get", params={"name": name}, timeout=60).json()
    return next(a["version"] for a in found["registered_model"]["aliases"] if a["alias"] == which)


async def webhook(house: Freezing, version: str) -> int:
    """As MLflow tells that an alias moved."""
    now = house.bench.clock.now()
    body = json.dumps(
        {
            "entity": "prompt_alias",
            "action": "created",
            "timestamp": now.isoformat(),
            "data": {"name": "desk", "alias": "production", "version": version},
        }
    ).encode()
    stamp = str(int(now.timestamp()))
    digest = hmac.digest(SECRET.encode(), f"d-1.{stamp}.".encode() + body, hashlib.sha256)
    headers = {
        "x-mlflow-delivery-id": "d-1",
        "x-mlflow-timestamp": stamp,
        "x-mlflow-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }
    return (await house.bench.http.post("/webhooks/mlflow", content=body, headers=headers)).status_code


@pytest.mark.slow
async def test_each_registry_is_pinned_watched_and_given_free(house: Freezing) -> None:
    await house.freeze("support-agent because answers are wrong")
    await until(lambda: "pinned after" in house.said(), 60)
    said = house.said()
    assert "`desk`: pinned after 0.0 s to v3" in said
    assert "`ranker`: pinned after 0.0 s to v1" in said
    assert "`docs`: pinned after 0.0 s to version 2 by tag serving" in said
    assert "branch triagebot/revert of tools: it stays as it is" in said
    assert (await house.table.tags.list())["serving"]["version"] == 2
    await house.table.add([{"id": 3}])
    assert (await house.table.tags.list())["serving"]["version"] == 2

    # somebody moves the alias; MLflow tells, and it is back before anybody has looked
    call(house.mlflow, "registered-models/alias", name="desk", alias="production", version="1")
    assert await webhook(house, "1") == 202
    assert alias(house.mlflow, "desk", "production") == "3"
    await until(lambda: "somebody moved it to v1, seen at" in house.said(), 60)
    assert "and put back" in house.said()
    assert "freeze.moved" in await house.trail()

    # one that is only watched is told
    call(house.mlflow, "model-versions/create", name="ranker", source="s3://models/2")
    call(house.mlflow, "registered-models/alias", name="ranker", alias="champion", version="2")
    await house.bench.server.freezing.work.tick()
    assert "`ranker`: somebody moved it to v2" in house.said()
    assert alias(house.mlflow, "ranker", "champion") == "2"
    call(house.mlflow, "registered-models/alias", name="ranker", alias="champion", version="1")

    await house.ask("lift FRZ-1")
    await until(lambda: house.status("FRZ-1", "lifted"), 60)
    assert alias(house.mlflow, "desk", "production") == "3"
    assert (await house.bench.server.audit.verify()).problems == ()


@pytest.mark.slow
async def test_an_approver_puts_back_what_the_verdict_names(house: Freezing) -> None:
    ledger, arrived = house.bench.server.ledger, page()
    causes = [
        cause(artifact="desk", before="v2", after="v3"),
        cause(node="tool_schemas", artifact="orders", before=house.tools.good[:10], after="x"),
    ]
    await ledger.accept(arrived, b"{}")
    work = await ledger.claim(["page"], worker="t", lease_seconds=60)
    if work is not None:
        await ledger.finish(work)
    incident, _ = await ledger.join_or_open(arrived, "support-agent", arrived.title)
    await house.bench.server.tell.walking(incident.id)
    await ledger.save_verdict(incident.id, verdict(causes=causes))
    await house.bench.server.tell.verdict(incident.id)

    maria = house.slack.user("maria")
    await maria.click(house.message(), "freeze")
    await until(lambda: maria.modal)
    assert "Put desk back to v2" in str(maria.modal.body)
    await maria.submit(values={"back": ["back"]})
    await until(lambda: maria.modal and maria.modal.body.get("callback_id") == "freeze_sure", 60)
    await maria.submit()
    await until(lambda: house.status("FRZ-1", "in_force"), 60)
    assert alias(house.mlflow, "desk", "production") == "2"
    assert house.tools.git("show", "triagebot/revert:orders.json") == "{}"
    await until(lambda: any("revert commit on branch triagebot/revert" in words(r) for r in house.bench.replies()), 60)
    # what was put back stays so when the freeze ends
    await house.ask("lift FRZ-1", "maria")
    await until(lambda: house.status("FRZ-1", "lifted"), 60)
    assert alias(house.mlflow, "desk", "production") == "2"
