// Every section that the page has is filled; the list of contents shows where the reader is.
if (byId("matrix")) startMatrix();
if (byId("pair-list")) byId("pair-list").append(...data.pairs.map(pairCard));
if (byId("bars")) startBars();
if (byId("curve-list")) startCurves();
if (byId("graph")) startGraphs();
if (byId("saliency-body")) startSaliency();

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    links.forEach((link, id) => link.classList.toggle("here", id === target.id));
  }
}, { rootMargin: "-15% 0px -75% 0px" });
links.forEach((_, id) => reading.observe(byId(id)));

let width = innerWidth;
addEventListener("resize", () => {
  if (width === innerWidth) return; // a phone's bars come and go
  width = innerWidth;
  redraws.forEach((redraw) => redraw());
});
