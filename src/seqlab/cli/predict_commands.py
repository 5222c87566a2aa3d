"""`seqlab sample` and `seqlab predict`: texts of a trained language model, and predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seqlab.cli.arguments import (
    Encoding,
    Json,
    Overwrite,
    Run,
    Separator,
    TextColumn,
    TextFile,
    Trust,
    Whole,
    check_output,
)
from seqlab.cli.console import percent, print_json, print_line, print_note, print_text
from seqlab.cli.progress_display import working
from seqlab.cli.text_input import TextOptions, check_one_source, text_source
from seqlab.schema.errors import UserError
from seqlab.schema.visible import shortened, visible
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.data.sources.text_rows import TextSource
    from seqlab.evaluate.answers import AnswerOptions
    from seqlab.evaluate.text_predictor import TextPredictor

MOST_NOTES = 5
"""Texts without a known word that are named."""
NO_TEXT = "\N{EN DASH}  (no text)"
"""The line of a row without text."""

Values = dict[str, float]
"""Probabilities of labels, or a number, by name."""


def sample(
    name: Run,
    /,
    *,
    prompt: str = "",
    random_token: bool = False,
    count: Whole = 5,
    length: Whole = 100,
    temperature: float = 1.0,
    top_k: Whole | None = None,
    top_p: float | None = None,
    seed: Whole = 1,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Generate texts with a language model.

    Parameters
    ----------
    prompt
        Text that every generated text continues. Default: the start of a text.
    random_token
        Begin each text with a token of its own, drawn from all tokens but special ones with equal
        probability, in place of a prompt.
    count
        Number of texts.
    length
        Largest number of tokens per text.
    temperature
        Divides the logits; 0 always takes the most likely token.
    top_k
        Draw from the k most likely tokens only.
    top_p
        Draw from the most likely tokens whose probabilities add up to this share.
    seed
        Random seed.
    as_json
        Print the texts as JSON.
    """
    from seqlab.decode.sampling import SamplingOptions
    from seqlab.evaluate.loaded import load_run
    from seqlab.runs import run_folder

    if count < 1:
        raise UserError(f"'count' must be at least 1. Got {count}. Nearest: 1.")
    if length < 1:
        raise UserError(f"'length' must be at least 1. Got {length}. Nearest: 1.")
    options = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
    loaded = load_run(run_folder.find(name), trust=trust)
    encoded = loaded.tokenizer.decode(loaded.tokenizer.encode(prompt))
    if encoded != prompt:
        print_note(f"The model reads the prompt {prompt!r} as {encoded!r}.")
    texts = loaded.sample(
        prompt, count=count, length=length, options=options, seed=seed, random_token=random_token
    )
    if as_json:
        print_json([{"prompt": text.prompt, "text": text.text, "complete": text.complete} for text in texts])
        return
    for number, text in enumerate(texts, start=1):
        mark = "" if text.complete else " ..."
        print_text(f"[{number}] {text.prompt}{text.text}{mark}")


