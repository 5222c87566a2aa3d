"""Settings whose kinds come from plugins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from seqlab.schema.config import Config, nested, registry_of
from seqlab.schema.plugins import PluginKind


def used_plugins(config: Config, above: str = "") -> Iterator[tuple[str, PluginKind]]:
    """The kinds in a config that plugins add, by the full keys of the settings that choose them."""
    for name, field in type(config).model_fields.items():
        registry = registry_of(field)
        for key, value in nested(above + name, getattr(config, name)):
            plugin = None if registry is None else registry.plugin(getattr(value, "kind", ""))
            if plugin is not None:
                yield f"{key}.kind", plugin
            yield from used_plugins(value, f"{key}.")


def identities(plugins: Mapping[str, PluginKind]) -> str:
    """The packages, versions and code of plugins as one text, by the keys that use them; "" without any."""
    return (
        json.dumps({key: kind.identity for key, kind in plugins.items()}, sort_keys=True) if plugins else ""
    )
