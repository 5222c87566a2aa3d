"""Settings that are lists of tables, each of a kind of its own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from seqlab.models.layer_config import LayerConfig
from seqlab.models.layer_configs import ConvolutionConfig, MaxPoolConfig
from seqlab.models.layer_kinds import LAYERS
from seqlab.schema.annotated_toml import annotated_toml
from seqlab.schema.config import Config, Table, canonical, fields, parse, plain, read_toml, replaced, to_toml
from seqlab.schema.described import BaseSettings, described
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.registry import ByKind
from seqlab.schema.settings import flat


class Net(Config):
    kind: Literal["net"] = "net"
    """Name."""
    layers: Annotated[tuple[LayerConfig, ...], ByKind(LAYERS)] = ()
    """The layers."""


class Outer(Config):
    net: Net = Net()
    """The net."""


TABLE: Table = {
    "net": {
        "layers": [{"kind": "convolution", "filters": 7, "widths": [3, 4]}, {"kind": "max-pool", "width": 2}]
    }
}


def overridden(*assignments: str, table: Table = TABLE) -> list[Table]:
    for assignment in assignments:
        table, _ = override(Outer, table, assignment)
    return plain(parse(Outer, table))["net"]["layers"]


def test_each_table_is_of_its_kind_and_read_back() -> None:
    config = parse(Outer, TABLE)
    assert config.net.layers == (ConvolutionConfig(filters=7, widths=(3, 4)), MaxPoolConfig(width=2))
    assert parse(Outer, plain(config)) == config
    assert parse(Outer, read_toml(to_toml(config), "x")) == config
    assert parse(Outer, read_toml(annotated_toml(described(Outer, TABLE), {}), "x")) == config
    assert '"filters": 7' in canonical(config)
    assert flat(plain(config))["net.layers.1.width"] == 2


def test_the_keys_have_numbers() -> None:
    keys = [key for key, _ in fields(Outer, TABLE)]
    assert keys[1:5] == [f"net.layers.0.{name}" for name in ConvolutionConfig.model_fields] + [
        "net.layers.1.kind"
    ]
    assert [key for key, _ in fields(Outer, {})] == ["net.kind", "net.layers"]
    described_keys = {setting.key: setting for setting in described(Outer, TABLE)}
    assert described_keys["net.layers.0.filters"].value == 7
    assert described_keys["net.layers.0.filters"].changed
    assert described_keys["net.layers.1.width"].meaning == "Steps of a window."


def test_overrides_reach_into_the_list_add_to_it_and_replace_it() -> None:
    assert overridden("net.layers.0.filters=9")[0] == {"kind": "convolution", "filters": 9, "widths": [3, 4]}
    assert overridden("net.layers.2.kind=linear", "net.layers.2.size=5")[2] == {"kind": "linear", "size": 5}
    assert [layer["kind"] for layer in overridden("net.layers=[]")] == []
    assert overridden('net.layers=[{kind = "max-pool", width = 4}]') == [{"kind": "max-pool", "width": 4}]
    table, note = override(Outer, TABLE, "net.layers.0.kind=linear")
    assert (
        note == "net.layers.0.kind is now 'linear'; settings of 'convolution' were dropped: filters, widths."
    )
    assert overridden(table=table)[0]["kind"] == "linear"
    assert TABLE["net"]["layers"][0]["kind"] == "convolution"


def test_tables_with_numbers_are_a_list() -> None:
    layers = {"0": {"kind": "linear", "size": 2}, "1": {"kind": "max-pool"}}
    assert parse(Outer, {"net": {"layers": layers}}).net.layers[1] == MaxPoolConfig()
    with pytest.raises(UserError, match=r"numbered from 0 without gaps. Got net.layers.1\."):
        parse(Outer, {"net": {"layers": {"1": layers["1"]}}})


def test_tables_that_only_one_side_has_are_differences() -> None:
    base = BaseSettings(described(Outer, TABLE))
    default = {"kind": "convolution"}
    for layers, different, without in (
        (TABLE["net"]["layers"], [], []),
        ([*TABLE["net"]["layers"], default], [f"2.{name}" for name in ConvolutionConfig.model_fields], []),
        (TABLE["net"]["layers"][:1], [], ["net.layers.1"]),
        ([], [], ["net.layers.0", "net.layers.1"]),
        ([default, {"kind": "max-pool"}], ["0.filters", "0.widths"], []),
    ):
        settings = list(described(Outer, {"net": {"layers": layers}}))
        found = [setting.key for setting in settings if setting.item and base.differs(setting)]
        assert found == [f"net.layers.{key}" for key in different]
        assert base.items_without(settings) == without
    # Of some of the settings, only lists that are among them.
    assert base.items_without([setting for setting in settings if setting.key == "net.kind"]) == []


def test_replaced_reaches_into_the_list() -> None:
    config = replaced(parse(Outer, TABLE), {"net.layers.0.filters": 3, "net.layers.1.width": 5})
    assert [plain(layer) for layer in config.net.layers] == [
        {"kind": "convolution", "filters": 3, "widths": [3, 4]},
        {"kind": "max-pool", "width": 5},
    ]


@pytest.mark.parametrize(
    ("assignment", "match"),
    [
        (
            "net.layers.5.width=2",
            r"'net.layers' has 2 tables, numbered from 0; net.layers.2.kind=KIND adds one",
        ),
        ("net.layers.2.width=2", r"'net.layers' has 2 tables"),
        ('net.layers=[{kind = "max-pool"]', r"'net.layers' must be a list as TOML has it: Unclosed"),
        ("net.layers.x.width=2", r"'net.layers' has 2 tables, .* Got 'net.layers.x.width'"),
        ("net.layers.0.kind=convolutoin", r"convolutoin.*Nearest: 'convolution'"),
        ("net.layers.0.filter=2", r"no setting 'net.layers.0.filter'. Nearest: 'net.layers.0.filters'"),
        ("net.layers.0.filters=many", r"'net.layers.0.filters' must be an integer. Got 'many'"),
        ("net.layers.0=convolution", r"'net.layers.0' is a table: set one of its keys"),
        ("net.layers=convolution", r"'net.layers.0' must be a table. Got 'convolution'"),
        ("net.layers=[{width = 4}]", r"'net.layers.0.kind' must be given: one of convolution"),
        (
            'net.layers=[{kind = "max-pool", width = 0}]',
            r"'net.layers.0.width' must be greater than or equal to 1",
        ),
    ],
)
def test_wrong_overrides_are_refused_by_their_keys(assignment: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        overridden(assignment)


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ({"kind": "max-pool"}, r"'net.layers' must be a list of tables"),
        ([3], r"'net.layers.0' must be a table. Got 3"),
        ([{"kind": "max-pool", "with": 3}], r"no setting 'net.layers.0.with'. Nearest: 'net.layers.0.width'"),
        ([{"kind": 3}], r"'net.layers.0.kind' must be text"),
    ],
)
def test_wrong_tables_are_refused_by_their_keys(layers: Any, match: str) -> None:
    with pytest.raises(UserError, match=match):
        parse(Outer, {"net": {"layers": layers}})


def test_one_table_is_counted_as_one() -> None:
    with pytest.raises(UserError, match=r"'net.layers' has 1 table, numbered from 0; net.layers.1.kind=KIND"):
        overridden("net.layers.7.width=2", table={"net": {"layers": [{"kind": "max-pool"}]}})
