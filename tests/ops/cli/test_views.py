"""`walletstream views`, `owner` and the `wallet` commands that ask the views."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any

import click
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from agents.views.database import snapshot
from agents.views.queries.reflected import Reflected, reflected
from ops.cli import main
from ops.cli.asking import Views, refuse_where_behind
from ops.freshness import Freshness, freshness_of
from schemas.clock import rfc3339
from schemas.events import RailFacts, WalletFacts
from schemas.topics import LEDGER_EVENTS, full_name
from streams.settings import Settings
from tests.broker import Kafka
from tests.ops.cli.test_looking import Written
from tests.ops.verify.honest import START_MS
from tests.ops.verify.on_kafka import write
from tests.ops.verify.story import HERE, PARTITIONS, THERE
from tests.views.logs import LogBuilder, applied, life, log_of, logs_of, random_world, rows_of, store_at, story
from tests.views.test_queries import owned

# ---- without a broker ---------------------------------------------------------------------------------


def at(folder: Path, *arguments: str, **environ: str) -> Result:
    """The command on the views in a folder, while Kafka is away."""
    settings = {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "WALLETSTREAM_DATA_DIR": str(folder),
        "WALLETSTREAM_PARTITIONS": "2",
        **environ,
    }
    return CliRunner().invoke(main, arguments, env=settings)


ASKING = (
    ["views", "status"],
    ["wallet", "show", "w", "--view"],
    ["wallet", "statement", "w"],
    ["wallet", "balance-at", "w", "2026-01-01"],
    ["wallet", "pending", "w"],
    ["settlement", "readiness"],
    ["owner", "show", "o", "--in", "EUR"],
)


def test_without_views_one_is_told_how_to_make_them(tmp_path: Path) -> None:
    for arguments in ASKING:
        result = at(tmp_path, *arguments)
        assert result.exit_code == 1
        assert (
            f"there are no views at sqlite:///{tmp_path}/views.sqlite: run `walletstream worker views`" in result.stderr
        )
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"
    create_engine(f"sqlite:///{tmp_path}/views.sqlite").connect().execute(text("CREATE TABLE x (y INTEGER)")).close()
    assert "there are no views at" in at(tmp_path, "views", "status").stderr


def test_what_could_be_handed_to_rails(tmp_path: Path) -> None:
    log = life()
    for operation, minor in (("debit", 2**63 - 1), ("debit", 5), ("credit", 7)):
        facts: dict[str, Any] = {"operation": operation, "to_state": "processed", "rail": "swift", "asset": "USD"}
        log.event("transaction.processed", wallet_id="v", transaction_id=f"t{minor}", amount_minor=minor, **facts)
    applied(tmp_path, log.log)
    shown = json.loads(at(tmp_path, "settlement", "readiness", "--rail", "swift", "--json").stdout)
    told = [(one["operation"], one["transactions"], one["amount_minor"]) for one in shown["ready"]]
    assert told == [("credit", 1, 7), ("debit", 2, 2**63 + 4)]
    assert [one["partition"] for one in shown["reflects"]] == [0]
    printed = at(tmp_path, "settlement", "readiness").stdout
    assert f"debit                    2       {2**63 + 4}  USD" in printed
    assert "sepa" in printed
    assert "nothing waits to be handed" in at(tmp_path, "settlement", "readiness", "--rail", "none").stdout


def test_views_of_another_version_or_namespace_are_not_read(tmp_path: Path) -> None:
    store = applied(tmp_path, log_of(random_world(1)))
    assert (
        "are of the namespace 'wallet.', not 'acme.'"
        in at(tmp_path, "views", "status", WALLETSTREAM_NAMESPACE="acme.").stderr
    )
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE views_schema SET version = 99"))
    result = at(tmp_path, "wallet", "pending", "w")
    assert result.exit_code == 1
    assert "run `walletstream views rebuild`" in result.stderr


def test_a_database_that_is_none_of_ours(tmp_path: Path) -> None:
    for url, said in (("nonsense", "is no URL"), ("mysql://x/y", "kept in postgresql or sqlite")):
        result = at(tmp_path, "views", "rebuild", WALLETSTREAM_VIEWS_URL=url)
        assert result.exit_code == 1
        assert said in result.stderr
    away = "postgresql://views:secret@127.0.0.1:1/none"
    result = at(tmp_path, "views", "status", WALLETSTREAM_VIEWS_URL=away)
    assert result.exit_code == 1
    assert "postgresql+psycopg://views:***@127.0.0.1:1/none cannot be used" in result.stderr


def test_without_a_broker_views_answer_and_say_that_the_lag_is_not_known(tmp_path: Path) -> None:
    applied(tmp_path, *logs_of(story()))
    result = at(tmp_path, "wallet", "show", HERE[0], "--view")
    assert result.exit_code == 0, result.output
    assert "its lag is not known, for Kafka does not answer" in result.stdout
    status = at(tmp_path, "views", "status")
    assert status.exit_code == 0
    assert "no Kafka broker answers at 127.0.0.1:1: the lag is not known" in status.stderr
    late = at(tmp_path, "wallet", "balance-at", HERE[0], "2200-01-01")
    assert late.exit_code == 0
    assert "later entries may be missing" in late.stderr
    early = at(tmp_path, "wallet", "balance-at", HERE[0], rfc3339(START_MS + 20))
    assert early.stderr == "", "whatever comes is recorded later"


def test_what_is_pending(tmp_path: Path) -> None:
    applied(tmp_path, life().log)
    shown = at(tmp_path, "wallet", "pending", "w")
    assert shown.exit_code == 1
    assert "no wallet 'w' in the views; ids are case-sensitive" in shown.stderr
    log = life()
    log.event("wallet.opened", wallet_id="w", wallet=WalletFacts("o", "customer", ("EUR",), "active"))
    applied(tmp_path / "open", log.log)
    shown = at(tmp_path / "open", "wallet", "pending", "w")
    assert "hold        authorize  40 of 100 EUR, main  hold" in shown.stdout
    assert "rail sepa, in batch b-1" in shown.stdout
    assert "rail sepa, not handed to it yet" in shown.stdout
    assert "other wallet v" in shown.stdout
    found = json.loads(at(tmp_path / "open", "wallet", "pending", "w", "--json").stdout)
    assert [one["kind"] for one in found["pending"]][:2] == ["scheduled", "hold"]
    assert found["pending"][0]["due_at"].endswith("Z")
    assert found["reflects"][0]["lag"] is None


def test_what_an_owner_has(tmp_path: Path) -> None:
    owned(tmp_path)
    rates = tmp_path / "rates.json"
    rates.write_text('[{"from": "POINTS", "to": "EUR", "numerator": 1, "denominator": 100, "rate_id": "p-7"}]')
    result = at(tmp_path, "owner", "show", "o", "--in", "EUR", "--rates", str(rates))
    assert result.exit_code == 0, result.output
    assert "total       2002 EUR, 1752 of it available; minor units" in result.stdout
    assert "no rate to EUR from USD, VOUCHER: put one on fx-rates, or give it with --rates" in result.stdout
    assert "nothing is converted by fx-rates: Kafka or the topic does not answer" in result.stderr
    found = json.loads(at(tmp_path, "owner", "show", "o", "--in", "EUR", "--rates", str(rates), "--json").stdout)
    assert found["total_minor"] == 2002
    assert found["holdings"][0] == {
        "wallet_id": "w1",
        "account": "w1/loyalty/available",
        "bucket": "available",
        "asset": "POINTS",
        "balance_minor": 199,
        "converted_minor": 1,
        "rate_id": "p-7",
        "partition": 0,
        "ledger_offset": 8,
    }
    assert found["fx_rates_at"] is None
    assert [one["next_offset"] for one in found["reflects"]] == [12, 14]
    assert "no wallet of 'x' in the views" in at(tmp_path, "owner", "show", "x", "--in", "EUR").stderr


@pytest.mark.parametrize(
    "rates",
    [
        "nonsense",
        '{"from": "A"}',
        '[{"from": "A", "to": "B", "numerator": 1, "denominator": 0, "rate_id": "r"}]',
        '[{"from": "A", "to": "B", "numerator": 0.5, "denominator": 1, "rate_id": "r"}]',
        '[{"from": "A", "to": "B", "numerator": 1, "denominator": 1, "rate_id": "r", "more": 1}]',
    ],
)
def test_rates_that_are_none(tmp_path: Path, rates: str) -> None:
    (tmp_path / "rates.json").write_text(rates)
    result = at(tmp_path, "owner", "show", "o", "--in", "EUR", "--rates", str(tmp_path / "rates.json"))
    assert result.exit_code == 1
    assert "is no list of rates" in result.stderr
    assert '"denominator": 100' in result.stderr


def test_times_that_are_none_and_a_period_backwards(tmp_path: Path) -> None:
    for wrong in ("yesterday", "2026-02-30", "2026-01-01T00:00:00"):
        result = at(tmp_path, "wallet", "balance-at", "w", wrong)
        assert result.exit_code == 2
        assert "write 2026-01-31 or 2026-01-31T12:00:00Z" in result.stderr
    for beyond in ("1969-12-31", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"):
        for arguments in (("balance-at", "w", beyond), ("statement", "w", "--to", beyond)):
            result = at(tmp_path, "wallet", *arguments)
            assert result.exit_code == 2
            assert "is not between 1970 and 9999" in result.stderr
    backwards = at(tmp_path, "wallet", "statement", "w", "--from", "2026-02-01", "--to", "2026-01-01")
    assert backwards.exit_code == 2
    assert "--from is later than --to" in backwards.stderr


def test_what_others_have_written_does_not_steer_the_terminal(tmp_path: Path) -> None:
    wipes = "\x1b]0;t\x07"
    log = LogBuilder()
    log.event("wallet.opened", wallet_id="w", wallet=WalletFacts("o", "customer", ("EUR",), "active"))
    handed: dict[str, Any] = {"to_state": "processed", "rail": "sepa", "rail_facts": RailFacts(f"b{wipes}")}
    log.event(
        "transaction.submitted", wallet_id="w", transaction_id="t", operation="debit", sub_wallet="main", **handed
    )
    applied(tmp_path, log.log)
    for arguments in (["wallet", "pending", "w"], ["owner", "show", "o", "--in", f"EUR{wipes}"]):
        shown = at(tmp_path, *arguments)
        assert shown.exit_code == 0
        assert "\\x1b]0;t\\x07" in shown.stdout
        assert "\x1b" not in shown.output


def test_a_wallet_that_is_not_there_yet_is_looked_for_where_the_log_has_it(tmp_path: Path) -> None:
    """However many partitions the settings of who asks say that there are."""
    store = applied(tmp_path, *logs_of(story()))
    for partitions in (1, 2, 8):
        with snapshot(store.engine) as connection:
            ends = {0: reflected(connection)[0].next_offset, 1: 1_000}
            views = Views(Settings(data_dir=tmp_path, partitions=partitions), connection, ends)
            with pytest.raises(click.ClickException, match="views of partition 1 are"):
                views.wallet(THERE[-1])
            with pytest.raises(click.ClickException, match="ids are case-sensitive"):
                views.wallet(HERE[-1])


def test_a_moment_to_come_is_not_reached_by_the_clock_of_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    """The broker's clock may be ahead of it: what is recorded until then is not all there."""
    now_ms = time.time_ns() // 1_000_000
    behind = Freshness(Reflected(0, 10, 9, now_ms + 60_000, now_ms), 12)
    with pytest.raises(click.ClickException, match="2 records behind"):
        refuse_where_behind(behind, now_ms + 120_000)
    refuse_where_behind(behind, now_ms + 60_000)
    assert capsys.readouterr().err == ""
    refuse_where_behind(behind._replace(end=10), now_ms + 120_000)
    assert "still to come" in capsys.readouterr().err
    refuse_where_behind(Freshness(Reflected(0, 10, 9, now_ms - 60_000, now_ms), 10), now_ms)
    assert capsys.readouterr().err == "", "nothing more was recorded until now"


