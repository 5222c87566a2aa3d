"""The checkup of a data pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seqlab.checkup.examine import chosen_probes
from seqlab.checkup.finding import Finding, NotApplicableError
from seqlab.checkup.pipeline import read_pipeline
from seqlab.checkup.probe_kinds import DATA_PROBES
from seqlab.checkup.report import Report
from seqlab.schema.seeded_generators import seeded_generators


def check_pipeline(
    splits: Any,
    *,
    padding: int | None = None,
    end: int | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    seed: int = 0,
    label: str = "pipeline",
) -> Report:
    """Find what a data pipeline loses or mixes up; see `read_pipeline` for what it must provide.

    Args:
        splits: what is checked.
        padding: the id of padding; None: the one that fills rows after their lengths.
        end: the id that ends each sequence; None: the one that ends every example, if there is one.
        only: names of probes to run; None: all.
        skip: names of probes not to run.
        seed: of the global generators while the splits are read.
        label: of the pipeline.

    Raises:
        UserError: there is no such probe, or the pipeline has another form.
    """
    names = chosen_probes(only, skip, DATA_PROBES)
    with seeded_generators(seed):
        pipeline = read_pipeline(splits, padding=padding, end=end)
    findings = []
    for name in names:
        try:
            finding = DATA_PROBES[name](pipeline)
        except NotApplicableError as error:
            finding = Finding(status="not applicable", evidence=str(error))
        findings.append(replace(finding, probe=name))
    rows = ", ".join(f"{name} {len(split.first):,} rows" for name, split in pipeline.splits.items())
    known = f"padding is token {pipeline.padding}, the end of a sequence token {pipeline.end}"
    return Report(label, (f"Read twice: {rows}; {known}.",), tuple(findings))
