"""`triagebot init`: world.json, a neutral description of a service and its surroundings, turned into triagebot.yaml.

Worlds are written by others and differ: what is understood is moved to where triagebot.yaml has it, what is not is kept (a
registry's own members as its settings, everything else under `notes`), and nothing makes it fail but text that is no JSON object
or names no service. A world without people or registries gives a configuration without them, and a gap where an owner belongs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from triagebot.errors import BadInput, Refused
from triagebot.settings import FILE_NAME, WORLD_NAME, load_config
from triagebot.triage.world import SERVICE_MEMBERS, SETTINGS, World, people_of, plain, service_of, services_of, text_of

_HEADER: Final = "# Written by `triagebot init` from {name}; edit freely. `triagebot doctor` says what can be seen.\n"


@dataclass(frozen=True, slots=True)
class Conversion:
    """`text` is triagebot.yaml; `remarks` are lines for a person about what was not understood or had to be assumed."""

    text: str
    remarks: tuple[str, ...]


def write_from_world(world: Path, out: Path | None = None, *, force: bool = False) -> tuple[Path, tuple[str, ...]]:
    """Writes triagebot.yaml beside `world` (a world.json or its folder), or to `out`, and loads it once to be sure.

    Returns where it was written and the remarks. Raises BadInput where the world cannot be used, Refused where a file is there.
    """
    source = world / WORLD_NAME if world.is_dir() else world
    target = out or source.parent / FILE_NAME
    conversion = convert(_read(source), source)
    root = (
        ""
        if target.parent.resolve() == source.parent.resolve()
        else f"root: {json.dumps(str(source.parent.resolve()))}\n"
    )
    _write(target, conversion.text.replace("version: 1\n", f"version: 1\n{root}", 1), force=force)
    return target, conversion.remarks


def write_starter(out: Path, *, force: bool = False) -> Path:
    """Writes the commented example. Raises Refused where a file is there."""
    example = Path(__file__).parent.parent / "templates" / "config" / FILE_NAME
    _write(out, example.read_text(encoding="utf-8"), force=force)
    return out


def convert(value: Mapping[str, Any], source: Path) -> Conversion:
    """The text of triagebot.yaml for a world; `source` is where it was read. Raises BadInput where it names no service."""
    value = plain(value)
    world = World(value, source.parent)
    world.people = people_of(world)
    services = {name: service_of(world, name, own) for name, own in services_of(world)}
    if not services:
        raise BadInput(f"{source}: names no service (`service`)")
    _part_names(services)
    whole: dict[str, Any] = {"version": 1, "organisation": text_of(value.get("organisation"))}
    for name, usual in (("traces", "traces"), ("changes", "changes.jsonl"), ("journal", "journal.jsonl")):
        whole[name] = text_of(value.get(name)) or (usual if (world.folder / usual).exists() else "")
    whole |= {"people": world.people, "services": services}
    used = {"schema", "service", "services", *whole, *SERVICE_MEMBERS, *SETTINGS}
    extra = {key: member for key, member in value.items() if key not in used and member is not None}
    whole["notes"] = {"world": text_of(value.get("schema"))} | extra | world.notes
    whole = {key: member for key, member in whole.items() if member}
    body = yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return Conversion(_HEADER.format(name=source.name) + body, tuple(world.remarks))


def _part_names(services: Mapping[str, dict[str, Any]]) -> None:
    """A name that two services go by names neither: it stays with the first."""
    taken = {name.lower() for name in services}
    for service in services.values():
        if "names" in service:
            service["names"] = [n for n in service["names"] if n.lower() not in taken]
            taken |= {n.lower() for n in service["names"]}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """People read it: a part that stands twice is written twice."""
        return True


def _read(source: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(source.read_bytes())
    except OSError as error:
        raise BadInput(f"{source}: cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise BadInput(f"{source}:{error.lineno}: is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{source}: is not JSON that can be read") from error
    if not isinstance(value, dict):
        raise BadInput(f"{source}: must be a JSON object")
    schema = text_of(value.get("schema"))
    if schema and not re.fullmatch(r"[\w.-]*world/\d+", schema):
        raise BadInput(f"{source}: its schema is {schema[:80]!r}, not a world")
    return value


def _write(target: Path, text: str, *, force: bool) -> None:
    """Checked before it takes the place of a file that may be there."""
    if target.is_dir():
        raise BadInput(f"{target}: is a folder; name the file")
    if target.exists() and not force:
        raise Refused(f"{target}: is there already; give --force to replace it")
    draft = target.with_name(target.name + ".new")
    try:
        draft.write_text(text, encoding="utf-8")
        load_config(draft)
        draft.replace(target)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
