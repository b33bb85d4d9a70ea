"""A git repository with a fixed history: prompts, suites, CODEOWNERS and chores. Same draft, same bytes."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from triagebot.drill import names
from triagebot.drill.arrays import DAY, HOUR, Rng, one, rng_for
from triagebot.drill.artifacts import Artifact
from triagebot.drill.draft import Draft
from triagebot.errors import SourceFailed

GIT = ("git", "-c", "core.logAllRefUpdates=false", "-c", "init.defaultBranch=main", "-c", "fastimport.unpackLimit=0")
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "HOME": "/nonexistent",
    "PATH": "/usr/bin:/bin:/usr/local/bin",
    "LC_ALL": "C",
    "TZ": "UTC",
}


@dataclass
class Commit:
    at: float
    author: dict[str, str]
    committer: dict[str, str]
    authored: float
    message: str
    files: dict[str, str]


def write_repository(draft: Draft, folder: Path) -> None:
    rng = rng_for(*draft.seeds, "git")
    commits = sorted([_import(draft, rng), *_chores(draft, rng), *_versions(draft, rng)], key=lambda c: c.at)
    folder.mkdir(parents=True)
    stream = b"".join(_fast_import(commit, first=i == 0) for i, commit in enumerate(commits))
    _git(folder, b"", "init", "--quiet", "--template=", "-b", "main", ".")
    _git(folder, stream, "fast-import", "--quiet", "--force")
    _git(folder, b"", "read-tree", "HEAD")
    for log in (folder / ".git").glob("fast_import_crash_*"):
        log.unlink()
    for path, text in {p: t for commit in commits for p, t in commit.files.items()}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _git(folder: Path, stdin: bytes, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - git with fixed arguments
        [*GIT, *arguments], cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=False
    )
    if done.returncode:
        raise SourceFailed(
            f"git {arguments[0]} in {folder}: {done.stderr.decode(errors='replace').strip()}", permanent=True
        )


def _import(draft: Draft, rng: Rng) -> Commit:
    w = draft.world
    files = {"CODEOWNERS": codeowners(draft, rng), "README.md": f"# {w.service}\n"}
    for artifact in draft.artifacts:
        if artifact.kind == "git":
            files[artifact.path] = artifact.contents[0]
        if artifact.kind == "evals":
            files[artifact.path + "suite.yaml"] = suite_text(artifact, 0)
    at = w.start - rng.uniform(30, 90) * DAY
    who = draft.person()
    return Commit(at, who, who, at, "Import service", files)


def codeowners(draft: Draft, rng: Rng) -> str:
    """Last match wins, as on GitHub. Owners by e-mail address, by handle, or a team that nobody answers for."""
    organisation = draft.world.organisation
    lines = ["# who reviews what; last match wins", f"{'*':<40} @{organisation}/platform"]
    for artifact in draft.artifacts:
        if artifact.kind in ("git", "evals") and artifact.path:
            lines.append(f"{'/' + artifact.path:<40} {owner_line(draft, artifact, rng)}")
    return "\n".join(lines) + "\n"


def owner_line(draft: Draft, artifact: Artifact, rng: Rng) -> str:
    if artifact.owner_mode == "team" or artifact.owner is None:
        return f"@{draft.world.organisation}/{artifact.team}"
    return artifact.owner.email if rng.random() < 0.5 else "@" + artifact.owner.github


def suite_text(artifact: Artifact, index: int) -> str:
    detail = artifact.contents[index]
    return (
        f"suite: {artifact.name}\ngrader: {artifact.labels[index]}\nkind: {detail['grader']}\ncases: {detail['cases']}\n"
        f"dataset: {detail['dataset']}\n"
    )


def _chores(draft: Draft, rng: Rng) -> list[Commit]:
    w, made = draft.world, []
    for i in range(int(rng.integers(3, 7))):
        at = rng.uniform(w.start - 28 * DAY, w.page_at - HOUR)
        who = draft.person()
        made.append(
            Commit(float(at), who, who, float(at), one(rng, names.CHORES), {f"docs/note-{i}.md": f"note {i}\n"})
        )
    return made


def _versions(draft: Draft, rng: Rng) -> list[Commit]:
    """One commit a version: authored some hours before, merged a minute or two before it was live."""
    made = []
    for artifact in draft.artifacts:
        if artifact.kind not in ("git", "evals"):
            continue
        for change in artifact.settled:
            if not change.in_git:
                continue
            merged = change.at - rng.uniform(40, 150)
            text = artifact.contents[change.index] if artifact.kind == "git" else suite_text(artifact, change.index)
            path = artifact.path if artifact.kind == "git" else artifact.path + "suite.yaml"
            authored = merged - rng.uniform(0.2, 30) * HOUR
            made.append(Commit(merged, draft.person(), draft.person(), authored, change.summary, {path: text}))
            if change.until and artifact.kind == "git":
                old, back = artifact.contents[change.index - 1], change.until - rng.uniform(40, 150)
                made.append(
                    Commit(back, draft.person(), draft.person(), back - 300, f'Revert "{change.summary}"', {path: old})
                )
    return made


def _fast_import(commit: Commit, *, first: bool) -> bytes:
    author, committer = (f"{p['name']} <{p['email']}>" for p in (commit.author, commit.committer))
    lines = [
        f"{'reset refs/heads/main' + chr(10) if first else ''}commit refs/heads/main",
        f"author {author} {int(commit.authored)} +0000",
        f"committer {committer} {int(commit.at)} +0000",
    ]
    out = ("\n".join(lines) + "\n").encode() + _data(commit.message + "\n")
    for path, text in commit.files.items():
        out += f"M 100644 inline {path}\n".encode() + _data(text)
    return out + b"\n"


def _data(text: str) -> bytes:
    raw = text.encode()
    return b"data %d\n%s\n" % (len(raw), raw)
