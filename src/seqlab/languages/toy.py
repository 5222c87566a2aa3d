"""A small English grammar of sentences about animals and people.

It is ambiguous: an adverb may belong to either of two clauses.
"""

from __future__ import annotations

from seqlab.languages.grammar import uniform_grammar

TOY = uniform_grammar(
    {
        "_s": [
            "_s _adv",
            "_np _vp",
            "_np _vp _prep _np",
            "_np _vp ( _prep _np )",
            "_np _vp _con _s",
            "_np _vp ( _con _s )",
        ],
        "_np": ["a _noun", "the _noun", "a _adj _noun", "the _adj _noun"],
        "_adv": ["briefly", "quickly", "impatiently"],
        "_prep": ["on", "with", "to"],
        "_con": ["while", "but"],
        "_noun": ["mouse", "bunny", "cat", "dog", "man", "woman", "person"],
        "_vp": ["walked", "walks", "ran", "runs", "goes", "went"],
        "_adj": ["short", "quick", "busy", "nice", "gorgeous"],
    }
)
"""The grammar; parentheses are words like any other."""
