"""The page in a real browser: every chart is drawn, no error is logged, nothing is fetched."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import folders
import perplexity_runs
import pytest
import study
from html_tree import Element, page
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from seqlab import report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=NetworkTimeServiceQuerying",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
    "--window-size=1200,30000",
    "--virtual-time-budget=100000",
    "--enable-logging=stderr",
]
runs = folders.runs_of_the_test
SCHEMES = {"light": (255, 255, 255), "dark": (20, 23, 28)}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)"),
]


@dataclass(frozen=True)
class Visit:
    """The document after its scripts have run, the messages on the console, the requested addresses."""

    document: Element
    console: list[str]
    requests: list[str]


def visit(path: Path, folder: Path, *flags: str) -> Visit:
    log = folder / "net.json"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", *flags]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    dom = folder / "dom.html"
    dom.write_text(done.stdout, encoding="utf-8")
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit(page(dom) if done.stdout else Element("document", {}), console, _requested(log))


def _requested(log: Path) -> list[str]:
    """The addresses that a page asked for, from the browser's log of the network."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    params = [event.get("params", {}) for event in events]
    # The browser also makes requests of its own; those of a page have the page's address as their key.
    return [one["url"] for one in params if one.get("network_isolation_key", "").startswith("file://")]


@pytest.fixture
def path(tmp_path: Path, runs: Path) -> Path:
    return report.write(folders.all_kinds(runs), tmp_path / "report.html", title="Browser")


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_chart_is_drawn_in_light_and_dark(path: Path, tmp_path: Path, scheme: str) -> None:
    driver = _open(path, tmp_path, f"--blink-settings=preferredColorScheme={1 if scheme == 'light' else 0}")
    try:
        _open_sections(driver)
        WebDriverWait(driver, 60).until(lambda driver: all(_drawn(driver)))
        assert driver.get_log("browser") == []
        picture = tmp_path / "page.png"
        driver.save_screenshot(str(picture))
        dom = tmp_path / "dom.html"
        dom.write_text(driver.page_source, encoding="utf-8")
    finally:
        driver.quit()
    document = page(dom)
    charts = [e for e in document.all("div") if e.attributes.get("class", "").startswith("chart")]
    assert len(charts) >= len(page(path).all("figure"))
    for chart in charts:
        marks = [
            g for g in chart.all("g") if g.attributes.get("class", "").startswith(("mark-line", "mark-rect"))
        ]
        assert any(len(shape.attributes.get("d", "")) > 10 for mark in marks for shape in mark.all("path"))
    with Image.open(picture) as image:
        assert image.convert("RGB").getpixel((3, 3)) == SCHEMES[scheme]


def test_nothing_is_requested_and_no_error_is_logged(path: Path, tmp_path: Path) -> None:
    visited = visit(path, tmp_path, "--dump-dom")
    assert visited.console == []
    assert [url for url in visited.requests if not url.startswith("file:")] == []


def test_requests_and_errors_of_a_page_would_be_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<html><body><img src="http://example.invalid/a.png"><script>nothing()</script></body></html>'
    )
    visited = visit(bad, tmp_path, "--dump-dom")
    assert "http://example.invalid/a.png" in visited.requests
    assert any("nothing is not defined" in line for line in visited.console)


@pytest.fixture
def browser(path: Path, tmp_path: Path) -> Iterator[WebDriver]:
    """The page in an open browser."""
    driver = _open(path, tmp_path)
    yield driver
    assert driver.get_log("browser") == []
    driver.quit()


def _open(path: Path, folder: Path, *flags: str) -> WebDriver:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={folder / 'driver'}", *flags):
        if "virtual-time" not in flag:
            options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    driver.get(path.as_uri())
    _until_drawn(driver, "step")
    return driver


def _open_sections(driver: WebDriver) -> None:
    driver.find_element(By.CSS_SELECTOR, ".fold-all [data-open]").click()


def _until_drawn(driver: WebDriver, axis: str) -> None:
    WebDriverWait(driver, 60).until(
        lambda driver: driver.find_element(By.TAG_NAME, "html").get_attribute("data-drawn") == axis
    )


def _axis_titles(driver: WebDriver) -> set[str]:
    titles = {"optimizer steps", "epochs", "seconds of training"}
    return titles & {text.text for text in driver.find_elements(By.CSS_SELECTOR, ".chart svg text")}


@pytest.fixture
def short(tmp_path: Path, runs: Path) -> Iterator[WebDriver]:
    """A page of many runs in a small window."""
    made = [
        folders.make(cell=cell, seed=seed, loss=0.5 + 0.01 * seed)
        for cell in ("gru", "lstm")
        for seed in range(8)
    ]
    page = report.write(made, tmp_path / "many.html", title="Many")
    driver = _open(page, tmp_path, "--window-size=1000,700")
    yield driver
    assert driver.get_log("browser") == []
    driver.quit()


