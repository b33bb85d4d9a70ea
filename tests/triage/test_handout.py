"""One document in the thread, however many ask for it at once."""

import asyncio
import hashlib

import pytest

from tests.triage.test_tell import chats, ledger, opened, slack, tell, thread
from triagebot.triage.handout import Handout

__all__ = ["chats", "ledger", "slack", "tell"]


def document(incident, state):
    return {
        "incident": incident,
        "status": "DRAFT",
        "owner": None,
        "obstacles": ["nobody has reviewed it"],
        "markdown": f"# {state}",
        "html": f"<h1>{state}</h1>",
        "sources": {"digest": hashlib.sha256(state.encode()).hexdigest()},
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 1)])
async def test_who_tells_again_while_a_newer_state_is_handed_out(slack, ledger, tell, chats, tmp_path, order):
    """CI saw two documents: the job that tells again had read the older state just before a worker stored the newer one."""
    slack.workspace.plan = "free"  # no canvases: the text is uploaded
    incident = await opened(ledger)
    await tell.walking(incident)
    publish = Handout(ledger=ledger, chat=chats(), tell=tell, folder=tmp_path)
    states = [document(incident, "older"), document(incident, "newer")]
    await ledger.save_document(incident, states[0])
    await ledger.save_document(incident, states[1], over=states[0])
    await asyncio.gather(*(publish(states[k]) for k in order))
    files = [slack.workspace.files[f] for m in thread(slack) for f in m.files]
    assert [f.content for f in files if not f.deleted] == [b"# newer"]
    assert (tmp_path / f"postmortem-{incident}.md").read_text() == "# newer"
