"""Sentences of context-free grammars: the courses' toy English, and one's own."""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.sources.text_files import read_text
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.languages.context_free import ContextFree
from seqlab.languages.grammar import Grammar, Symbols
from seqlab.languages.language import FormalLanguage
from seqlab.languages.spelled import Spelled
from seqlab.languages.toy import TOY
from seqlab.schema.config import plain, read_toml
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class SentencesConfig(GeneratedConfig, ABC):
    """Words that a grammar writes, apart by blanks; tokens are words, or letters."""

    @abstractmethod
    def words(self) -> ContextFree:
        """The language of words."""

    @override
    def language(self) -> FormalLanguage[Any]:
        return Spelled(self.words()) if self.tokenizer.kind == "characters" else self.words()

    @override
    def words_known(self) -> frozenset[str]:
        return frozenset(self.words().alphabet)


class ToyConfig(SentencesConfig):
    """Sentences about animals and people, ambiguous; read by letters, or by words.

    >>> ToyConfig(train=2, valid=1, test=1).read().texts["train"]
    ['the mouse goes ( with the dog )', 'a short woman goes']
    """

    description: ClassVar[str] = "A small English: sentences about animals and people."
    kind: Literal["toy"] = "toy"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens: `characters`, or `whitespace` for words."""

    @override
    def words(self) -> ContextFree:
        return _TOY


class GrammarConfig(SentencesConfig):
    """Your own grammar: a TOML file with a table `rules`, the first rule being that of a whole string.

    A rule is a list of what it may be written as, each as likely, `s = ["a s b", "a b"]`, or a table with
    chances that sum to 1, `s = {"a s b" = 0.25, "a b" = 0.75}`. What has no rule is a word.
    """

    description: ClassVar[str] = "Strings of your own context-free grammar."
    kind: Literal["grammar"] = "grammar"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WhitespaceConfig()
    """How texts become tokens: `whitespace` for words, or `characters`."""
    path: str
    """The grammar's file."""

    @override
    def words(self) -> ContextFree:
        return _language(read_text(Path(self.path)), self.path)

    def content_hash(self) -> str:
        """Of what the file says, wherever it stands."""
        settings = {key: value for key, value in plain(self).items() if key not in ("tokenizer", "path")}
        text = json.dumps({**settings, "version": self.version}, sort_keys=True)
        return hashlib.sha256((text + read_text(Path(self.path))).encode()).hexdigest()


_TOY = ContextFree(TOY)


@functools.lru_cache(maxsize=8)
def _language(text: str, where: str) -> ContextFree:
    """The language of a grammar's file.

    Raises:
        UserError: it is no such file, or the grammar cannot be.
    """
    table = read_toml(text, f"Grammar {where!r}")
    rules = table.get("rules")
    if set(table) != {"rules"} or not isinstance(rules, dict):
        known = ", ".join(map(repr, table)) or "nothing"
        raise UserError(f"Grammar {where!r} must have one table, 'rules', and nothing else. Got {known}.")
    return ContextFree(Grammar({name: _choices(name, written) for name, written in rules.items()}))


def _choices(name: str, written: Any) -> tuple[tuple[Symbols, float], ...]:
    if isinstance(written, list):
        written = dict.fromkeys(written, 1 / max(1, len(written))) if _apart(written) else written
    if not isinstance(written, dict) or not all(
        isinstance(chance, int | float) for chance in written.values()
    ):
        raise UserError(
            f"Rule {name!r} must be a list of different texts, or a table of texts with probabilities. "
            f"Got {written!r}."
        )
    return tuple((tuple(text.split()), float(chance)) for text, chance in written.items())


def _apart(written: list[Any]) -> bool:
    """Whether these are texts, each once."""
    return all(isinstance(text, str) for text in written) and len(set(written)) == len(written)
