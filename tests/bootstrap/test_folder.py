"""One process, one data folder."""

from __future__ import annotations

import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from triagebot.bootstrap.folder import DataFolder
from triagebot.errors import BadConfig, NotFound, StoreBusy


def test_a_second_process_is_refused_and_told_whom_to_ask(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with pytest.raises(NotFound, match="no triagebot serve runs"):
        folder.served_at()
    with ExitStack() as stack:
        folder.claim(stack, url="http://127.0.0.1:1")
        assert folder.served_at() == "http://127.0.0.1:1"
        with pytest.raises(StoreBusy, match=r"which answers at http://127\.0\.0\.1:1\); stop it"):
            folder.claim(ExitStack(), url="http://127.0.0.1:2")
    with pytest.raises(NotFound):
        folder.served_at()
    with ExitStack() as stack:
        folder.claim(stack, url="http://127.0.0.1:3")
        assert folder.served_at() == "http://127.0.0.1:3"


def test_the_local_token_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.token(make=False) == ""
    token = folder.token(make=True)
    assert len(token) >= 32
    assert folder.token(make=True) == folder.token(make=False) == token
    assert stat.S_IMODE((tmp_path / "api-token").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfig, match="cannot be used as data folder"):
        DataFolder(tmp_path / "file" / "data").claim(ExitStack(), url="")
