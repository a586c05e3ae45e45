// Charts by plotly: training curves, accuracy by class, learned adjacencies.
const chartConfig = {
  responsive: true, doubleClick: "reset",
  displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", // nothing leaves the page
};

function axis(more = {}) {
  return { gridcolor: color("line"), zeroline: false, linecolor: color("line"), tickcolor: color("line"),
    automargin: true, ...more };
}

function layout(more = {}) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 8, t: 8, b: 8 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("quiet") },
    hoverlabel: { bgcolor: color("ink"), bordercolor: color("ink"), font: { color: color("paper"), size: 12 } },
    ...more,
  };
}

// From the background to the accent, through which more is darker on paper and brighter on black.
const shades = (name = "accent") => [[0, color("raised")], [1, color(name)]];
const bothWays = () => [[0, color("second")], [0.5, color("raised")], [1, color("accent")]];
const MORE_COLORS = ["#7a6fb0", "#5f9150", "#b08a2e", "#a85a86", "#6b7a80", "#3a8f8a"];
const runColor = (number) => [color("accent"), color("second"), ...MORE_COLORS][number % 8];

const CURVES = [["loss", "Loss", null], ["top1", "Top-1 accuracy", ".0%"], ["lr", "Learning rate", null]];

function startCurves() {
  const list = byId("curve-list");
  list.className = "two";
  for (const [kind, title] of CURVES) {
    const ariaLabel = title + " by step";
    const chart = element("div", { className: "chart", id: "curve-" + kind, role: "img", ariaLabel });
    chart.style.minHeight = "300px";
    list.append(element("div", {}, element("h3", { textContent: title }), chart));
  }
  whenNear(list, drawCurves);
}

function drawCurves() {
  for (const [kind, , format] of CURVES) {
    const traces = [];
    data.curves.forEach((run, number) => {
      for (const part of kind === "lr" ? ["train"] : ["train", "test"]) {
        const [points, tested] = [run[part], part === "test"];
        traces.push({
          x: points.step, y: points[kind], customdata: points.epoch, name: plain(run.run) + ", " + part,
          mode: tested ? "lines+markers" : "lines", marker: { size: 5 },
          line: { color: runColor(number), width: tested ? 2 : 1.2, dash: tested ? "solid" : "dot" },
          hovertemplate: "%{y:.4g}, step %{x}, epoch %{customdata}<extra>%{fullData.name}</extra>",
        });
      }
    });
    Plotly.react("curve-" + kind, traces, layout({
      height: 300, xaxis: axis(), yaxis: axis({ tickformat: format, rangemode: "tozero" }),
      legend: { orientation: "h", y: -0.12, x: 0 }, margin: { l: 8, r: 12, t: 8, b: 8 },
    }), chartConfig);
  }
}

const barsHeight = (bars) => Math.max(200, 18 * bars + 60);

function startBars() {
  byId("bars").style.minHeight = barsHeight(totals.filter(Boolean).length) + "px";
  byId("bars-order").addEventListener("change", drawBars);
  whenNear(byId("bars"), drawBars);
}

function drawBars() {
  const how = byId("bars-order").value;
  const order = (data.orders[how] || [...data.orders.accuracy].reverse()).filter((c) => totals[c] > 0);
  const n = order.length;
  const shares = order.map((c) => right[c] / totals[c]);
  const names = order.map((c) => label(data.classes[c], 32));
  Plotly.react("bars", [{
    type: "bar", orientation: "h", x: shares, y: order.map((_, i) => i), width: 0.72,
    marker: { color: color("accent") },
    customdata: order.map((c) => [plain(data.classes[c]), right[c], totals[c]]),
    hovertemplate: "%{customdata[0]}<br>%{customdata[1]} of %{customdata[2]} clips, %{x:.1%}<extra></extra>",
    text: shares.map((share) => percent(share)), textposition: "outside", cliponaxis: false,
    textfont: { color: color("quiet"), size: 11 },
  }], layout({
    height: barsHeight(n), bargap: 0.2, dragmode: false, margin: { l: 8, r: 44, t: 24, b: 8 },
    xaxis: axis({ range: [0, 1], tickformat: ".0%", side: "top", fixedrange: true }),
    yaxis: axis({ tickvals: order.map((_, i) => i), ticktext: names, range: [n - 0.4, -0.6], fixedrange: true,
      showgrid: false, ticks: "", tickfont: { size: 11 } }),
  }), chartConfig);
}

