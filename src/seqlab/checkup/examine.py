"""Running probes on a subject: each on its own copy, in a limited time, whatever the module does."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import torch

from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError
from seqlab.checkup.probe_kinds import PROBES
from seqlab.checkup.report import Report
from seqlab.checkup.subject import Subject
from seqlab.schema.errors import UserError, WorkError, unknown
from seqlab.schema.kept_defaults import kept_defaults
from seqlab.schema.own_errors import describe
from seqlab.schema.registry import Registry
from seqlab.schema.seeded_generators import seeded_generators

SECONDS = 120.0
"""Time limit of a checkup."""


class OutOfTimeError(WorkError):
    """The module has not answered within the time limit; no probe takes it for a fault of the module."""


def chosen_probes(
    only: Sequence[str] | None = None, skip: Sequence[str] | None = None, probes: Registry = PROBES
) -> list[str]:
    """The names of the probes to be run, in the order of their registry.

    Raises:
        UserError: a name is that of no probe, or none is left.
    """
    for name in (*(only or ()), *(skip or ())):
        if name not in probes:
            raise unknown("probe", name, probes)
    names = [name for name in probes if (not only or name in only) and name not in (skip or ())]
    if not names:
        raise UserError("At least one probe must be left by 'only' and 'skip'. Got none.")
    return names


def examine(
    make: Callable[[], Subject],
    *,
    label: str,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    seed: int = 0,
    time_limit: float = SECONDS,
    found: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Make a subject, and run probes on it.

    The module is not changed: probes get copies. torch's, numpy's and Python's generators are seeded and are
    afterwards as before; so are torch's default type and device.

    Args:
        make: finds out how the module is called.
        label: of the subject, where it cannot be made.
        only: names of probes; None: all.
        skip: names of probes that are not run.
        seed: of the global generators in each probe.
        time_limit: of all probes together, in seconds. Code that does not return to Python is not
            interrupted.
        found: is called with each finding at once.

    Raises:
        UserError: there is no such probe.
    """
    names = chosen_probes(only, skip)
    deadline = time.monotonic() + time_limit
    findings: list[Finding] = []
    subject: Subject | None = None
    why = ""
    try:
        with _guarded(label, seed), interrupted_at(deadline):
            subject = make()
    except Exception as error:
        why = str(error) if isinstance(error, UserError | WorkError) else describe(error)
    for name in names:
        if subject is None:
            finding = Finding(status="not examined", evidence=why)
        else:
            finding = _run(name, subject, seed, deadline)
        finding = replace(finding, probe=name)
        findings.append(finding)
        found(finding)
    notes = () if subject is None else subject.notes
    return Report(label if subject is None else subject.label, notes, tuple(findings))


def run_probe(name: str, subject: Subject, seed: int = 0) -> Finding:
    """The finding of one probe on a subject, without a limit of time."""
    return replace(_run(name, subject, seed, None), probe=name)


def _run(name: str, subject: Subject, seed: int, deadline: float | None) -> Finding:
    if deadline is not None and time.monotonic() > deadline:
        return Finding(status="not examined", evidence="the time limit was reached")
    probe = PROBES[name]
    try:
        with _guarded(subject.label, seed), interrupted_at(deadline), torch.enable_grad():
            return probe(subject.prepared())
    except NotApplicableError as error:
        return Finding(status="not applicable", evidence=str(error))
    except (NotExaminedError, OutOfTimeError) as error:
        return Finding(status="not examined", evidence=str(error))
    except UserError as error:
        return Finding(status="not examined", evidence=f"the module failed: {error}")
    except Exception as error:  # a user's module may raise anything
        return Finding(status="not examined", evidence=f"the module failed: {describe(error)}")


@contextmanager
def _guarded(label: str, seed: int) -> Iterator[None]:
    with warnings.catch_warnings(), seeded_generators(seed), kept_defaults(label):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def interrupted_at(deadline: float | None) -> Iterator[None]:
    """Interrupt the block at a time, where this is possible: in the main thread, between two steps of Python.

    Raises:
        OutOfTimeError: it was interrupted.
    """
    if (
        deadline is None
        or threading.current_thread() is not threading.main_thread()
        or not hasattr(signal, "SIGALRM")
    ):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError("the module had not answered when the time limit was reached")

    before = signal.signal(signal.SIGALRM, stop)
    # Again in each second, since code of the user's may catch everything.
    signal.setitimer(signal.ITIMER_REAL, max(0.01, deadline - time.monotonic()), 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
