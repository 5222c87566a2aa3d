"""Probes of settings: what is given to a module's constructor acts."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import torch
from torch import nn

from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.mode_probes import training_mode
from seqlab.checkup.subject import Subject
from seqlab.schema.errors import UserError

SKIPPED = frozenset(("self", "args", "kwargs", "name", "device", "dtype"))


def settings_used(subject: Subject) -> Finding:
    """Every argument of a constructor is read, and every dropout layer with p > 0 is called."""
    classes = {type(layer) for layer in subject.module.modules() if _is_users(type(layer))}
    if idle := _idle_dropout(subject):
        return broken(
            f"{idle} is made, but never called.",
            cause="the layer is left out of forward",
            fix=f"x = self.{idle}(x)",
            counter_example=idle,
            submodule=idle,
        )
    unused = [found for each in classes if (found := _unused_argument(each))]
    if unused:
        cls, argument = unused[0]
        return broken(
            f"The argument {argument!r} of {cls} acts on nothing: it is stored at most.",
            cause="a constant is written in its place, or the code that read it is gone",
            fix=f"use {argument} where the layer is made, or remove it",
            counter_example=argument,
            submodule="__init__",
        )
    if not classes:
        raise NotApplicableError("its source cannot be read")
    return sound("Every argument of its constructors is read, and every dropout layer is called.")


def _is_users(cls: type) -> bool:
    return not cls.__module__.startswith(("torch.", "seqlab.", "transformers."))


def _idle_dropout(subject: Subject) -> str:
    """The path of a dropout layer that training does not reach; "" if there is none."""
    module = subject.module
    layers = {
        path: layer
        for path, layer in module.named_modules()
        if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0 and _owner_is_users(module, path)
    }
    if not layers:
        return ""
    called: set[int] = set()

    def note(layer: nn.Module, arguments: Any, output: Any) -> None:
        called.add(id(layer))

    hooks = [layer.register_forward_hook(note) for layer in layers.values()]
    try:
        with training_mode(module), torch.no_grad():
            subject.read(subject.batch)
    except UserError:
        return ""
    finally:
        for hook in hooks:
            hook.remove()
    # Where one of several layers at random is dropped, no dropout in it is called.
    idle = [path for path, layer in layers.items() if id(layer) not in called]
    return idle[0] if idle and "." not in idle[0] else ""


def _owner_is_users(module: nn.Module, path: str) -> bool:
    parent = module.get_submodule(path.rpartition(".")[0])
    return _is_users(type(parent))


def _unused_argument(cls: type) -> tuple[str, str] | None:
    """A class, a direct subclass of Module, and an argument of its constructor that it does not read."""
    if cls.__bases__ != (nn.Module,) or "__init__" not in vars(cls):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return None
    body = next((node for node in tree.body if isinstance(node, ast.ClassDef)), None)
    init = (
        next((n for n in body.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if body
        else None
    )
    if body is None or init is None:
        return None
    stored = {
        node.value.id: target.attr
        for node in ast.walk(init)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }
    loads = [
        node.id for node in ast.walk(init) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ]
    attributes = {
        node.attr
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    if "locals" in loads or "vars" in loads:
        return None
    names = [each.arg for each in (*init.args.args, *init.args.kwonlyargs)]
    for name in names:
        if name in SKIPPED or name.startswith("_"):
            continue
        reads = loads.count(name) - (1 if name in stored else 0)
        if reads <= 0 and stored.get(name) not in attributes:
            return cls.__name__, name
    return None
