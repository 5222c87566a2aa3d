"""Tables that compare models of generated data with the true distribution."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seqlab.report.chapters import Chapter
from seqlab.report.tables import RUN_COLUMNS, ReportColumn, ReportTable, run_cells
from seqlab.runs.cards import OracleCard

ORACLE_COLUMNS = {
    "floor": ReportColumn("floor", "nats per token"),
    "above_floor": ReportColumn("above the floor", "nats per token"),
    "divergence": ReportColumn("divergence", "nats per token"),
    "valid_samples": ReportColumn("valid", "fraction of samples"),
    "wrong_samples": ReportColumn("wrong", "fraction of samples"),
    "cut_samples": ReportColumn("cut", "fraction of samples"),
    "complete_samples": ReportColumn("complete", "fraction of samples"),
    "expected_complete_samples": ReportColumn("complete, expected", "fraction of samples"),
    "valid_of_complete_samples": ReportColumn("valid", "fraction of complete samples"),
    "novel_samples": ReportColumn("novel", "fraction of valid samples"),
    "distinct_samples": ReportColumn("distinct", "fraction of samples"),
    "length_distance": ReportColumn("length distance", "Kolmogorov-Smirnov"),
    "expected_length_distance": ReportColumn("length distance, expected", "Kolmogorov-Smirnov"),
    "known_words": ReportColumn("known words", "fraction of words"),
    "samples_passing_legacy_check": ReportColumn("valid by the legacy check", "fraction of samples"),
    "accepted": ReportColumn("accepted", "fraction of texts"),
    "accepted_longer": ReportColumn("accepted, longer", "fraction of texts"),
}
"""Columns by the metrics of an oracle card."""


def oracle_table(chapter: Chapter) -> ReportTable | None:
    """Each run compared with the true distribution of its data; None where no run was compared."""
    cards = [(entry, card) for entry in chapter.entries if (card := entry.run.oracle)]
    if not cards:
        return None
    recorded = {key for _, card in cards for key in card["metrics"]}
    columns = {key: column for key, column in ORACLE_COLUMNS.items() if key in recorded}
    return ReportTable(
        name=f"true distribution {chapter.title}",
        caption=_caption(recorded, [card for _, card in cards]),
        columns=(*RUN_COLUMNS, *columns.values()),
        rows=tuple(
            (*run_cells(entry), *(card["metrics"].get(key) for key in columns)) for entry, card in cards
        ),
        entries=tuple(entry for entry, _ in cards),
    )


def _caption(recorded: Collection[str], cards: Sequence[OracleCard]) -> str:
    sentences = [
        "Models compared with the true distribution of the data. The floor is the loss of the true "
        "distribution itself on the validation split; the loss above it is what the model has not learned. "
        "Divergence: Kullback-Leibler divergence of the model's distributions from the true ones. A cut "
        "sample reached the maximum length before its end and is neither valid nor wrong. Expected: what as "
        "many strings of the true distribution have, after the same prompts and cut at the same length."
    ]
    if "accepted_longer" in recorded:
        sentences.append(
            "Accepted: at every position of the text, exactly the tokens that may follow are likely; longer: "
            "the same for texts longer than any training text."
        )
    if "samples_passing_legacy_check" in recorded:
        sentences.append(
            "The legacy check is lenient about the order of tokens and the end of a sample; it is shown "
            "beside the exact one."
        )
    methods = dict.fromkeys(f"{card['scored_as'].capitalize()}." for card in cards)
    return " ".join([*sentences, *methods])


def wrong_samples_table(chapter: Chapter) -> ReportTable | None:
    """Why samples are wrong; None where none are."""
    wrong = [
        (entry, sample)
        for entry in chapter.best()
        if entry.run.oracle
        for sample in entry.run.oracle["explained"]
    ]
    if not wrong:
        return None
    return ReportTable(
        name=f"wrong samples {chapter.title}",
        caption="Why samples are wrong: the first token that the language does not allow at its position, "
        "and the tokens that it allows there. .end: the sample ended too early. Of the best run of each "
        "architecture.",
        columns=(
            *RUN_COLUMNS,
            ReportColumn("sample"),
            ReportColumn("position"),
            ReportColumn("token"),
            ReportColumn("allowed"),
        ),
        rows=tuple(
            (
                *run_cells(entry),
                sample["text"] or "[empty]",
                sample["position"] + 1,
                sample["token"],
                " ".join(sample["allowed"]),
            )
            for entry, sample in wrong
        ),
        entries=tuple(entry for entry, _ in wrong),
    )
