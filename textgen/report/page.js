(() => {
  const root = document.documentElement, tip = document.getElementById("tip");

  const button = document.getElementById("theme"), prefers = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : prefers.matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", button.textContent + " theme"); };
  button.hidden = false;
  button.onclick = () => { root.dataset.theme = dark() ? "light" : "dark"; name(); };
  prefers.addEventListener("change", name);
  name();

  const about = (it) => {
    if (it.dataset.t) return it.dataset.t;
    const [model, spelling, length] = it.dataset.b.split(" ").map(Number), sum = model + spelling;
    const each = (sum / length).toFixed(2), plural = length > 1 ? "s" : "";
    return `“${it.textContent.replace(/\n/g, "↵")}”\n${model.toFixed(2)} model + ${spelling.toFixed(2)} spelling = ${sum.toFixed(2)} bits\n${each} bits per character (${length} character${plural})`;
  };
  let shown = null;
  const hide = () => { tip.hidden = true; shown?.removeAttribute("aria-describedby"); shown = null; };
  const place = (it) => {
    const box = it.getClientRects()[0] ?? it.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left + box.width / 2 - own.width / 2, innerWidth - own.width - 8));
    const above = box.top - own.height - 8;
    tip.style.left = left + "px";
    tip.style.top = (above > 4 ? above : box.bottom + 8) + "px";
  };
  const show = (it) => {
    hide();
    shown = it;
    tip.textContent = about(it);
    tip.hidden = false;
    it.setAttribute("aria-describedby", "tip");
    place(it);
  };
  const noted = (event) => event.target instanceof Element ? event.target.closest("[data-t],[data-b]") : null;
  for (const kind of ["pointerover", "focusin", "click"])
    document.addEventListener(kind, (event) => { const it = noted(event); it ? show(it) : hide(); });
  document.addEventListener("focusout", hide);
  const scrolled = () => { if (shown) shown === document.activeElement ? place(shown) : hide(); };
  document.addEventListener("scroll", scrolled, { passive: true, capture: true });

  const BOXES = ".rove,table,.samples";
  const items = (box) => [...box.querySelectorAll("[data-t],[data-b]")];
  for (const box of document.querySelectorAll(BOXES)) {
    const first = items(box)[0];
    if (first) first.tabIndex = 0;
  }
  const enter = (it, box) => {
    for (const other of box.querySelectorAll("[tabindex='0']:is([data-t],[data-b])")) other.tabIndex = -1;
    it.tabIndex = 0;
    it.focus();
    it.scrollIntoView({ block: "nearest", inline: "nearest" });
    show(it);
  };
  const column = (cell) => [...cell.parentElement.cells].slice(0, cell.cellIndex).reduce((sum, each) => sum + each.colSpan, 0);
  const below = (it, step) => {
    let row = it.parentElement;
    while (row) {
      row = step > 0 ? row.nextElementSibling ?? row.parentElement.nextElementSibling?.firstElementChild
                     : row.previousElementSibling ?? row.parentElement.previousElementSibling?.lastElementChild;
      const found = [...row?.cells ?? []].find((cell) => column(cell) === column(it));
      if (found?.matches("[data-t]")) return found;
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const it = document.activeElement?.closest?.("[data-t],[data-b]"), box = it?.closest(BOXES);
    if (!step || !box) return;
    event.preventDefault();
    const all = items(box), upright = it.cellIndex !== undefined && /Up|Down/.test(event.key);
    const next = upright ? below(it, step) : all[all.indexOf(it) + step];
    if (next) enter(next, box);
  });
  document.addEventListener("click", (event) => {
    const it = noted(event), box = it?.closest(BOXES);
    if (box) enter(it, box);
  });

  const keys = [...document.querySelectorAll(".keys button")];
  let kept = null;
  const single = (arm) => {
    document.body.classList.toggle("single", arm !== null);
    for (const it of document.querySelectorAll(".drawing .arm")) it.classList.toggle("on", it.dataset.arm === arm);
  };
  const armOf = (event) => event.target instanceof Element ? event.target.closest(".keys [data-arm],.drawing .arm")?.dataset.arm : undefined;
  for (const kind of ["pointerover", "focusin"])
    document.addEventListener(kind, (event) => single(armOf(event) ?? kept));
  document.addEventListener("click", (event) => {
    const arm = armOf(event);
    if (arm === undefined) return;
    kept = kept === arm ? null : arm;
    for (const key of keys) key.setAttribute("aria-pressed", String(key.dataset.arm === kept));
    single(kept);
  });
})();
