"""A page on why a model gives its answers: texts whose words are coloured by their effects."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from markupsafe import Markup

from seqlab.report.explained_text import text_block
from seqlab.report.templates import environment, template_file
from seqlab.runs.output_file import new_output
from seqlab.schema.text_explanation import Explanations
from seqlab.stats.formatting import counted


def write_explanations(
    found: Explanations, output: Path, *, notes: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Write a page that needs no other file and no network, whole or not at all.

    Args:
        found: the explanations.
        output: the HTML file; its folder is created.
        notes: sentences about the texts, above them.
        overwrite: whether a file that exists is replaced.

    Raises:
        UserError: the file exists and is not to be replaced.
        DiskError: the disk is full or cannot be written.
    """
    with new_output(output, overwrite=overwrite, retry="repeat the command") as path:
        path.write_text(render_page(found, notes), encoding="utf-8")


def render_page(found: Explanations, notes: Sequence[str] = ()) -> str:
    """The page as HTML; texts are escaped, and its policy forbids the browser to load anything."""
    left_out = found.total - len(found.texts)
    shown = [f"The page shows the first {len(found.texts):,} of {counted(found.total, 'text')}."]
    style = template_file("page.css") + template_file("explanation.css")
    return environment().from_string(template_file("explanation_page.html.j2")).render(
        title=page_title(found),
        run=found.run,
        notes=[*(shown if left_out else []), *notes],
        style=Markup(style),
        fragment=Markup(render_fragment(found)),
        version=metadata.version("seqlab"),
    )  # fmt: skip


def page_title(found: Explanations) -> str:
    """The heading of the page."""
    if _is_surprisal(found):
        return f"How surprising {found.run} finds texts"
    return f"What {found.run} answers, word by word"


def render_fragment(found: Explanations) -> str:
    """The explanations without a page around them; `render_in_notebook` adds their style."""
    labelled, surprisal = any(text.label for text in found.texts), _is_surprisal(found)
    raises, lowers = (
        ("for the label", "against the label") if labelled else ("raises the number", "lowers the number")
    )
    return environment().from_string(template_file("explanation_fragment.html.j2")).render(
        colours=colours_sentence(found),
        method=method_sentences(found),
        raises="most surprising" if surprisal else raises,
        lowers="" if surprisal else lowers,
        effect="surprisal" if surprisal else "effect",
        item="token" if surprisal else "word",
        cut=", and the part of the text that is cut off" if _is_cut(found) else "",
        blocks=[text_block(text, number) for number, text in enumerate(found.texts, start=1)],
    )  # fmt: skip


def render_in_notebook(found: Explanations) -> str:
    """The same with its style, for the output of a cell."""
    return f"<style>\n{template_file('explanation.css')}</style>\n{render_fragment(found)}"


def colours_sentence(found: Explanations) -> str:
    """What the colours of words are."""
    by = found.quantity if _is_surprisal(found) else f"effect on the {found.quantity}"
    return f"{'Tokens' if _is_surprisal(found) else 'Words'} are coloured by their {by}."


def method_sentences(found: Explanations) -> str:
    """The method, why it was chosen, and what its effects mean."""
    return f"Method: {found.method}. {found.reason} {found.meaning}"


def _is_surprisal(found: Explanations) -> bool:
    return any(text.unit for text in found.texts)


def _is_cut(found: Explanations) -> bool:
    return any(word.status == "cut" for text in found.texts for word in text.words)
