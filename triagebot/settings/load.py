"""What triagebot is told: triagebot.yaml, and the environment of the process.

triagebot.yaml (`triagebot init` writes one; templates/config/triagebot.yaml shows every member):

    version: 1
    organisation: acme
    root: .                      # where relative paths start; the file's own folder unless given
    traces: traces               # folder of *.otlp.jsonl; a server stores its own and needs none
    changes: changes.jsonl
    journal: journal.jsonl
    people:                      # everybody who can own, be on call or be asked
      - {name: Ada Obi, email: ada@acme.example, github: adaobi, slack_id: U0123456789, active: true}
    services:
      support-agent:
        slack_channel: "#inc-support"
        names: [PHLF0LT]         # other names it goes by in pages; trace_names: in traces (default: its name)
        registries:              # one a surface's artifact; further members are the registry's own settings
          - {surface: prompt_version, artifact: support/system, kind: git, repo: prompts, path: support.md}
        owners:                  # artifact * stands for all; neither person nor team: declared as having none
          - {surface: model_alias, artifact: "*", person: ada@acme.example}
        owner_order: [configured, codeowners, registry, backstage, pagerduty]
        codeowners: prompts/CODEOWNERS
        backstage: catalog-info.yaml
        oncall: ada@acme.example        # who is asked where nobody owns, after `escalation`
        escalation: ada@acme.example
        harm: trust              # money, legal, safety, privacy, trust, cost, cosmetic
        irreversible: false
        look_back: 42d
        replay_unasked: false    # true: each verdict is replayed without anybody asking
        signals: [...]           # the team's own; `sql` is run as it stands, so the file is trusted as code is
        notes: {...}             # anything else
    severity: severity.yaml      # or the rubric itself; templates/severity/default.yaml unless given
    slack, pagerduty, alertmanager, grafana, generic, mlflow, api, otlp, state, store, narrator, replay, retention, probes,
    reminders: {...}

A secret is the text itself, `env:NAME` or `file:PATH` (the file's last line break is not part of it).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from triagebot.domain.service import Config
from triagebot.errors import BadConfig
from triagebot.settings.configuration import read_config
from triagebot.settings.members import suggestion
from triagebot.settings.yamlfile import BadFile, read_yaml, shown

FILE_NAME: Final = "triagebot.yaml"
WORLD_NAME: Final = "world.json"

# Secret: where triagebot.yaml has it. The environment's TRIAGEBOT_<NAME> wins; several values are separated by commas.
SECRETS: Final[Mapping[str, tuple[str, str]]] = {
    "slack_bot_token": ("slack", "bot_token"),
    "slack_app_token": ("slack", "app_token"),
    "slack_signing_secret": ("slack", "signing_secret"),
    "pagerduty_secrets": ("pagerduty", "secrets"),
    "pagerduty_api_token": ("pagerduty", "api_token"),
    "alertmanager_token": ("alertmanager", "token"),
    "alertmanager_secret": ("alertmanager", "secret"),
    "grafana_token": ("grafana", "token"),
    "grafana_secret": ("grafana", "secret"),
    "generic_token": ("generic", "token"),
    "generic_secret": ("generic", "secret"),
    "mlflow_secrets": ("mlflow", "secrets"),
    "api_token": ("api", "token"),
    "gate_token": ("api", "gate_token"),
    "otlp_token": ("otlp", "token"),
    "anthropic_api_key": ("narrator", "api_key"),
    "replay_api_key": ("replay", "api_key"),
    "store_password": ("store", "password"),
}
_PLAIN: Final = ("config", "data", "host", "port", "log", "state_url")
_PREFIX: Final = "TRIAGEBOT_"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no log, repr or traceback shows."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of a server process, loaded once. `data` is the folder it may write to; `state_url` a SQLAlchemy URL, "" for SQLite there."""

    config: Config
    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    log: str = "info"
    state_url: str = ""
    secrets: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)

    def secret(self, name: str) -> str | None:
        """The first value of a secret of SECRETS, None where it is not set."""
        return next((secret.value for secret in self.secrets.get(name, ())), None)

    def all_of(self, name: str) -> tuple[str, ...]:
        """Every value, newest first: signatures are checked against all of them while one is rotated."""
        return tuple(secret.value for secret in self.secrets.get(name, ()))


def load_config(path: Path, *, kinds: Collection[str] | None = None) -> Config:
    """triagebot.yaml as a Config. Raises BadConfig (BadFile with every `problems`) and nothing else.

    `kinds` are the registry kinds there are adapters for: a server gives them, so that a misspelled one stops it; triage of a
    case does not, and its walk tells of the one it cannot ask.
    """
    document = read_yaml(path)
    config = read_config(document, path.parent.resolve(), kinds)
    document.finish()
    return config


