"""The page shows what the run folders hold, and executes nothing that is written in them."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import folders
import pytest
import rewritten
from html_tree import Element, page, table

from seqlab import report
from seqlab.runs import atomic
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.records import Moment, Scalar, to_line

runs = folders.runs_of_the_test
NONE = "\u2013"  # a cell without a value


def results(document: Element) -> Element:
    """The table of all runs."""
    return next(e for e in document.all("table") if "Results on" in e.all("caption")[0].text)


@pytest.fixture
def written(tmp_path: Path, runs: Path) -> Element:
    return page(report.write(folders.all_kinds(runs), tmp_path / "report.html", title="All kinds"))


def test_the_results_are_those_of_the_folders(tmp_path: Path) -> None:
    worse, better = folders.make(seed=1, loss=0.625), folders.make(seed=2, loss=0.123456789)
    document = page(report.write([worse, better], tmp_path / "r.html", title="Two"))
    head, *rows = table(document, "Results on the validation split of reviews")
    assert [row[head.index("seed")] for row in rows] == ["2", "1"], "the lowest loss first"
    bold = [row.attributes.get("class") for row in results(document).all("tr")[1:]]
    assert bold == ["best", None]
    for row, run in zip(rows, (better, worse), strict=True):
        summary, by_head = run.summary(), dict(zip(head, row, strict=True))
        assert by_head["loss nats per token"] == str(summary["metrics"]["loss"])
        assert by_head["accuracy fraction of tokens"] == str(summary["metrics"]["accuracy"])
        assert by_head["parameters"] == "3494"
        assert by_head["training s"] == "10.5"
        assert by_head["speed tokens/s"] == "381.0"
        assert by_head["peak memory MiB"] == "321.5"
        assert by_head["scored as"] == "whole sequences"


def test_the_spread_over_seeds_by_hand(tmp_path: Path) -> None:
    runs = [folders.make(seed=seed, loss=loss) for seed, loss in ((1, 0.5), (2, 0.75), (3, 1.0))]
    document = page(report.write(runs, tmp_path / "r.html", title="Seeds"))
    rows = table(document, "Equal settings with several seeds")
    assert rows[1] == ["toy", "loss", "3", "0.75", "0.25", "0.5", "1.0"]


def test_runs_compared_with_the_true_distribution(tmp_path: Path) -> None:
    known, other = folders.make(seed=1, loss=0.5), folders.make(seed=2, loss=0.75)
    folders.add_oracle_card(known, floor=0.375)
    document = page(report.write([known, other], tmp_path / "r.html", title="Oracle"))
    head, row = table(document, "Models compared with the true distribution")
    assert dict(zip(head[3:], row[3:], strict=True)) == {
        "floor nats per token": "0.375",
        "above the floor nats per token": "0.125",
        "valid fraction of samples": "0.75",
        "wrong fraction of samples": "0.125",
        "cut fraction of samples": "0.125",
    }


def test_the_curves_are_the_records(tmp_path: Path) -> None:
    run = folders.make()
    document = page(report.write([run], tmp_path / "r.html", title="One"))
    head, *rows = table(document, "Data of the figure: loss on reviews")
    recorded = [
        [record.split, str(moment.step), str(moment.epoch), str(moment.step * 0.25), str(record.value)]
        for split in ("train", "valid")
        for record, moment in run.records()
        if isinstance(record, Scalar) and (record.name, record.split) == ("loss", split)
    ]
    assert len(recorded) == 6
    assert [row[2:] for row in rows] == recorded
    assert head[-2:] == ["training s", "loss nats per token"]
    drawn = json.loads(next(e for e in document.all("script") if e.attributes.get("id") == "figures").text)
    assert drawn["tables"][0]["value"] == pytest.approx([float(row[-1]) for row in rows], rel=1e-6)
    assert drawn["figures"][0]["rows"] == 0
    assert set(drawn["figures"][0]["charts"]) == {"step", "epoch", "seconds"}


def test_matrices_and_curves_are_the_records(written: Element) -> None:
    matrix = table(written, "Data of the figure: confusion matrix of run 2")
    assert [row[-1] for row in matrix[1:]] == ["40.0", "7.0", "3.0", "50.0"]
    curve = table(written, "Data of the figure: loss by length")
    assert [row[-2:] for row in curve[1:]] == [["1.0", "1.75"], ["2.0", "1.25"], ["3.0", "1.125"]]


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_through_time_are_the_last_ones_measured(tmp_path: Path, layers: int) -> None:
    run, other = folders.make(), folders.make(cell="gru", loss=0.75)
    folders.gradients(run, layers)
    folders.gradients(other, 1)
    document = page(report.write([run, other], tmp_path / "r.html", title="Two"))
    head, *rows = table(document, "Data of the figure: gradient through time on reviews, valid")
    assert [column.split()[0] for column in head[2:]] == ["layer", "distance", "mean", "norm"]
    of_layer = [["0", "40.0", "20.0"], ["1", "0.3125", "0.15625"], ["2", "0.0", "0.0"]]
    assert [row[3:] for row in rows if "lstm" in row[1]] == of_layer * layers
    assert len(rows) == 3 * (layers + 1)
    drawn = json.loads(next(e for e in document.all("script") if e.attributes.get("id") == "figures").text)
    figure = next(fig for fig in drawn["figures"] if "datum.horizon" in json.dumps(fig["charts"]))
    assert figure["panels"] == ([1, 2] if layers == 2 else [])
    horizons = drawn["tables"][figure["rows"]]["horizon"]
    assert horizons == [None, 1, None] * (layers + 1)
    _, *over_training = table(document, "Data of the figure: gradient horizon layer 1 on reviews")
    assert [row[-1] for row in over_training] == ["0.5", "1.0"] * 2


def test_runs_that_cannot_be_ranked_are_refused_or_shown_separately(tmp_path: Path) -> None:
    here, there = folders.make(), folders.make(name="other")
    folders.card(there, split_sha256="01" * 32)
    with pytest.raises(UserError, match=r"cannot be ranked.*encoded split.*010101010101 \(other-") as refused:
        report.write([here, there], tmp_path / "r.html", title="Two")
    assert "--allow-incomparable shows them apart" in str(refused.value)
    assert not (tmp_path / "r.html").exists()

    document = page(report.write([here, there], tmp_path / "r.html", title="Two", allow_incomparable=True))
    titles = [heading.text for heading in document.all("h2")]
    parts = [f"reviews, encoded split (SHA-256) {word * 6}" for word in ("ef", "01")]
    pairs = zip(("toy", "other"), parts, strict=True)
    questions = [f"What loss does {name} (lstm) reach on {part}?" for name, part in pairs]
    assert titles == [*questions, *parts, "All runs"]
    tables = [element.cells() for element in document.all("table") if "Results on" in element.text]
    assert [len(rows) for rows in tables] == [2, 2]


def test_classifiers_with_other_tokenizers_are_ranked_on_the_same_texts(tmp_path: Path) -> None:
    words, letters = folders.make(loss=0.5), folders.make(name="letters", loss=0.75)
    for run, tokenizer in ((words, "words"), (letters, "characters")):
        folders.card(
            run, tokenizer=tokenizer, split_sha256=tokenizer * 8, unit="text", loss_unit="nats per text"
        )
    rows = table(page(report.write([words, letters], tmp_path / "r.html", title="Texts")), "Results on")
    assert len(rows) == 3


def test_rows_are_sorted_by_architecture_then_optimizer(tmp_path: Path) -> None:
    made = [
        folders.make(cell="lstm", optimizer="sgd", loss=0.1),
        folders.make(cell="gru", optimizer="sgd", loss=0.2),
        folders.make(cell="lstm", optimizer="adam", loss=0.3),
        folders.make(cell="gru", optimizer="adam", loss=0.15),
        folders.make(cell="gru", optimizer="adam", loss=0.05, finished=False),
    ]
    document = page(report.write(made, tmp_path / "r.html", title="Sorted"))
    head, *rows = table(document, "Results on")
    order = [(row[1], row[2], row[head.index("state")]) for row in rows]
    assert order == [
        ("gru", "adam", "finished"),
        ("gru", "adam", "unfinished"),
        ("gru", "sgd", "finished"),
        ("lstm", "adam", "finished"),
        ("lstm", "sgd", "finished"),
    ]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    classes = [row.attributes.get("class") for row in results(document).all("tr")[1:]]
    assert classes == ["best", "censored", None, None, "best"]


def test_a_baseline_is_a_row_and_a_rule(tmp_path: Path) -> None:
    network, baseline = folders.make(), folders.baseline(name="counts", kind="nb-svm", loss=0.6)
    document = page(report.write([network, baseline], tmp_path / "r.html", title="Baseline"))
    rows = table(document, "Results on")
    assert [row[1] for row in rows[1:]] == ["lstm", "nb-svm"]
    drawn = json.loads(next(e for e in document.all("script") if e.attributes.get("id") == "figures").text)
    loss = next(drawn["tables"][figure["rows"]] for figure in drawn["figures"] if "step" in figure["charts"])
    kinds = [loss["kind"]["texts"][index] for index in loss["kind"]["indices"]]
    assert kinds.count("baseline") == 1
    assert loss["value"][kinds.index("baseline")] == 0.6


def test_data_settings_command_and_environment(tmp_path: Path) -> None:
    runs = [folders.make(cell="lstm", loss=0.5), folders.make(cell="gru", loss=0.75)]
    document = page(report.write(runs, tmp_path / "r.html", title="Cells"))
    data = dict(table(document, "Training and evaluation data")[1:])
    assert data["licence"] == "none needed"
    assert data["origin"] == "written by hand"
    assert data["training split"] == "900 sequences, 12,345 tokens"
    assert data["SHA-256 of the content"] == "ab" * 32
    assert ["model.hidden_size", "16"] in table(document, "Settings that all runs share")
    runs.reverse()  # by architecture
    commands = [row[-1] for row in table(document, "Results on")[1:]]
    assert commands == [f"seqlab train {run.path / 'config.toml'} --device cpu --threads 2" for run in runs]
    assert ["torch", "2.13.0"] in table(document, "Environment of the runs")
    assert [pre.text for pre in document.all("pre")] == [run.config_text() for run in runs]


def test_unfinished_and_damaged_runs_are_shown_as_such(written: Element) -> None:
    notice = next(e for e in written.all("section") if e.attributes.get("class") == "notice").text
    assert "is unfinished. Its records so far are shown" in notice
    assert "records.jsonl:13 is damaged" in notice
    assert "config.toml was changed after the run began" in notice
    states = [row[4] for row in table(written, "Run folders")[1:]]
    assert states == ["finished", "finished", "finished", "unfinished", "finished, damaged"]
    head, *rows = table(written, "validation split of reviews, sorted by architecture")
    assert rows[3][head.index("scored as")] == "best validation so far"


@pytest.mark.parametrize(
    "file",
    ["config.toml", "data.json", "environment.json", "records.jsonl", "timings.jsonl", "finished.json"],
)
def test_no_damage_hides_the_other_runs(tmp_path: Path, file: str) -> None:
    missing, half, no_text, sound = (folders.make(seed=seed) for seed in (1, 2, 3, 4))
    (missing.path / file).unlink()
    (half.path / file).write_text("{")
    (no_text.path / file).write_bytes(b"\xff")
    runs = [missing, half, no_text, sound]
    document = page(report.write(runs, tmp_path / "r.html", title="Damage"))
    states = {row[3]: row[4] for row in table(document, "Run folders")[1:]}
    assert set(states) == {run.path.name for run in runs}
    assert states[sound.path.name] == "finished"
    assert all("damaged" in states[run.path.name] for run in (half, no_text))


def test_texts_of_users_and_models_are_escaped(tmp_path: Path, runs: Path) -> None:
    run = folders.make(cell=folders.HOSTILE.replace('"', "'").replace("\u2028", ""))
    rewritten.json_file(run, "data.json", {"name": folders.HOSTILE})
    path = report.write([run], tmp_path / "r.html", title=folders.HOSTILE, introduction=folders.HOSTILE)
    document = page(path)
    assert len(document.all("script")) == 2
    assert not document.all("b") or all(re.match(r"(Table|Figure) \d+\.", b.text) for b in document.all("b"))
    shown = folders.HOSTILE.replace("\u2028", r"\u2028")
    assert document.all("h1")[0].text == shown
    assert any(shown in item.text for item in document.all("li"))


def test_incomplete_texts_are_marked(written: Element) -> None:
    texts = [item.text for item in written.all("li")]
    assert "never ends [cut at the maximum length]" in texts
    assert sum("Once" in text and "cut at" in text for text in texts) == 0


def test_samples_can_be_left_out(tmp_path: Path) -> None:
    path = report.write([folders.make()], tmp_path / "r.html", title="Quiet", samples=False)
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ("never ends", "earlier words", "alert(") if word in text]
    assert "Samples" not in [heading.text for heading in page(path).all("h3")]


def test_nothing_is_loaded(written: Element) -> None:
    everything = [
        element for tag in ("script", "link", "img", "iframe", "a", "source") for element in written.all(tag)
    ]
    addresses = [e.attributes[key] for e in everything for key in ("src", "href") if key in e.attributes]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert not re.search(r"url\(|@import", written.all("style")[0].text)
    policy = next(m.attributes["content"] for m in written.all("meta") if "http-equiv" in m.attributes)
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src" not in policy
    assert "unsafe-eval" not in policy
    assert sum(len(script.text) > 400_000 for script in written.all("script")) == 1, "Vega is included once"


def test_every_part_has_a_link_and_a_label(written: Element) -> None:
    tags = ("h2", "h3", "main", "caption", "figcaption", "div")
    named = {e.attributes["id"] for tag in tags for e in written.all(tag) if "id" in e.attributes}
    links = [e.attributes["href"].removeprefix("#") for e in written.all("a")]
    labels = [
        e.attributes["aria-labelledby"]
        for tag in ("section", "figure", "div")
        for e in written.all(tag)
        if "aria-labelledby" in e.attributes
    ]
    assert set(links) | set(labels) <= named
    assert all(element.all("caption") for element in written.all("table"))
    assert all(head.attributes["scope"] in ("row", "col") for head in written.all("th"))
    charts = [e for e in written.all("div") if e.attributes.get("role") == "img"]
    assert len(charts) == len(written.all("figure")) > 5
    assert all(len(chart.attributes["aria-label"]) > 40 for chart in charts)
    for tags in (["table-", "caption"], ["figure-", "figcaption"]):
        numbers = [e.attributes["id"] for e in written.all(tags[1]) if "id" in e.attributes]
        assert numbers == [f"{tags[0]}{number}" for number in range(1, len(numbers) + 1)]


def test_equal_folders_give_an_equal_page(tmp_path: Path) -> None:
    run = folders.make()
    pages = [report.write([run, run], tmp_path / name, title="Same") for name in ("a.html", "b.html")]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert len(table(page(pages[0]), "Results on")) == 2, "a run given twice counts once"


def test_long_records_are_thinned_and_the_caption_states_it(tmp_path: Path) -> None:
    run: RunFolder = folders.make()
    added = Scalar(name="loss", value=1.5, unit="nats per token", split="train")
    moments = (Moment(step=step, epoch=2.0, tokens=9) for step in range(41, 1001))
    folders.append(run, "records.jsonl", *(to_line(added, moment) for moment in moments))
    document = page(report.write([run], tmp_path / "r.html", title="Long"))
    rows = [row for row in table(document, "Data of the figure: loss")[1:] if row[2] == "train"]
    assert (len(rows), rows[0][3], rows[-1][3]) == (300, "10", "1000")
    assert "Of longer records, 300 evenly spaced points are drawn." in document.all("figcaption")[0].text


def test_refusals_give_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must have at least one run\. Got none"):
        report.write([], tmp_path / "r.html", title="None")
    with pytest.raises(UserError, match=r"must be a file\. Got the folder"):
        report.write([folders.make()], tmp_path, title="Folder")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"must be a folder\. Got the file"):
        report.write([folders.make()], tmp_path / "r.html", title="Static", static=tmp_path / "file")
    with pytest.raises(UserError, match=r"'output' must lie in a folder\. Got .*r\.html', but "):
        report.write([folders.make()], tmp_path / "file" / "r.html", title="Below a file")


def test_a_full_disk_keeps_the_old_page_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run = tmp_path / "out" / "r.html", folders.make()
    report.write([run], path, title="Old")
    old = path.read_bytes()

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "sync", full)
    with pytest.raises(WorkError, match=r"Free space there, then write the report again\.$"):
        report.write([run], path, title="New")
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_baselines_are_listed_with_networks_under_their_kind(tmp_path: Path) -> None:
    runs = [
        folders.make(name="net", loss=0.5),
        folders.baseline(name="gram", order=5, loss=0.75),
        folders.baseline(name="gram", order=2, loss=0.875),
        folders.baseline(name="floor", kind="oracle", loss=0.25),
    ]
    document = page(report.write(runs, tmp_path / "r.html", title="Beside"))
    head, *rows = table(document, "Results on the validation split of reviews")
    columns = [head.index(name) for name in ("architecture", "name", "order", "seed")]
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("lstm", "net", NONE, "1"),
        ("n-gram", "gram", "5", NONE),
        ("n-gram", "gram", "2", NONE),
        ("oracle", "floor", "5", NONE),
    ]
    assert "loss nats per token" in head


def test_baselines_alone_have_units_and_no_curves(tmp_path: Path) -> None:
    document = page(report.write([folders.baseline()], tmp_path / "r.html", title="Alone"))
    head, row = table(document, "Results on the validation split of reviews")
    assert (row[head.index("architecture")], row[head.index("loss nats per token")]) == ("n-gram", "0.9")
    assert "Learning curves" not in document.text


def test_runs_whose_metrics_are_near_the_largest_float_have_a_page(tmp_path: Path) -> None:
    runs = [folders.make(seed=seed, loss=loss) for seed, loss in ((1, 1.7e308), (2, 1.6e308), (3, 0.5))]
    path = report.write(runs, tmp_path / "r.html", title="Diverged")
    document = page(path)
    (data,) = [e.text for e in document.all("script") if e.attributes.get("type") == "application/json"]
    json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    head, *rows = table(document, "Equal settings with several seeds")
    (row,) = [row for row in rows if row[1] == "loss"]
    assert float(row[head.index("mean")]) == pytest.approx(1.1e308)
    assert "1.7e+308" in path.read_text(encoding="utf-8")


def test_halves_of_surrogate_pairs_become_escapes(tmp_path: Path) -> None:
    path = report.write([folders.make()], tmp_path / "r.html", title="half \ud800")
    assert page(path).all("h1")[0].text == "half \\ud800"
