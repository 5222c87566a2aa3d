"""A page on a checkup: what is broken, with its evidence, cause and fix, and everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from markupsafe import Markup

from seqlab.report.templates import environment, template_file
from seqlab.runs.output_file import new_output

PARTS = {
    "submodule": "Where it first shows",
    "counter_example": "Smallest example",
    "cause": "Likely cause",
    "fix": "Fix",
}


def write_checkup(report: Mapping[str, Any], output: Path, *, overwrite: bool = False) -> None:
    """Write a page that needs no other file and no network, whole or not at all.

    Args:
        report: what `Report.to_dict` gives.
        output: the HTML file; its folder is created.
        overwrite: whether a file that exists is replaced.

    Raises:
        UserError: the file exists and is not to be replaced.
        DiskError: the disk is full or cannot be written.
    """
    with new_output(output, overwrite=overwrite, retry="repeat the command") as path:
        path.write_text(render_checkup(report), encoding="utf-8")


def render_checkup(report: Mapping[str, Any]) -> str:
    """The page as HTML."""
    probes: Sequence[Mapping[str, Any]] = report["probes"]
    faults = [probe for probe in probes if probe["status"] == "broken"]
    return (
        environment()
        .from_string(template_file("checkup_page.html.j2"))
        .render(
            subject=report["subject"],
            summary=_summary(probes),
            notes=report["notes"],
            faults=faults,
            others=[_row(probe) for probe in probes if probe["status"] != "broken"],
            parts=PARTS,
            style=Markup(template_file("page.css")),
            version=metadata.version("seqlab"),
        )
    )


def _summary(probes: Sequence[Mapping[str, Any]]) -> str:
    names = ("broken", "sound", "not examined", "not applicable")
    counts = {name: sum(probe["status"] == name for probe in probes) for name in names}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _row(probe: Mapping[str, Any]) -> tuple[str, str, str]:
    return probe["probe"], probe["status"], probe["evidence"]
