"""`python -m ops.contracts.gate [--base REV|DIR]`: refuses a change of a contract that would break somebody.

The base is a folder of schemas (by default those of the last release, `schemas/released`) or a git revision, whose
`schemas/generated` is taken. Exit 1 where a change is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from ops.contracts.generate import RELEASED, SCHEMAS, file_name
from ops.contracts.rollout import Verdict, judge
from ops.contracts.sources import JsonSchema, schemas
from schemas.catalogue import topic_named

_SUFFIX: Final = file_name("")


class BaseNotFound(Exception):
    """The base is neither a folder nor a revision with schemas in it."""


def read_base(base: str, repository: Path = SCHEMAS.parent) -> dict[str, JsonSchema]:
    """Topic -> schema of a folder or of a git revision.

    Raises:
        BaseNotFound: there is no such folder or revision, or it holds no schemas.
    """
    folder = Path(base)
    if folder.is_dir():
        found = {path.name.removesuffix(_SUFFIX): path.read_text() for path in sorted(folder.glob(f"*{_SUFFIX}"))}
    else:
        found = _read_revision(base, repository)
    if not found:
        raise BaseNotFound(f"no schemas (*{_SUFFIX}) in {base}: give a folder of them or a git revision")
    return {topic: json.loads(text) for topic, text in found.items()}


def _read_revision(revision: str, repository: Path) -> dict[str, str]:
    listed = _git(repository, "ls-tree", "--name-only", f"{revision}:schemas/generated")
    names = [name for name in listed.splitlines() if name.endswith(_SUFFIX)]
    return {
        name.removesuffix(_SUFFIX): _git(repository, "show", f"{revision}:schemas/generated/{name}") for name in names
    }


def _git(repository: Path, *arguments: str) -> str:
    if any(argument.startswith("-") for argument in arguments[-1:]):
        raise BaseNotFound(f"{arguments[-1]} is no revision")
    command = ["git", "-C", str(repository), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, no option
    if done.returncode:
        raise BaseNotFound(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def verdicts(base: dict[str, JsonSchema], head: dict[str, JsonSchema]) -> list[Verdict]:
    """The gate's answer for each topic that either version has."""
    answers = [judge(topic_named(name), base.get(name), schema) for name, schema in head.items()]
    answers += [
        Verdict(name, "removed", "keep the topic's contract until the topic is deleted everywhere")
        for name in sorted(base.keys() - head.keys())
    ]
    return answers


@click.command()
@click.option("--base", default=str(RELEASED), help="A git revision or a folder of schemas. Default: the release.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def main(base: str, as_json: bool) -> None:
    """Compare every contract with the base and refuse incompatible changes."""
    try:
        answers = verdicts(read_base(base), schemas())
    except BaseNotFound as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([asdict(answer) | {"allowed": answer.allowed} for answer in answers], indent=2))
    else:
        _print(answers)
    sys.exit(0 if all(answer.allowed for answer in answers) else 1)


def _print(answers: list[Verdict]) -> None:
    for answer in answers:
        decided = f"  (decided by {' and '.join(answer.ways)})" if answer.ways else ""
        click.echo(f"{answer.topic:22}{answer.status:14}{answer.order}{decided}")
        for reason in answer.reasons:
            click.echo(f"    {reason}")


if __name__ == "__main__":
    main()
