"""What the arguments of a module mean, read from their names, and settings that say otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seqlab.models.input_spec import InputSpec
from seqlab.schema.config import Config
from seqlab.schema.errors import unknown
from seqlab.schema.own_arguments import call_arguments, read_parameters
from seqlab.schema.own_code import OwnCode, OwnCodeError

if TYPE_CHECKING:
    from torch import nn

SIZES: Mapping[str, tuple[str, ...]] = {
    "vocabulary": (
        *("vocabulary", "vocab", "vocabulary_size", "vocab_size", "n_vocab", "num_embeddings", "n_tokens"),
        *("num_tokens", "ntoken", "ntokens", "input_size", "input_dim"),
    ),
    "outputs": (
        *("outputs", "n_outputs", "num_outputs", "classes", "n_classes", "num_classes", "n_labels"),
        *("num_labels", "output_size", "output_dim", "out_features"),
    ),
    "padding": ("padding", "padding_idx", "padding_index", "pad_idx", "pad_id", "pad_token_id"),
    "max_length": ("max_length", "max_len", "max_seq_len", "block_size", "context_length"),
}
"""Names of a constructor's arguments that say which size of an `InputSpec` they are."""
LENGTHS = (
    *("lengths", "length", "lens", "seq_lengths", "seq_lens", "sequence_lengths", "input_lengths"),
    *("text_lengths", "x_lengths", "x_lens"),
)
PADDING_MASKS = ("padding_mask", "pad_mask", "key_padding_mask", "src_key_padding_mask")
MASKS = ("mask", "attention_mask", "token_mask")
STATES = (
    *("state", "states", "hidden", "hidden_state", "h", "h0", "hx", "initial_state", "prev_state", "carry"),
)


class RolesConfig(Config):
    """What the arguments and outputs of an imported module are, where their names do not say it."""

    tokens: str | None = None
    """Argument of `forward` for the token ids; none: the first one."""
    lengths: str | None = None
    """Argument of `forward` for the number of tokens of each sequence; none: found by its name."""
    mask: str | None = None
    """Argument of `forward` for a mask (B, T); none: found by its name."""
    mask_marks: Literal["auto", "tokens", "padding"] = "auto"
    """What is true in the mask; auto: by its name."""
    state: str | None = None
    """Argument of `forward` for the state that the sequences continue; none: found by its name."""
    axes: Literal["auto", "batch-first", "time-first"] = "auto"
    """Whether token ids are (B, T) or (T, B); auto: the order in which sequences do not mix."""
    output: str | None = None
    """Which output has the logits, a key, an attribute or a number from 0; none: found by name and shape."""


@dataclass(frozen=True)
class Roles:
    """The names of `forward`'s arguments by what they are; None where there is no such one.

    tokens: what is read step by step; the decoder's input where there is a source. marks_padding: whether a
    mask is true at padding, else at tokens. source, source_lengths, source_mask: what an encoder reads as a
    whole. labels: targets, for a module that computes its own loss. constants: arguments that are the same in
    every call, or functions of B and T that give a tensor (B, T, ...).
    """

    tokens: str
    lengths: str | None
    mask: str | None
    marks_padding: bool
    state: str | None
    source: str | None = None
    source_lengths: str | None = None
    source_mask: str | None = None
    source_marks_padding: bool = False
    labels: str | None = None
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])


def constructor_arguments(code: OwnCode, spec: InputSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with which a module is made: those given, and the sizes that names ask for.

    Raises:
        OwnCodeError: an argument is unknown, or missing.
    """
    sizes = {
        name: size for name in read_parameters(code, code.value) if (size := _size(name, spec)) is not None
    }
    return call_arguments(code, given, key="model.arguments", offered=sizes)


def forward_roles(code: OwnCode, module: nn.Module, settings: RolesConfig) -> Roles:
    """What the arguments of `forward` are, by settings or by their names.

    Raises:
        OwnCodeError: there is no such argument, or one that must be given has no known role.
    """
    parameters = read_parameters(code, module.forward)
    names = [name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD]
    where = f"of forward of {code.label}"
    for key in ("tokens", "lengths", "mask", "state"):
        name = getattr(settings, key)
        if name is not None and name not in names:
            raise OwnCodeError(f"'model.roles.{key}': {unknown('argument', name, names, where=where)}")
    if not names:
        raise OwnCodeError(f"forward of {code.label} must take token ids. Got no argument.")
    tokens = settings.tokens or names[0]
    rest = [name for name in names if name != tokens]
    mask = settings.mask or _first(rest, (*PADDING_MASKS, *MASKS))
    roles = Roles(
        tokens=tokens,
        lengths=settings.lengths or _first(rest, LENGTHS),
        mask=mask,
        marks_padding=mask in PADDING_MASKS
        if settings.mask_marks == "auto"
        else settings.mask_marks == "padding",
        state=settings.state or _first(rest, STATES),
    )
    known = {roles.tokens, roles.lengths, roles.mask, roles.state}
    for name in rest:
        if name not in known and parameters[name].default is inspect.Parameter.empty:
            raise OwnCodeError(
                f"forward of {code.label} must have a default for {name!r}, or a setting must say what it "
                f"is: model.roles.lengths={name}, model.roles.mask={name} or model.roles.state={name}."
            )
    return roles


def _size(name: str, spec: InputSpec) -> int | None:
    return next((getattr(spec, size) for size, names in SIZES.items() if name in names), None)


def _first(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in known), None)
