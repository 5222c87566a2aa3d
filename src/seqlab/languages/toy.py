"""A small English: sentences about animals and people, ambiguous: a phrase may belong to either of two."""

from __future__ import annotations

from seqlab.languages.grammar import evenly

TOY = evenly(
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
"""The courses' grammar; parentheses are words like any other."""
