// The confusion matrix: any order of classes, all of them or those that are worst, read by pointer or by arrow keys.
const count = data.classes.length;
const times = new Map(); // truth * count + guess -> clips
const totals = new Array(count).fill(0);
const right = new Array(count).fill(0);
for (let i = 0; i < data.cells.length; i += 3) {
  const [truth, guess, clips] = data.cells.slice(i, i + 3);
  times.set(truth * count + guess, clips);
  totals[truth] += clips;
  if (truth === guess) right[truth] += clips;
}
const READABLE = 60; // more classes than that begin with the worst of them
const matrix = { order: [], at: null };

function shownClasses() {
  const order = data.orders[byId("matrix-order").value].filter((c) => totals[c] > 0 || count <= READABLE);
  const most = Number(byId("matrix-size").value);
  if (!most) return order;
  const worst = new Set(data.orders.accuracy.slice(0, most));
  return order.filter((c) => worst.has(c));
}

const matrixSide = () => Math.max(280, Math.min(byId("matrix").clientWidth, 860));

function describe(truth, guess) {
  const clips = times.get(truth * count + guess) || 0;
  const share = totals[truth] ? ` (${percent(clips / totals[truth], 1)})` : "";
  const [a, b] = [data.classes[truth], data.classes[guess]];
  const of = `${clips} of ${totals[truth]} clips${share}`;
  return truth === guess ? `${a}, recognised: ${of}` : `${a}, taken for ${b}: ${of}`;
}

// As many names as have room; the rest come with the pointer, or when a part is enlarged.
function ticks(range, pixels) {
  const low = Math.max(0, Math.ceil(Math.min(...range)));
  const high = Math.min(matrix.order.length - 1, Math.floor(Math.max(...range)));
  const every = Math.max(1, Math.ceil(((high - low + 1) * 12) / pixels));
  const values = [];
  for (let i = low; i <= high; i += every) values.push(i);
  const most = matrix.pixels < 420 ? 12 : 24;
  return { tickvals: values, ticktext: values.map((i) => label(data.classes[matrix.order[i]], most)) };
}

function drawMatrix() {
  const order = (matrix.order = shownClasses());
  const errors = byId("matrix-errors").checked;
  const n = order.length;
  const z = order.map((truth) => order.map((guess) =>
    errors && truth === guess ? null : (times.get(truth * count + guess) || 0) / (totals[truth] || 1)));
  const most = errors ? Math.max(0.01, ...z.map((row) => Math.max(...row))) : 1;
  const box = byId("matrix");
  const side = matrixSide();
  matrix.pixels = side;
  matrix.at = null;
  const full = [-0.5, n - 0.5];
  const tickfont = { size: n > 60 ? 9 : 10.5 };
  const ax = { ...ticks(full, side * 0.7), tickfont, showgrid: false, ticks: "", constrain: "domain" };
  Plotly.react(box, [{
    type: "heatmap", z, zmin: 0, zmax: most, colorscale: shades(errors ? "second" : "accent"),
    hoverinfo: "none", showscale: side >= 420,
    xgap: n <= 80 ? 1 : 0, ygap: n <= 80 ? 1 : 0,
    colorbar: { thickness: 10, outlinewidth: 0, len: 0.5, tickformat: ".0%", y: 0.75 },
  }], layout({
    height: side, width: side, plot_bgcolor: color("faint"),
    xaxis: axis({ ...ax, range: full, tickangle: -60, title: { text: "taken for", standoff: 6 } }),
    yaxis: axis({ ...ax, range: [...full].reverse(), title: { text: "true class", standoff: 14 } }),
  }), { ...chartConfig, responsive: false });
  if (!matrix.listening) {
    matrix.listening = true;
    box.on("plotly_hover", ({ points: [point], event }) => {
      const text = describe(matrix.order[point.y], matrix.order[point.x]);
      byId("matrix-cell").textContent = text;
      showTip(text, event);
    });
    box.on("plotly_unhover", hideTip);
    box.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((key) => /axis\.(range|autorange)/.test(key))) return;
      const { xaxis, yaxis } = box._fullLayout;
      const [x, y] = [ticks(xaxis.range, matrix.pixels * 0.7), ticks(yaxis.range, matrix.pixels * 0.7)];
      Plotly.relayout(box, { "xaxis.tickvals": x.tickvals, "xaxis.ticktext": x.ticktext,
        "yaxis.tickvals": y.tickvals, "yaxis.ticktext": y.ticktext });
    });
  }
}

function walk(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step || !matrix.order.length) return;
  event.preventDefault();
  const last = matrix.order.length - 1;
  const [x, y] = matrix.at || [-step[0], -step[1]];
  matrix.at = [Math.min(last, Math.max(0, x + step[0])), Math.min(last, Math.max(0, y + step[1]))];
  const [column, row] = matrix.at;
  byId("matrix-cell").textContent = describe(matrix.order[row], matrix.order[column]);
  const frame = { x0: column - 0.5, x1: column + 0.5, y0: row - 0.5, y1: row + 0.5 };
  const line = { color: color("focus"), width: 2 };
  Plotly.relayout(byId("matrix"), { shapes: [{ type: "rect", ...frame, line }] });
}

function startMatrix() {
  const sizes = byId("matrix-size");
  const worst = [30, 60].filter((most) => most < count).map((most) => [most, `the ${most} least accurate`]);
  const choices = [[0, `all ${count} classes`], ...worst];
  sizes.replaceChildren(...choices.map(([value, textContent]) => element("option", { value, textContent })));
  sizes.value = count > READABLE ? READABLE : 0;
  for (const id of ["matrix-order", "matrix-size", "matrix-errors"]) byId(id).addEventListener("change", drawMatrix);
  byId("matrix").addEventListener("keydown", walk);
  byId("matrix").style.minHeight = matrixSide() + "px";
  whenNear(byId("matrix"), drawMatrix);
}
