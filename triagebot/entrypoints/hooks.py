"""The script that a git repository runs before it takes in, or sends out, changes of a prompt: it asks the gate.

It is plain sh with git and curl, so that a git server needs nothing of triagebot's. Where the server cannot be asked, the push
is refused, unless the script was made with `unreachable="open"`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from triagebot.errors import BadInput

MARK: Final = "triagebot-gate"
KINDS: Final = ("pre-receive", "update", "pre-push")
_REF: Final = re.compile(r"[\w./@+-]{1,200}")

_SCRIPT: Final = r"""#!/bin/sh
# {mark}: asks triagebot before changes of {service} {surface} are taken in. Made by `triagebot gate hook`.
# The token is read from $TRIAGEBOT_GATE_TOKEN, or from the file triagebot-token beside this hook.
set -u
unset TRIAGEBOT_DEBUG
url={url}
service={service_q}
surface={surface_q}
artifact={artifact_q}
path={path_q}
ref={ref_q}
unreachable={unreachable_q}
kind={kind_q}

token=${{TRIAGEBOT_GATE_TOKEN:-}}
if [ -z "$token" ] && [ -r "$(dirname "$0")/triagebot-token" ]; then
    token=$(cat "$(dirname "$0")/triagebot-token")
fi

zero() {{ case "$1" in *[!0]*) return 1 ;; esac; return 0; }}

# The commits that would come in and touch the path, newest first. Everything counts where there is no path.
commits() {{ # new old
    if [ "$kind" = pre-push ]; then known=--remotes; else known=--all; fi
    if [ -n "$path" ]; then new=$(git rev-list "$1" --not "$known" -- "$path"); else new=$(git rev-list "$1" --not "$known"); fi
    # History that is rewound, or that came by another branch, brings no commit and changes the path all the same.
    if [ -n "$new" ]; then
        echo "$new"
    elif ! zero "$2" && git cat-file -e "$2" 2>/dev/null && ! git diff --quiet "$2" "$1" -- ${{path:+"$path"}} 2>/dev/null; then
        echo "$1"
    fi
}}

ask() {{ # changes, one a line, on standard input
    set -- --silent --show-error --max-time 10 --get --write-out '\n%{{http_code}}' \
        --data-urlencode "service=$service" --data-urlencode "surface=$surface" \
        --data-urlencode "artifact=$artifact" --data-urlencode "by=$kind hook" --data format=text
    while read -r change; do [ -n "$change" ] && set -- "$@" --data-urlencode "change=$change"; done
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$token" | curl --config - "$@" "$url/api/gate" 2>&1)
    status=$(printf '%s' "$answer" | tail -n 1)
    line=$(printf '%s' "$answer" | sed '$d')
    case "$status" in
        200) return 0 ;;
        423) echo "triagebot: $line" >&2; return 1 ;;
        4??) echo "triagebot: the gate could not be asked: $line" >&2; return 1 ;;
    esac
    if [ "$unreachable" = open ]; then
        echo "triagebot: $url cannot be asked; let through, as this hook was made to" >&2
        return 0
    fi
    echo "triagebot: $url cannot be asked, so the push is refused: nobody knows whether $service is frozen" >&2
    return 1
}}

check() {{ # old new name
    if [ -n "$ref" ] && [ "$3" != "$ref" ]; then return 0; fi
    if zero "$2"; then
        echo "delete:$3" | ask
        return $?
    fi
    found=$(commits "$2" "$1" | sort -u)
    if [ -z "$found" ]; then return 0; fi
    echo "$found" | ask
}}

if [ "$kind" = update ]; then
    check "$2" "$3" "$1"
    exit $?
fi
refused=0
while read -r one two three four; do
    if [ "$kind" = pre-push ]; then # local ref, local id, remote ref, remote id
        check "$four" "$two" "$three" || refused=1
    else # old id, new id, ref
        check "$one" "$two" "$three" || refused=1
    fi
done
exit $refused
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What the script asks about. `path` limits it to commits that touch it, `ref` to one branch (`refs/heads/main`)."""

    kind: str
    url: str
    service: str
    surface: str
    artifact: str = ""
    path: str = ""
    ref: str = ""
    unreachable: str = "closed"

    def script(self) -> str:
        """Raises BadInput for what does not belong into one."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise BadInput(f"{self.url[:80]!r} is not the address of a server: it begins with http:// or https://")
        if self.ref and not (_REF.fullmatch(self.ref) and self.ref.startswith("refs/")):
            raise BadInput(f"{self.ref[:80]!r} is not a whole ref, such as refs/heads/main")
        for value in (self.service, self.surface, self.artifact, self.path):
            if not value.isprintable() or len(value) > 300:
                raise BadInput("a name or path holds a line break or control characters, or is too long")
        named = ("service", "surface", "artifact", "path", "ref", "unreachable", "kind")
        quoted = {f"{name}_q": shlex.quote(getattr(self, name)) for name in named}
        comment = {name: re.sub(r"[^\w ./-]", "_", getattr(self, name)) for name in ("service", "surface")}
        return _SCRIPT.format(mark=MARK, url=shlex.quote(self.url.rstrip("/")), **comment, **quoted)

    def install(self, repository: Path) -> Path:
        """Writes it among the repository's hooks. Raises BadInput where somebody else's hook stands there."""
        folder = repository / ".git" if (repository / ".git").is_dir() else repository
        if not (folder / "objects").is_dir():
            raise BadInput(f"{repository}: is no git repository")
        file = folder / "hooks" / self.kind
        if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
            raise BadInput(
                f"{file}: somebody else's hook stands there; call this one from it (print it without --install)"
            )
        try:
            file.parent.mkdir(exist_ok=True)
            made = file.with_name(f".{file.name}.new")
            made.write_text(self.script(), encoding="utf-8")
            made.chmod(0o755)
            made.replace(file)
        except OSError as error:
            raise BadInput(f"{file}: cannot be written: {error.strerror}") from error
        return file
