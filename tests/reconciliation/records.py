"""Records as others write them: what the ledger settles over a rail, and statements line by line."""

from __future__ import annotations

from typing import Any

from schemas.external_statements import line_id_of, statement_id_of

Json = dict[str, Any]


def settled_event(wallet_id: str, minor: int, rail: str, sequence: int, at: str, **fields: Any) -> Json:
    """An event of the ledger: a credit (or with a negative amount a debit) is settled over a rail."""
    account = {"account": f"system/rail:{rail}", "asset": fields.pop("asset", "EUR")}
    other = {"account": f"{wallet_id}/main/available", "asset": account["asset"]}
    sides = ("debit_minor", "credit_minor") if minor > 0 else ("credit_minor", "debit_minor")
    entries = [{**account, sides[0]: abs(minor)}, {**other, sides[1]: abs(minor)}]
    facts = {"transaction_id": f"{sequence:032x}", "entries": entries}
    return ledger_event(wallet_id, sequence, at, **{**facts, **fields})


def posted_event(command: Json, cause: Json, sequence: int, at: str, code: str = "ok") -> Json:
    """The ledger's answer to the `adjust` of a resolution."""
    wallet_id = command["wallet_id"]
    if code != "ok":
        refused = {"type": "request.rejected", "operation": "adjust", "code": code, "cause": cause, "message": "no"}
        return ledger_event(wallet_id, sequence, at, **refused)
    minor, asset = command["amount_minor"], command["asset"]
    entries = [
        {"account": command["from_account"], "asset": asset, "debit_minor": minor},
        {"account": command["to_account"], "asset": asset, "credit_minor": minor},
    ]
    facts = {"operation": "adjust", "transaction_id": f"{sequence:032x}", "entries": entries, "cause": cause}
    return ledger_event(wallet_id, sequence, at, **facts)


def ledger_event(wallet_id: str, sequence: int, at: str, **fields: Any) -> Json:
    """An event of the ledger."""
    return {
        "sequence": sequence,
        "type": "transaction.settled",
        "wallet_id": wallet_id,
        "operation": "credit",
        "to_state": "settled",
        "code": "ok",
        "recorded_at": at,
        **fields,
    }


def statement_records(number: int, lines: tuple[tuple[int, str], ...], side: str, account: str, day: str) -> list[Json]:
    """The `number`-th file, which has one statement: its lines, each an amount and a reference, then the statement."""
    source = {"file": f"{number}.csv", "sha256": f"{number:064x}", "size_bytes": 1}
    statement_id = statement_id_of(account, side, f"{number:064x}", 0)  # type: ignore[arg-type]
    place = {"source": source, "line_number": 1, "statement_index": 0, "account": account, "side": side}
    records: list[Json] = [
        {
            **place,
            "kind": "line",
            "line_id": line_id_of(statement_id, at),
            "statement_id": statement_id,
            "number": at,
            "amount_minor": minor,
            "asset": "EUR",
            "value_date": day,
            "booking_date": day,
            "references": {"provider_reference": reference} if reference else {},
            "fingerprint": f"{number}-{at}",
        }
        for at, (minor, reference) in enumerate(lines, 1)
    ]
    records.append(
        {
            **place,
            "kind": "statement",
            "statement_id": statement_id,
            "asset": "EUR",
            "proof": "none",
            "line_count": len(lines),
            "credit_minor": sum(minor for minor, _ in lines if minor > 0),
            "debit_minor": -sum(minor for minor, _ in lines if minor < 0),
            "lines_hash": "00" * 32,
            "content_hash": f"{number:032x}",
            "statement_count": 1,
        }
    )
    return records
