// What is pointed at is said in one line at the foot of the window; one of several things is chosen;
// arms are left out. What was chosen stays in the address: #sample=2&off=1.3
const all = (selector, box = document) => [...box.querySelectorAll(selector)];
const tip = document.getElementById("tip"), state = new URLSearchParams(location.hash.slice(1));
const say = (text) => { tip.textContent = text; tip.hidden = !text; };
const keep = (key, value) => {
  value ? state.set(key, value) : state.delete(key);
  history.replaceState(null, "", "#" + state);
};

// A word in a passage: its stretches under all arms, and what each pays for them
const point = (node) => {
  const box = node.closest(".passage"), covering = (text) => all(`[data-w="${node.dataset.w}"]`, text);
  for (const old of all(".on", box)) old.classList.remove("on");
  const costs = all("article:not(.off) .text", box).map((text) => {
    let total = 0, spelled = 0;
    for (const it of covering(text)) {
      const [model, spelling] = it.dataset.b.split(" ").map(Number);
      [total, spelled] = [total + model + spelling, spelled + spelling];
      it.classList.add("on");
    }
    const note = spelled ? ` (${spelled.toFixed(1)} of them spelling)` : "";
    return `${text.closest("article").dataset.name} ${total.toFixed(1)} bits${note}`;
  });
  const word = covering(node.closest(".text")).map((it) => it.textContent).join("").replace(/\n/g, "↵");
  say(`“\u2068${word}\u2069”: ${costs.join(" · ")}`);
};

for (const text of all(".passage .text"))  // on a narrow screen, where each has a scroll bar
  text.onscroll = () => all(".text", text.closest(".passage")).forEach((it) => { it.scrollTop = text.scrollTop; });

for (const mark of all("i[data-t], .line[data-t]")) Object.assign(mark, { role: "img", ariaLabel: mark.dataset.t });
const BOXES = ".text,.plot,.strip,.bars,.contrasts,.samples", ITEMS = "[data-t],[data-b]";
for (const kind of ["pointerover", "focusin", "click"])
  document.addEventListener(kind, ({ target }) => {
    const it = target.closest?.(ITEMS);
    if (it) it.dataset.b ? point(it) : say(it.dataset.t);
    else if (kind === "click") say("");
  });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") say("");
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const box = document.activeElement.closest?.(BOXES);
  if (!step || !box || event.altKey || document.activeElement.matches("input")) return;
  const items = all(ITEMS, box).filter((it) => it.offsetParent && !it.closest(".off")), at = items.indexOf(document.activeElement);
  const next = items[at + step];
  if (!next) return;
  event.preventDefault();
  if (next.dataset.b) next.tabIndex = -1;
  next.focus();
});

for (const select of all(".chooser select")) {
  const choices = all(":scope > .choice, :scope > details > .choice", select.closest("section"));
  const change = () => choices.forEach((it, i) => { it.hidden = i !== select.selectedIndex; });
  const asked = +(state.get(select.id) ?? choices.findIndex((it) => !it.hidden));
  select.selectedIndex = choices[asked] ? asked : 0;
  select.onchange = () => { keep(select.id, String(select.selectedIndex)); change(); };
  change();
}

// Networks as they were at a moment: of each arm, its last look until then
const slider = document.getElementById("moment");
if (slider) {
  const names = all("#moments option").map((option) => option.label);
  const show = () => {
    for (const article of all("#watch article")) {
      const looks = all(".look", article), until = looks.filter((it) => +it.dataset.since <= +slider.value);
      for (const it of looks) it.hidden = it !== until.at(-1);
    }
    document.querySelector("#watch output").value = slider.ariaValueText = names[slider.value];
  };
  slider.value = state.get("moment") ?? slider.max;
  slider.oninput = show;
  slider.onchange = () => keep("moment", slider.value);
  slider.parentElement.hidden = false;
  show();
}

// Arms that are left out take along whatever speaks of them
const boxes = all("#arms input");
const filter = () => {
  const off = boxes.filter((box) => !box.checked).map((box) => box.value);
  for (const it of all("[data-arm]"))
    it.classList.toggle("off", it.dataset.arm.split(" ").some((arm) => arm && off.includes(arm)));
  for (const it of all(".parts")) it.classList.toggle("off", !it.querySelector("span:not(.off)"));
  for (const box of all(BOXES)) all("[data-t]:not(.off, .off *)", box).forEach((it, i) => { it.tabIndex = i ? -1 : 0; });
  say("");
  return off.join(".");
};
const off = (state.get("off") ?? "").split(".");
for (const box of boxes) {
  box.checked = !off.includes(box.value);
  box.onchange = () => { keep("off", filter()); document.getElementById("ask-text")?.oninput?.(); };
}
filter();
