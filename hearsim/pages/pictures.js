// Buttons below each picture that save it as SVG or PNG, on white.
(() => {
"use strict";
const PIXELS_PER_UNIT = 3;

function standalone(drawn) {
  const copy = drawn.cloneNode(true), {x, y, width, height} = drawn.viewBox.baseVal;
  const paper = document.createElementNS(drawn.namespaceURI, "rect");
  for (const [name, value] of Object.entries({x, y, width, height, fill: "#fff"})) paper.setAttribute(name, value);
  copy.prepend(paper);
  copy.setAttribute("width", width * PIXELS_PER_UNIT);
  copy.setAttribute("height", height * PIXELS_PER_UNIT);
  return new Blob([new XMLSerializer().serializeToString(copy)], {type: "image/svg+xml"});
}

async function pixels(drawn) {
  const image = new Image(), address = URL.createObjectURL(standalone(drawn));
  image.src = address;
  await image.decode();
  URL.revokeObjectURL(address);
  const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
  canvas.getContext("2d").drawImage(image, 0, 0);
  return new Promise(done => canvas.toBlob(done, "image/png"));
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: name});
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const figure of document.querySelectorAll(".figure")) {
  const drawn = figure.querySelector("svg");
  if (!drawn) continue;
  const title = drawn.getAttribute("aria-label").split(";")[0];
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  const row = document.createElement("p");
  row.className = "save";
  for (const [kind, make] of [["SVG", standalone], ["PNG", pixels]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = kind;
    button.setAttribute("aria-label", `Save as ${kind}: ${title}`);
    button.addEventListener("click", async () => save(await make(drawn), `${name}.${kind.toLowerCase()}`));
    row.append(button);
  }
  figure.append(row);
}
})();
