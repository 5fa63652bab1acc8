"use strict";
// Live charts in place of the pictures, and a filter for the list of runs.
(() => {
  const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#666666"];
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [4, 4], [10, 3, 2, 3, 2, 3], [2, 5]];
  const charts = JSON.parse(document.getElementById("charts").textContent) || [];

  function draw(box, c) {
    const data = [c.steps], series = [{ label: c.x }], bands = [];
    c.lines.forEach((l, i) => {
      const k = data.length;
      data.push(l.mean, l.hi, l.lo);
      const few = c.steps.length <= 12;
      series.push(
        { label: l.label, stroke: colors[i], width: 2, dash: dashes[i], points: { show: few, size: 6, fill: colors[i] } },
        { label: "", class: "band", width: 0, points: { show: false } },
        { label: "", class: "band", width: 0, points: { show: false } });
      bands.push({ series: [k + 1, k + 2], fill: colors[i] + "33" });
    });
    const axis = label => ({ label, stroke: "#1a1a1a", labelSize: 22, font: "12px serif", labelFont: "13px serif", grid: { stroke: "#e1e1e1", width: 1 } });
    const width = () => Math.max(200, box.parentElement.clientWidth);
    const height = 300;
    const plot = new uPlot({ width: width(), height, series, bands, scales: { x: { time: false } }, axes: [axis(c.x), { ...axis(c.y), size: 56 }],
      legend: { markers: { width: 3, dash: (_, i) => ["solid", "dashed", "dotted", "double"][(i - 1) / 3 % 4] } } }, data, box);
    plot.root.querySelectorAll(".u-legend .u-series").forEach((row, i) => { if (i > 0 && i % 3 !== 1) row.classList.add("band"); });
    box.parentElement.classList.add("live");
    new ResizeObserver(() => plot.setSize({ width: width(), height })).observe(box.parentElement);
  }
  document.querySelectorAll("[data-chart]").forEach(box => {
    try { draw(box, charts[+box.dataset.chart]); } catch (e) { box.remove(); console.error(e); }
  });

  const tables = document.querySelectorAll("table.runs");
  if (tables.length === 0) return;
  const label = document.createElement("label");
  label.className = "filter";
  const input = document.createElement("input");
  input.type = "search";
  const count = document.createElement("output");
  label.append("Show runs that contain ", input, " ", count);
  tables[0].closest(".scroll").before(label);
  const rows = [...tables].flatMap(t => [...t.tBodies[0].rows]);
  const texts = rows.map(r => r.textContent.toLowerCase());
  let wait = 0;
  input.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      const words = input.value.toLowerCase().split(/\s+/).filter(w => w);
      let n = 0;
      rows.forEach((r, i) => { const show = words.every(w => texts[i].includes(w)); r.hidden = !show; n += show; });
      document.querySelectorAll(".chunk").forEach(c => { c.hidden = ![...c.querySelectorAll("tbody tr")].some(r => !r.hidden); });
      count.textContent = words.length ? n + " of " + rows.length : "";
    }, 120);
  });
})();
