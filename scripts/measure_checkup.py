"""How often tools that check models are right: recall and false alarms over `tests/checkup/cases`.

`python scripts/measure_checkup.py` runs seqlab and its rivals over all cases, writes the file
`results/checkup/measured.json`, and prints the table. The rivals run in an environment of their own, which
is made from `checkup_rivals.txt` if it is missing. `--tools NAME...` runs some and keeps the other figures;
`--table` only prints; `--page FILE` writes the table into a page, between two comments.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RIVALS = ROOT / "scripts" / "checkup_rivals.txt"
MEASURED = ROOT / "results" / "checkup" / "measured.json"
TOOLS = ("seqlab", "pytest-torch", "torchtest2", "causal-certificate", "pangolinn")
HEALTHY = "healthy"
Measured = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    options = _parser().parse_args(arguments)
    measured: Measured = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {"tools": {}}
    for tool in () if options.table else options.tools:
        python = Path(sys.executable) if tool == "seqlab" else environment(options.environment)
        measure(measured, tool, python)
        MEASURED.parent.mkdir(parents=True, exist_ok=True)
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(table(measured))
    if options.page is not None:
        options.page.write_text(filled(options.page.read_text("utf-8"), measured), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "checkup-rivals")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--page", type=Path)
    return parser


def environment(folder: Path) -> Path:
    """The Python of the rivals' environment, which is made if it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "-r", RIVALS]
        subprocess.run(install, check=True)
    return python


def measure(measured: Measured, tool: str, python: Path) -> None:
    """Run a tool over all cases; what it found replaces what it had found before."""
    lines = list(run(tool, python))
    measured["cases"] = {line["case"]: line["kind"] for line in lines}
    measured["machine"] = {"system": platform.platform(), "python": platform.python_version()}
    by_verdict = {
        verdict: [line["case"] for line in lines if line["verdict"] == verdict]
        for verdict in ("sound", "not applicable")
    }
    seconds = [line["seconds"] for line in lines if line["verdict"] != "not applicable"]
    measured["tools"][tool] = {
        "version": version(tool, python),
        "broken": {line["case"]: line["checks"] for line in lines if line["verdict"] == "broken"},
        "warned": [line["case"] for line in lines if line["warned"]],
        "not applicable": {
            line["case"]: line["reason"] for line in lines if not (line["checks"] or line["sound"])
        },
        "sound": len(by_verdict["sound"]),
        "seconds": {"total": round(sum(seconds), 1), "median": round(statistics.median(seconds), 3)},
    }


def run(tool: str, python: Path) -> Iterator[dict[str, Any]]:
    """What a tool says of each case."""
    paths = [ROOT / "src"] if tool == "seqlab" else []
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    command = [python, ROOT / "scripts" / "checkup_adapters.py", tool]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = json.loads(line)
            print(f"{tool}: {found['case']}: {found['verdict']}", file=sys.stderr)
            yield found
    if process.returncode:
        sys.exit(f"{tool} ended with status {process.returncode}.")


