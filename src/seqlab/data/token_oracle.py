"""What is known of generated texts, in the ids of a vocabulary. Legend: T tokens, V ids, S states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.languages.explorer import WRONG, Explorer
from seqlab.languages.language import FormalLanguage
from seqlab.languages.legacy_checks import LegacyCheck


class TokenOracle:
    """The exact distribution of the next token after every prefix, over the ids of a vocabulary.

    Args:
        language: the texts are drawn from it.
        tokenizer: its tokens are among those of the language; see `foreign_tokens`.
        words: the words that texts consist of; None where they have no words.
        legacy_check: a weaker check of samples, to compare with published figures; None without one.
        longer: the same of longer texts than `language` has; None where there are none.
    """

    def __init__(
        self,
        language: FormalLanguage[Any],
        tokenizer: Tokenizer,
        *,
        words: frozenset[str] | None = None,
        legacy_check: LegacyCheck | None = None,
        longer: TokenOracle | None = None,
    ):
        vocabulary = tokenizer.vocabulary
        assert not foreign_tokens(language, tokenizer), "checked by the dataset"
        assert vocabulary.end is not None, "generated texts are separate sequences"
        self.language, self.end = language, vocabulary.end
        self.words, self.legacy_check, self.longer = words, legacy_check, longer
        self.explorer = Explorer(self.language)
        self._tokenizer = tokenizer
        # The column of each id; tokens that never occur share one after all others.
        never = self.explorer.end + 1
        own = [self.explorer.columns.get(token, never) for token in vocabulary.tokens]
        own[self.end] = self.explorer.end
        self._columns = np.array(own)

    def walk(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """(T+1,) states before the first token and after each; `WRONG` after a token that cannot follow."""
        tokens = self._tokenizer.vocabulary.tokens
        return self.explorer.walk([tokens[index] for index in ids.tolist()])

    def rows(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """(..., V): the distribution after each of the states (...)."""
        never = np.zeros((len(self.explorer.probabilities), 1))
        return np.concatenate([self.explorer.probabilities, never], axis=1)[:, self._columns][states]

    def probabilities(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """(T+1, V) before the first token of a text and after each; zeros after what is no prefix."""
        states = self.walk(ids)
        return self.rows(states) * (states != WRONG)[:, None]

    def after(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """(V,) after a prefix.

        Raises:
            UserError: no text begins like this.
        """
        self.language.next_token(self._tokenizer.decode(ids.tolist()))
        return self.probabilities(ids)[-1]

    @property
    def depths(self) -> NDArray[np.int64]:
        """(S,) open brackets in each explored state, -1 where the language has no depth."""
        states = (self.explorer.state(number) for number in range(len(self.explorer.probabilities)))
        depths = (self.language.depth(state) for state in states)
        return np.array([-1 if depth is None else depth for depth in depths])


def foreign_tokens(language: FormalLanguage[Any], tokenizer: Tokenizer) -> list[str]:
    """Tokens of the vocabulary that are not among those of the language; an oracle exists without any."""
    vocabulary, alphabet = tokenizer.vocabulary, set(language.alphabet)
    special = vocabulary.special | {vocabulary.unknown}
    return [t for index, t in enumerate(vocabulary.tokens) if index not in special and t not in alphabet]
