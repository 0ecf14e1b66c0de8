// Audiogram and gain curves, drawn from numbers. Nothing here knows of the session.

const WIDTH = 420, HEIGHT = 270, LEFT = 40, RIGHT = 12, TOP = 12, BOTTOM = 30;
const OCTAVES = [125, 250, 500, 1000, 2000, 4000, 8000];
const DASHES = {50: "l50", 65: "l65", 80: "l80"};

function element(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// An empty diagram over frequency; `first` is the value at the top, `last` the one at the bottom.
function axes(label, first, last, step) {
  const svg = element("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label});
  const x = hz => LEFT + (WIDTH - LEFT - RIGHT) * Math.log2(hz / 110) / Math.log2(9000 / 110);
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (value - first) / (last - first);
  for (const hz of OCTAVES) {
    svg.append(element("line", {class: "grid", x1: x(hz), x2: x(hz), y1: TOP, y2: HEIGHT - BOTTOM}));
    const name = hz < 1000 ? String(hz) : `${hz / 1000}k`;
    svg.append(element("text", {x: x(hz), y: HEIGHT - 9, "text-anchor": "middle"}, name));
  }
  const lowest = step * Math.ceil(Math.min(first, last) / step);
  for (let value = lowest; value <= Math.max(first, last); value += step) {
    svg.append(element("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value)}));
    svg.append(element("text", {x: LEFT - 6, y: y(value) + 4, "text-anchor": "end"}, value));
  }
  return {svg, x, y};
}

function line(into, points, kind) {
  const path = points.map(([hz, value]) => `${into.x(hz).toFixed(1)},${into.y(value).toFixed(1)}`).join(" ");
  into.svg.append(element("polyline", {class: kind, points: path}));
}

function spoken(points, unit) {
  return points.map(([hz, value]) => `${hz} Hz ${Math.round(value)} ${unit}`).join(", ");
}

export function audiogram(thresholds) {
  const told = ["left", "right"].map(ear => `${ear}: ${spoken(thresholds[ear], "dB HL")}`).join("; ");
  const into = axes(`Audiogram; ${told}`, -10, 120, 20);
  for (const ear of ["right", "left"]) {
    line(into, thresholds[ear], ear);
    for (const [hz, value] of thresholds[ear]) {
      const x = into.x(hz), y = into.y(value);
      into.svg.append(ear === "right"
        ? element("circle", {class: ear, cx: x, cy: y, r: 6})
        : element("path", {class: ear, d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10`}));
    }
  }
  return into.svg;
}

export function gains(frequencies, levels) {
  const all = ["left", "right"].flatMap(ear => Object.values(levels[ear]).flat());
  const top = Math.max(20, 10 * Math.ceil(Math.max(...all) / 10)), bottom = Math.min(0, 10 * Math.floor(Math.min(...all) / 10));
  const pairs = (ear, level) => frequencies.map((hz, k) => [hz, levels[ear][level][k]]);
  const told = ["left", "right"].map(ear => `${ear}: ${spoken(pairs(ear, 65), "dB")}`).join("; ");
  const into = axes(`Gain at the eardrum at 65 dB SPL; ${told}`, top, bottom, 10);
  for (const ear of ["right", "left"])
    for (const level of Object.keys(levels[ear])) line(into, pairs(ear, level), `${ear} ${DASHES[level]}`);
  return into.svg;
}
