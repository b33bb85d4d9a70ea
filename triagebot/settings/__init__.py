"""What triagebot is told: triagebot.yaml, the severity rubric, and the environment of the process. load.py describes the file."""

from triagebot.settings.load import (
    FILE_NAME,
    SECRETS,
    WORLD_NAME,
    Secret,
    Settings,
    find_config,
    load_config,
    load_settings,
    problems_of,
    read_secret,
)

__all__ = [
    "FILE_NAME",
    "SECRETS",
    "WORLD_NAME",
    "Secret",
    "Settings",
    "find_config",
    "load_config",
    "load_settings",
    "problems_of",
    "read_secret",
]
