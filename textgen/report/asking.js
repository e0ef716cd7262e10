// The models in the file are asked: they write after a text, expect its next token, and are charged for it.
(() => {
  const $ = (id) => document.getElementById(id), packed = Object.fromEntries(JSON.parse($("models").textContent));
  const loaded = {}, WAIT = 250, MAX_CHARACTERS = 20000;
  let working = null, expecting = null, timer = 0;
  const model = (name) => loaded[name] ??= portable.from(name, packed[name]);
  const names = () => Object.keys(packed).filter((name) => {
    const box = [...document.querySelectorAll("#arms input")].find((each) => each.dataset.name === name);
    return box?.checked ?? true;
  });
  const say = (text) => { $("ask-state").textContent = text; };
  const text = () => $("ask-text").value;
  const heading = (name) => {
    const box = made("article", undefined, "sample");
    box.append(made("h4", name));
    return box;
  };

  // One thing at a time: whatever was being done is stopped.
  const work = async (what, done) => {
    working?.abort();
    const mine = working = new AbortController();
    $("ask-stop").disabled = false;
    say("working …");
    try {
      await what(mine.signal);
      if (mine === working) say(done);
    } catch (error) {
      if (mine === working) say(error.name === "AbortError" ? "stopped" : error.message);
    }
    if (mine === working) $("ask-stop").disabled = true;
  };

  const write = () => work(async (signal) => {
    const prompt = text(), settings = {
      length: Math.min(Math.max(+$("ask-length").value || 400, 1), MAX_CHARACTERS),
      temperature: +$("ask-temperature").value, seed: Math.trunc(+($("ask-seed").value || newSeed($("ask-seed")))),
    };
    const found = names().map((name) => {
      const box = heading(name), shown = made("p"), after = growing(), keep = made("button", "Keep this");
      shown.append(made("span", signs(prompt), "prompt"), after.span);
      keep.type = "button";
      keep.setAttribute("aria-label", "Keep what " + name + " wrote");
      keep.onclick = () => { $("ask-text").value = prompt + after.text; later(); $("ask-text").focus(); };
      box.append(shown, keep);
      return { name, box, after };
    });
    $("ask-written").hidden = false;
    $("ask-answers").replaceChildren(...found.map(({ box }) => box));
    await Promise.all(found.map(async ({ name, box, after }) => {
      try {
        for await (const piece of (await model(name)).write(prompt, settings, signal)) after.add(piece);
      } catch (error) {
        signal.throwIfAborted();
        box.append(made("p", error.message, "wrong"));
      }
    }));
  }, "done");

  const score = () => work(async (signal) => {
    const asked = text();
    if (!asked || [...asked].length > MAX_CHARACTERS) throw new Error(`Type or paste a text first, of at most ${MAX_CHARACTERS} characters.`);
    const found = {}, notes = [];
    for (const name of names()) {
      try {
        const all = await (await model(name)).price(asked, {}, signal, (share) => say(`${name}: ${Math.round(100 * share)} % read`));
        found[name] = all.stretches;
        notes.push(`${name} ${all.bits_per_character.toFixed(3)}`);
      } catch (error) {
        signal.throwIfAborted();
        notes.push(`${name}: ${error.message}`);
      }
    }
    const some = Object.keys(found).length;
    $("ask-cost").hidden = false;
    $("ask-cost").scrollIntoView({ block: "nearest" });
    $("ask-sums").textContent = "Bits per character, end mark included: " + notes.join(" · ");
    $("ask-aligned").hidden = !some;
    if (some) aligned({ shade: $("ask-shade"), box: $("ask-paid"), table: $("ask-here") }, asked, found);
  }, "read");

  const expect = async () => {
    expecting?.abort();
    const mine = expecting = new AbortController(), asked = text();
    const boxes = [];
    for (const name of names()) {
      try {
        const tokens = await (await model(name)).expect(asked, {}, mine.signal);
        boxes.push(nextTokens(name, tokens, asked, (longer) => { $("ask-text").value = longer; later(); }));
      } catch (error) {
        if (mine.signal.aborted) return;
        const box = heading(name);
        box.append(made("p", error.message, "wrong"));
        boxes.push(box);
      }
    }
    if (mine === expecting) $("ask-next").replaceChildren(...boxes);
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(expect, WAIT);
  };

  $("ask").hidden = false;
  $("ask-write").onclick = write;
  $("ask-score").onclick = score;
  $("ask-stop").onclick = () => { working?.abort(); working = null; say("stopped"); $("ask-stop").disabled = true; };
  $("ask-text").oninput = () => { $("ask-cost").hidden = true; later(); };
  $("ask-text").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write(); };
  $("ask-temperature").oninput = () => { $("ask-warmth").textContent = $("ask-temperature").value; };
  if (typeof DecompressionStream === "undefined") say("This browser is too old to unpack the models.");
  else expect();
})();