def _drawn(driver: WebDriver) -> list[bool]:
    return [
        bool(chart.find_elements(By.TAG_NAME, "svg"))
        for chart in driver.find_elements(By.CSS_SELECTOR, ".chart")
    ]


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_charts_are_drawn_when_they_are_scrolled_to(short: WebDriver) -> None:
    _open_sections(short)
    before = _drawn(short)
    assert len(before) > 4
    assert not before[-1]
    last = short.find_elements(By.CSS_SELECTOR, ".chart")[-1]
    short.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", last)
    WebDriverWait(short, 60).until(lambda driver: _drawn(driver)[-1])


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_but_tables_that_scroll(browser: WebDriver, width: int) -> None:
    _open_sections(browser)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    edges = """return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent)
        .map(e => e.getBoundingClientRect()).map(box => [box.left, box.right])"""
    for left, right in browser.execute_script(edges, "caption span, figure, .verdict, .table"):
        assert left >= 0
        assert right <= width
    # A narrow table fits; its caption must not make it wider than its container.
    small = browser.execute_script(
        """return [...document.querySelectorAll("figure table")].filter(t => t.offsetParent)
        .filter(t => t.rows[0].cells.length <= 3).map(t => [t.offsetWidth, t.parentElement.clientWidth])"""
    )
    assert all(table <= container for table, container in small), small


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_printing_draws_all(short: WebDriver) -> None:
    assert not all(_drawn(short))
    short.execute_cdp_cmd("Page.printToPDF", {})
    assert all(_drawn(short))


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_the_chosen_run_is_drawn(short: WebDriver) -> None:
    _open_sections(short)
    choice = short.find_element(By.CSS_SELECTOR, "figure select")
    chart = choice.find_element(By.XPATH, "ancestor::figure//div[contains(@class, 'chart')]")
    short.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", chart)

    def shown() -> str:
        points = chart.find_elements(By.CSS_SELECTOR, ".mark-symbol path")
        return points[0].get_attribute("aria-label") or "" if points else ""

    WebDriverWait(short, 60).until(lambda _: "run: 1;" in shown())
    Select(choice).select_by_index(4)
    WebDriverWait(short, 60).until(lambda _: "run: 5;" in shown())


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_the_axis_is_switched_by_click_and_by_keyboard(browser: WebDriver) -> None:
    assert _axis_titles(browser) == {"optimizer steps"}
    browser.find_element(By.XPATH, "//label[contains(., 'seconds of training')]").click()
    _until_drawn(browser, "seconds")
    assert _axis_titles(browser) == {"seconds of training"}
    browser.switch_to.active_element.send_keys(Keys.ARROW_UP)
    _until_drawn(browser, "epoch")
    assert _axis_titles(browser) == {"epochs"}


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_columns_are_sorted_rows_filtered_and_runs_chosen(short: WebDriver) -> None:
    results = short.find_element(By.CSS_SELECTOR, "table[data-chooser]")
    head = next(h for h in results.find_elements(By.CSS_SELECTOR, "thead th") if h.text.startswith("loss"))

    def losses() -> list[float]:
        column = [h.text for h in results.find_elements(By.CSS_SELECTOR, "thead th")].index(head.text)
        rows = results.find_elements(By.CSS_SELECTOR, "tbody tr")
        cells = [row.find_elements(By.CSS_SELECTOR, "th, td")[column] for row in rows if row.is_displayed()]
        return [float(cell.find_element(By.TAG_NAME, "data").get_attribute("value") or "") for cell in cells]

    original, button = losses(), head.find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    assert (losses(), head.get_attribute("aria-sort")) == (sorted(original), "ascending")
    button.send_keys(Keys.ENTER)
    assert (losses(), head.get_attribute("aria-sort")) == (sorted(original, reverse=True), "descending")
    button.send_keys(Keys.ENTER)
    assert (losses(), head.get_attribute("aria-sort")) == (original, None)

    def lines() -> int:
        chart = short.find_element(By.CSS_SELECTOR, "details.section .chart")
        short.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", chart)
        return len(chart.find_elements(By.CSS_SELECTOR, ".mark-line path"))

    WebDriverWait(short, 60).until(lambda _: lines() > 8)
    scroll = results.find_element(By.XPATH, "ancestor::div[@class='table']")
    search, only = scroll.find_element(By.TAG_NAME, "input"), scroll.find_element(By.TAG_NAME, "button")
    search.send_keys("gru")
    assert len(losses()) == 8
    only.send_keys(Keys.ENTER)
    search.clear()
    search.send_keys(" ")
    boxes = results.find_elements(By.CSS_SELECTOR, "input.choose")
    assert [box.is_selected() for box in boxes] == [True] * 8 + [False] * 8
    assert "8 of 16 runs" in scroll.text
    # Eight runs on validation, and the medians of their architecture on both splits.
    WebDriverWait(short, 60).until(lambda _: lines() == 10)
    boxes[0].send_keys(Keys.SPACE)
    # A median of seven runs is not that of the architecture, so it is left out.
    WebDriverWait(short, 60).until(lambda _: lines() == 7)


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_a_chart_zooms_with_shift_and_the_wheel_only(short: WebDriver) -> None:
    chart = short.find_element(By.CSS_SELECTOR, "details.section .chart")
    short.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", chart)
    WebDriverWait(short, 60).until(lambda _: chart.find_elements(By.CSS_SELECTOR, "svg .role-axis-label"))

    def turn(*, shift: bool) -> str:
        short.execute_script(
            """const box = arguments[0].querySelector("svg").getBoundingClientRect();
            const clientX = box.x + box.width / 2, clientY = box.y + box.height / 2;
            document.elementFromPoint(clientX, clientY).dispatchEvent(new WheelEvent("wheel", {
              deltaY: -400, bubbles: true, cancelable: true, shiftKey: arguments[1], clientX, clientY }));""",
            chart,
            shift,
        )
        return chart.find_element(By.TAG_NAME, "svg").text

    before = turn(shift=False)
    assert turn(shift=False) == before
    WebDriverWait(short, 60).until(lambda _: turn(shift=True) != before)


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_every_part_can_be_reached_by_keyboard(browser: WebDriver) -> None:
    """The tab key stops at the skip link first, then at every link, switch and fold; nothing traps it."""
    browser.execute_script("for (const fold of document.querySelectorAll('.section')) fold.open = true")
    stops = []
    for _ in range(1000):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        now = browser.switch_to.active_element
        if now.tag_name == "body":
            break
        stops.append((now.tag_name, now.text.splitlines()[0] if now.text else "", now.get_attribute("type")))
    assert stops[0][:2] == ("a", "Skip to the results")
    shown = {
        tag: [element.is_displayed() for element in browser.find_elements(By.CSS_SELECTOR, tag)]
        for tag in ("summary", "button")
    }
    # Links are reached even where they are outside the window, as the first one is.
    wanted = {"a": len(browser.find_elements(By.TAG_NAME, "a")), **{tag: sum(shown[tag]) for tag in shown}}
    assert {tag: sum(stop[0] == tag for stop in stops) for tag in wanted} == wanted
    assert sum(stop[2] == "radio" for stop in stops) == 1, "one stop for the whole switch"
    fold = browser.find_element(By.CSS_SELECTOR, "figure summary")
    table = fold.find_element(By.XPATH, "following-sibling::div")
    assert not table.is_displayed()
    fold.send_keys(Keys.ENTER)
    assert table.is_displayed()


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
@pytest.mark.parametrize("width", [390, 1280])
def test_curves_by_architecture_and_optimizer_are_drawn_with_whole_legends(
    tmp_path: Path, runs: Path, width: int
) -> None:
    roles = [(cell, optimizer) for cell in ("elman", "gru", "lstm") for optimizer in ("adam", "sgd")]
    made = [
        perplexity_runs.make((3.0, 2.0 + index / 8, 1.5 + index / 8), cell=cell, optimizer=optimizer)
        for index, (cell, optimizer) in enumerate(roles)
    ]
    driver = _open(report.write(made, tmp_path / "r.html", title="Roles"), tmp_path)
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 30000, "deviceScaleFactor": 1, "mobile": False},
        )
        # A legend has as many columns as fit when its chart is drawn.
        driver.refresh()
        _open_sections(driver)
        WebDriverWait(driver, 60).until(lambda driver: all(_drawn(driver)))
        assert driver.get_log("browser") == []
        legends = driver.execute_script(
            """return [...document.querySelectorAll(".chart .role-legend")].map(legend => {
                const box = legend.getBoundingClientRect();
                const chart = legend.closest(".chart").getBoundingClientRect();
                return [legend.textContent, box.left >= chart.left, box.right <= chart.right];
            })"""
        )
    finally:
        driver.quit()
    texts = [text for text, *_ in legends]
    # Twice each: over epochs and over seconds; a panel for each run.
    assert texts.count("adamsgd") == 6
    assert texts.count("trainingvalidation") == 12
    assert all(left and right for _, left, right in legends)


