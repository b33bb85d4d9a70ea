"""What `make demo` shows."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from triagebot.entrypoints.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


def test_the_demo_is_right_and_leaves_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "the verdict is right" in told.out
    assert "Owner: @" in told.out
    assert "walking after" in told.err
    assert {f.name for f in out.iterdir()} == {
        "postmortem-INC-1.md",
        "postmortem-INC-1.html",
        "postmortem-INC-1.svg",
        "symptom-INC-1.png",
        "thread.html",
        "server.log",
    }
    assert (out / "symptom-INC-1.png").read_bytes().startswith(b"\x89PNG")
    document = (out / "postmortem-INC-1.md").read_text()
    assert "DRAFT" in document
    assert "triagebot: an error" not in (out / "server.log").read_text()
    assert "Traceback" not in (out / "server.log").read_text()
    # Everything has been stopped again.
    for url in set(re.findall(r"http://127\.0\.0\.1:\d+", told.err)):
        with pytest.raises(OSError, match=r"."), socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), 1):
            pass
