// The page is a remote control: it sends orders, shows what the session says, and keeps nothing.

import {audiogram, gains} from "./figures.js";
import {showHealth, showLatency, showMeasured} from "./ledger.js";
import {put, strips} from "./strips.js";
import {inverse, remember, takeBack, undoes} from "./undo.js";

const KEPT_MESSAGES = 50, FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 2000;
const at = id => document.getElementById(id);
const pressed = button => button.getAttribute("aria-pressed") === "true";
let socket, showStrips, scene, latest, drawn, shown = "", ended = false, wait = FIRST_WAIT_MS;

function send(what) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what));
}

function order(what) {
  const back = inverse(what, latest, scene);
  if (back) remember(what, back);
  at("undo").disabled = !undoes();
  send(what);
}

function undo() {
  takeBack().forEach(send);
  at("undo").disabled = !undoes();
}

function connect() {
  scene = latest = undefined;
  drawn = false;
  socket = new WebSocket(new URL("live", location.href.replace(/^http/, "ws")));
  socket.onopen = () => { wait = FIRST_WAIT_MS; };
  socket.onmessage = message => show(JSON.parse(message.data));
  socket.onclose = () => {
    if (ended) return;
    lost("The page has lost the session; the sound goes on. Trying again … (panic: Enter in the terminal)");
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  };
}

function lost(why) {
  at("lost").hidden = !why;
  at("lost").textContent = why;
  document.querySelector("main").inert = Boolean(why);
  at("panic").disabled = Boolean(why);
}

function show(told) {
  scene = told.scene ?? scene;
  latest = told.now ?? latest;
  if (scene && latest && (told.scene || told.now)) {  // no control is there before it stands where the session does
    if (told.scene || !drawn) showScene(scene);
    showNow(latest);
    if (!drawn) lost("");  // an order needs what is drawn: undo takes back to it
    drawn = true;
  }
  if (told.health) { showHealth(told.health); showLatency(told.health.latency); }
  if ("delay" in told) showMeasured(told.delay);
  if (told.said) say(told.said, "said");
  if (told.refused) say(told.refused, "refused");
  if (told.said || told.refused) at("replace").hidden = !told.taken;
  if (told.ended) { ended = true; lost("The session has ended."); }
}

function say(text, kind) {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  at("said").prepend(line);
  while (at("said").children.length > KEPT_MESSAGES) at("said").lastChild.remove();
}

function choices(select, names, chosen) {
  select.replaceChildren(...names.map(name => new Option(name, name, false, name === chosen)));
}

function showScene(scene) {
  const {profile} = scene;
  if (JSON.stringify(profile) !== shown) showProfile(scene);
  choices(at("profile"), scene.profiles, profile.name);
  choices(at("person"), scene.listeners, profile.listener);
  choices(at("preset"), scene.presets, at("preset").value);
  at("loss").disabled = !scene.can_lose;
  at("loss-why").textContent = scene.can_lose ? "" : "The hearing loss is not part of this session: start it with -\u2060-\u2060loss.";
  at("record").setAttribute("aria-pressed", String(scene.recording));
  at("record").textContent = scene.recording ? "Stop recording" : "Record";
}

function showProfile(scene) {
  const {profile} = scene;
  shown = JSON.stringify(profile);
  showStrips = strips(at("strips"), scene, order);
  at("fitting").textContent = `listener ${profile.listener}, aid ${profile.aid}, fitted by ${profile.rule}`;
  at("audiogram").replaceChildren(audiogram(profile.thresholds_db_hl));
  at("gains").replaceChildren(gains(profile.frequencies_hz, profile.gains_db));
}

function showNow(now) {
  showStrips(now);
  document.querySelector(`input[name=step][value=${now.step}]`).checked = true;
  at("loss").checked = now.loss;
  put(at("bypass-legend"), now.loss ? "Bypass, equally late; levels as they are, for the hearing loss is on"
    : "Bypass, equally late and equally loud");
  at("panic").setAttribute("aria-pressed", String(now.panic));
  put(at("panic-word"), now.panic ? "Fade in" : "Panic");
  put(at("sound"), now.sound);
  const whole = Math.floor(now.seconds);
  put(at("clock"), `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`);
}

for (const step of document.querySelectorAll("input[name=step]"))
  step.addEventListener("change", () => order({do: "step", step: step.value}));
at("loss").addEventListener("change", () => order({do: "loss", on: at("loss").checked}));
at("panic").addEventListener("click", () => order({do: "panic", on: !pressed(at("panic"))}));
addEventListener("keydown", event => {
  if (event.key === "Escape" && !event.repeat) order({do: "panic", on: !pressed(at("panic"))});  // as the button says
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && event.target !== at("name")) { event.preventDefault(); undo(); }
});
at("undo").addEventListener("click", undo);
at("profile").addEventListener("change", () =>
  order({do: "profile", name: at("profile").value, mix: at("with-mix").checked}));
at("person").addEventListener("change", () => order({do: "listener", name: at("person").value}));
at("choose").addEventListener("submit", event => {
  event.preventDefault();
  order({do: "preset", name: at("preset").value});
});
at("save").addEventListener("submit", event => {
  event.preventDefault();
  order({do: "save", name: at("name").value, replace: false});
});
at("replace").addEventListener("click", () => order({do: "save", name: at("name").value, replace: true}));
at("name").addEventListener("input", () => { at("replace").hidden = true; });
at("record").addEventListener("click", () => order({do: "record", on: !pressed(at("record"))}));

connect();
