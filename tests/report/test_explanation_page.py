"""The page of explanations: everything escaped, nothing lost, nothing loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from html_tree import Element, page

from seqlab.report.explanation_page import render_in_notebook, write_explanations
from seqlab.schema.text_explanation import ExplainedWord, Explanations, TextExplanation

HOSTILE = "<script>alert('x')</script> & \"q\" \x1b[31m\u202eevil\u2066 😀 שלום مرحبا </span><b> {{ x }} --> "
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
VISIBLE = HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e").replace("\u2066", r"\u2066")


def word(text: str, start: int | None, effect: float | None, status: str = "read") -> ExplainedWord:
    end = None if start is None else start + len(text)
    tokens = (text,) if effect is not None else ()
    return ExplainedWord(text=text, start=start, end=end, tokens=tokens, effect=effect, status=status)  # pyright: ignore[reportArgumentType]


def explanation(text: str, *words: ExplainedWord, **changes) -> TextExplanation:
    settings = {
        "predicted": f"lab{HOSTILE}",
        "label": f"lab{HOSTILE}",
        "probability": 0.75,
        "value": 1.5,
        "baseline": 0.5,
        "gap": 0.0,
        "steps": 32,
        "converged": True,
    }
    return TextExplanation(text=text, words=words, **(settings | changes))


def explanations(*texts: TextExplanation, total: int | None = None) -> Explanations:
    return Explanations(
        run=f"run{HOSTILE}",
        method="occlusion",
        reason=f"Because {HOSTILE}.",
        quantity="log odds",
        meaning="A meaning.",
        texts=texts,
        total=len(texts) if total is None else total,
    )


@pytest.fixture
def written(tmp_path: Path) -> tuple[Element, str]:
    evil = HOSTILE.index("evil")
    first = explanation(
        HOSTILE,
        word("script", 1, -2.0),
        word("evil", evil, 1.0),
        word("😀", HOSTILE.index("😀"), 0.001, "unknown"),
        word("שלום", HOSTILE.index("שלום"), 0.5),
        word("b", HOSTILE.index("<b>") + 1, None, "cut"),
    )
    nowhere = explanation("ab", word("a" + HOSTILE, None, 1.0), word("##b", None, -1.0), converged=False)
    nothing = explanation("", label="", predicted="", probability=None)
    path = tmp_path / "e.html"
    write_explanations(explanations(first, nowhere, nothing), path, notes=[f"A note {HOSTILE}"])
    return page(path), path.read_text(encoding="utf-8")


def blocks(document: Element) -> list[Element]:
    return [one for one in document.all("div") if one.attributes.get("class") == "text"]


def test_the_whole_text_is_shown_and_nothing_of_it_is_markup(written: tuple[Element, str]) -> None:
    document, source = written
    assert not FORBIDDEN.search(source)
    assert blocks(document)[0].text == VISIBLE
    assert not document.all("script")
    assert not document.all("b")
    assert f"A note {VISIBLE.strip()}" in document.text
    policy = next(
        meta.attributes["content"]
        for meta in document.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", source)


def test_colours_are_shares_of_the_largest_effect(written: tuple[Element, str]) -> None:
    spans = {one.text: one.attributes for one in blocks(written[0])[0].all("span")}
    assert (spans["script"]["class"], spans["script"]["style"]) == ("lowers strong", "--share: 1.0")
    assert spans["script"]["title"] == "-2.00"
    assert (spans["evil"]["class"], spans["evil"]["style"]) == ("raises strong", "--share: 0.5")
    assert (spans["שלום"]["class"], spans["שלום"]["style"]) == ("raises", "--share: 0.25")
    assert (spans["😀"]["class"], spans["😀"]["title"]) == ("not-read unknown", "+0.00100, unknown word")
    assert "style" not in spans["😀"]
    assert (spans["b"]["class"], spans["b"]["title"]) == ("not-read", "not read: the text is cut")


def test_tables_have_every_effect(written: tuple[Element, str]) -> None:
    first = written[0].all("section")[0]
    raising, lowering, every = first.all("table")
    assert [row[:2] for row in raising.cells()[1:]] == [
        ["evil", "+1.00"],
        ["שלום", "+0.500"],
        ["😀", "+0.00100"],
    ]
    assert [row[:2] for row in lowering.cells()[1:]] == [["script", "-2.00"]]
    assert every.cells()[1:] == [
        ["1", "script", "script", "-2.00", "read"],
        ["2", "evil", "evil", "+1.00", "read"],
        ["3", "😀", "😀", "+0.00100", "unknown word"],
        ["4", "שלום", "שלום", "+0.500", "read"],
        ["5", "b", "", "", "not read: the text is cut"],
    ]


def test_words_without_positions_and_texts_without_words(written: tuple[Element, str]) -> None:
    document = written[0]
    assert blocks(document)[1].text == f"a{VISIBLE} ##b"
    assert blocks(document)[2].text == "(no text)"
    sections = document.all("section")
    assert "The gap is above 1 % of the effects, although 32 steps were taken." in sections[1].text
    assert sections[2].all("h3")[0].text == "3. number 1.5000"
    assert not sections[2].all("table")


def test_in_a_notebook_it_is_no_whole_page() -> None:
    found = render_in_notebook(explanations(explanation(HOSTILE, word("evil", HOSTILE.index("evil"), 1.0))))
    assert not FORBIDDEN.search(found)
    assert "<html" not in found
    assert all(
        line.startswith((".seqlab-explanation", "@media", "[data-jp", " ", "}"))
        for line in found.partition("</style>")[0].splitlines()[1:]
    )
