"""Strict configuration: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from seqlab.schema.config import AddedLater, Config, Table, canonical, parse, plain, read_toml, to_toml
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.registry import ByKind, Registry


class Animal(Config):
    kind: str


class Cat(Animal):
    kind: Literal["cat"] = "cat"
    lives: int = Field(default=9, ge=1)
    colour: Literal["grey", "black"] = "grey"


class Dog(Animal):
    kind: Literal["dog"] = "dog"
    tricks: tuple[str, ...] = ()
    weight: float = 10.0


ANIMALS = Registry("animal", {"cat": (f"{__name__}:Cat", "purrs"), "dog": (f"{__name__}:Dog", "barks")})


class Bowl(Config):
    litres: float = 0.5
    label: str | None = None


class House(Config):
    guest: Annotated[Animal, ByKind(ANIMALS)] = Dog(weight=3.0, tricks=("beg",))
    rooms: int = 3
    open: bool = True
    column: str = "text"
    pet: Annotated[Animal, ByKind(ANIMALS)]
    bowl: Bowl = Bowl()


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {"cat": Cat, "dog": Dog}
    monkeypatch.setattr(
        Registry, "__getitem__", lambda self, kind: classes[kind] if kind in classes else _missing(self, kind)
    )


def _missing(registry: Registry, kind: str) -> type[Config]:
    from seqlab.schema.errors import unknown

    raise unknown(registry.what, kind, registry.table)


def test_a_kind_picks_the_class() -> None:
    house = parse(House, {"pet": {"kind": "dog", "tricks": ["sit", "roll"]}})
    assert house.pet == Dog(tricks=("sit", "roll"))


def test_a_table_extends_its_fields_default() -> None:
    house = parse(House, {"pet": {"kind": "cat"}, "guest": {"weight": 4.0}})
    assert house.guest == Dog(weight=4.0, tricks=("beg",))
    assert parse(House, {"pet": {"kind": "cat"}, "guest": {"kind": "cat"}}).guest == Cat()


def test_round_trip_through_toml() -> None:
    house = House(pet=Dog(tricks=("sit",), weight=2.5), bowl=Bowl(label="rex"))
    assert parse(House, read_toml(to_toml(house), "here")) == house
    assert parse(House, plain(house)) == house


def test_canonical_text_does_not_depend_on_the_order_of_keys() -> None:
    one = parse(House, {"rooms": 2, "pet": {"kind": "cat"}})
    two = parse(House, {"pet": {"kind": "cat"}, "rooms": 2})
    assert canonical(one) == canonical(two)


class Later(Config):
    """Settings of which some were added later."""

    size: int = 3
    drop: Annotated[float, AddedLater()] = 0.0
    norm: Annotated[bool, AddedLater()] = False


class Outer(Config):
    """Settings that hold such settings."""

    inner: Later = Later()
    several: tuple[Later, ...] = ()


def test_a_setting_added_later_is_part_of_fingerprints_only_where_it_is_not_its_default() -> None:
    assert canonical(Later()) == '{"size": 3}'
    assert canonical(Later(drop=0.5)) == '{"drop": 0.5, "size": 3}'
    assert canonical(Later(size=4, norm=True)) == '{"norm": true, "size": 4}'
    assert canonical(Outer(several=(Later(norm=True), Later()))) == (
        '{"inner": {"size": 3}, "several": [{"norm": true, "size": 3}, {"size": 3}]}'
    )
    assert plain(Later()) == {"size": 3, "drop": 0.0, "norm": False}


class Leash(Config):
    length: float = 2.0
    metres: float = 1.0

    @model_validator(mode="after")
    def _some_is_left(self) -> Leash:
        if self.metres > self.length:
            raise UserError(
                "'metres' must be at most 'length', and 'metre' is none. Got 'length'. Nearest: metres=2 "
                "or length = 3, but not my.length=3."
            )
        return self


class Walk(Config):
    leash: Leash = Leash()


@pytest.mark.parametrize(
    ("cls", "table", "where", "prefix"),
    [
        (Leash, {"metres": 3.0}, "", ""),
        (Leash, {"metres": 3.0}, "leash", "leash."),
        (Walk, {"leash": {"metres": 3.0}}, "walks.0", "walks.0.leash."),
    ],
)
def test_a_validator_s_keys_are_those_of_its_table(
    cls: type[Config], table: Table, where: str, prefix: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse(cls, table, where)
    assert str(caught.value) == (
        f"'{prefix}metres' must be at most '{prefix}length', and 'metre' is none. Got 'length'. "
        f"Nearest: {prefix}metres=2 or {prefix}length = 3, but not my.length=3."
    )


@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_canonical_text_does_not_depend_on_how_a_number_is_written(zero: float) -> None:
    one = parse(House, {"pet": {"kind": "dog", "weight": zero}})
    assert canonical(one) == canonical(parse(House, {"pet": {"kind": "dog", "weight": 0.0}}))
    assert "-" not in to_toml(one)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"romms": 3, "pet": {"kind": "cat"}}, r"no setting 'romms'\. Nearest: 'rooms'"),
        ({"pet": {"kind": "cat", "live": 3}}, r"no setting 'pet\.live'\. Nearest: 'pet\.lives'"),
        ({"pet": {"kind": "cta"}}, r"no animal 'cta'\. Nearest: 'cat'\. Known: cat, dog"),
        ({"pet": {"lives": 3}}, r"'pet\.kind' must be given: one of cat, dog"),
        ({"pet": {"kind": "cat", "lives": 0}}, r"'pet\.lives' must be greater than or equal to 1\. Got 0"),
        ({"pet": {"kind": "cat", "lives": "9"}}, r"'pet\.lives' must be an integer\. Got '9'"),
        (
            {"pet": {"kind": "cat", "colour": "gray"}},
            r"'pet\.colour' must be one of grey, black\. Got 'gray'\. Nearest: 'grey'",
        ),
        ({"pet": {"kind": "dog", "weight": float("nan")}}, r"'pet\.weight' must be a finite number"),
        ({"pet": {"kind": "cat"}, "column": 1}, r"'column' must be text\. Got 1"),
        ({"pet": {"kind": "dog", "tricks": "sit"}}, r"'pet\.tricks' must be a list\. Got 'sit'"),
        ({"pet": {"kind": "dog", "tricks": ["sit", 1]}}, r"each value of 'pet\.tricks' must be text\. Got 1"),
        ({"pet": {"kind": "cat"}, "rooms": datetime.date(2020, 1, 1)}, r"'rooms' must be an integer\. Got d"),
        ({"rooms": 3}, r"'pet' must be given"),
        ({"pet": 3}, r"'pet\.kind' must be given|'pet' must be a table"),
        ({"pet": {"kind": "cat"}, "bowl": 3}, r"'bowl' must be a table\. Got 3"),
    ],
)
def test_errors_name_the_key_as_typed(table: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(House, table)


BASE = {"pet": {"kind": "cat", "lives": 7}}


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("rooms=5", "rooms", 5),
        ("open=false", "open", False),
        ("column=1", "column", "1"),
        ("column=a=b", "column", "a=b"),
    ],
)
def test_an_override_is_read_as_its_fields_type(assignment: str, key: str, value: object) -> None:
    table, note = override(House, BASE, assignment)
    assert (table[key], note) == (value, "")
    assert parse(House, table).model_dump()[key] == value


def test_overrides_reach_into_tables() -> None:
    table, _ = override(House, BASE, "pet.lives=3")
    table, _ = override(House, table, "bowl.litres=1e-1")
    table, _ = override(House, table, "bowl.label=none")
    house = parse(House, table)
    assert (house.pet, house.bowl) == (Cat(lives=3), Bowl(litres=0.1))


@pytest.mark.parametrize("text", ["sit,roll", '["sit", "roll"]'])
def test_lists_are_written_with_commas_or_as_toml(text: str) -> None:
    table, _ = override(House, {"pet": {"kind": "dog"}}, f"pet.tricks={text}")
    assert parse(House, table).pet == Dog(tricks=("sit", "roll"))


def test_a_new_kind_drops_the_old_kinds_settings_and_names_them() -> None:
    table, note = override(House, BASE, "pet.kind=dog")
    assert parse(House, table).pet == Dog()
    assert note == "pet.kind is now 'dog'; settings of 'cat' were dropped: lives."
    assert override(House, BASE, "pet.kind=cat") == (BASE, "")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("rooms", r"must be written key=value\. Got 'rooms'"),
        ("rooms=three", r"'rooms' must be an integer\. Got 'three'"),
        ("rooms=2.5", r"'rooms' must be an integer\. Got '2\.5'"),
        (f"rooms={'9' * 5_000}", r"'rooms' must be an integer of fewer digits\. Got '9+ \.\.\. 4,8\d\d char"),
        ("room=3", r"no setting 'room'\. Nearest: 'rooms'"),
        ("pet.lifes=3", r"no setting 'pet\.lifes'\. Nearest: 'pet\.lives'"),
        ("pet.kind=bird", r"no animal 'bird'"),
        ("pet=cat", r"'pet' is a table: set one of its keys"),
        ("rooms.big=3", r"'rooms' is a single value"),
        ("open=perhaps", r"'open' must be true or false\. Got 'perhaps'"),
    ],
)
def test_wrong_overrides(assignment: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        override(House, BASE, assignment)


def test_broken_toml_names_its_source() -> None:
    with pytest.raises(UserError, match=r"mine\.toml must be a TOML file: .*line 1"):
        read_toml("a = = 3", "mine.toml")


def test_configs_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        House(pet=Cat()).rooms = 4  # pyright: ignore[reportAttributeAccessIssue]
