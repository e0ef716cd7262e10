// What the networks wrote and paid at each validation of their training, side by side. at: the number of
// the slider's place in the address, or null; changed is told of another
function rounds({ passage, arms, edges }, at, changed) {
  const slider = document.getElementById("round"), told = document.getElementById("round-told");
  const points = [...passage], boxes = [...document.querySelectorAll(".learnt article")];
  const last = Math.max(...arms.map((arm) => arm.rounds.length)) - 1;
  const colour = (bits) => edges.filter((edge) => edge <= bits).length;
  const paid = (box, { ends, spelling }, model) => {
    box.replaceChildren(...ends.map((end, i) => {
      const start = ends[i - 1] ?? 0, text = points.slice(start, end).join("");
      const classes = `h${colour((model[i] + spelling[i]) / (end - start))}`;
      const part = made("i", text, classes + (text.trim() || !text.includes("\n") ? "" : " n"));
      part.dataset.b = `${model[i]} ${spelling[i]} ${end - start}`;
      return part;
    }));
    if (box.firstChild) box.firstChild.tabIndex = 0;
  };
  const show = () => {
    const place = +slider.value, words = [];
    arms.forEach((arm, i) => {
      const box = boxes[i], [about, wrote, text] = box.querySelectorAll("p, .text");
      const round = arm.rounds[Math.round(place * (arm.rounds.length - 1) / Math.max(1, last))];
      about.textContent = round.told;
      wrote.replaceChildren(...round.text.map(([part, token]) => {
        const span = made("span", part, token && "filled");
        if (token) span.dataset.t = `fills in ${token}`;
        return span;
      }));
      if (round.model) paid(text, arm, round.model);
      else text.textContent = "What it pays is not that of a distribution over the text.";
      if (!box.classList.contains("off")) words.push(`${arm.name}: ${round.told}`);
    });
    told.textContent = `${place + 1} of ${last + 1}`;
    slider.setAttribute("aria-valuetext", words.join("; "));
  };
  slider.max = last;
  slider.value = at ?? last;
  slider.addEventListener("input", () => { changed(slider.value); show(); });
  document.getElementById("arms")?.addEventListener("change", show);
  document.getElementById("rounds").hidden = false;
  show();
}