def find_config(folder: Path) -> Path:
    """The triagebot.yaml of a case folder. Raises BadConfig with what to do where there is none."""
    path = folder / FILE_NAME
    if path.is_file():
        return path
    if not folder.is_dir():
        raise BadConfig(f"{folder}: is not a folder")
    if (folder / WORLD_NAME).is_file():
        raise BadConfig(f"{folder}: has no {FILE_NAME}; run `triagebot init --from {folder / WORLD_NAME}` first")
    raise BadConfig(f"{folder}: has no {FILE_NAME}; `triagebot init --out {path}` writes one to start from")


def problems_of(path: Path, *, kinds: Collection[str] | None = None) -> tuple[str, ...]:
    """Every mistake in the file, a line each; empty where it is right."""
    try:
        load_config(path, kinds=kinds)
    except BadFile as error:
        return tuple(str(problem) for problem in error.problems)
    except BadConfig as error:
        return (str(error),)
    return ()


def load_settings(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    data: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    kinds: Collection[str] | None = None,
) -> Settings:
    """What is passed here wins over the environment, that over triagebot.yaml. Raises BadConfig."""
    _check_environment(environ)
    path = config or Path(environ.get("TRIAGEBOT_CONFIG") or FILE_NAME)
    loaded = load_config(path, kinds=kinds)
    log = environ.get("TRIAGEBOT_LOG", "info").lower()
    levels = ("debug", "info", "warning", "error")
    if log not in levels:
        raise BadConfig(f"TRIAGEBOT_LOG: {shown(log)} is not known; {suggestion(log, levels)}")
    state = environ.get("TRIAGEBOT_STATE_URL") or _option(loaded, "state", "url")
    return Settings(
        config=loaded,
        data=(data or Path(environ.get("TRIAGEBOT_DATA") or "triagebot-data")).expanduser().absolute(),
        host=host or environ.get("TRIAGEBOT_HOST") or "127.0.0.1",
        port=_port(environ.get("TRIAGEBOT_PORT") or "8080") if port is None else port,
        log=log,
        state_url=read_secret(state, place="state.url", root=loaded.root, environ=environ).value if state else "",
        secrets=_secrets(loaded, environ),
    )


def read_secret(text: str, *, place: str, root: Path, environ: Mapping[str, str]) -> Secret:
    """`place` names it in errors, which never show the value. Raises BadConfig where it is empty or cannot be read."""
    value = text
    if text.startswith("env:"):
        name = text.removeprefix("env:").strip()
        value = environ.get(name, "")
        if not value:
            raise BadConfig(f"{place}: the environment variable {name} is not set")
    elif text.startswith("file:"):
        path = root / Path(text.removeprefix("file:").strip()).expanduser()
        try:
            value = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise BadConfig(f"{place}: the secret's file {path} cannot be read") from error
        if not value:
            raise BadConfig(f"{place}: the secret's file {path} is empty")
    if not value.isprintable() or value != value.strip():
        raise BadConfig(f"{place}: the secret holds white space or control characters; is its file the right one?")
    return Secret(value)


def _secrets(config: Config, environ: Mapping[str, str]) -> dict[str, tuple[Secret, ...]]:
    found = {}
    for name, (section, key) in SECRETS.items():
        variable = _PREFIX + name.upper()
        given = environ.get(variable, "")
        place = variable if given else f"{section}.{key}"
        declared = (config.options.get(section) or {}).get(key) or ""
        texts = given.split(",") if given else [declared] if isinstance(declared, str) else declared
        values = [text.strip() for text in texts]
        found[name] = tuple(read_secret(v, place=place, root=config.root, environ=environ) for v in values if v)
    return {name: values for name, values in found.items() if values}


def _option(config: Config, section: str, key: str) -> str:
    return str((config.options.get(section) or {}).get(key) or "")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise BadConfig(f"TRIAGEBOT_PORT: {shown(text)} is not a port (0 to 65535)")
    return int(text)


def _check_environment(environ: Mapping[str, str]) -> None:
    """A variable that is nearly one of ours is a misspelling; one that is not is somebody else's business."""
    known = [name.upper() for name in (*_PLAIN, *SECRETS)]
    for variable in environ:
        name = variable.removeprefix(_PREFIX)
        near = () if name in known else difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if variable.startswith(_PREFIX) and near:
            raise BadConfig(f"environment: {variable} is not a setting; did you mean {_PREFIX}{near[0]}?")
