// Skeletons that move: two clips side by side, one clock, turned by dragging or by arrow keys.
function clipOf(name) {
  const clip = name && data.clips[name];
  if (!clip) return null;
  if (!clip.values) {
    Object.assign(clip, unpack(clip.points));
    const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
    clip.values.forEach((value, i) => {
      if (value < low[i % 3]) low[i % 3] = value;
      if (value > high[i % 3]) high[i % 3] = value;
    });
    clip.middle = low.map((value, i) => (value + high[i]) / 2);
    clip.radius = Math.max(Math.hypot(high[0] - low[0], high[2] - low[2]), high[1] - low[1], 1e-6) / 2;
  }
  return clip;
}

function drawClip(canvas, clip, frame, turn) {
  const ratio = devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const [, people, joints] = clip.shape;
  const scale = (0.44 * Math.min(width, height)) / clip.radius;
  const [sinY, cosY, sinX, cosX] = [Math.sin(turn.y), Math.cos(turn.y), Math.sin(turn.x), Math.cos(turn.x)];
  for (let person = people - 1; person >= 0; person--) {
    const base = (frame * people + person) * joints;
    const at = (joint) => {
      const [x, y, z] = clip.middle.map((middle, i) => clip.values[3 * (base + joint) + i] - middle);
      const [turned, depth] = [x * cosY + z * sinY, z * cosY - x * sinY];
      return [width / 2 + turned * scale, height / 2 - (y * cosX - depth * sinX) * scale];
    };
    pen.strokeStyle = pen.fillStyle = color(person ? "second" : "accent");
    pen.lineWidth = 2.4;
    pen.lineCap = "round";
    pen.beginPath();
    for (const [a, b] of data.figure.edges) {
      const [from, to] = [at(a), at(b)];
      if (Number.isNaN(from[0] + to[0])) continue;
      pen.moveTo(...from);
      pen.lineTo(...to);
    }
    pen.stroke();
    for (let joint = 0; joint < joints; joint++) {
      const [x, y] = at(joint);
      if (Number.isNaN(x)) continue;
      pen.beginPath();
      pen.arc(x, y, 2.6, 0, 7);
      pen.fill();
    }
  }
}

const TURNS = { ArrowLeft: [0, -0.15], ArrowRight: [0, 0.15], ArrowUp: [-0.15, 0], ArrowDown: [0.15, 0] };

function makePlayer(shown) {
  const longest = Math.max(...shown.map(({ clip }) => clip.shape[0] / clip.fps)); // seconds
  const state = { seconds: longest / 2, playing: false, speed: 1, last: 0, turn: { x: 0, y: 0 } };
  const play = element("button", { type: "button", textContent: "Play" });
  const reset = element("button", { type: "button", textContent: "Front view" });
  const time = element("input", { type: "range", min: 0, max: 1000, ariaLabel: "Time" });
  const speed = element("select", {}, ...[["0.25", "¼"], ["0.5", "½"], ["1", "1"], ["2", "2"]].map(
    ([value, text]) => element("option", { value, textContent: text + " ×", selected: value === "1" })));
  const draw = () => {
    for (const { canvas, clip } of shown) {
      drawClip(canvas, clip, Math.min(clip.shape[0] - 1, Math.floor(state.seconds * clip.fps)), state.turn);
    }
    time.value = (1000 * state.seconds) / longest;
  };
  const tick = (now) => {
    if (!state.playing) return;
    state.seconds = (state.seconds + (state.speed * Math.min(now - state.last, 250)) / 1000) % longest;
    state.last = now;
    draw();
    requestAnimationFrame(tick);
  };
  const toggle = () => {
    state.playing = !state.playing;
    play.textContent = state.playing ? "Pause" : "Play";
    state.last = performance.now();
    if (state.playing) requestAnimationFrame(tick);
  };
  const rotate = (x, y) => {
    state.turn.y += y;
    state.turn.x = Math.max(-1.5, Math.min(1.5, state.turn.x + x));
    draw();
  };
  play.addEventListener("click", toggle);
  speed.addEventListener("change", () => (state.speed = Number(speed.value)));
  time.addEventListener("input", () => {
    state.seconds = Math.min((time.value / 1000) * longest, longest * 0.9999);
    draw();
  });
  reset.addEventListener("click", () => {
    state.turn = { x: 0, y: 0 };
    draw();
  });
  for (const { canvas } of shown) {
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) rotate(event.movementY / 120, event.movementX / 120);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = TURNS[event.key];
      if (step) rotate(...step);
      else if (event.key === " ") toggle();
      else return;
      event.preventDefault();
    });
  }
  addEventListener("resize", draw);
  const controls = element("div", { className: "controls" }, play,
    element("label", { className: "time" }, "Time ", time), element("label", {}, "Speed ", speed), reset);
  return { controls, draw };
}

function pairCard(pair) {
  const [truth, guess] = [data.classes[pair.truth], data.classes[pair.guess]];
  const back = pair.back ? ` The other way round: ${pair.back} of ${totals[pair.guess]}.` : "";
  const there = `${truth} was taken for ${guess} in ${pair.times} of ${totals[pair.truth]} clips.`;
  const card = element("article", { className: "pair" }, element("h3", { textContent: `${truth} → ${guess}` }),
    element("p", { className: "quiet", textContent: there + back }));
  const sides = [[pair.mistaken, `${truth}, taken for ${guess}`], [pair.typical, guess]];
  const shown = [];
  const figures = element("div", { className: "two" });
  for (const [name, caption] of sides) {
    const clip = clipOf(name);
    if (!clip) continue;
    const ariaLabel = `${caption}: clip ${name}. Arrow keys turn it, the space bar plays.`;
    const canvas = element("canvas", { tabIndex: 0, role: "img", ariaLabel });
    const source = element("span", { className: "quiet", textContent: name });
    shown.push({ canvas, clip });
    figures.append(element("figure", {}, canvas, element("figcaption", {}, caption, " ", source)));
  }
  if (shown.length) {
    const player = makePlayer(shown);
    card.append(figures, player.controls);
    whenNear(card, player.draw);
  }
  return card;
}