def predict(
    name: Run,
    /,
    *texts: str,
    file: TextFile | None = None,
    text_column: TextColumn | None = None,
    id_column: str | None = None,
    separator: Separator | None = None,
    encoding: Encoding | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    overwrite: Overwrite = False,
    top: Whole | None = None,
    temperature: float = 1.0,
    abstain_below: float | None = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Predict the label of each text, or its number.

    Parameters
    ----------
    texts
        Texts to predict. Without texts and without a file: standard input, one text per line.
    id_column
        The only column of the table that is written with the answers. Default: all columns.
    output
        Table of the answers to write, .csv, .jsonl or .parquet: all rows in their order.
    top
        Number of labels of each text, the likeliest first. Default: 1 in an output, else all.
    temperature
        Divides the logits, for example the temperature that `seqlab evaluate --calibrate` finds.
    abstain_below
        Probability of the likeliest label under which the label is left empty.
    as_json
        Print the predictions as JSON; of an output its path and numbers of rows.
    """
    from seqlab.evaluate.answers import AnswerOptions
    from seqlab.evaluate.loaded_ensemble import load_predictor
    from seqlab.runs import run_folder

    check_one_source(texts, file)
    if output is None and (id_column is not None or overwrite):
        raise UserError("'--id-column' and '--overwrite' need an output. Got none; add -o FILE.")
    labels = 1 if top is None else top
    options = AnswerOptions(top=labels, temperature=temperature, abstain_below=abstain_below)
    loaded = load_predictor(run_folder.find(name), trust=trust)
    loaded.check_predicts()
    options.check(loaded.labels)
    reading = TextOptions(file, text_column, id_column, separator, encoding)
    source = text_source(loaded.config.data, texts, reading, keep=output is not None)
    if output is None:
        _print_predictions(loaded, source, options, shown=top, as_json=as_json)
    else:
        _write_predictions(loaded, source, output, options, overwrite=overwrite, as_json=as_json)


def _write_predictions(
    loaded: TextPredictor,
    source: TextSource,
    output: Path,
    options: AnswerOptions,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    from seqlab.evaluate.table_output import require_output_format
    from seqlab.evaluate.table_prediction import label_table

    check_output(require_output_format(output))
    with working("Predicting", quiet=as_json) as display:
        found = label_table(loaded, source, output, options, overwrite=overwrite, progress=display.predicted)
    _print_notes(source)
    if found.renamed:
        print_note(f"Note: The table has a column {found.renamed[0]!r}; answers are in {found.columns[0]!r}.")
    if found.unknown:
        print_note(
            f"Note: {_texts(found.unknown)} no word that the model knows; with other unknown words the "
            "predictions would be the same."
        )
    if options.abstain_below is not None:
        print_note(_abstained(found.abstained, found.answered, options.abstain_below))
    if as_json:
        counts = {"rows": found.rows, "answered": found.answered, "abstained": found.abstained}
        print_json({"output": str(output), **counts})
    else:
        print_line(f"{counted(found.rows, 'row')} with {', '.join(found.columns)}: {output}")


def _texts(count: int) -> str:
    return f"{counted(count, 'text')} {'has' if count == 1 else 'have'}"


def _abstained(count: int, total: int, below: float) -> str:
    if not count:
        return f"Note: Every text has a label: no probability is less than {below:g}."
    share = percent(count / total)
    return f"Note: {_texts(count)} no label ({share}), as its probability is less than {below:g}."


def _print_predictions(
    loaded: TextPredictor, source: TextSource, options: AnswerOptions, *, shown: int | None, as_json: bool
) -> None:
    """Print the answers; `shown` is the number of labels of each text, None all in the model's order."""
    from seqlab.evaluate.prediction import named
    from seqlab.evaluate.table_prediction import predicted

    rows: list[tuple[str, Values | None]] = []
    unknown: list[str] = []
    with working("Predicting", quiet=as_json) as display:
        expected = source.expected_rows
        for piece, found in predicted(loaded, source):
            values = named(loaded.labels, found.outputs, options.temperature)
            rows += zip(piece.texts, piece.aligned(values), strict=True)
            unknown += [piece.present[index] for index in found.unknown.nonzero()[0].tolist()]
            display.predicted(len(rows), max(len(rows), expected))
    _print_notes(source)
    _print_unknown(unknown)
    if options.abstain_below is not None:
        answered = [values for _, values in rows if values]
        unsure = sum(_abstains(values, options) for values in answered)
        print_note(_abstained(unsure, len(answered), options.abstain_below))
    if as_json:
        key = "probabilities" if loaded.labels else "answer"
        print_json([_prediction_object(text, values, options, key, shown) for text, values in rows])
        return
    for text, values in rows:
        print_line(_prediction_line(text, values, options, shown) if values else NO_TEXT)


def _print_unknown(texts: list[str]) -> None:
    for text in texts[:MOST_NOTES]:
        print_note(
            f"The model knows no word of {shortened(text)!r}; "
            "it predicts the same for as many other unknown words."
        )
    if len(texts) > MOST_NOTES:
        print_note(f"The same is true of {len(texts) - MOST_NOTES:,} more texts.")


def _print_notes(source: TextSource) -> None:
    for note in source.notes():
        print_note(f"Note: {note}")


def _abstains(values: Values, options: AnswerOptions) -> bool:
    return options.abstain_below is not None and max(values.values()) < options.abstain_below


def _ranked(values: Values, count: int | None) -> Values:
    """The likeliest labels first, so many of them."""
    return dict(sorted(values.items(), key=lambda item: -item[1])[:count])


def _prediction_object(
    text: str, values: Values | None, options: AnswerOptions, key: str, shown: int | None
) -> dict[str, Any]:
    """An answer for JSON, its values under `key`; null for a row without text."""
    label: dict[str, str | None] = {}
    if options.abstain_below is not None:
        label["label"] = None
        if values and not _abstains(values, options):
            label["label"] = max(values, key=values.__getitem__)
    return {"text": text, **label, key: _ranked(values, shown) if values and shown is not None else values}


def _prediction_line(text: str, values: Values, options: AnswerOptions, shown: int | None) -> str:
    """The most likely label, or the number, and the text; a second line has all labels where it is wanted."""
    ranked = _ranked(values, shown)
    names = [f"{visible(shortened(label))} {value:.3f}" for label, value in ranked.items()]
    best = f"({names[0]})" if _abstains(values, options) else names[0]
    line = f"{best}  " + visible(shortened(text, 80), keep="\t")
    # Of two labels, the likelier one tells all.
    ranking = len(ranked) > 2 if shown is None else shown > 1
    return f"{line}\n    {', '.join(names)}" if ranking else line
