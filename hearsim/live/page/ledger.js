// Latency in its parts, and how the session fares.

import {put} from "./strips.js";

const at = id => document.getElementById(id);
const share = value => `${(100 * value).toFixed(value && value < 0.1 ? 2 : 0)} %`;
let rate = 44100, inside = 0, drawn = "";

function ms(samples) { return `${(1e3 * samples / rate).toFixed(1)} ms`; }

export function showLatency(ledger) {
  if (!ledger || JSON.stringify(ledger) === drawn) return;
  drawn = JSON.stringify(ledger);
  rate = ledger.rate_hz;
  const device = ledger.parts.find(part => part.kind === "device");
  inside = ledger.total_samples - device.samples;
  const parts = ledger.parts.filter(part => part.samples > 0);
  at("total").textContent = `${ms(ledger.total_samples)} from input to ear (${ledger.total_samples} samples)`;
  at("bar").replaceChildren(...parts.map(part => {
    const piece = document.createElement("i");
    piece.className = part.kind;
    piece.style.flexGrow = part.samples;
    piece.title = `${part.name}: ${ms(part.samples)}`;
    return piece;
  }));
  at("parts").replaceChildren(...parts.map(part => {
    const row = document.createElement("li"), dot = document.createElement("i");
    dot.className = part.kind;
    row.append(dot);
    for (const text of [part.name, ms(part.samples), part.source.replace("device-", "")]) {
      const cell = document.createElement("span");
      cell.textContent = text;
      row.append(cell);
    }
    row.lastChild.className = "from";
    return row;
  }));
  at("reported").textContent = ledger.reported_ms
    ? `Device: it reports ${ledger.reported_ms.toFixed(1)} ms`
      + (device.source === "measured" ? `, a cable measured ${ms(device.samples)}.`
        : "; `hearsim live loopback` measures it through a cable.")
    : "Device: it reports no latency.";
}

// The delay between what came in and what goes out, read off the sound itself.
export function showMeasured(delay) {
  put(at("measured"), delay
    ? `Without the device: declared ${inside} samples, measured in the music ${delay.samples}`
      + ` (${ms(delay.samples)}, likeness ${delay.likeness.toFixed(2)}).`
    : `Without the device: declared ${inside} samples; measured when there is sound enough.`);
}

export function showHealth(health) {
  const {load, rings} = health;
  const rows = [
    ["Load p50 / p99", load ? `${load.p50_ms.toFixed(1)} / ${load.p99_ms.toFixed(1)} of ${load.deadline_ms.toFixed(1)} ms` : "–",
      load && load.p99_ms > load.deadline_ms],
    ["Late blocks", `${health.late_blocks} of ${health.blocks}`, health.late_blocks],
    ["Worker's ring", rings ? share(rings.worker) : "–", rings && rings.worker === 0],
    ["File read ahead", rings ? share(rings.file) : "–", health.starved],
    ["Dry signal stepped in", `${share(health.fallback_share)}, ${health.fallbacks} ×`, health.fallbacks],
    ["Device xruns", health.xruns, health.xruns],
  ];
  if (health.non_finite) rows.push(["Network gave no numbers", `${health.non_finite} ×`, true]);
  const list = at("figures");
  while (list.children.length > rows.length) list.lastChild.remove();
  rows.forEach(([name, value, warm], k) => {
    const row = list.children[k] || list.appendChild(document.createElement("div"));
    if (!row.children.length) row.append(document.createElement("dt"), document.createElement("dd"));
    put(row.firstChild, name);
    put(row.lastChild, value);
    row.lastChild.classList.toggle("warm", Boolean(warm));
  });
}
