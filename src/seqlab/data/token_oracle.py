"""What is known of a generated dataset, in the ids of its vocabulary. Legend: T tokens, V ids, S states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.languages.explorer import WRONG, Explorer
from seqlab.languages.language import FormalLanguage
from seqlab.schema.errors import UserError


def has_oracle(language: FormalLanguage[Any], tokenizer: Tokenizer) -> bool:
    """Whether a language speaks of the tokens of a vocabulary."""
    return not _foreign(language, tokenizer)


class TokenOracle:
    """The exact distribution behind every prefix, over the ids of a vocabulary.

    Raises:
        UserError: the vocabulary has tokens that the language does not speak of.
    """

    def __init__(self, language: FormalLanguage[Any], tokenizer: Tokenizer):
        foreign = _foreign(language, tokenizer)
        if foreign:
            raise UserError(
                "'data.tokenizer.kind' must be 'characters', or 'whitespace' for words, where the truth is "
                f"asked. Got {tokenizer.spec()['kind']!r}, with the unknown token {foreign[0]!r}."
            )
        vocabulary = tokenizer.vocabulary
        assert vocabulary.end is not None, "generated texts are separate sequences"
        self.language, self.end = language, vocabulary.end
        self.explorer = Explorer(self.language)
        self._tokenizer = tokenizer
        # The column of each id, or one behind all others, of what never happens.
        never = self.explorer.end + 1
        own = [self.explorer.columns.get(token, never) for token in vocabulary.tokens]
        own[self.end] = self.explorer.end
        self._columns = np.array(own)

    def walk(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """(T+1,) states before the first token and behind each; `WRONG` behind what cannot stand there."""
        tokens = self._tokenizer.vocabulary.tokens
        return self.explorer.walk([tokens[index] for index in ids.tolist()])

    def rows(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """(..., V): the distribution behind each of the states (...)."""
        never = np.zeros((len(self.explorer.probabilities), 1))
        return np.concatenate([self.explorer.probabilities, never], axis=1)[:, self._columns][states]

    def probabilities(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """(T+1, V) before the first token of a text and behind each; 0 everywhere where it is no prefix."""
        states = self.walk(ids)
        return self.rows(states) * (states != WRONG)[:, None]

    def behind(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """(V,) behind a prefix.

        Raises:
            UserError: no text begins so.
        """
        self.language.next_token(self._tokenizer.decode(ids.tolist()))
        return self.probabilities(ids)[-1]

    @property
    def depths(self) -> NDArray[np.int64]:
        """(S,) what is open in each state that was met, -1 where the language knows no such thing."""
        states = (self.explorer.state(number) for number in range(len(self.explorer.probabilities)))
        depths = (self.language.depth(state) for state in states)
        return np.array([-1 if depth is None else depth for depth in depths])

    @property
    def rarest(self) -> float:
        """The smallest chance above 0 that was met so far."""
        met = self.explorer.probabilities
        return float(met[met > 0].min())


def _foreign(language: FormalLanguage[Any], tokenizer: Tokenizer) -> list[str]:
    """Tokens of the vocabulary that the language does not have."""
    vocabulary, alphabet = tokenizer.vocabulary, set(language.alphabet)
    parts = vocabulary.special | {vocabulary.unknown}
    return [t for index, t in enumerate(vocabulary.tokens) if index not in parts and t not in alphabet]
