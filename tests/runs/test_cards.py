"""Every key that is read of a card is a key that cards have, on cards of real runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny

import seqlab
from seqlab.comparison.comparable import COST_RULES, RULES, SIGNATURES
from seqlab.comparison.comparable import Card as Comparable
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.report.chapters import chapters
from seqlab.report.data_tables import CARD_ROWS, cards_table
from seqlab.report.oracle_tables import ORACLE_COLUMNS
from seqlab.report.run_data import read_run
from seqlab.runs import run_journals
from seqlab.runs.cards import Card, GenerationCard, MatrixTable, OracleCard
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.typed_json import DamagedFileError

PACKAGE = Path(str(seqlab.__file__)).parent
SHAPES = (Card, OracleCard, GenerationCard, MatrixTable)
KEYS = {key for shape in SHAPES for key in shape.__required_keys__}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """Of a language model whose true distribution is known, scored on the test split, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        done = tiny.fit(tiny.BRACKETS)
        evaluate_run(done, "test", ())
        yield done


def found(card: Comparable, key: str) -> bool:
    """Whether a card has a key; dots lead into tables."""
    value = card
    for part in key.split("."):
        if part not in value:
            return False
        value = value[part]
    return True


def test_a_card_has_exactly_the_declared_keys(run: RunFolder) -> None:
    cards = run.cards()
    assert set(cards) == {"valid", "test"}
    # Postponed annotations hide from `TypedDict` that a key is not required.
    required = Card.__required_keys__ - {"left_out", "adaptation"}
    assert all(set(card) == required for card in cards.values())
    oracle = run.oracle_card()
    assert oracle is not None
    assert set(oracle) == OracleCard.__required_keys__
    generated = run.generation_card()
    assert generated is not None
    assert set(generated) == GenerationCard.__required_keys__


def test_the_rules_of_comparison_read_keys_that_a_card_has(run: RunFolder) -> None:
    # A rule that says what a card has which lacks the key is of an optional one.
    keys = [*(rule.key for rule in (*RULES, *COST_RULES) if rule.absent is None), SIGNATURES]
    assert [key for key in keys if not found(run.cards()["valid"], key)] == []


def test_the_report_has_a_row_for_each_key_it_reads(run: RunFolder) -> None:
    (chapter,) = chapters([read_run(run)])
    table = cards_table(chapter)
    assert table is not None
    assert set(CARD_ROWS) <= Card.__required_keys__
    assert [row[0] for row in table.rows] == list(CARD_ROWS.values())
    assert [row for row in table.rows if None in row] == []


def test_the_report_has_a_column_for_each_metric_of_the_oracle(run: RunFolder) -> None:
    oracle = run.oracle_card()
    assert oracle is not None
    assert set(oracle["metrics"]) - set(ORACLE_COLUMNS) == {"entropy"}


def literal_keys(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Literal keys of everything that is called a card, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
                pass
            case ast.Call(
                func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str(key)), *_]
            ):
                pass
            case _:
                continue
        name = ast.unparse(value).rpartition(".")[2]
        if name in ("card", "oracle") or name.endswith("_card"):
            yield node.lineno, key


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_no_module_reads_another_key(path: Path) -> None:
    keys = literal_keys(ast.parse(path.read_text(encoding="utf-8")))
    assert [f"{path.name}:{line}: {key!r}" for line, key in keys if key not in KEYS] == []


def test_literal_keys_are_found() -> None:
    tree = ast.parse("run.card['end_counts'], card.get('signature', 1), other['x'], run.oracle['metrics']")
    assert [key for _, key in literal_keys(tree)] == ["end_counts", "signature", "metrics"]


@pytest.mark.parametrize("damage", ["lacks a key", "has another key"])
def test_a_card_with_other_keys_is_refused(run: RunFolder, damage: str) -> None:
    card, path = run.cards()["test"], run.path / "cards" / "test.json"
    words = "'signatures' is missing" if damage == "lacks a key" else "'signature' is unknown"
    text = path.read_text()
    changed = text.replace(
        '"signatures": {', '"signature": {' if "lacks" in damage else '"signature": {}, "signatures": {'
    )
    path.write_text(changed)
    with pytest.raises(DamagedFileError, match=rf"test\.json is damaged: {words}"):
        run.card("test")
    run.write_card(card)
    assert run.card("test") == card


def test_every_file_of_a_run_has_a_reader(run: RunFolder) -> None:
    """A new file must get a reader in `RunFolder`, and be listed here."""
    files = {path.relative_to(run.path).parts[0] for path in run.path.rglob("*")}
    readers = {
        "config.toml",
        "data.json",
        "environment.json",
        "finished.json",
        "generated.json",
        "run.json",
        "lock",
    }
    folders = {"cards", "checkpoints", "scores"}
    assert files == readers | folders | {run_journals.RECORDS, run_journals.SAMPLES, run_journals.TIMINGS}
