"""What a study found: its settings over their seeds, the best of each architecture, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.compare import importance as axes_of
from seqlab.compare.cells import Cell, Found, cells, find, goal
from seqlab.compare.censored import Outcome
from seqlab.compare.comparable import refusal
from seqlab.compare.importance import Importance, importance
from seqlab.compare.items import Items
from seqlab.compare.over_items import Plan
from seqlab.compare.paired import Candidate, Comparison, all_pairs
from seqlab.compare.quantity import Quantity
from seqlab.compare.reliability import Reliability, Setting, near, reliability
from seqlab.compare.summary import Summary, summarize
from seqlab.runs import scores
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class Group:
    """One setting of an architecture over its seeds."""

    cells: tuple[Cell, ...]
    summary: Summary

    @property
    def architecture(self) -> str:
        """What it is a setting of."""
        return self.cells[0].architecture

    @property
    def baseline(self) -> bool:
        """Whether the others are held against it."""
        return self.cells[0].baseline

    @property
    def setting(self) -> Mapping[str, Any]:
        """Values of the axes."""
        return self.cells[0].setting

    @property
    def words(self) -> str:
        """The setting as one types it, without what all keys begin with."""
        return ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.setting.items())


@dataclass(frozen=True)
class Study:
    """A study as it stands: what was asked, and what its runs have found so far."""

    folder: StudyFolder
    found: tuple[Found, ...]
    quantity: Quantity

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """The study's file."""
        return self.folder.about()["study"]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell."""
        return tuple(cells(self.found, self.quantity.name))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Every setting over its seeds, by architecture in the order of the study's file."""
        groups: dict[Any, list[Cell]] = {}
        for cell in self.cells:
            groups.setdefault(cell.group, []).append(cell)
        good = self.about.get("success")
        return tuple(
            Group(tuple(g), summarize(_outcomes(g), self.quantity, good=good)) for g in groups.values()
        )

    @cached_property
    def best(self) -> tuple[Group, ...]:
        """The best setting of each architecture by the median over seeds, the best first; baselines last.

        Where a search ran some settings with the first seed only, those with the most seeds are looked at.
        """
        seeds: dict[str, int] = {}
        for group in self.groups:
            seeds[group.architecture] = max(seeds.get(group.architecture, 0), len(group.cells))
        chosen: dict[str, Group] = {}
        for group in self.groups:
            if group.summary.median is None or len(group.cells) < seeds[group.architecture]:
                continue
            known = chosen.get(group.architecture)
            if known is None or self._rank(group.summary.median) < self._rank(known.summary.median):
                chosen[group.architecture] = group
        ranked = sorted(chosen.values(), key=lambda group: self._rank(group.summary.median))
        return tuple(sorted(ranked, key=lambda group: group.baseline))

    @cached_property
    def pairs(self) -> tuple[Comparison, ...]:
        """The best settings in pairs, over seeds and over items; p-values corrected for their number."""
        if len(self.best) < 2:
            return ()
        candidates, plan = self._candidates()
        return tuple(all_pairs(candidates, plan))

    @cached_property
    def reliability(self) -> tuple[Reliability, ...]:
        """Spread over settings of each architecture that has several, the most reliable first."""
        counts = [group.architecture for group in self.groups]
        several = [g for g in self.groups if counts.count(g.architecture) > 1 and not g.baseline]
        if not several or all(group.summary.median is None for group in several):
            return ()
        settings = [
            Setting(architecture=g.architecture, setting=g.words, value=g.summary.median) for g in several
        ]
        best = next(group.summary.median for group in self.best if not group.baseline)
        assert best is not None, "the best have a value"
        return tuple(reliability(settings, self.quantity, within=near(self.quantity, best)))

    @cached_property
    def importance(self) -> Mapping[str, Importance]:
        """For each architecture with a complete grid of two settings or more: what each axis explains."""
        found = {}
        for name in dict.fromkeys(group.architecture for group in self.groups):
            grid = [
                axes_of.Cell(settings=dict(g.setting), values=tuple(cell.value for cell in g.cells))
                for g in self.groups
                if g.architecture == name
            ]
            if len(grid) > 1 and not axes_of.missing(grid):
                gaps = any(value is None for cell in grid for value in cell.values)
                found[name] = importance(grid, self.quantity, scale="rank" if gaps else "value")
        return found

    def refusal(self) -> str | None:
        """Why the best settings cannot be ranked; None where they can."""
        return refusal(self._cards())

    def _cards(self) -> dict[str, Mapping[str, Any]]:
        """A card of each of the best settings."""
        runs = {one.trial.number: one.folder for one in self.found}
        found = {}
        for group in self.best:
            run = runs[group.cells[0].trial]
            if run is not None and (run.cards / "valid.json").exists():
                found[group.architecture] = run.read_json("cards/valid.json")
        return found

    def _candidates(self) -> tuple[list[Candidate], Plan]:
        items = [self._items(group) for group in self.best]
        whole = all(items)
        running = any(one.running for group in items for one in group)
        score = "right" if self.quantity.better == "higher" else "nats"
        unit = "token" if "token" in self.quantity.unit else "text"
        candidates = [
            Candidate(
                name=group.architecture,
                outcomes=() if group.baseline else tuple(_outcomes(group.cells)),
                items=tuple(Items(nats=s.nats, targets=s.targets, right=s.right) for s in own)
                if whole
                else (),
            )
            for group, own in zip(self.best, items, strict=True)
        ]
        comparable = [one for one in candidates if one.items or one.outcomes]
        return comparable, Plan(score=score, unit=unit, running=running)

    def _items(self, group: Group) -> list[scores.Scores]:
        """The scores of each item, once a seed; [] where a cell is not the result of its run."""
        runs = {one.trial.number: one.folder for one in self.found}
        found = []
        for cell in group.cells:
            run = runs[cell.trial]
            if cell.epochs is not None or run is None or cell.value is None:
                continue
            score = scores.read(run, "valid")
            found += [] if score is None else [score]
        return found

    def _rank(self, value: float | None) -> float:
        """Less is better."""
        assert value is not None, "only what has a value is ranked"
        return -value if self.quantity.better == "higher" else value


def read(folder: StudyFolder) -> Study:
    """A study from its folder and those of its runs.

    Raises:
        UserError: no run has ended yet, or a folder is damaged.
    """
    found = tuple(find(folder))
    what = goal(found)
    if what is None:
        raise UserError(f"Study {folder.name!r} must have a finished run. Got none.")
    metric, better = what
    unit = next(card["loss_unit"] for one in found if (card := _card(one)))
    of = unit.removeprefix("nats per ")
    unit = unit if metric == "loss" else f"fraction of {of}s"
    assert better in ("higher", "lower"), "goals have these two"
    return Study(folder, found, Quantity(name=metric, unit=unit, better=better))


def _card(one: Found) -> Mapping[str, Any] | None:
    return one.folder.read_json("cards/valid.json", "loss_unit") if one.summary and one.folder else None


def _outcomes(group: Sequence[Cell]) -> list[Outcome]:
    return [Outcome(seed=cell.seed, value=cell.value, why=cell.censored.partition(":")[0]) for cell in group]
