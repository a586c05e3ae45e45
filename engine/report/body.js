// Joints by their share in a decision, drawn on a body.
const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, title) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (title) {
    const words = document.createElementNS(SVG, "title");
    words.textContent = title;
    made.append(words);
  }
  return made;
}

function sharesOf(run, chosen) {
  const { values, shape } = run.unpacked || (run.unpacked = unpack(run.shares));
  const [classes, joints] = shape;
  if (chosen >= 0) return Array.from(values.subarray(chosen * joints, (chosen + 1) * joints));
  const mean = new Array(joints).fill(0);
  let known = 0;
  for (let c = 0; c < classes; c++) {
    if (Number.isNaN(values[c * joints])) continue;
    known++;
    for (let joint = 0; joint < joints; joint++) mean[joint] += values[c * joints + joint];
  }
  return mean.map((sum) => sum / known);
}

function drawSaliency() {
  const run = data.saliency[byId("saliency-run").value];
  const shares = sharesOf(run, Number(byId("saliency-class").value));
  const order = shares.map((_, joint) => joint).sort((a, b) => shares[b] - shares[a]);
  byId("saliency-list").replaceChildren(...order.slice(0, 8).map((joint) =>
    element("li", { textContent: `${run.joints[joint]}, ${percent(shares[joint], 1)}` })));
  const chosen = byId("saliency-class").selectedOptions[0].textContent;
  byId("saliency-text").textContent = `The joints that count most for ${chosen}.`;
  const svg = byId("saliency-body");
  svg.replaceChildren();
  const pose = data.figure.pose;
  svg.style.display = pose && pose.length === shares.length ? "" : "none";
  if (svg.style.display) return;
  const seen = pose.filter(([x]) => x !== null);
  const [xs, ys] = [seen.map(([x]) => x), seen.map(([, y]) => y)];
  const size = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 1e-6);
  const [midX, midY] = [(Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2];
  const at = (joint) => [50 + (80 * (pose[joint][0] - midX)) / size, 50 - (80 * (pose[joint][1] - midY)) / size];
  svg.setAttribute("viewBox", "0 0 100 100");
  for (const [a, b] of data.figure.edges) {
    if (pose[a][0] === null || pose[b][0] === null) continue;
    const [[x1, y1], [x2, y2]] = [at(a), at(b)];
    const stroke = { stroke: color("quiet"), "stroke-width": 0.7, "stroke-linecap": "round" };
    svg.append(drawn("line", { x1, y1, x2, y2, ...stroke }));
  }
  const most = Math.max(...shares);
  for (const joint of order) {
    if (pose[joint][0] === null || Number.isNaN(shares[joint])) continue;
    const [cx, cy] = at(joint);
    svg.append(drawn("circle", { cx, cy, r: 0.8 + 5 * Math.sqrt(shares[joint] / most), fill: color("second"),
      "fill-opacity": 0.25 + (0.65 * shares[joint]) / most }, `${run.joints[joint]}: ${percent(shares[joint], 1)}`));
  }
}

function startSaliency() {
  const [runs, classes] = [byId("saliency-run"), byId("saliency-class")];
  fill(runs, data.saliency.map((run) => run.run));
  const { values, shape } = (data.saliency[0].unpacked = unpack(data.saliency[0].shares));
  const known = data.classes.map((_, c) => c).filter((c) => !Number.isNaN(values[c * shape[1]]));
  classes.replaceChildren(element("option", { value: -1, textContent: "all classes" }),
    ...known.map((value) => element("option", { value, textContent: data.classes[value] })));
  runs.addEventListener("change", drawSaliency);
  classes.addEventListener("change", drawSaliency);
  whenNear(byId("saliency-body").parentElement, drawSaliency);
}