function jointsOf(run, size) {
  const { joints } = run;
  const rows = Array.from({ length: size }, (_, i) => i);
  if (!joints.length || size % joints.length) return rows.map(String);
  if (size === joints.length) return joints;
  return rows.map((i) => `frame ${Math.floor(i / joints.length) + 1}, ${joints[i % joints.length]}`);
}

// The chosen matrix, row by row; without what a joint sends itself, if so wished.
function chosenGraph(module) {
  const { values, shape } = module.unpacked || (module.unpacked = unpack(module.matrices));
  const [, size] = shape;
  const begin = Number(byId("graph-part").value) * size * size;
  const rows = Array.from({ length: size }, (_, row) => values.slice(begin + row * size, begin + (row + 1) * size));
  if (byId("graph-others").checked) rows.forEach((row, at) => (row[at] = NaN));
  return rows;
}

const graphSide = () => Math.min(byId("graph").clientWidth, 720);

function drawGraph() {
  const run = data.graphs[byId("graph-run").value];
  const z = chosenGraph(run.modules[byId("graph-module").value]);
  const names = jointsOf(run, z.length).map(plain);
  const known = z.flatMap((row) => Array.from(row)).filter((value) => !Number.isNaN(value));
  const least = known.reduce((a, b) => Math.min(a, b), 0);
  const most = known.reduce((a, b) => Math.max(a, b), 1e-9);
  const signed = least < -1e-3 * most;
  const bound = Math.max(-least, most);
  const every = Math.ceil(z.length / 40);
  const ticks = names.map((_, i) => i).filter((i) => i % every === 0);
  const joints = { tickvals: ticks, ticktext: ticks.map((i) => names[i]), showgrid: false, ticks: "" };
  const side = graphSide();
  Plotly.react("graph", [{
    type: "heatmap", z, colorscale: signed ? bothWays() : shades(), zmin: signed ? -bound : 0, zmax: bound,
    showscale: side >= 420, colorbar: { thickness: 10, outlinewidth: 0, len: 0.6 },
    customdata: z.map((_, row) => z.map((_, column) => [names[row], names[column]])),
    hovertemplate: "%{customdata[0]} → %{customdata[1]}: %{z:.3f}<extra></extra>",
  }], layout({
    height: side, width: side, plot_bgcolor: color("faint"),
    xaxis: axis({ ...joints, tickfont: { size: 10 }, tickangle: -60 }),
    yaxis: axis({ ...joints, tickfont: { size: 10 }, autorange: "reversed" }),
  }), { ...chartConfig, responsive: false });
}

function startGraphs() {
  const [runs, modules, parts] = ["graph-run", "graph-module", "graph-part"].map(byId);
  const listParts = () => {
    const [matrices] = data.graphs[runs.value].modules[modules.value].matrices.shape;
    fill(parts, Array.from({ length: matrices }, (_, k) => `${k + 1}`));
  };
  const listModules = () => {
    fill(modules, data.graphs[runs.value].modules.map((module) => module.name));
    listParts();
  };
  fill(runs, data.graphs.map((run) => run.run));
  listModules();
  runs.addEventListener("change", listModules);
  modules.addEventListener("change", listParts);
  for (const control of [runs, modules, parts, byId("graph-others")]) control.addEventListener("change", drawGraph);
  byId("graph").style.minHeight = graphSide() + "px";
  whenNear(byId("graph"), drawGraph);
}
