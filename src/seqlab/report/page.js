// Draws each chart when it is scrolled into view, and again when the reader chooses another horizontal axis.
(() => {
  const { tables, figures } = JSON.parse(document.getElementById("figures").textContent);
  const switches = document.querySelector("fieldset.axis");
  const root = document.documentElement;
  const charts = [...document.querySelectorAll(".chart")];
  const views = new Map();
  // Charts in view or close to it.
  const near = new Set();
  const rows = new Map();
  let axis = switches?.querySelector("input:checked").value ?? "";
  // Charts being drawn. `data-drawn` of the document is set only while there are none; tests wait for it.
  let waiting = 0;

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

  const shown = (figure, chart) => {
    const all = rowsOf(figure.rows);
    if (!figure.by) return all;
    const choice = chart.closest("figure").querySelector("select");
    const wanted = figure.panels[choice ? choice.selectedIndex : Number(chart.dataset.panel)];
    return all.filter((row) => row[figure.by] === null || row[figure.by] === wanted);
  };

  const draw = async (chart) => {
    const figure = figures[Number(chart.dataset.figure)];
    const wanted = figure.charts[axis] ? axis : Object.keys(figure.charts)[0];
    const spec = { ...figure.charts[wanted], datasets: { rows: shown(figure, chart) }, width: "container" };
    spec.autosize = { type: "fit-x", contains: "padding" };
    // Approximate widths of a legend's symbol and of a character, in pixels.
    const columns = Math.max(1, Math.floor(chart.clientWidth / (44 + 7.5 * figure.longest)));
    spec.config = { ...spec.config, legend: { ...spec.config.legend, columns } };
    const config = { background: null, font: getComputedStyle(document.body).fontFamily };
    waiting += 1;
    delete root.dataset.drawn;
    chart.dataset.drawn = axis;
    try {
      views.get(chart)?.finalize();
      // The page's policy forbids eval, so Vega interprets expressions.
      views.set(chart, await vegaEmbed(chart, spec, { actions: false, renderer: "svg", ast: true, config }));
    } catch (error) {
      console.error(error);
      chart.textContent = "This chart could not be drawn. The table below has its numbers.";
    }
    chart.style.minHeight = "0";
    waiting -= 1;
    if (waiting === 0) root.dataset.drawn = axis;
  };

  const several = (chart) => Object.keys(figures[Number(chart.dataset.figure)].charts).length > 1;
  const due = (chart) => chart.dataset.drawn === undefined || (several(chart) && chart.dataset.drawn !== axis);

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
      const now = [...near].filter(several);
      now.forEach(draw);
      if (now.length === 0) root.dataset.drawn = axis;
    });
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("figure select")) draw(event.target.closest("figure").querySelector(".chart"));
  });
  // A printed page has no scrolling, so every chart is drawn.
  window.addEventListener("beforeprint", () => charts.filter(due).forEach(draw));
})();
