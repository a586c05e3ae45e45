"use strict";
// What every part of the page shares: the data, the theme, small helpers. Names reach the page as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const percent = (share, digits = 0) => (100 * share).toFixed(digits) + " %";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function fill(select, texts) {
  select.replaceChildren(...texts.map((text, value) => element("option", { value, textContent: text })));
}

// Plotly reads markup in labels; a name is shown as it is.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most = 26) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const label = (text, most) => plain(short(text, most));

// The other end of engine/report/packed.py: {values, shape}, with NaN where nothing was.
function unpack(content) {
  const bytes = Uint8Array.from(atob(content.data), (letter) => letter.charCodeAt(0));
  const count = bytes.length / (content.bits / 8);
  const view = new DataView(bytes.buffer);
  const absent = 2 ** content.bits - 1;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const whole = content.bits === 8 ? bytes[i] : view.getUint16(2 * i, true);
    values[i] = whole === absent ? NaN : content.low + content.step * whole;
  }
  return { values, shape: content.shape };
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const redraws = []; // functions to call when colours change

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light theme" : "Dark theme"; // what it would bring
  redraws.forEach((redraw) => redraw());
}

function remembered() {
  try {
    return localStorage.getItem("report-theme");
  } catch {
    return null; // a browser may keep nothing for files
  }
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
setTheme(remembered() || (prefersDark.matches ? "dark" : "light"));
prefersDark.addEventListener("change", () => remembered() || setTheme(prefersDark.matches ? "dark" : "light"));
byId("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("report-theme", theme);
  } catch {
    // then it holds until the page is closed
  }
  setTheme(theme);
});

// Paper is light.
addEventListener("beforeprint", () => {
  const theme = document.documentElement.dataset.theme;
  setTheme("light");
  addEventListener("afterprint", () => setTheme(theme), { once: true });
});

function showTip(text, event) {
  const tip = byId("tip");
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4)) + "px";
  tip.style.top = (event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18) + "px";
}
const hideTip = () => (byId("tip").hidden = true);

// A thing is made when it comes near the screen, and so that charts beyond the fold cost nothing until then.
function whenNear(place, make) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    make();
    redraws.push(make);
  }, { rootMargin: "600px" });
  observer.observe(place);
  addEventListener("beforeprint", () => observer.disconnect() || make(), { once: true });
}
