"use strict";

// Tables: a click or Enter on a heading sorts, a second one the other way round.
const read = (cell) => {
  if (!cell) return null;
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  return cell.textContent.trim() || null;
};

const before = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
};

const sort = (heading) => {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  table.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [read(row.cells[column]), row]);
  const empty = rows.filter(([value]) => value === null || value === "n/a");
  const full = rows.filter(([value]) => value !== null && value !== "n/a");
  full.sort(([a], [b]) => sign * before(a, b));
  body.append(...[...full, ...empty].map(([, row]) => row)); // what has no number stays below
};

for (const heading of document.querySelectorAll("thead th")) {
  heading.tabIndex = 0;
  heading.addEventListener("click", () => sort(heading));
  heading.addEventListener("keydown", (event) => {
    if (event.key === "Enter") sort(heading);
  });
}

// Strips: a picture whose right part is a grid of square frames, a row for each edit or path. What
// stands to the left of them (names, bars) is drawn beside the frame that is shown.
const FRAME_MS = 140;

const play = (strip) => {
  const image = strip.querySelector("img");
  const rows = Number(strip.dataset.rows);
  const frames = Number(strip.dataset.frames);
  const side = image.naturalHeight / rows;
  const left = image.naturalWidth - frames * side;
  const canvas = document.createElement("canvas");
  canvas.width = left + side;
  canvas.height = image.naturalHeight;
  const pen = canvas.getContext("2d");
  const show = (frame) => {
    if (left > 0) pen.drawImage(image, 0, 0, left, canvas.height, 0, 0, left, canvas.height);
    const from = left + frame * side;
    pen.drawImage(image, from, 0, side, canvas.height, left, 0, side, canvas.height);
  };
  const button = document.createElement("button");
  const slider = Object.assign(document.createElement("input"), {
    type: "range", min: 0, max: frames - 1, value: 0, ariaLabel: "frame",
  });
  const controls = document.createElement("div");
  controls.className = "controls";
  controls.append(button, slider);
  let timer = null;
  let step = 1;
  const advance = () => {
    const now = Number(slider.value);
    if (now + step < 0 || now + step >= frames) step = -step;
    slider.value = now + step;
    show(Number(slider.value));
  };
  const turn = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(advance, FRAME_MS) : null;
    button.textContent = on ? "pause" : "play";
    canvas.hidden = false;
    image.hidden = true;
  };
  const whole = document.createElement("button");
  whole.textContent = "all frames";
  whole.addEventListener("click", () => {
    turn(false);
    canvas.hidden = true;
    image.hidden = false;
  });
  controls.append(whole);
  button.textContent = "play";
  button.addEventListener("click", () => turn(timer === null));
  slider.addEventListener("input", () => {
    turn(false);
    show(Number(slider.value));
  });
  show(0);
  canvas.hidden = true;
  strip.append(canvas, controls);
};

for (const strip of document.querySelectorAll(".strip")) {
  const image = strip.querySelector("img");
  image.decode().then(() => play(strip), () => {}); // what cannot be shown says so by itself
}

// On paper everything is open.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.gallery").forEach((part) => { part.open = true; });
});
