// Charts, drawn when they are scrolled into view; tables that can be sorted and filtered; the choice of runs.
(() => {
  const element = document.getElementById("figures");
  const { tables, figures } = element ? JSON.parse(element.textContent) : { tables: [], figures: [] };
  const switches = document.querySelector("fieldset.axis");
  const root = document.documentElement;
  const charts = [...document.querySelectorAll(".chart")];
  const views = new Map();
  // Charts in view or close to it.
  const near = new Set();
  const rows = new Map();
  // Numbers of the runs that the reader left out; `choice` counts the changes, so that charts are drawn again.
  const leftOut = new Set();
  let choice = 0;
  let axis = switches?.querySelector("input:checked").value ?? "";
  // Charts being drawn. `data-drawn` of the document is set only while there are none; tests wait for it.
  let waiting = 0;

  const make = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  // The rows of a table, assembled from its columns the first time a chart needs them.
  const rowsOf = (index) => {
    if (!rows.has(index)) {
      const columns = Object.entries(tables[index]).map(([key, column]) =>
        [key, column.texts ? column.indices.map((text) => column.texts[text]) : column]);
      rows.set(index, columns[0][1].map((_, line) =>
        Object.fromEntries(columns.map(([key, values]) => [key, values[line]]))));
    }
    return rows.get(index);
  };

  // The rows of chosen runs; a median only where every run of its group is chosen.
  const chosen = (all) => {
    if (leftOut.size === 0) return all;
    const isLeftOut = (row) => leftOut.has(row.run);
    const groups = ["label", "architecture", "optimizer", "model"].map((key) =>
      [key, new Set(all.filter(isLeftOut).map((row) => row[key]).filter((group) => group != null))]);
    const stale = (row) => String(row.kind).startsWith("median") && groups.some(([key, set]) => set.has(row[key]));
    return all.filter((row) => !isLeftOut(row) && !stale(row));
  };

  const shown = (figure, chart) => {
    const all = rowsOf(figure.rows);
    if (!figure.by) return chosen(all);
    const menu = chart.closest("figure").querySelector("select");
    const wanted = figure.panels[menu ? menu.selectedIndex : Number(chart.dataset.panel)];
    const own = all.filter((row) => row[figure.by] === null || row[figure.by] === wanted);
    return menu ? own : chosen(own);
  };

  const draw = async (chart) => {
    const figure = figures[Number(chart.dataset.figure)];
    const wanted = figure.charts[axis] ? axis : Object.keys(figure.charts)[0];
    const drawn = shown(figure, chart);
    if (leftOut.size > 0 && drawn.every((row) => row.run === null)) {
      views.get(chart)?.finalize();
      views.delete(chart);
      chart.dataset.drawn = axis;
      chart.dataset.choice = choice;
      chart.textContent = "None of the chosen runs is in this chart.";
      return;
    }
    const spec = { ...figure.charts[wanted], datasets: { rows: drawn }, width: "container" };
    spec.autosize = { type: "fit-x", contains: "padding" };
    // Approximate widths of a legend's symbol and of a character, in pixels.
    const columns = Math.max(1, Math.floor(chart.clientWidth / (44 + 7.5 * figure.longest)));
    spec.config = { ...spec.config, legend: { ...spec.config.legend, columns } };
    const config = { background: null, font: getComputedStyle(document.body).fontFamily };
    // Layers of runs and medians that were left out are empty, about which Vega would warn.
    const logLevel = leftOut.size > 0 ? 1 : 2;
    waiting += 1;
    delete root.dataset.drawn;
    chart.dataset.drawn = axis;
    chart.dataset.choice = choice;
    try {
      views.get(chart)?.finalize();
      // The page's policy forbids eval, so Vega interprets expressions.
      views.set(chart, await vegaEmbed(chart, spec, { actions: false, renderer: "svg", ast: true, config, logLevel }));
    } catch (error) {
      console.error(error);
      chart.textContent = "This chart could not be drawn. The table below has its numbers.";
    }
    chart.style.minHeight = "0";
    waiting -= 1;
    if (waiting === 0) root.dataset.drawn = axis;
  };

  const several = (chart) => Object.keys(figures[Number(chart.dataset.figure)].charts).length > 1;
  const due = (chart) => chart.dataset.drawn === undefined || chart.dataset.choice !== String(choice)
    || (several(chart) && chart.dataset.drawn !== axis);
  const drawAgain = () => {
    const now = [...near].filter(due);
    now.forEach(draw);
    if (now.length === 0 && waiting === 0) root.dataset.drawn = axis;
  };

  const watcher = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting) near.add(target); else near.delete(target);
      if (isIntersecting && due(target)) draw(target);
    }
    if (waiting === 0) root.dataset.drawn = axis;
  }, { rootMargin: "600px 0px" });
  charts.forEach((chart) => watcher.observe(chart));

  if (switches) {
    // Hidden until here, because without JavaScript the switch would do nothing.
    switches.hidden = false;
    switches.addEventListener("change", (event) => {
      axis = event.target.value;
      drawAgain();
    });
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("figure select")) draw(event.target.closest("figure").querySelector(".chart"));
  });

  // Sections.
  const sections = [...document.querySelectorAll("details.section, .section details:has(> .figures)")];
  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  };
  window.addEventListener("hashchange", openTarget);
  openTarget();
  const foldAll = document.querySelector(".fold-all");
  foldAll.hidden = sections.length === 0;
  foldAll.addEventListener("click", (event) => {
    if (event.target.matches("button")) sections.forEach((fold) => { fold.open = "open" in event.target.dataset; });
  });
  // A printed page has no scrolling and no folds, so every chart is drawn.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = sections.filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
    charts.filter(due).forEach(draw);
  });
  window.addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));

  // Tables.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    if (cell.querySelector(".nothing")) return null;
    const text = data ? data.value : cell.textContent.trim();
    return data || (text !== "" && Number.isFinite(Number(text))) ? Number(text) : text;
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en");

  const sortBy = (table, head, original) => {
    const before = head.getAttribute("aria-sort");
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    const sign = before === "ascending" ? -1 : 1;
    let order = original;
    // The third click restores the order of the page.
    if (before !== "descending") {
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const keyed = original.map((row) => [valueOf(row, head.cellIndex), row]);
      // Cells without a value stay last in both directions.
      keyed.sort(([one], [other]) =>
        one === null || other === null ? (one === null) - (other === null) : sign * compare(one, other));
      order = keyed.map(([, row]) => row);
    }
    table.tBodies[0].append(...order);
  };

  const choosers = [];
  const showChoice = () => {
    for (const row of document.querySelectorAll("tr[data-run]")) {
      const out = leftOut.has(Number(row.dataset.run));
      const box = row.querySelector("input.choose");
      if (box) { box.checked = !out; row.classList.toggle("left-out", out); } else { row.dataset.out = out ? "1" : ""; }
    }
    choosers.forEach((show) => show());
    filters.forEach((filter) => filter());
    choice += 1;
    drawAgain();
  };
  const filters = [];

  for (const table of document.querySelectorAll("table")) {
    const body = [...table.tBodies[0].rows];
    if (body.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = make("button", { type: "button", className: "sort", title: "Sort" }, ...head.childNodes);
      button.addEventListener("click", () => sortBy(table, head, body));
      head.replaceChildren(button);
    }
    const tools = make("div", { className: "tools" });
    const search = make("input", { type: "search", placeholder: "Filter rows" });
    search.setAttribute("aria-label", "Filter the rows of this table by text");
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of body) {
        const text = row.textContent.toLowerCase();
        row.hidden = Boolean(row.dataset.out) || !words.every((word) => text.includes(word));
      }
    };
    filters.push(filter);
    if (body.length > 5) {
      search.addEventListener("input", filter);
      tools.append(search);
    }
    if ("chooser" in table.dataset) {
      const runs = body.map((row) => Number(row.dataset.run));
      for (const row of body) {
        const box = make("input", { type: "checkbox", className: "choose", checked: true });
        box.setAttribute("aria-label", `Show run ${row.dataset.run}`);
        box.addEventListener("change", () => {
          if (box.checked) leftOut.delete(Number(row.dataset.run)); else leftOut.add(Number(row.dataset.run));
          showChoice();
        });
        row.cells[0].prepend(box);
      }
      const count = make("span", { role: "status" });
      choosers.push(() => {
        const out = runs.filter((run) => leftOut.has(run)).length;
        count.textContent = `${runs.length - out} of ${runs.length} runs are shown in charts and tables of runs`
          + (out ? "; medians and comparisons need all runs of a model" : "");
      });
      const visible = () => body.filter((row) => !row.hidden).map((row) => Number(row.dataset.run));
      const only = make("button", { type: "button" }, "Only the rows below");
      only.addEventListener("click", () => {
        const kept = visible();
        runs.forEach((run) => { if (kept.includes(run)) leftOut.delete(run); else leftOut.add(run); });
        showChoice();
      });
      const all = make("button", { type: "button" }, "All runs");
      all.addEventListener("click", () => { runs.forEach((run) => leftOut.delete(run)); showChoice(); });
      tools.append(only, all, count);
      choosers.at(-1)();
    }
    if (tools.childElementCount) table.closest(".scroll").before(tools);
  }
})();