def test_views_of_another_log_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic was recreated, or this is another broker: the worker ends, and who asks is not to believe them."""
    logs = logs_of(story())
    applied(tmp_path, *logs)
    full = {partition: log[-1][0] + 1 for partition, log in enumerate(logs)}
    asked: list[dict[int, int]] = []

    async def ends(_settings: Settings) -> dict[int, int]:
        return asked.pop(0)

    monkeypatch.setattr("ops.cli.asking.log_ends", ends)
    asked[:] = [{0: 3, 1: 3}] * 2
    pending = at(tmp_path, "wallet", "pending", HERE[0])
    assert f"of partition 0 reflect the log up to {full[0]}, but it ends at 3: it was recreated" in pending.stderr
    assert "walletstream views rebuild" in pending.stderr
    assert "beyond the end of the log, which is 3" in pending.stdout
    asked[:] = [{0: 3, 1: 3}] * 2
    past = at(tmp_path, "wallet", "balance-at", HERE[0], "2026-01-01")
    assert (past.exit_code, "it was recreated" in past.stderr) == (1, True)
    # What a worker has applied since the log was asked is none of another log.
    asked[:] = [{0: 3, 1: 3}, full]
    assert at(tmp_path, "wallet", "pending", HERE[0]).stderr == ""


def test_a_partition_without_an_event_has_no_time() -> None:
    nothing = freshness_of({}, {0: 0}, 0)
    assert str(nothing) == "partition 0, offset 0 (nothing yet), 0 behind"
    behind = nothing._replace(end=3).doubt()
    assert behind is not None
    assert "of partition 0 are 3 records behind, at offset 0 of 3 (nothing yet): " in behind
    assert (nothing.as_json()["recorded_at"], nothing.as_json()["applied_at"]) == (None, None)


# ---- on Kafka -----------------------------------------------------------------------------------------


class Viewed(Written):
    """A ledger on the broker, views of it in a folder, and the command line on both."""

    def __init__(self, kafka: Kafka, folder: Path):
        super().__init__(kafka, f"t{secrets.token_hex(3)}.")
        self.folder = folder
        self.steps = len(self.ledger.history)

    def run(self, *arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002
        return super().run(*arguments, input=input, WALLETSTREAM_DATA_DIR=str(self.folder), **environment)

    def go_on(self, *amounts_minor: int) -> None:
        """More credits of the first wallet."""
        for amount_minor in amounts_minor:
            self.ledger.send(operation="credit", wallet_id=HERE[0], amount_minor=amount_minor, asset="EUR")
            self.ledger.run()
        self.steps = asyncio.run(write(self.ledger, self.kafka.bootstrap_servers, self.namespace, since=self.steps))


@pytest.fixture
def viewed(kafka: Kafka, tmp_path: Path) -> Viewed:
    found = Viewed(kafka, tmp_path / "data")
    assert found.run("views", "rebuild").exit_code == 0
    return found


def lags(viewed: Viewed) -> list[int]:
    return [one["lag"] for one in viewed.json("views", "status")["partitions"]]


@pytest.mark.kafka
def test_a_rebuild_folds_the_whole_log(viewed: Viewed, tmp_path: Path) -> None:
    assert lags(viewed) == [0, 0]
    expected = rows_of(applied(tmp_path / "expected", *logs_of(viewed.ledger)))
    found = rows_of(store_at(viewed.folder, namespace=viewed.namespace))
    assert [row[2:] for row in found.pop("positions")] == [row[2:] for row in expected.pop("positions")]
    assert found == expected
    done = viewed.json("views", "rebuild")
    assert done["partitions"] == PARTITIONS
    assert done["records"] == sum(len(log) for log in logs_of(viewed.ledger))
    assert "rebuilt:" in viewed.run("views", "rebuild").stdout


@pytest.mark.kafka
def test_views_that_are_behind_say_so(viewed: Viewed) -> None:
    before = viewed.json("wallet", "show", HERE[0], "--view")
    viewed.go_on(17, 18)
    assert lags(viewed) == [6, 0]
    text_ = viewed.run("views", "status")
    assert "Warning: the views of partition 0 are 6 records behind, at offset" in text_.stderr
    shown = viewed.run("wallet", "show", HERE[0], "--view")
    assert shown.exit_code == 0
    assert "6 behind" in shown.stdout
    assert "6 records behind" in shown.stderr
    assert viewed.json("wallet", "show", HERE[0], "--view")["balances"] == before["balances"]
    missing = viewed.run("wallet", "pending", HERE[-1])
    assert missing.exit_code == 1
    assert "6 records behind" in missing.stderr
    reached, beyond = rfc3339(START_MS + 100), rfc3339(viewed.ledger.now_ms + 1)
    assert viewed.run("wallet", "statement", HERE[0], "--to", reached).stderr == ""
    refused = viewed.run("wallet", "statement", HERE[0], "--to", beyond)
    assert refused.exit_code == 1
    assert "6 records behind" in refused.stderr
    assert refused.stdout == ""
    assert viewed.run("wallet", "balance-at", HERE[0], beyond).exit_code == 1
    open_end = viewed.run("wallet", "statement", HERE[0])
    assert open_end.exit_code == 0
    assert "6 records behind" in open_end.stderr
    viewed.run("views", "rebuild")
    after = viewed.json("wallet", "show", HERE[0], "--view")["balances"]
    assert after[0]["balance_minor"] == before["balances"][0]["balance_minor"] + 35


@pytest.mark.kafka
def test_the_view_of_a_wallet_is_what_the_ledger_says(viewed: Viewed) -> None:
    for wallet_id in (HERE[0], THERE[0]):
        truth, view = viewed.json("wallet", "show", wallet_id), viewed.json("wallet", "show", wallet_id, "--view")
        for name in ("owner_ref", "kind", "state", "quarantined", "opened_at", "assets", "sub_wallets"):
            assert view[name] == truth[name]
        held = {(one["account"], one["asset"], one["balance_minor"]) for one in truth["balances"]}
        assert {(one["account"], one["asset"], one["balance_minor"]) for one in view["balances"]} == held


@pytest.mark.kafka
def test_a_statement_and_a_past_balance(viewed: Viewed) -> None:
    movements = viewed.json("wallet", "show", HERE[0], "-n", "100")["movements"]
    until = movements[3]["event"]["recorded_at"]
    found: dict[str, Any] = viewed.json("wallet", "statement", HERE[0], "--from", until)
    main_account = found["accounts"][0]
    assert main_account["account"] == f"{HERE[0]}/main/available"
    moved = sum(line["credit_minor"] - line["debit_minor"] for line in main_account["lines"])
    assert main_account["opening_minor"] + moved == main_account["closing_minor"]
    assert main_account["lines"][0]["recorded_at"] == until
    text_ = viewed.run("wallet", "statement", HERE[0], "--to", "2026-11-30").stdout
    assert "opening" in text_
    assert "closing" in text_
    assert f"{main_account['closing_minor']}" in text_
    past = viewed.json("wallet", "balance-at", HERE[0], until)
    lines = [line for line in main_account["lines"] if line["recorded_at"] == until]
    assert past["balances"][0]["balance_minor"] == lines[-1]["balance_after_minor"]
    assert "nothing: no money had been posted" in viewed.run("wallet", "balance-at", HERE[0], "2020-01-01").stdout
    assert "no entries of" in viewed.run("wallet", "statement", HERE[0], "--to", "2020-01-01").stdout


@pytest.mark.kafka
def test_a_log_without_its_beginning_is_not_folded(viewed: Viewed) -> None:
    async def delete() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=viewed.kafka.bootstrap_servers)
        await admin.start()
        topic = TopicPartition(full_name(viewed.namespace, LEDGER_EVENTS), 1)
        await admin.delete_records({topic: RecordsToDelete(before_offset=3)})
        await admin.close()

    asyncio.run(delete())
    before = rows_of(store_at(viewed.folder, namespace=viewed.namespace))
    result = viewed.run("views", "rebuild")
    assert result.exit_code == 1
    assert "begins at offset 3: its first events were deleted" in result.stderr
    assert rows_of(store_at(viewed.folder, namespace=viewed.namespace)) == before


RATE = {
    "rate_id": "eur-jpy-1",
    "base": "EUR",
    "quote": "JPY",
    "bid": "160",
    "ask": "164",
    "source": "ecb",
    "valid_from": "2026-01-01T00:00:00.000Z",
    "valid_until": "2099-01-01T00:00:00.000Z",
}


@pytest.mark.kafka
def test_what_an_owner_has_by_the_rates_of_the_ledger(viewed: Viewed, tmp_path: Path) -> None:
    bare = viewed.run("owner", "show", "o", "--in", "JPY")
    assert "no rate to JPY from EUR, USD: put one on fx-rates" in bare.stdout
    old = RATE | {"rate_id": "eur-jpy-0", "bid": "1", "ask": "1", "valid_until": "2026-01-02T00:00:00.000Z"}
    records = tmp_path / "rates.jsonl"
    records.write_text(f"{json.dumps(RATE)}\n{json.dumps(old)}\n")
    assert viewed.run("reference", "put", "fx-rates", str(records)).exit_code == 0
    found = viewed.json("owner", "show", "o", "--in", "JPY")
    euros = [one for one in found["holdings"] if one["asset"] == "EUR" and one["balance_minor"] > 0]
    assert euros
    # Of 100 cents a euro, and 160 yen, which have no minor unit.
    assert all(
        (one["converted_minor"], one["rate_id"]) == (one["balance_minor"] * 160 // 100, "eur-jpy-1") for one in euros
    )
    assert found["not_converted"] == ["USD"]
    assert found["fx_rates_at"].endswith("Z")
    shown = viewed.run("owner", "show", "o", "--in", "JPY")
    assert shown.stderr == ""
    assert "rates       those on fx-rates, as valid at" in shown.stdout
    given = tmp_path / "given.json"
    given.write_text('[{"from": "EUR", "to": "JPY", "numerator": 2, "denominator": 1, "rate_id": "mine"}]')
    found = viewed.json("owner", "show", "o", "--in", "JPY", "--rates", str(given))
    assert {one["rate_id"] for one in found["holdings"] if one["asset"] == "EUR"} == {"mine"}