def version(tool: str, python: Path) -> str:
    """Of a package in an environment; that of this repository for seqlab."""
    command = [python, "-c", f"import importlib.metadata as m; print(m.version({tool!r}))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def table(measured: Measured) -> str:
    """Recall by kind, false alarms and seconds, one column a tool, as Markdown."""
    tools = _tools(measured)
    kinds = list(dict.fromkeys(kind for kind in measured["cases"].values() if kind != HEALTHY))
    rows = [_kind_row(measured, kind, tools) for kind in kinds]
    broken, healthy = _cases(measured)
    recall, alarms, seconds = _totals(measured)
    applicable = [_applicable(measured, t, broken) for t in tools]
    warnings = [_with_warnings(measured, t, broken, healthy) for t in tools]
    rows += [
        recall,
        _row("recall, where it can be applied", "", applicable),
        alarms,
        _row("both, if warnings count", "", warnings),
        seconds,
    ]
    return _markdown(measured, rows)


def summary(measured: Measured) -> str:
    """Recall over all kinds, false alarms and seconds, one column a tool, as Markdown."""
    return _markdown(measured, _totals(measured))


def _tools(measured: Measured) -> list[str]:
    return [tool for tool in TOOLS if tool in measured["tools"]]


def _cases(measured: Measured) -> tuple[list[str], list[str]]:
    """The names of the broken and of the healthy cases."""
    cases = measured["cases"].items()
    return [name for name, kind in cases if kind != HEALTHY], [
        name for name, kind in cases if kind == HEALTHY
    ]


def _totals(measured: Measured) -> list[list[str]]:
    """The rows over all kinds: recall, false alarms, seconds."""
    tools, (broken, healthy) = _tools(measured), _cases(measured)
    medians = [f"{measured['tools'][t]['seconds']['median']:.2f}" for t in tools]
    alarms = [_alarms(measured, t, healthy) for t in tools]
    return [
        _row("**recall, all broken cases**", str(len(broken)), [_share(measured, t, broken) for t in tools]),
        _row("**false alarms, healthy cases**", str(len(healthy)), alarms),
        _row("median CPU seconds a case", "", medians),
    ]


def _markdown(measured: Measured, rows: Sequence[Sequence[str]]) -> str:
    tools = _tools(measured)
    head = ["", "cases", *(f"{tool} {measured['tools'][tool]['version']}" for tool in tools)]
    lines = [head, ["---", "--:", *("--:" for _ in tools)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(title: str, count: str, values: Sequence[str]) -> list[str]:
    return [title, count, *values]


def _kind_row(measured: Measured, kind: str, tools: Sequence[str]) -> list[str]:
    cases = [case for case, other in measured["cases"].items() if other == kind]
    return [kind, str(len(cases)), *(_found(measured, tool, cases) for tool in tools)]


def _found(measured: Measured, tool: str, cases: Sequence[str]) -> str:
    found = measured["tools"][tool]
    if all(case in found["not applicable"] for case in cases):
        return "n/a"
    return str(sum(case in found["broken"] for case in cases))


def _share(measured: Measured, tool: str, cases: Sequence[str]) -> str:
    caught = sum(case in measured["tools"][tool]["broken"] for case in cases)
    return f"**{caught / len(cases):.0%}**"


def _with_warnings(measured: Measured, tool: str, broken: Sequence[str], healthy: Sequence[str]) -> str:
    """Recall and false alarms if a warning counts as a finding."""
    found = measured["tools"][tool]
    if not found["warned"]:
        return ""
    caught, alarms = ({*found["broken"], *found["warned"]} & {*cases} for cases in (broken, healthy))
    return f"{len(caught) / len(broken):.0%}, {len(alarms)}"


def _applicable(measured: Measured, tool: str, cases: Sequence[str]) -> str:
    found = measured["tools"][tool]
    tried = [case for case in cases if case not in found["not applicable"]]
    caught = sum(case in found["broken"] for case in tried)
    return f"{caught} of {len(tried)} ({caught / len(tried):.0%})"


def _alarms(measured: Measured, tool: str, cases: Sequence[str]) -> str:
    found = measured["tools"][tool]
    tried = [case for case in cases if case not in found["not applicable"]]
    return f"**{sum(case in found['broken'] for case in tried)}** of {len(tried)}"


BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS = {
    (BEGIN, END): table,
    ("<!-- measured, in short: begin -->", "<!-- measured, in short: end -->"): summary,
}
"""What is written between two comments."""


def filled(page: str, measured: Mapping[str, Any]) -> str:
    """A page with the table, or its summary, between the two comments of that.

    Raises:
        SystemExit: the page has no such comments.
    """
    for (begin, end), made in PARTS.items():
        if begin in page and end in page:
            block = f"{begin}\n{made(dict(measured))}\n{end}"
            before, after = page.split(begin, 1)[0], page.split(end, 1)[1]
            return f"{before}{block}{after}"
    sys.exit(f"The page must have the lines {BEGIN!r} and {END!r}.")


if __name__ == "__main__":
    main()
