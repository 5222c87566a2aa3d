"""A page as html.parser reads it: elements, texts, tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "input", "link", "img"}


@dataclass
class Element:
    """An element with its attributes and everything under it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str) -> list[Element]:
        """Every element of the tag under this one, in order."""
        elements: list[Element] = []
        for child in self.children:
            if isinstance(child, Element):
                elements += [child] if child.tag == tag else []
                elements += child.all(tag)
        return elements

    def cells(self) -> list[list[str]]:
        """A table's cells row by row: a number with every digit, a text as it is shown."""
        lines = [[cell for cell in row.children if isinstance(cell, Element)] for row in self.all("tr")]
        return [[_cell(cell) for cell in line] for line in lines]


def _cell(cell: Element) -> str:
    data = cell.all("data")
    return data[0].attributes["value"] if data else " ".join(cell.text.split())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def page(path: Path) -> Element:
    """The whole page; every element must be closed."""
    parser = _Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert [element.tag for element in parser.open] == ["document"]
    return parser.open[0]


def table(document: Element, caption: str) -> list[list[str]]:
    """The cells of the only table with these words in its caption."""
    captions = {id(element): element.all("caption")[0].text for element in document.all("table")}
    matching = [element for element in document.all("table") if caption in captions[id(element)]]
    assert len(matching) == 1, [captions[id(element)] for element in matching]
    return matching[0].cells()
