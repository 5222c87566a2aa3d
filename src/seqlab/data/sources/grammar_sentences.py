"""Sentences of context-free grammars: a small English grammar, and the user's own."""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.locations import Location
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.sources.seeded import APPLIED_LATER
from seqlab.data.sources.text_files import read_text, user_path
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import PAD, START, TokenizerConfig
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.languages.character_level import CharacterLevel
from seqlab.languages.context_free import ContextFree
from seqlab.languages.grammar import Grammar, Symbols
from seqlab.languages.language import FormalLanguage
from seqlab.languages.toy import TOY
from seqlab.schema.config import plain, read_toml
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class SentencesConfig(GeneratedConfig, ABC):
    """Sentences of a grammar, words separated by spaces; tokens are words or characters."""

    @abstractmethod
    def words(self) -> ContextFree:
        """The language whose tokens are words."""

    @override
    def language(self) -> FormalLanguage[Any]:
        return CharacterLevel(self.words()) if self.tokenizer.character_level else self.words()

    @override
    def known_words(self) -> frozenset[str]:
        return frozenset(self.words().alphabet)


class ToyConfig(SentencesConfig):
    """Sentences about animals and people, read by characters or by words; the grammar is ambiguous.

    >>> ToyConfig(train=2, valid=1, test=1).read().texts["train"]
    ['the mouse goes ( with the dog )', 'a short woman goes']
    """

    description: ClassVar[str] = "Sentences about animals and people from a small English grammar."
    kind: Literal["toy"] = "toy"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens: `characters`, or `whitespace` for words."""

    @override
    def words(self) -> ContextFree:
        return _TOY


class GrammarConfig(SentencesConfig):
    r"""Your own grammar: a TOML file with a table `rules`, whose first rule is that of a whole string.

    A rule is a list of equally likely choices, `s = ["a s b", "a b"]`, or a table of choices with
    probabilities that sum to 1, `s = {"a s b" = 0.25, "a b" = 0.75}`. A symbol without a rule is a word.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "own.toml")
    ...     _ = path.write_text('[rules]\ns = ["np sleeps", "np sees np"]\nnp = ["the cat", "a dog"]\n')
    ...     GrammarConfig(path=str(path), train=3, valid=1, test=1).read().texts["train"]
    ['the cat sees a dog', 'the cat sleeps', 'the cat sleeps']
    """

    description: ClassVar[str] = "Strings of your own context-free grammar."
    kind: Literal["grammar"] = "grammar"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WhitespaceConfig()
    """How texts become tokens: `whitespace` for words, or `characters`."""
    path: Annotated[str, Location()]
    """The file of the grammar."""

    @override
    def words(self) -> ContextFree:
        language = _language(read_text(user_path(self.path)), self.path)
        if not self.tokenizer.character_level:
            _check_words(language.alphabet, self.path)
        return language

    @override
    def content_hash(self) -> str:
        # Of the file's content, not of its path: a moved file is the same data.
        settings = {key: value for key, value in plain(self).items() if key not in APPLIED_LATER | {"path"}}
        text = json.dumps({**settings, "version": self.version}, sort_keys=True)
        return hashlib.sha256((text + read_text(user_path(self.path))).encode()).hexdigest()


_TOY = ContextFree(TOY)


@functools.lru_cache(maxsize=8)
def _language(text: str, path: str) -> ContextFree:
    """The language of a grammar file; cached because its parser keeps what it has computed.

    Raises:
        UserError: it is not a grammar file, or the grammar is not valid.
    """
    table = read_toml(text, f"Grammar {path!r}")
    rules = table.get("rules")
    if set(table) != {"rules"} or not isinstance(rules, dict):
        found = ", ".join(map(repr, table)) or "nothing"
        raise UserError(f"Grammar {path!r} must have one table, 'rules', and nothing else. Got {found}.")
    return ContextFree(Grammar({name: _choices(name, written) for name, written in rules.items()}))


def _check_words(words: tuple[str, ...], path: str) -> None:
    for special in (PAD, START):
        if special in words:
            raise UserError(
                f"Words of grammar {path!r} must not be tokens that models use for themselves. "
                f"Got {special!r}."
            )


def _choices(name: str, written: Any) -> tuple[tuple[Symbols, float], ...]:
    if isinstance(written, list):
        written = dict.fromkeys(written, 1 / max(1, len(written))) if _distinct_texts(written) else written
    if not isinstance(written, dict) or not all(type(value) in (int, float) for value in written.values()):
        raise UserError(
            f"Rule {name!r} must be a list of different texts, or a table of texts with probabilities. "
            f"Got {written!r}."
        )
    return tuple((tuple(text.split()), float(probability)) for text, probability in written.items())


def _distinct_texts(written: list[Any]) -> bool:
    return all(isinstance(text, str) for text in written) and len(set(written)) == len(written)
