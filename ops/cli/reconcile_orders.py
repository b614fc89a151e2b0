"""`walletstream reconcile assign|comment|hold|propose|approve|reject|unmatch`: what people decide."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json
from ops.cli.signing import person, signed_by
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.deciding import check_allowed, decide
from ops.reconcile.live_exceptions import exception_of, read_exceptions, read_standing
from ops.reference_records import read_contents
from schemas.assets import parse_minor
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.topics import ASSETS
from streams.settings import Settings

_by = signed_by("decides it")
_exception = click.argument("exception_id", metavar="EXCEPTION")
_evidence = click.option("--evidence", "evidence_ref", help="Case, ticket or document.")
#: What people call it -> kind on the wire.
_KINDS = {
    "accept": "no_posting",
    "write-off": "write_off",
    "correct": "correct",
    "force-match": "match",
    "split": "split",
    "rematch": "rematch",
}


def _order(exception_id: str, by: str, kind: str, **fields: Any) -> ReconciliationException:
    """Decide about an exception, and give it as it is then."""

    async def work(reader: TopicReader, _settings: Settings) -> ReconciliationException:
        return await order_on(reader, exception_id, by, kind, **fields)

    return with_reader(work)


async def order_on(
    reader: TopicReader, exception_id: str, by: str, kind: str, **fields: Any
) -> ReconciliationException:
    """Check, write, wait; returns the exception as it was told after the role has taken it.

    Raises:
        OperationError: there is no such exception, it may not be done, or it was refused.
    """
    exception = exception_of(await read_exceptions(reader), exception_id)
    check_allowed(exception, kind, by)
    if kind in ("approve", "reject"):
        proposal = exception.proposal
        assert proposal is not None
        fields = {"number": proposal.number, **fields}
    await decide(reader, exception.book, by, kind=kind, exception_id=exception.exception_id, **fields)
    return (await read_exceptions(reader)).get(exception.exception_id, exception)


def _tell(exception: ReconciliationException, done: str, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(exception))
        return
    click.echo(f"{exception.exception_id[:12]} {done}; it is {exception.state} now")


@click.command("assign")
@_exception
@person("--to", "Who takes care of it.")
@_by
@as_json_option
def assign(exception_id: str, to: str, by: str, as_json: bool) -> None:
    """Give EXCEPTION to somebody who takes care of it. The beginning of its id will do."""
    _tell(_order(exception_id, by, "assign", to=to), f"is assigned to {to}", as_json)


@click.command("comment")
@_exception
@click.argument("text")
@_evidence
@_by
@as_json_option
def comment(exception_id: str, text: str, evidence_ref: str | None, by: str, as_json: bool) -> None:
    """Add TEXT to the history of EXCEPTION, also of one that is resolved. The beginning of its id will do."""
    done = _order(exception_id, by, "comment", text=text, evidence_ref=evidence_ref)
    _tell(done, "has your comment", as_json)


@click.command("hold")
@_exception
@click.option("--until", required=True, metavar="DAY", help="A day, such as 2026-12-01; one that has passed ends it.")
@click.option("--reason", required=True, help="Why.")
@_by
@as_json_option
def hold(exception_id: str, until: str, reason: str, by: str, as_json: bool) -> None:
    """Say that EXCEPTION is not overdue before a day. The beginning of its id will do."""
    done = _order(exception_id, by, "hold", until=until, reason=reason)
    _tell(done, "is not held" if done.held_until is None else f"is held until {done.held_until}", as_json)


@click.command("propose")
@_exception
@click.argument("kind", type=click.Choice(tuple(_KINDS)))
@click.option("--reason", "reason_code", required=True, help="Reason code, as your handbook names it.")
@_evidence
@click.option("--comment", "comment_", help="What is behind it.")
@click.option("--line", "lines", multiple=True, help="force-match: a line beyond its own. Repeatable.")
@click.option(
    "--group", "groups", multiple=True, metavar="LINE,LINE", help="split: lines that belong together. Repeatable."
)
@click.option("--from", "from_account", metavar="ACCOUNT", help="correct: the account that is debited.")
@click.option("--to", "to_account", metavar="ACCOUNT", help="correct: the account that is credited.")
@click.option("--amount", help="correct: how much, in whole units, such as 12.50.")
@click.option("--asset", help="correct: of which asset; left out, that of the exception.")
@click.option("--wallet", "wallet_id", help="write-off, correct: wallet in whose partition it is booked.")
@_by
@as_json_option
def propose(
    exception_id: str,
    kind: str,
    reason_code: str,
    evidence_ref: str | None,
    comment_: str | None,
    by: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Propose how EXCEPTION is resolved; somebody else approves it. The beginning of its id will do.

    accept: it is explained, nothing is posted; needs --evidence. write-off: the difference goes against
    system/writeoffs. correct: it is posted between two accounts. force-match: the lines belong together, with those
    of --line. split: they belong together in groups. rematch: the matcher may have lines again that it was kept from.
    """
    check_options(kind, evidence_ref, given)

    async def work(reader: TopicReader, _settings: Settings) -> ReconciliationException:
        exception = exception_of(await read_exceptions(reader), exception_id)
        resolution = await _resolution(reader, exception, kind, given)
        said = {"reason_code": reason_code, "comment": comment_, "evidence_ref": evidence_ref}
        return await order_on(reader, exception.exception_id, by, "propose", resolution=resolution, **said)

    done = with_reader(work)
    _tell(done, f"has proposal {done.proposals}: {kind}, for somebody other than {by} to approve", as_json)


