// The values of a chart, under the pointer, a finger or the arrow keys: along a line, and from line to line
(() => {
  const HINT = "Values: point at it, or use the arrow keys.";
  const hidden = (box, arm) => box.querySelector(`.arm[data-arm="${arm}"]`)?.classList.contains("off");
  for (const box of document.querySelectorAll("[data-values]")) {
    const { upright, lines } = JSON.parse(box.dataset.values);
    const svg = box.querySelector("svg"), readout = box.parentElement.querySelector(".readout");
    if (!lines.length) continue;
    const ring = document.createElementNS(svg.namespaceURI, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", 6.5);
    const axis = upright ? 1 : 0;
    let at = null, kept = 0;  // [line, point], and the place along the lines that is kept from line to line
    const say = (text) => { readout.textContent = text; readout.classList.toggle("hint", !at); };
    const clear = () => { at = null; ring.remove(); say(HINT); };
    const go = (line, point) => {
      const [, name, points] = lines[line], [x, y, text] = points[point];
      at = [line, point];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      svg.append(ring);
      say(`${name}, ${text}`);
    };
    const open = () => lines.map((line, i) => i).filter((i) => !hidden(box, lines[i][0]));
    const nearest = (line, distance) => {
      const far = lines[line][2].map(distance);
      return far.indexOf(Math.min(...far));
    };
    const pointed = (event) => {
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const distance = ([x, y]) => Math.hypot(x - place.x, y - place.y);
      const found = open().map((line) => [line, nearest(line, distance)]);
      const best = found.sort((a, b) => distance(lines[a[0]][2][a[1]]) - distance(lines[b[0]][2][b[1]]))[0];
      if (best && String(best) !== String(at)) keep(...best);
    };
    const keep = (line, point) => { go(line, point); kept = lines[line][2][point][axis]; };
    const along = (step) => keep(at[0], Math.max(0, Math.min(lines[at[0]][2].length - 1, at[1] + step)));
    const across = (step) => {
      const all = open(), next = all[all.indexOf(at[0]) + step];
      if (next !== undefined) go(next, nearest(next, (point) => Math.abs(point[axis] - kept)));
    };
    box.addEventListener("pointermove", pointed);
    box.addEventListener("pointerdown", pointed);
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const end = { Home: -1e9, End: 1e9 }[event.key], first = open()[0];
      if (event.key === "Escape") clear();
      if ((!step && !end) || first === undefined) return;
      event.preventDefault();
      if (!at || hidden(box, lines[at[0]][0])) keep(first, 0);
      else if (end) along(end);
      else (/Left|Right/.test(event.key) !== upright ? along : across)(step);
      ring.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    document.getElementById("arms")?.addEventListener("change", () => {
      if (at && hidden(box, lines[at[0]][0])) clear();
    });
    box.setAttribute("role", "application");
    box.setAttribute("aria-roledescription", "chart");
    readout.hidden = false;
    clear();
  }
})();
