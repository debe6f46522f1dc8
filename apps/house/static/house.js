// Draws every chart of the page as its data arrive: a chart is a <div class="chart"> that carries the figure as JSON.
"use strict";

function draw(box) {
  const source = box.querySelector('script[type="application/json"]');
  if (!source || box.dataset.drawn || !window.Plotly) return;
  box.dataset.drawn = "yes";
  const figure = JSON.parse(source.textContent);
  const place = document.createElement("div");
  place.className = "plot";
  box.append(place);
  window.Plotly.newPlot(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}

function drawVisible() {
  document.querySelectorAll(".chart").forEach((box) => {
    if (box.offsetParent !== null) draw(box);
  });
}

document.addEventListener("change", drawVisible);
window.addEventListener("load", drawVisible);
drawVisible();

// A live screen that stopped moving says so: its kernel or its connection is gone.
const LATE_AFTER_MS = 25000;
let lastSeen = "";
let lastMoved = Date.now();

function watchLive() {
  const marks = [...document.querySelectorAll("[data-live]")];
  const seen = marks.map((mark) => mark.dataset.live).join();
  if (seen !== lastSeen) {
    lastSeen = seen;
    lastMoved = Date.now();
  }
  marks.forEach((mark) => (mark.hidden = Date.now() - lastMoved < LATE_AFTER_MS));
}

setInterval(watchLive, 1000);
