"""Predicting a table of any size: rows in, the same rows with their answers out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seqlab.data.sources.text_rows import TextRows, TextSource
from seqlab.evaluate.answers import AnswerOptions, Answers
from seqlab.evaluate.table_output import WRITERS
from seqlab.evaluate.text_predictor import TextAnswers, TextPredictor, no_answers
from seqlab.runs.output_file import new_output


@dataclass(frozen=True)
class Labelled:
    """What a table came to.

    rows: of the output. answered: those with a text. abstained: texts without a label. unknown: texts without
    a known token. columns: names of the answers. renamed: those that got another name, because the table had
    them.
    """

    rows: int
    answered: int
    abstained: int
    unknown: int
    columns: list[str]
    renamed: list[str]


def predicted(loaded: TextPredictor, source: TextSource) -> Iterator[tuple[TextRows, TextAnswers]]:
    """The rows of a source, some at a time, with the answers to those that have a text."""
    for rows in source.pieces():
        texts = rows.present
        yield rows, loaded.answers(texts) if texts else no_answers(loaded.labels)


def label_table(
    loaded: TextPredictor,
    source: TextSource,
    output: Path,
    options: AnswerOptions,
    *,
    overwrite: bool,
    progress: Callable[[int, int], None],
) -> Labelled:
    """Write the rows of a source with their answers, in their order, the whole table or nothing.

    Args:
        loaded: a run that predicts labels or numbers.
        source: the texts.
        output: file of the table; its extension is one of `WRITERS`.
        options: how answers are given.
        overwrite: whether a file that exists is replaced.
        progress: called with the number of rows done and of all, at most.

    Raises:
        UserError: no row has a text, a file exists, or a model has no such answers.
        DiskError: the disk is full or cannot be written.
    """
    answers = Answers(loaded.labels, options, source.kept)
    done = answered = unknown = 0
    with new_output(output, overwrite=overwrite, retry="repeat the command") as path, _settled_objects():
        writer = WRITERS[output.suffix.lower()](path, source, answers.types)
        try:
            expected = source.expected_rows
            for rows, found in predicted(loaded, source):
                cells = answers.columns(found.outputs)
                writer.write(rows, {name: rows.aligned(column) for name, column in cells.items()})
                done += len(rows.texts)
                answered += len(found.unknown)
                unknown += int(found.unknown.sum())
                progress(done, max(done, expected))
            writer.finish()
        finally:
            writer.close()
    return Labelled(done, answered, answers.abstained, unknown, answers.names, answers.renamed)


@contextmanager
def _settled_objects() -> Iterator[None]:
    """Exempt all objects that exist, most of them of libraries, from garbage collection.

    The rows of a piece start many collections, each of which would visit all these objects.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
