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
from seqlab.evaluate.text_predictor import TextAnswers, TextPredictor
from seqlab.runs.output_file import new_output


@dataclass(frozen=True)
class Labelled:
    """What a table came to: rows, those without a label, those without a known token, and column names.

    renamed: columns of answers that got another name, because the table had them.
    """

    rows: int
    abstained: int
    unknown: int
    columns: list[str]
    renamed: list[str]


def predicted(loaded: TextPredictor, source: TextSource) -> Iterator[tuple[TextRows, TextAnswers]]:
    """The rows of a source with the answers to their texts, some at a time."""
    return ((rows, loaded.answers(rows.texts)) for rows in source.pieces())


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
        UserError: a row has no text, a file exists, or a model has no such answers.
        DiskError: the disk is full or cannot be written.
    """
    answers = Answers(loaded.labels, options, source.kept)
    done = unknown = 0
    with new_output(output, overwrite=overwrite, retry="repeat the command") as path, _settled_objects():
        writer = WRITERS[output.suffix.lower()](path, source, answers.names)
        try:
            expected = source.expected_rows
            for rows, found in predicted(loaded, source):
                writer.write(rows, answers.columns(found.outputs))
                done += len(rows.texts)
                unknown += int(found.unknown.sum())
                progress(done, max(done, expected))
            writer.finish()
        finally:
            writer.close()
    return Labelled(done, answers.abstained, unknown, answers.names, answers.renamed)


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
