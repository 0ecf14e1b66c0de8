// What to send to take a move back. Panic and recording are not taken back.

const TOGETHER_MS = 1000, MOST = 100;
const done = [];

function mixOf(now) {
  return Object.keys(now.faders_db).flatMap(stem => [
    {do: "gain", stem, db: now.faders_db[stem]},
    {do: "mute", stem, on: now.muted.includes(stem)},
    {do: "solo", stem, on: now.solo.includes(stem)},
  ]);
}

// The orders that bring back what an order is about to change; undefined where there is no way back.
export function inverse(what, now, scene) {
  switch (what.do) {
    case "gain": return [{...what, db: now.faders_db[what.stem]}];
    case "mute": return [{...what, on: now.muted.includes(what.stem)}];
    case "solo": return [{...what, on: now.solo.includes(what.stem)}];
    case "step": return [{...what, step: now.step}];
    case "loss": return [{...what, on: now.loss}];
    case "level": return [{...what, db: now.level_db}];
    case "preset": return mixOf(now);
    case "listener": return [{...what, name: scene.profile.listener}];
    case "profile": return [{...what, name: scene.profile.name, mix: false}, ...(what.mix ? mixOf(now) : [])];
  }
}

// Moves of one fader in quick succession are taken back together.
export function remember(what, orders) {
  const key = ["gain", "level"].includes(what.do) ? `${what.do} ${what.stem}` : "", last = done.at(-1), when = Date.now();
  if (key && last?.key === key && when - last.when < TOGETHER_MS) last.when = when;
  else done.push({key, when, orders});
  if (done.length > MOST) done.shift();
}

export function takeBack() { return done.pop()?.orders ?? []; }

export function undoes() { return done.length > 0; }
