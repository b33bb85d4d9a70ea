"""The README's names of attributes are those that are read."""

import re
from pathlib import Path

import pytest

from triagebot.adapters.traces import columns

TOLD = sorted(set(re.findall(r"`(triage\.[a-z_.]+)`", Path("README.md").read_text(encoding="utf-8"))))
READ = "".join(path.read_text(encoding="utf-8") for path in Path(columns.__file__).parent.glob("*.py"))


def test_the_readme_names_them():
    assert len(TOLD) > 10


@pytest.mark.parametrize("name", TOLD)
def test_what_the_readme_says_is_read(name):
    alone = name.removeprefix("triage.")
    assert name in READ or f'"{alone}"' in READ
