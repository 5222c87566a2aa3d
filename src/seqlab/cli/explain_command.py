"""`seqlab explain`: texts whose words are coloured by their effect on a model's answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from seqlab.cli.console import print_json, print_line, print_note
from seqlab.cli.progress_display import working
from seqlab.cli.text_input import TextOptions, check_one_source, text_source
from seqlab.schema.errors import UserError
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.data.sources.text_rows import TextSource
    from seqlab.evaluate.explain import ChosenExplainer
    from seqlab.schema.text_explanation import Explanations

MOST_ON_PAGE = 500
"""Texts of a page, at most: a browser needs seconds for more."""
PAGES = (".html", ".htm")


def explain(
    name: Run,
    /,
    *texts: str,
    file: TextFile | None = None,
    text_column: TextColumn | None = None,
    separator: Separator | None = None,
    encoding: Encoding | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    overwrite: Overwrite = False,
    method: str | None = None,
    label: str | None = None,
    steps: Whole | None = None,
    top: Whole = 10,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Show what each word of a text adds to a model's answer.

    The answer is a label, a number, or of a language model the probability of the text, to which each token
    adds its surprisal in bits. On a terminal words are coloured by their effect, and the largest effects
    follow. A page and JSON have all.

    Parameters
    ----------
    texts
        Texts to explain. Without texts and without a file: standard input, one text per line.
    output
        Page to write, .html, which needs no other file and no network: the first 500 texts.
    method
        weights (models that are sums over words, exactly), integrated-gradients (needs captum) or occlusion
        (any model: each word left out). Default: the first of them that suits the model; the output says
        which one and why. Of a language model always surprisal.
    label
        Label whose effects are shown. Default: the likeliest one of each text.
    steps
        Steps of integrated gradients, 1 to 1024, doubled until the effects add up within 1 %. Default: 32.
    top
        Number of largest effects to list.
    as_json
        Print the explanations as JSON; of an output its path and number of texts.
    """
    from seqlab.evaluate.explain import choose_explainer
    from seqlab.evaluate.loaded_ensemble import load_predictor
    from seqlab.runs import run_folder

    _check_options(texts, file, output, overwrite=overwrite, top=top)
    check_output(output)
    loaded = load_predictor(run_folder.find(name), trust=trust)
    chosen = choose_explainer(loaded, method=method, label=label, steps=steps)
    options = TextOptions(file, text_column, None, separator, encoding)
    source = text_source(loaded.config.data, texts, options, keep=False)
    found = _explained(chosen, source, most=None if output is None else MOST_ON_PAGE, quiet=as_json)
    notes = list(source.notes())
    for note in notes:
        print_note(f"Note: {note}")
    if output is not None:
        _write(found, output, notes, overwrite=overwrite, as_json=as_json)
    elif as_json:
        print_json(found.as_dict())
    else:
        from seqlab.cli.coloured_text import print_explained

        print_explained(found, top)


def _check_options(
    texts: tuple[str, ...], file: Path | None, output: Path | None, *, overwrite: bool, top: int
) -> None:
    check_one_source(texts, file)
    if top < 0:
        raise UserError(f"'top' must be at least 0. Got {top}. Nearest: 0.")
    if output is None and overwrite:
        raise UserError("'--overwrite' needs an output. Got none; add -o FILE.")
    if output is not None and output.suffix.lower() not in PAGES:
        raise UserError(
            f"'output' must end in {', '.join(PAGES)}. Got {str(output)!r}. "
            f"Nearest: {str(output.with_suffix('.html'))!r}."
        )
    if output is not None and output.exists() and not overwrite:
        raise UserError(
            f"'output' must be a file that does not exist yet. Got {str(output)!r}. To replace it: "
            "--overwrite."
        )


def _explained(chosen: ChosenExplainer, source: TextSource, *, most: int | None, quiet: bool) -> Explanations:
    """The explanations of all texts; with `most` those of the first texts, and the number of all."""
    texts = []
    total = 0
    with working("Explaining", quiet=quiet) as display:
        for piece in source.pieces():
            begin, total = total, total + len(piece.texts)
            shown = piece.texts if most is None else piece.texts[: max(0, most - begin)]
            for text in chosen.texts(shown):
                texts.append(text)
                display.explained(len(texts), max(len(texts), source.expected_rows))
    return chosen.together(texts, total)


def _write(found: Explanations, output: Path, notes: list[str], *, overwrite: bool, as_json: bool) -> None:
    from seqlab.report.explanation_page import write_explanations

    write_explanations(found, output, notes=notes, overwrite=overwrite)
    shown = len(found.texts)
    if as_json:
        print_json({"output": str(output), "texts": shown, "total": found.total, "method": found.method})
        return
    print_line(f"Method: {found.method}. {found.reason}")
    left_out = "" if shown == found.total else f", the first of {found.total:,}"
    print_line(f"{counted(shown, 'text')}{left_out}: {output} (open it in a browser)")
