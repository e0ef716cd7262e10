// What can be asked of a report: its order and arms, other passages, other samples. What was chosen
// stands in the address, after the name of a section: #samples&t=1.2&off=2
(() => {
  const $ = (id) => document.getElementById(id), data = JSON.parse($("data").textContent);
  const state = () => new URLSearchParams(location.hash.slice(1).split("&").slice(1).join("&"));
  const keep = (changes) => {
    const now = state();
    for (const [key, value] of Object.entries(changes)) value === "" ? now.delete(key) : now.set(key, value);
    const anchor = location.hash.slice(1).split("&")[0];
    history.replaceState(null, "", "#" + anchor + (now.size ? "&" + now : ""));
  };
  let kept = state();
  addEventListener("hashchange", () => {  // a link to a section: the choices go with it
    const changed = Object.fromEntries(kept);
    if (!state().size && kept.size) keep(changed);
    kept = state();
  });
  const choose = (changes) => { keep(changes); kept = state(); };

  // The order of the arms
  const table = document.querySelector(".t-main table"), body = table?.tBodies[0];
  const at = (row, column) => [...row.cells].find((cell) => (column -= cell.colSpan) < 0);
  const number = (row, column) => {
    const [, value, size] = /^(-?[\d.]+)(?: ([kMG])\b)?/.exec(at(row, column).textContent.trim().replaceAll(",", "").replace("−", "-")) ?? [];
    return value * ({ k: 1e3, M: 1e6, G: 1e9 }[size] ?? 1);
  };
  const sort = (column, down) => {
    const rows = [...body.rows], text = column === 0;
    const key = (row) => text ? row.cells[0].textContent.trim() : number(row, column);
    const missing = (row) => !text && Number.isNaN(number(row, column));
    rows.sort((a, b) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const [x, y] = [key(a), key(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      i === column ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort");
    });
  };
  if (table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...cell.childNodes);
      button.onclick = () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        sort(column, down);
        choose({ sort: column + (down ? "d" : "") });
      };
      cell.append(button);
    });
    const asked = /^(\d+)(d?)$/.exec(kept.get("sort") ?? "");
    if (asked && +asked[1] < table.tHead.rows[0].cells.length) sort(+asked[1], asked[2] === "d");
  }

  // Which arms are shown
  const boxes = [...document.querySelectorAll("#arms input")];
  const filter = () => {
    const off = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
    for (const it of document.querySelectorAll("[data-arm]")) it.classList.toggle("off", off.has(it.dataset.arm));
    return [...off].join(".");
  };
  if (boxes.length) {
    $("arms").hidden = false;
    const off = (kept.get("off") ?? "").split(".");
    for (const box of boxes) {
      box.checked = !off.includes(box.value);
      box.onchange = () => { choose({ off: filter() }); shownPassage(); shownSamples(); };
    }
    filter();
  }
  const shown = (name) => boxes.find((box) => box.dataset.name === name)?.checked ?? true;

  const options = (select, labels, key, changed) => {
    select.replaceChildren(...labels.map((label, i) => new Option(label, String(i))));
    const asked = kept.get(key);
    if (asked !== null && labels[+asked] !== undefined) select.value = asked;
    select.onchange = () => { choose({ [key]: select.value }); changed(); };
  };

  // A passage under all arms
  const shownPassage = () => {
    const one = data.passages?.[+$("where").value];
    const names = one && Object.keys(one.arms).filter(shown);
    $("aligned").hidden = !names?.length;
    if (!names?.length) return;
    const parts = { shade: $("shade"), box: $("paid"), table: $("here") };
    aligned(parts, one.text, Object.fromEntries(names.map((name) => [name, one.arms[name]])));
  };
  if (data.passages?.length) {
    options($("where"), data.passages.map((each) => `${each.document}, from character ${each.start + 1}`), "p", shownPassage);
    shownPassage();
  }

  // Samples at any temperature
  const shownSamples = () => {
    const t = +$("warmth").value, n = +$("which").value;
    $("drawn-texts").replaceChildren(...Object.entries(data.sweep.arms).filter(([name]) => shown(name)).map(([name, texts]) => {
      const box = made("article", undefined, "sample");
      box.append(made("h4", name), made("p", texts[t][n] ?? ""));
      return box;
    }));
  };
  if (data.sweep?.temperatures.length) {
    $("drawn").hidden = false;
    options($("warmth"), data.sweep.temperatures.map(String), "t", shownSamples);
    const most = Math.max(0, ...Object.values(data.sweep.arms).map((texts) => texts[0].length));
    options($("which"), Array.from({ length: most }, (_, i) => String(i + 1)), "n", shownSamples);
    shownSamples();
  }
})();
