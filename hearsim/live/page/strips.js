// The strips of the mixer: a fader, mute, solo and a meter per stem, and the output with both ears.

const HELD_MS = 400, LIGHT_MS = 250, SPEAK_MS = 1000;
const QUIETEST_SHOWN_SPL = 30;

function make(parent, tag, attributes = {}, text) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

// Set a text where it is another: an element that stays as it is need not be drawn again.
export function put(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

export function decibels(db, unit = "dB") {
  return `${db > 0 ? "+" : db < 0 ? "−" : ""}${Math.abs(db).toFixed(1)} ${unit}`;
}

// A vertical fader that sends while it is moved, and follows the session while it is not.
function fader(parent, label, [low, high], send) {
  const input = make(parent, "input", {type: "range", min: low, max: high, step: 0.5, "aria-label": label,
    "aria-orientation": "vertical"});
  let held = -Infinity;
  const spoken = () => input.setAttribute("aria-valuetext", decibels(Number(input.value)));
  const move = () => { held = performance.now(); spoken(); send(Number(input.value)); };
  input.addEventListener("input", move);
  input.addEventListener("wheel", event => {
    event.preventDefault();
    input.value = Number(input.value) - Math.sign(event.deltaY || event.deltaX);
    move();
  }, {passive: false});
  input.addEventListener("dblclick", () => { input.value = 0; move(); });
  input.addEventListener("pointermove", event => { if (event.buttons) held = performance.now(); });
  return db => {
    if (performance.now() - held < HELD_MS || Number(input.value) === db) return;
    input.value = db;
    spoken();
  };
}

// Labels every `step` between two values, beside a fader or a meter.
function scale(parent, [low, high], step, kind = "") {
  const box = make(parent, "div", {class: `scale ${kind}`, "aria-hidden": "true"});
  for (let value = step * Math.ceil(low / step); value <= high; value += step)
    make(box, "span", {}, String(value).replace("-", "−")).style.bottom = `${100 * (value - low) / (high - low)}%`;
}

function meter(parent, label) {
  const box = make(parent, "div", {class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0,
    "aria-valuemax": 100, "aria-valuenow": 0});
  const level = make(box, "i");
  let told = 0;
  return {box, show: (share, words) => {
    level.style.transform = `scaleY(${Math.min(1, Math.max(0, share)).toFixed(3)})`;
    if (performance.now() - told < SPEAK_MS) return;
    told = performance.now();
    box.setAttribute("aria-valuenow", Math.round(100 * Math.min(1, Math.max(0, share))));
    box.setAttribute("aria-valuetext", words);
  }};
}

function key(parent, name, label, send) {
  const button = make(parent, "button", {type: "button", class: name, "aria-label": label, "aria-pressed": "false",
    title: label}, name[0].toUpperCase());
  button.addEventListener("click", () => send(button.getAttribute("aria-pressed") !== "true"));
  return on => button.setAttribute("aria-pressed", String(on));
}

function stemStrip(parent, stem, range, order) {
  const strip = make(parent, "div", {class: "strip", role: "group", "aria-label": stem});
  make(strip, "h3", {}, stem);
  const travel = make(strip, "div", {class: "travel"});
  const set = fader(travel, `${stem} fader`, range, db => order({do: "gain", stem, db}));
  scale(travel, range, 12);  // of the fader, and of the meter in dB of full scale
  const level = meter(travel, `${stem} level`);
  const value = make(strip, "p", {class: "value"});
  const keys = make(strip, "div", {class: "keys"});
  const mute = key(keys, "mute", `mute ${stem}`, on => order({do: "mute", stem, on}));
  const solo = key(keys, "solo", `solo ${stem}`, on => order({do: "solo", stem, on}));
  return (now, k) => {
    const muted = now.muted.includes(stem), alone = now.solo.includes(stem);
    const quiet = muted || (now.solo.length > 0 && !alone);
    set(now.faders_db[stem]);
    put(value, decibels(now.faders_db[stem]));
    level.show((now.stems_db[k] - range[0]) / (range[1] - range[0]), decibels(now.stems_db[k], "dB of full scale"));
    mute(muted);
    solo(alone);
    strip.classList.toggle("quiet", quiet);
  };
}

function outputStrip(parent, scene, order) {
  const strip = make(parent, "div", {class: "strip", role: "group", "aria-label": "output"});
  make(strip, "h3", {}, "output");
  const travel = make(strip, "div", {class: "travel"});
  const set = fader(travel, "level of everything", [scene.quietest_db, 0], db => order({do: "level", db}));
  scale(travel, [scene.quietest_db, 0], 20);
  const {mpo_db_spl: mpo, full_scale_db_spl: full} = scene.profile;
  const top = Math.max(...mpo) + 4, share = spl => (spl - QUIETEST_SHOWN_SPL) / (top - QUIETEST_SHOWN_SPL);
  const ears = ["left", "right"].map((ear, k) => {
    const shown = meter(travel, `${ear} ear, MPO ${mpo[k]} dB SPL`);
    make(shown.box, "b").style.bottom = `${100 * share(mpo[k])}%`;
    return shown;
  });
  scale(travel, [QUIETEST_SHOWN_SPL, top], 20, "spl");
  const value = make(strip, "p", {class: "value", title: "0 dB is the calibrated level"});
  const lights = make(strip, "div", {class: "ears"});
  const rows = ["left", "right"].map((ear, k) => {
    const row = make(lights, "div");
    const light = make(row, "span", {class: "light", role: "img", "aria-label": `${ear} limiter`});
    return {light, level: make(row, "span"), mpo: mpo[k], name: ear[0].toUpperCase(), seen: 0, until: 0};
  });
  make(lights, "div", {class: "soft"}, `of ${mpo[0] === mpo[1] ? mpo[0] : mpo.join(" / ")}`);
  make(lights, "div", {class: "soft"}, "dB SPL (MPO)");
  return now => {
    set(now.level_db);
    put(value, decibels(now.level_db));
    rows.forEach((row, k) => {
      const spl = now.ears_db[k] + full;
      ears[k].show(share(spl), `${Math.round(spl)} dB SPL`);
      put(row.level, ` ${row.name} ${spl > 0 ? Math.round(spl) : "–"}`);
      if (now.limited[k] > row.seen) row.until = performance.now() + LIGHT_MS;
      row.seen = now.limited[k];
      row.light.classList.toggle("on", performance.now() < row.until);
    });
  };
}

// Build the strips of a scene; returns the function that shows what moves.
export function strips(parent, scene, order) {
  parent.replaceChildren();
  const stems = scene.stems.map(stem => stemStrip(parent, stem, scene.fader_db, order));
  const output = outputStrip(parent, scene, order);
  return now => { stems.forEach((show, k) => show(now, k)); output(now); };
}
