"""A checkup in a process of its own, which can be ended while code of the user's hangs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from seqlab.checkup.finding import Finding
from seqlab.checkup.probe_kinds import PROBES
from seqlab.checkup.report import Report
from seqlab.schema.errors import UserError, WorkError

GRACE = 15.0
"""Seconds, after the time limit of the probes, in which a process must have started and ended."""


def checkup_in_process(
    what: str,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    *,
    trust: bool,
    found: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """`checkup` in a spawned process; what it prints goes to standard error.

    Args:
        what: see `checkup`.
        overrides: see `checkup`.
        options: the fields of `CheckOptions`.
        trust: see `checkup`.
        found: is called with each finding at once.

    Raises:
        UserError: as `checkup`.
        WorkError: the process died.
    """
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    arguments = (sending, what, tuple(overrides), dict(options), trust)
    process = context.Process(target=_run, args=arguments, daemon=True)
    process.start()
    sending.close()
    try:
        return _received(receiving, what, time.monotonic() + options["time_limit"] + GRACE, found)
    finally:
        process.kill()
        process.join()
        receiving.close()


def _received(receiving: Connection, what: str, deadline: float, found: Callable[[Finding], None]) -> Report:
    findings: dict[str, Finding] = {}
    why = "the module had not answered when the time limit was reached"
    while receiving.poll(max(0.0, deadline - time.monotonic())):
        try:
            kind, content = receiving.recv()
        except EOFError:
            why = "the process of the checkup died, as if it was killed or crashed in code that is not Python"
            break
        if kind == "finding":
            finding = Finding(**content)
            findings[finding.probe] = finding
            found(finding)
        elif kind == "report":
            return Report(
                content["subject"],
                tuple(content["notes"]),
                tuple(Finding(**each) for each in content["probes"]),
            )
        else:
            raise (UserError if kind == "user error" else WorkError)(content)
    rest = [
        Finding(probe=name, status="not examined", evidence=why) for name in PROBES if name not in findings
    ]
    return Report(what, (), (*findings.values(), *rest))


def _run(
    sending: Connection, what: str, overrides: Sequence[str], options: Mapping[str, Any], trust: bool
) -> None:
    # Code of the user's may print anything, and standard output is for the findings.
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    from seqlab.evaluate.checkups import CheckOptions, checkup

    try:
        report = checkup(
            what,
            overrides,
            options=CheckOptions(**options),
            trust=trust,
            found=lambda finding: sending.send(("finding", asdict(finding))),
        )
    except UserError as error:
        sending.send(("user error", str(error)))
    except WorkError as error:
        sending.send(("work error", str(error)))
    else:
        content = {
            "subject": report.subject,
            "notes": report.notes,
            "probes": [asdict(each) for each in report],
        }
        sending.send(("report", content))
    finally:
        sending.close()
