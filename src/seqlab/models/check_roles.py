"""Roles of the arguments of a checked module: encoder-decoders, features, masks and constants."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from seqlab.models.module_roles import (
    LENGTHS,
    MASKS,
    PADDING_MASKS,
    STATES,
    Roles,
    RolesConfig,
)
from seqlab.schema.errors import unknown
from seqlab.schema.own_arguments import read_parameters
from seqlab.schema.own_code import OwnCode, OwnCodeError

if TYPE_CHECKING:
    from torch import nn

SOURCES = (
    "src",
    "source",
    "encoder_outputs",
    "encoder_hidden_states",
    "memory",
    "enc_outputs",
    "encoder_input",
    "encoder_inputs",
    "enc_input",
    "enc_inputs",
    "src_tokens",
    "src_ids",
)
DECODED = (
    *("tgt", "trg", "target", "targets", "decoder_input", "decoder_inputs", "dec_input", "dec_inputs"),
    *("decoder_input_ids", "prev_output_tokens", "tgt_tokens", "trg_tokens", "y"),
)
SOURCE_LENGTHS = ("src_lengths", "src_len", "src_lens", "source_lengths", "source_length", "encoder_lengths")
SOURCE_MASKS = ("src_mask", "source_mask", "encoder_mask", "src_key_padding_mask", "src_padding_mask")
CAUSAL_MASKS = ("attn_mask", "causal_mask", "src_mask", "tgt_mask", "trg_mask", "look_ahead_mask")
TEACHER = ("teacher_forcing_ratio", "teacher_forcing", "teacher_forcing_prob", "tf_ratio")
TARGETS = ("labels", "targets", "target", "y", "label")
CACHES = ("cache", "past", "past_key_values", "past_state", "memory_state", "mems")


class CheckRoles(RolesConfig):
    """What the arguments, inputs and outputs of a checked module are, where it cannot be guessed."""

    source: str | None = None
    """Argument of `forward` for what an encoder reads as a whole; none: found by its name."""
    source_lengths: str | None = None
    """Argument of `forward` for the number of tokens of each source; none: found by its name."""
    source_mask: str | None = None
    """Argument of `forward` for a mask (B, S) of the source; none: found by its name."""
    labels: str | None = None
    """Argument of `forward` for targets, for a module that returns its loss under the key `loss`."""
    input: Literal["auto", "tokens", "features"] = "auto"
    """Whether the module reads token ids (B, T) or features (B, T, E); auto: by trying."""
    vocabulary: int | None = None
    """Number of token ids; none: that of its first embedding."""
    padding: int | None = None
    """The id that fills padding; none: the one that the module names, such as padding_idx."""
    causal: bool | None = None
    """Whether an output may depend on earlier steps alone; none: by the task."""


def check_roles(code: OwnCode, module: nn.Module, settings: CheckRoles) -> Roles:
    """What the arguments of `forward` are, by settings or by their names.

    Raises:
        OwnCodeError: there is no argument, or none of a name that a setting has.
    """
    parameters = read_parameters(code, module.forward)
    names = [name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD]
    if not names:
        raise OwnCodeError(f"forward of {code.label} must take token ids or features. Got no argument.")
    given = ("tokens", "source", "lengths", "source_lengths", "mask", "source_mask", "state", "labels")
    for key in given:
        name = getattr(settings, key)
        if name is not None and name not in names:
            where = f"of forward of {code.label}"
            raise OwnCodeError(f"'roles.{key}': {unknown('argument', name, names, where=where)}")
    source, tokens = _sequences(names, settings)
    rest = [name for name in names if name not in (source, tokens)]
    mask = settings.mask or _first(rest, (*PADDING_MASKS, "tgt_key_padding_mask", *MASKS))
    source_mask = settings.source_mask or (_first(rest, SOURCE_MASKS) if source else None)
    if source and settings.mask is None and mask == source_mask:
        mask = None
    lengths = settings.lengths or _first(rest, LENGTHS)
    source_lengths = settings.source_lengths or (_first(rest, SOURCE_LENGTHS) if source else None)
    if source and lengths and source_lengths is None and settings.lengths is None:
        lengths, source_lengths = None, lengths
    padding_first = mask is not None and (mask in PADDING_MASKS or "padding" in mask)
    return Roles(
        tokens=tokens,
        lengths=lengths,
        mask=mask,
        marks_padding=padding_first if settings.mask_marks == "auto" else settings.mask_marks == "padding",
        state=settings.state or _first(rest, (*STATES, *CACHES)),
        source=source,
        labels=settings.labels or _first(rest, TARGETS),
        source_lengths=source_lengths,
        source_mask=source_mask,
        source_marks_padding=source_mask is not None and "padding" in source_mask,
        constants=_constants(rest, parameters),
    )


def _sequences(names: list[str], settings: CheckRoles) -> tuple[str | None, str]:
    """The argument of the source, if there is one, and that of what is read step by step."""
    source = settings.source
    decoded = settings.tokens or _first(names[1:], DECODED)
    if source is None and decoded is not None and decoded != names[0] and _is_source(names[0], decoded):
        source = names[0]
    if source is None and names[0] not in SOURCES:
        source = _first(names[1:], SOURCES)
        decoded = settings.tokens or (names[0] if source else decoded)
    if source is None:
        return None, settings.tokens or names[0]
    others = [name for name in names if name != source]
    if decoded is None and not others:
        raise OwnCodeError(
            f"'roles.source' must leave an argument for the decoder's input. Got {source!r} alone."
        )
    return source, decoded or others[0]


def _is_source(name: str, decoded: str) -> bool:
    pairs = {"decoder_input_ids": ("input_ids",), "prev_output_tokens": ("src_tokens",), "y": ("x", "src")}
    # `forward(x, targets)` is a model with its loss, not an encoder-decoder.
    if decoded in ("target", "targets", "y"):
        return name in SOURCES
    return name in SOURCES or name in pairs.get(decoded, ()) or decoded in ("tgt", "trg")


def _constants(names: list[str], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    return {name: 1.0 for name in names if name in TEACHER and name in parameters}


def unknown_arguments(code: OwnCode, module: nn.Module, roles: Roles) -> list[str]:
    """The arguments without a default that have no role."""
    known = {roles.tokens, roles.lengths, roles.mask, roles.state, roles.source, roles.source_lengths}
    known |= {roles.source_mask, roles.labels, *roles.constants}
    parameters = read_parameters(code, module.forward)
    return [
        name
        for name, each in parameters.items()
        if name not in known and each.default is each.empty and each.kind is not each.VAR_KEYWORD
    ]


def _first(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in names), None)
