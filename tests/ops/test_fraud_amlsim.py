"""The published rules on AMLSim: labels, figures, and the command that measures them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.amlsim import Account, Dataset, Payment, generate
from ops.amlsim_files import read_dataset, sample_folder
from ops.cli import main
from ops.fraud.amlsim import ANY, MAPPING, RULES, Finding, Share, labels, measure, write_table
from ops.fraud.rules_file import fields_of, read_rules

pytestmark = pytest.mark.slow

SAMPLE = sample_folder()
#: Two patterns: 1 pays 3 on day 9, 2 pays 3 on day 80. 4 is honest.
ACCOUNTS = [
    Account(0, 0, False),
    Account(1, 0, True, 9),
    Account(2, 0, True, 80),
    Account(3, 0, True),
    Account(4, 0, False),
]
PAYMENTS = [
    *(Payment(4, 3, 20_000, day) for day in (1, 2, 3)),
    *(Payment(4, 0, 20_000, day) for day in (4, 5, 6)),
    Payment(1, 3, 300, 9),
    Payment(1, 3, 400, 9),
    Payment(1, 3, 30_000, 10),
    Payment(4, 0, 100, 11),
    *(Payment(4, 3, 20_000, day) for day in (70, 71, 72)),
    Payment(2, 3, 300, 80),
]
SMALL = Dataset(ACCOUNTS, PAYMENTS)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fraud", "amlsim", *arguments])


def measured(data: Dataset, folder: Path, processes: int = 1) -> dict[str, Finding]:
    write_table(folder / "t.csv", data)
    return {each.rule_id: each for each in measure(folder / "t.csv", data, processes)}


def test_a_payment_is_labelled_on_its_payers_day_between_accounts_of_patterns() -> None:
    assert [at for at, label in enumerate(labels(SMALL)) if label] == [6, 7, 13]


def test_the_rules_see_nothing_of_the_labels() -> None:
    mapping = json.loads(MAPPING.read_text())
    assert "label" not in json.dumps(mapping)
    assert fields_of(read_rules(RULES)) <= {*mapping, "party_id", "direction"}


def test_figures_by_hand(tmp_path: Path) -> None:
    found = measured(SMALL, tmp_path)
    below = found["amlsim-far-below-usual"]
    assert below.all_days == Share(fired=4, found=3, labelled=3)
    assert (below.first_half, below.second_half) == (Share(3, 2, 2), Share(1, 1, 1))
    # It fires at payments of 1, 2 and 4 to 3 and 0.
    assert below.accounts == Share(fired=5, found=3, labelled=3)
    assert found["amlsim-repeated-payment"].all_days == Share(1, 1, 3)
    assert found["amlsim-fan-in"].all_days == Share(0, 0, 3)
    assert found["amlsim-fan-in"].all_days.precision is None
    assert found[ANY].all_days == Share(4, 3, 3)
    assert found[ANY].alerts == below.alerts + found["amlsim-repeated-payment"].alerts
    assert Share(0, 0, 0).recall is None


def test_the_figures_are_those_of_the_backtest(tmp_path: Path) -> None:
    data = generate(6_000, seed=2)
    found = measured(data, tmp_path)
    assert found == measured(data, tmp_path, processes=2)
    arguments = ["--rules", str(RULES), "--transactions", str(tmp_path / "t.csv"), "--mapping", str(MAPPING)]
    shown = CliRunner().invoke(main, ["fraud", "backtest", *arguments, "--labels", "label", "--json"])
    assert shown.exit_code == 0, shown.output
    for rule in json.loads(shown.output)["rules"]:
        mine = found[rule["rule_id"]]
        assert (mine.alerts, mine.all_days.recall) == (rule["alerts"], rule["recall"])
        assert (mine.all_days.fired, mine.all_days.found) == (rule["rows_fired"], rule["labelled_rows_fired"])


def test_plain_fan_in_finds_generated_patterns_of_twenty_payers(tmp_path: Path) -> None:
    fan_in = measured(generate(20_000), tmp_path)["amlsim-fan-in"].all_days
    # The first nine of twenty payers cannot be told from others.
    assert fan_in.recall is not None
    assert fan_in.precision is not None
    assert fan_in.recall > 0.5
    assert fan_in.precision > 0.8


@pytest.mark.slow
@pytest.mark.skipif(SAMPLE is None, reason="without AMLSim's sample its figures are not checked")
def test_the_sample_gives_the_published_figures(tmp_path: Path) -> None:
    assert SAMPLE is not None
    found = measured(read_dataset([SAMPLE]), tmp_path)
    assert found["amlsim-far-below-usual"].all_days == Share(1_799, 1_764, 1_824)
    assert found["amlsim-repeated-payment"].all_days == Share(1_371, 1_346, 1_824)
    assert found["amlsim-fan-in"].all_days == Share(2_156, 20, 1_824)
    assert found[ANY].all_days == Share(1_815, 1_780, 1_824)
    assert found[ANY].accounts == Share(642, 642, 954)


def test_the_command_keeps_what_a_backtest_takes(tmp_path: Path) -> None:
    shown = command("--generated", "2000", "--out", str(tmp_path / "kept"))
    assert shown.exit_code == 0, shown.output
    assert "2,000 payments of 333 accounts" in shown.output
    assert ANY in shown.output
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"amlsim.csv", RULES.name, MAPPING.name}
    with (tmp_path / "kept" / "amlsim.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2_000
    found = json.loads(command("--generated", "2000", "--json").output)
    assert found["payments"] == 2_000
    assert [rule["rule_id"] for rule in found["rules"]][-1] == ANY


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.cli.fraud_amlsim.sample_folder", lambda: None)
    assert "AMLSim's sample is not there" in command().output
    assert command(str(tmp_path), "--generated", "2000").exit_code == 2
    missing = command(str(tmp_path))
    assert missing.exit_code == 1
    assert "there must be one nodes.csv" in missing.output
    (tmp_path / "file").write_text("")
    blocked = command("--generated", "2000", "--out", str(tmp_path / "file" / "x"))
    assert blocked.exit_code == 1
    assert "cannot be written" in blocked.output