#: Kind -> options that it takes; those that it needs.
_TAKES: dict[str, frozenset[str]] = {
    "write-off": frozenset({"wallet_id"}),
    "correct": frozenset({"from_account", "to_account", "amount", "asset", "wallet_id"}),
    "force-match": frozenset({"lines"}),
    "split": frozenset({"groups"}),
}
_NEEDS: dict[str, tuple[str, ...]] = {"correct": ("from_account", "to_account", "amount"), "split": ("groups",)}
_OPTIONS = {
    "from_account": "--from",
    "to_account": "--to",
    "amount": "--amount",
    "asset": "--asset",
    "wallet_id": "--wallet",
    "lines": "--line",
    "groups": "--group",
}


def check_options(kind: str, evidence_ref: str | None, given: dict[str, Any]) -> None:
    """Whether options and kind of a proposal fit each other.

    Raises:
        click.UsageError: not; it names them.
    """
    foreign = [_OPTIONS[name] for name, value in given.items() if value and name not in _TAKES.get(kind, frozenset())]
    if foreign:
        raise click.UsageError(f"{kind} does not take {', '.join(foreign)}")
    missing = [_OPTIONS[name] for name in _NEEDS.get(kind, ()) if not given[name]]
    if missing:
        raise click.UsageError(f"{kind} needs {', '.join(missing)}")
    if kind == "accept" and evidence_ref is None:
        raise click.UsageError("accept posts nothing, so it needs --evidence that explains it")
    if kind == "split" and len(given["groups"]) < 2:
        raise click.UsageError("split needs --group at least twice")


async def _resolution(
    reader: TopicReader, exception: ReconciliationException, kind: str, given: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": _KINDS[kind]}
    if given["wallet_id"]:
        found["wallet_id"] = given["wallet_id"]
    if kind == "force-match":
        found["line_ids"] = list(given["lines"])
    elif kind == "split":
        found["groups"] = [group.split(",") for group in given["groups"]]
    elif kind == "correct":
        asset = given["asset"] or exception.asset
        known = (await read_contents(reader, ASSETS)).reference.assets.get(asset)
        if known is None:
            raise OperationError(f"there is no asset {asset!r}: neither in ISO 4217 nor registered")
        try:
            amount_minor = parse_minor(given["amount"], known)
        except ValueError as error:
            raise OperationError(str(error)) from error
        if amount_minor <= 0:
            raise OperationError("--amount must be more than 0; --from and --to say which way it goes")
        found |= {"from_account": given["from_account"], "to_account": given["to_account"]}
        found |= {"amount_minor": amount_minor, "asset": asset}
    return found


@click.command("approve")
@_exception
@click.option(
    "--number", type=click.IntRange(min=1), help="Of the proposal that you mean; left out, the one that waits."
)
@_by
@as_json_option
def approve(exception_id: str, number: int | None, by: str, as_json: bool) -> None:
    """Approve what somebody else has proposed for EXCEPTION: it is done. The beginning of its id will do."""
    numbered = {} if number is None else {"number": number}
    _tell(_order(exception_id, by, "approve", **numbered), "is approved", as_json)


@click.command("reject")
@_exception
@click.option("--reason", required=True, help="Why not.")
@click.option(
    "--number", type=click.IntRange(min=1), help="Of the proposal that you mean; left out, the one that waits."
)
@_by
@as_json_option
def reject(exception_id: str, reason: str, number: int | None, by: str, as_json: bool) -> None:
    """Reject what was proposed for EXCEPTION; another proposal can follow. The beginning of its id will do."""
    numbered = {} if number is None else {"number": number}
    _tell(_order(exception_id, by, "reject", reason=reason, **numbered), "is rejected", as_json)


@click.command("unmatch")
@click.argument("match_id", metavar="MATCH")
@click.option("--reason", required=True, help="Why.")
@_by
@as_json_option
def unmatch(match_id: str, reason: str, by: str, as_json: bool) -> None:
    """Take MATCH apart, which is wrong: its lines become an exception. The beginning of its id will do.

    The matcher is kept away from them until somebody resolves it.
    """

    async def work(reader: TopicReader, _settings: Settings) -> dict[str, str]:
        match = (await read_standing(reader)).match_of(match_id)
        await decide(reader, match.book, by, kind="unmatch", match_id=match.match_id, reason=reason)
        return {"match_id": match.match_id, "book": match.book}

    done = with_reader(work)
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{done['match_id']} of {done['book']} is taken apart; `walletstream reconcile exceptions` has its lines"
    )
