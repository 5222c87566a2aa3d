"""Names of Unicode's characters: every one once, in the split that the seed gives it."""

from __future__ import annotations

import unicodedata

from seqlab.data.sources.unicode_names import UnicodeNamesConfig, names


def _lines(config: UnicodeNamesConfig) -> dict[str, list[str]]:
    return {split: text.splitlines() for split, (text,) in config.read().texts.items()}


def test_every_name_is_that_of_a_character_and_in_one_split() -> None:
    known = names()
    assert len(known) > 30_000
    assert all(unicodedata.name(unicodedata.lookup(name)).lower() == name for name in known)
    assert not any(name.startswith(("cjk", "hangul syllable", "tangut ideograph")) for name in known)
    parts = _lines(UnicodeNamesConfig())
    assert sorted(line for lines in parts.values() for line in lines) == sorted(known)
    assert len(parts["valid"]) == len(parts["test"]) == len(known) // 20


def test_the_order_depends_on_the_seed_and_the_content_on_what_is_taken() -> None:
    config = UnicodeNamesConfig(max_names=100)
    parts = _lines(config)
    assert {split: len(lines) for split, lines in parts.items()} == {"train": 90, "valid": 5, "test": 5}
    assert _lines(UnicodeNamesConfig(max_names=100)) == parts
    other = UnicodeNamesConfig(max_names=100, seed=1)
    assert _lines(other) != parts
    assert len({config.content_hash(), other.content_hash(), UnicodeNamesConfig().content_hash()}) == 3
