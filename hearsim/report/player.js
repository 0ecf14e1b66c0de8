// One player for all sounds of the page: they run together on one clock, and all but one have a gain of 0.
(() => {
"use strict";
const CROSSFADE_S = 0.01, START_S = 0.05, SHORTEST_LOOP_S = 0.05;
const {rate, seconds, sounds} = JSON.parse(document.getElementById("sounds").textContent);
const at = id => document.getElementById(id);
const buttons = [...document.querySelectorAll("#player .versions button")];
let context, buffers, running = [], chosen = 0, offset = 0, began = 0, playing = false, starting = false, loop = [null, null];

const length = () => buffers ? buffers[0].duration : seconds;
const bounds = () => [loop[0] ?? 0, loop[1] ?? length()];
const looped = () => loop[0] !== null || loop[1] !== null;

async function decode() {
  if (buffers) return;
  context = new AudioContext({sampleRate: rate});
  buffers = await Promise.all(sounds.map(sound => {
    const bytes = Uint8Array.from(atob(sound.flac), letter => letter.charCodeAt(0));
    return context.decodeAudioData(bytes.buffer);
  }));
}

function position() {
  if (!playing) return offset;
  const now = offset + Math.max(0, context.currentTime - began), [from, to] = bounds();
  if (looped() && now >= to) return from + (now - to) % (to - from);
  return Math.min(now, length());
}

function gainOf(index) {
  if (index !== chosen) return 0;
  return at("match").checked ? 10 ** ((sounds[index].match_db ?? 0) / 20) : 1;
}

function setGains() {
  running.forEach(({gain}, index) => {
    gain.gain.cancelScheduledValues(context.currentTime);
    gain.gain.setValueAtTime(gain.gain.value, context.currentTime);
    gain.gain.linearRampToValueAtTime(gainOf(index), context.currentTime + CROSSFADE_S);
  });
}

function stop() {
  offset = position();
  running.forEach(({source}) => { source.onended = null; source.stop(); });
  running = [];
  playing = false;
}

function start() {
  const [from, to] = bounds();
  if (offset >= to || (looped() && offset < from)) offset = from;
  began = context.currentTime + START_S;
  running = buffers.map((buffer, index) => {
    const source = new AudioBufferSourceNode(context, {buffer, loop: looped(), loopStart: from, loopEnd: to});
    const gain = new GainNode(context, {gain: gainOf(index)});
    source.connect(gain).connect(context.destination);
    source.start(began, offset);
    return {source, gain};
  });
  running[0].source.onended = () => { stop(); offset = bounds()[0]; show(); };
  playing = true;
}

function restart() {  // with another position or loop
  if (playing) { stop(); start(); }
  show();
}

async function toggle() {
  if (starting) return;
  starting = true;
  try {
    await decode();
    await context.resume();
    if (playing) stop(); else start();
  } catch (error) {
    at("player-fault").hidden = false;
    at("player-fault").textContent = `This browser can't play the excerpts (${error}): open the WAV files beside the page.`;
  }
  starting = false;
  show();
}

function choose(index) {
  if (index < 0 || index >= sounds.length) return;
  chosen = index;
  if (playing) setGains();
  show();
}

function seek(seconds) {
  const was = playing;
  if (was) stop();
  offset = Math.min(Math.max(0, seconds), length());
  if (was) start();
  show();
}

function mark(end) {
  const here = position(), next = end === 0 ? [here, loop[1]] : [loop[0], here];
  if ((next[1] ?? length()) - (next[0] ?? 0) < SHORTEST_LOOP_S) next[1 - end] = null;
  loop = next;
  restart();
}

function show() {
  const here = position(), [from, to] = bounds();
  buttons.forEach((button, index) => {
    button.setAttribute("aria-checked", String(index === chosen));
    button.tabIndex = index === chosen ? 0 : -1;
  });
  at("play").setAttribute("aria-pressed", String(playing));
  at("play").firstChild.textContent = playing ? "Pause" : "Play";
  at("position").value = here;
  at("position").setAttribute("aria-valuetext", `${here.toFixed(1)} s`);
  at("time").textContent = `${here.toFixed(1)} s`;
  at("loop").textContent = looped() ? `${from.toFixed(1)} to ${to.toFixed(1)} s` : "no loop";
}

function tick() {
  if (playing) show();
  requestAnimationFrame(tick);
}

const keys = {
  " ": toggle, a: () => mark(0), b: () => mark(1), c: () => { loop = [null, null]; restart(); },
  ArrowLeft: () => seek(position() - 1), ArrowRight: () => seek(position() + 1),
  ArrowUp: () => choose(chosen - 1), ArrowDown: () => choose(chosen + 1),
};

addEventListener("keydown", event => {
  const inside = at("player").contains(event.target);
  if (event.ctrlKey || event.altKey || event.metaKey || !(inside || event.target === document.body)) return;
  if (event.key === " " && event.target.matches("#match, .transport button")) return;  // the browser presses it
  if (/^Arrow(Up|Down)$/.test(event.key) && !inside) return;  // the page scrolls
  const act = /^[1-9]$/.test(event.key) ? () => choose(Number(event.key) - 1) : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
  if (/^Arrow(Up|Down)$/.test(event.key) && buttons.includes(event.target)) buttons[chosen].focus();
});
buttons.forEach((button, index) => button.addEventListener("click", () => choose(index)));
at("play").addEventListener("click", toggle);
at("position").addEventListener("input", () => seek(Number(at("position").value)));
at("match").addEventListener("change", () => { if (playing) setGains(); });
at("from").addEventListener("click", keys.a);
at("to").addEventListener("click", keys.b);
at("whole").addEventListener("click", keys.c);
show();
tick();
})();