@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver (apt-get install chromium-driver)")
def test_names_of_every_kind_are_drawn_and_nothing_in_them_is_interpreted(tmp_path: Path, runs: Path) -> None:
    made = study.make_hostile((name, path) for name in study.NAMES for path in study.NAMES[:2])
    written = report.write([], tmp_path / "r.html", title=folders.HOSTILE, studies=[made])
    requests = tmp_path / "net.json"
    driver = _open(written, tmp_path, f"--log-net-log={requests}")
    try:
        _open_sections(driver)
        WebDriverWait(driver, 60).until(lambda driver: all(_drawn(driver)))
        assert [line for line in driver.get_log("browser") if line["level"] != "WARNING"] == []
        dom = tmp_path / "dom.html"
        dom.write_text(driver.page_source, encoding="utf-8")
    finally:
        driver.quit()
    assert [url for url in _requested(requests) if not url.startswith("file:")] == []
    document = page(dom)
    charts = [e for e in document.all("div") if e.attributes.get("class", "").startswith("chart")]
    assert len(charts) > 5
    labels = {text.text.rstrip("\u200b") for chart in charts for text in chart.all("text")}
    assert {"constructor", "__proto__", "line\\u2028separator", "=cmd|calc"} <= labels
    assert len(document.all("script")) == 2
    assert document.all("img") == []
