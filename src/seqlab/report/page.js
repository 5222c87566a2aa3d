// Draws every figure; draws those with several horizontal axes anew when another one is chosen.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const switches = document.querySelector("fieldset.axis");
  const views = new Map();

  const drawn = async (figure, index, axis) => {
    const place = document.getElementById(`chart-${index + 1}`);
    const chart = figure.charts[axis] ?? Object.values(figure.charts)[0];
    const spec = { ...chart, datasets: { rows: figure.rows }, width: "container" };
    spec.autosize = { type: "fit-x", contains: "padding" };
    const config = {
      background: null,
      font: getComputedStyle(document.body).fontFamily,
      legend: { columns: Math.max(1, Math.floor(place.clientWidth / 280)) },
    };
    try {
      views.get(index)?.finalize();
      // The page forbids code made from text, so expressions are interpreted.
      views.set(index, await vegaEmbed(place, spec, { actions: false, renderer: "svg", ast: true, config }));
    } catch (error) {
      console.error(error);
      place.textContent = "This chart could not be drawn; its numbers stand in the table below.";
    }
  };

  const drawAll = async (axis, chosen) => {
    delete document.documentElement.dataset.drawn;
    await Promise.all(figures.map((figure, index) => chosen(figure) && drawn(figure, index, axis)));
    document.documentElement.dataset.drawn = axis;
  };

  if (switches) {
    switches.hidden = false;
    switches.addEventListener("change", (event) =>
      drawAll(event.target.value, (figure) => Object.keys(figure.charts).length > 1));
  }
  drawAll(switches?.querySelector("input:checked").value ?? "", () => true);
})();
