"""`seqlab explain`: the terminal, JSON, the page, tables, and what is refused."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import seqlab as library
from seqlab.cli import explain_command, run
from seqlab.cli.streams import StandardStreams
from seqlab.runs.run_folder import RunFolder

TEXT = "a really good film, unheard!"
WORD = {"text", "start", "end", "tokens", "effect", "status", "floor"}
EXPLANATION = {
    *("text", "predicted", "label", "probability", "value", "baseline", "gap", "steps", "converged"),
    *("words", "unit", "targets", "floor", "possible"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def explained(seqlab, run: RunFolder, *arguments: str) -> dict[str, Any]:
    result = seqlab("explain", run.path.name, *arguments, "--json")
    assert result.status == 0, result
    return json.loads(result.out)


def test_json_has_every_word_with_its_position(seqlab, classifier: RunFolder) -> None:
    found = explained(seqlab, classifier, TEXT, "")
    assert set(found) == {"run", "method", "reason", "quantity", "meaning", "texts", "total"}
    assert (found["run"], found["method"]) == (classifier.path.name, "integrated-gradients")
    assert (found["total"], len(found["texts"])) == (2, 2)
    first, empty = found["texts"]
    assert set(first) == EXPLANATION
    assert first["text"] == TEXT
    assert all(set(word) == WORD for word in first["words"])
    assert [TEXT[word["start"] : word["end"]] for word in first["words"]] == [
        word["text"] for word in first["words"]
    ]
    assert [word["status"] for word in first["words"]] == ["read"] * 4 + ["unknown"]
    total = sum(word["effect"] for word in first["words"])
    assert abs(total - (first["value"] - first["baseline"])) == pytest.approx(first["gap"], abs=1e-12)
    (answer,) = json.loads(seqlab("predict", classifier.path.name, TEXT, "--json").out)
    assert first["probability"] == pytest.approx(answer["probabilities"][first["label"]], rel=1e-6)
    assert (
        first["label"] == first["predicted"] == max(answer["probabilities"], key=answer["probabilities"].get)
    )
    assert empty["words"] == []


def test_a_language_models_surprisals(seqlab, language: RunFolder) -> None:
    (found,) = explained(seqlab, language, "(())")["texts"]
    assert found["unit"] == "bits"
    assert found["value"] == pytest.approx(sum(word["effect"] for word in found["words"]))
    assert [word["text"] for word in found["words"]] == [*"(())", ".end"]
    shown = seqlab("explain", language.path.name, "(())", ")", "--top", "2").out
    assert f"[1] {found['value'] / 5:.3f} bits per token\n  (()) .end\n" in shown
    assert "Under the true distribution: " in shown
    assert "Not a text of the language: token 1, ')', cannot follow." in shown
    result = seqlab("explain", language.path.name, "(())", "((", "-o", "surprisal.html")
    assert result.status == 0
    page = Path("surprisal.html").read_text(encoding="utf-8")
    assert f"<h1>How surprising {language.path.name} finds texts</h1>" in page
    assert page.count("The same under the true distribution") == 2
    assert "against the label" not in page
    assert f'title="{found["words"][0]["effect"]:.2f} bits"' in page


def test_a_label_that_is_not_predicted(seqlab, classifier: RunFolder) -> None:
    one, other = (
        explained(seqlab, classifier, TEXT, "--label", label)["texts"][0]
        for label in ("positive", "negative")
    )
    assert one["value"] == pytest.approx(-other["value"])
    effects = [[word["effect"] for word in each["words"]] for each in (one, other)]
    assert effects[0] == pytest.approx([-effect for effect in effects[1]], abs=1e-5)
    shown = seqlab("explain", classifier.path.name, "a bad film", "--label", "positive").out
    assert re.search(r"\[1\] positive, probability 0\.\d+; predicted: negative", shown)


def test_the_method_is_always_said(seqlab, classifier: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = seqlab("explain", classifier.path.name, TEXT).out
    assert "\nMethod: integrated-gradients. The model has a gradient" in shown
    assert (
        "Method: occlusion. It was chosen."
        in seqlab("explain", classifier.path.name, TEXT, "--method", "occlusion").out
    )
    monkeypatch.setitem(sys.modules, "captum", None)
    shown = seqlab("explain", classifier.path.name, TEXT).out
    assert (
        "Method: occlusion. The method 'integrated-gradients' needs the package 'captum', which is not "
        "installed. Nearest: pip install captum." in shown
    )


def test_what_is_printed_in_a_pipe(seqlab, classifier: RunFolder) -> None:
    out = seqlab("explain", classifier.path.name, TEXT, "--top", "2").out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].startswith("Words are coloured by their effect on the log odds of the label")
    assert f"  {TEXT}" in lines
    assert re.search(r"^Log odds .* a gap of \S+ with \d+ steps\.$", out, flags=re.MULTILINE)
    assert lines[-3].split() == ["effect", "word", "at", "character"]
    (found,) = explained(seqlab, classifier, TEXT)["texts"]
    largest = sorted(found["words"], key=lambda word: -abs(word["effect"]))[:2]
    assert [line.split()[1] for line in lines[-2:]] == [word["text"] for word in largest]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm-256color"}, "48;5;"),
        ({"TERM": "xterm"}, "[3"),
        ({"NO_COLOR": "1", "TERM": "xterm"}, ""),
    ],
)
def test_a_terminal_has_colours_unless_they_are_off(
    classifier: RunFolder, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: str
) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    reader, writer = os.openpty()
    parts: list[bytes] = []
    thread = threading.Thread(target=lambda: parts.extend(iter(lambda: _read(reader), b"")))
    thread.start()
    streams = StandardStreams(writer, writer)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams.out)
        patch.setattr(sys, "stderr", streams.err)
        assert run(["explain", classifier.path.name, TEXT]) == 0
    os.close(writer)
    thread.join()
    os.close(reader)
    shown = b"".join(parts).decode()
    assert "good" in shown
    assert coloured in shown
    colours = re.findall(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|[34]8;[0-9;]+)m", shown.partition("[1]")[2])
    assert bool(colours) == bool(coloured)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_tables_are_read_as_predict_reads_them(seqlab, classifier: RunFolder, kind: str) -> None:
    frame = pl.DataFrame({"key": [1, 2], "message": ["a good film", "a bad film"]})
    table = Path(f"new.{kind}")
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](table)
    result = seqlab("explain", classifier.path.name, "--file", str(table), "--json")
    assert [one["text"] for one in json.loads(result.out)["texts"]] == ["a good film", "a bad film"]
    assert "The texts are read from column 'message'" in result.err
    missing = seqlab("explain", classifier.path.name, "--file", str(table), "--text-column", "nothing")
    assert missing.status == 2
    assert "'nothing'" in missing.err


def test_the_page_is_written_whole_and_replaced_on_demand_only(
    seqlab, refused, classifier: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("texts.txt").write_text("a good film\n\na bad film\nfilm\n")
    monkeypatch.setattr(explain_command, "MOST_ON_PAGE", 2)
    command = ["explain", classifier.path.name, "--file", "texts.txt", "-o", "out/e.html"]
    result = seqlab(*command)
    assert result.status == 0, result
    assert result.out.splitlines()[-1] == "2 texts, the first of 4: out/e.html (open it in a browser)"
    assert "1 of 4 lines has no text: line 2. It is kept in its position, without" in result.err
    page = Path("out/e.html").read_text(encoding="utf-8")
    assert "The page shows the first 2 of 4 texts." in page
    assert "1 of 4 lines has no text: line 2." in page
    assert "2. no text, no answer" in page
    assert "To replace it: --overwrite" in refused(*command)
    assert Path("out/e.html").read_text(encoding="utf-8") == page
    replaced = json.loads(seqlab(*command, "--overwrite", "--json").out)
    assert replaced == {"output": "out/e.html", "texts": 2, "total": 4, "method": "integrated-gradients"}
    assert sorted(path.name for path in Path("out").iterdir()) == ["e.html"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "txt"])
def test_rows_without_text_keep_their_position(seqlab, refused, classifier: RunFolder, kind: str) -> None:
    texts = ["a good film", "", "  ", "a bad film"]
    table, frame = Path(f"gaps.{kind}"), pl.DataFrame({"id": [1, 2, 3, 4], "text": texts})
    match kind:
        case "csv":
            frame.write_csv(table)
        case "jsonl":
            frame.write_ndjson(table)
        case "parquet":
            frame.with_columns(pl.col("text").replace("", None)).write_parquet(table)
        case _:
            table.write_text("".join(f"{text}\n" for text in texts))
    result = seqlab("explain", classifier.path.name, "--file", str(table), "--json")
    found, alone = json.loads(result.out), explained(seqlab, classifier, "a good film", "a bad film")
    assert [found["texts"][index] for index in (0, 3)] == alone["texts"]
    assert [(one["text"], one["value"], one["label"], one["words"]) for one in found["texts"][1:3]] == [
        ("", None, "", []),
        ("  ", None, "", []),
    ]
    noun = "lines" if kind == "txt" else "rows"
    assert f"2 of 4 {noun} have no text: {noun} 2, 3" in result.err
    shown = seqlab("explain", classifier.path.name, "--file", str(table)).out
    assert "[2] no text, no answer\n\n[3] no text, no answer\n\n[4] negative" in shown
    Path("none.csv").write_text("id,text\n1,\n2, \n")
    message = refused("explain", classifier.path.name, "--file", "none.csv")
    assert "none.csv must contain texts in column 'text'. Got 2 rows without text." in message


def test_bad_input(refused, classifier: RunFolder, language: RunFolder) -> None:
    name = classifier.path.name
    lm = language.path.name
    assert "'label' must be left out for a language model" in refused("explain", lm, "(", "--label", "a")
    assert "must be 'surprisal' for a language model. Got 'weights'" in refused(
        "explain", lm, "(", "--method", "weights"
    )
    assert "There is no label 'positiv'. Nearest: 'positive'" in refused(
        "explain", name, "a", "--label", "positiv"
    )
    assert "There is no method 'gradients'" in refused("explain", name, "a", "--method", "gradients")
    assert "'steps' needs the method" in refused(
        "explain", name, "a", "--method", "occlusion", "--steps", "9"
    )
    assert "must end in .html, .htm. Got 'e.png'. Nearest: 'e.html'" in refused(
        "explain", name, "a", "-o", "e.png"
    )
    assert "Got both" in refused("explain", name, "a", "--file", "b.txt")
    assert "'top' must be at least 0" in refused("explain", name, "a", "--top", "-1")
    assert "need" in refused("explain", name, "a", "--overwrite")
    assert "gone.txt" in refused("explain", name, "--file", "gone.txt")


def test_python_gives_the_same_values(seqlab, classifier: RunFolder) -> None:
    found = library.load_run(classifier.path).explain([TEXT, "a bad film"])
    assert found.as_dict() == {
        **(printed := explained(seqlab, classifier, TEXT, "a bad film")),
        "texts": tuple(
            {**text, "words": tuple({**word, "tokens": tuple(word["tokens"])} for word in text["words"])}
            for text in printed["texts"]
        ),
    }
    assert repr(found) == "2 texts explained by integrated-gradients"
    assert found.words.filter(pl.col("text") == 1)["word"].to_list() == ["a", "bad", "film"]
    assert found[0].words[2].effect == found.words["effect"][2]
    html = found._repr_html_()
    assert html.startswith("<style>")
    assert "really" in html
    assert "<body" not in html
    assert found.write("own.html").read_text().startswith("<!doctype html>")
    run = library.load_run(classifier.path)
    for nothing in ([], [None, " "]):
        with pytest.raises(ValueError, match="at least one text to explain"):
            run.explain(nothing)
    with_gap = run.explain([None, TEXT, float("nan")])
    assert [text.value for text in with_gap] == [None, found[0].value, None]
    assert with_gap.words["text"].unique().to_list() == [1]
