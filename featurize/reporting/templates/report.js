"use strict";
// Texts come from captions, file names and titles: they are put on the page as text, never as markup.
(() => {
  const $ = (query, from = document) => from.querySelector(query);
  const $$ = (query, from = document) => [...from.querySelectorAll(query)];
  const data = JSON.parse($("#data").textContent);
  const thumbs = JSON.parse($("#thumbs").textContent);
  const source = (place) => "data:image/webp;base64," + thumbs[place];

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") made.className = value;
      else if (key === "tip") made.dataset.tip = value;
      else made[key] = value;
    }
    made.append(...children.filter((each) => each !== null && each !== undefined && each !== ""));
    return made;
  }
  const text = (words) => element("bdi", {}, String(words));
  const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const percent = (share) => Math.round(100 * share) + " %";

  function picture(art) {
    if (art.thumb === undefined) return element("span", { class: "nothing", tip: art.why || "" }, "no picture");
    const made = element("img", { alt: art.caption || art.id, loading: "lazy", decoding: "async" });
    if (art.size) [made.width, made.height] = art.size;
    made.style.width = made.style.height = "";
    made.src = source(art.thumb);
    return made;
  }

  // --- What can be searched -----------------------------------------------------------------------------------------
  const plain = (words) => words.toLowerCase().normalize("NFKD").replace(/\p{Mn}/gu, "");
  const byTitle = new Map();
  const artworks = [];
  for (const title of data.titles) {
    byTitle.set(title.id, title);
    title.words = plain([title.id, title.name, title.year, ...(title.genres || []), ...(title.cast || [])].join(" "));
    for (const art of title.art) {
      art.title = title;
      art.labels = Object.fromEntries((art.tags || []).map(([attribute, label]) => [attribute, label]));
      art.words = plain([art.id, art.file.split("/").pop(), art.caption, art.kind, art.locale, art.mood, art.setting,
        art.composition, art.text, ...(art.subjects || []), ...(art.palette || []), ...(art.who || []),
        ...Object.values(art.labels)].join(" "));
      artworks.push(art);
    }
  }

  // --- Thumbnails of what the page was written with ------------------------------------------------------------------
  const late = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) {
      late.unobserve(each.target);
      each.target.src = source(each.target.dataset.thumb);
    }
  }, { rootMargin: "600px" });
  for (const each of $$("img[data-thumb]")) late.observe(each);

  const wall = $("#wall");
  const withPicture = artworks.filter((art) => art.thumb !== undefined);
  const step = Math.max(1, Math.floor(withPicture.length / 60));
  wall.append(...withPicture.filter((_, number) => number % step === 0).slice(0, 60).map(
    (art) => element("img", { alt: "", src: source(art.thumb) })));

  // --- The contact sheet ---------------------------------------------------------------------------------------------
  const sheet = $("#titles"), search = $("#search"), sort = $("#sort"), end = $("#end");
  const attributes = ["genre", "mood", "setting", "shot", "people"].filter(
    (name) => artworks.some((art) => art.labels[name]));
  for (const name of new Set(artworks.flatMap((art) => Object.keys(art.labels)))) {
    if (!attributes.includes(name)) attributes.push(name);
  }
  const filters = new Map();
  function filter(name, values) {
    if (values.length < 2) return;
    const choice = element("select", { oninput: show }, element("option", { value: "" }, "any"));
    choice.append(...values.sort().map((value) => element("option", { value }, value)));
    filters.set(name, choice);
    $("#filters").append(element("label", {}, name + " ", choice));
  }
  const shareOf = (art) => art.title.chosen ? (art.chosen || 0) / art.title.chosen : 0;
  const divided = (title) => title.chosen ? 1 - Math.max(...title.art.map(shareOf)) : -1;
  const orders = {
    name: (one, other) => one.name.localeCompare(other.name),
    chosen: (one, other) => other.chosen - one.chosen || orders.name(one, other),
    split: (one, other) => divided(other) - divided(one) || orders.name(one, other),
    art: (one, other) => other.art.length - one.art.length || orders.name(one, other),
  };
  let found = [], shown = 0;
  const AT_ONCE = 18;

  function matches() {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const wanted = [...filters].filter(([, choice]) => choice.value);
    const hits = [];
    for (const title of data.titles) {
      const art = title.art.filter((each) =>
        words.every((word) => title.words.includes(word) || each.words.includes(word)) &&
        wanted.every(([name, choice]) => (name === "kind" ? each.kind : each.labels[name]) === choice.value));
      if (art.length) hits.push({ title, art });
    }
    return hits;
  }
  function show() {
    found = matches().sort((one, other) => orders[sort.value](one.title, other.title));
    shown = 0;
    sheet.replaceChildren();
    const count = found.reduce((sum, each) => sum + each.art.length, 0);
    const all = found.length === data.titles.length && count === artworks.length;
    const number = (value) => value.toLocaleString("en");
    $("#found").textContent = !found.length ? "Nothing matches. Try fewer words, or another filter."
      : all ? `${counted(found.length, "title")}, ${counted(count, "artwork")}`
        : `${number(found.length)} of ${number(data.titles.length)} titles, ${number(count)} of ${number(artworks.length)} artworks`;
    more();
    draw();
  }
  function more() {
    sheet.append(...found.slice(shown, shown + AT_ONCE).map(card));
    shown += AT_ONCE;
  }
  function card({ title, art }) {
    const about = [title.year, ...(title.genres || [])].filter(Boolean).join(" · ");
    const made = element("article", { class: "title", onclick: () => open(title.id) },
      element("h3", {}, element("button", { type: "button" }, text(title.name))),
      element("small", {}, about, title.chosen ? `${about ? " · " : ""}${counted(title.chosen, "choice")}` : ""),
      element("div", { class: "thumbs" }, ...art.slice(0, 12).map((each) => element("figure", { tip: tipOf(each) },
        picture(each), title.chosen ? bar(shareOf(each)) : null)),
        art.length > 12 ? element("small", {}, `and ${art.length - 12} more`) : null));
    made.dataset.title = title.id;
    return made;
  }
  const bar = (share) => {
    const made = element("i");
    made.style.width = 100 * share + "%";
    return element("span", { class: "share" }, made);
  };
  const tipOf = (art) => [art.caption || art.id, art.who && art.who.join(", "),
    art.title.chosen ? `chosen ${percent(shareOf(art))}` : ""].filter(Boolean).join("\n");

  // --- One title -------------------------------------------------------------------------------------------------------
  const dialog = $("#title");
  function open(id) {
    const title = byTitle.get(id);
    if (!title) return;
    const about = [title.year, ...(title.genres || []), title.id].filter(Boolean).join(" · ");
    $(".inside", dialog).replaceChildren(
      element("button", { class: "close", type: "button", ariaLabel: "Close", onclick: () => dialog.close() }, "✕"),
      element("h2", { id: "title-name" }, text(title.name)),
      element("small", {}, about),
      title.synopsis ? element("p", {}, text(title.synopsis)) : null,
      title.cast ? element("p", { class: "quiet" }, "With ", text(title.cast.join(", "))) : null,
      ...title.art.map(details));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    history.replaceState(null, "", "#title=" + encodeURIComponent(id));
  }
  function details(art) {
    const list = element("dl");
    const tell = (name, value) => {
      if (value !== undefined && value !== null && value !== "") list.append(element("dt", {}, name), element("dd", {}, value));
    };
    tell("on it", (art.who || []).length ? text(art.who.join(", ")) : null);
    tell("words on it", art.text ? text(`“${art.text}”`) : null);
    tell("subjects", (art.subjects || []).length ? text(art.subjects.join(", ")) : null);
    tell("people", art.people !== undefined ? String(art.people) : null);
    tell("mood", art.mood ? text(art.mood) : null);
    tell("setting", art.setting ? text(art.setting) : null);
    tell("framed as", art.composition ? text(art.composition) : null);
    tell("colours", (art.palette || []).length ? text(art.palette.join(", ")) : null);
    tell("file", text(art.file));
    tell("picture", [art.format, art.size && art.size.join(" × "), art.kind, art.locale].filter(Boolean).join(", "));
    const chosen = art.title.chosen ? element("div", {},
      element("p", {}, element("strong", {}, percent(shareOf(art))),
        ` ${data.choices ? "of the choices" : "of the ranked prompts"}: ${(art.chosen || 0).toLocaleString("en")} of ${art.title.chosen.toLocaleString("en")}`),
      bar(shareOf(art))) : null;
    const whom = (art.whom || []).map(([kind, name, part, all]) => element("span", { class: "chip" },
      text(`${kind === "watches" ? "who watch " : kind + " "}${name}`), ` ${part} of ${all}`));
    return element("article", {}, element("div", {}, picture(art)), element("div", {},
      art.caption ? element("p", { class: "caption" }, text(art.caption))
        : element("p", { class: "quiet" }, art.status ? `No description: ${art.status}` : "Not described yet."),
      element("p", {}, ...(art.tags || []).map(([attribute, label, share]) => element("span",
        { class: "chip", tip: `${attribute}: ${label}, probability ${share}` }, label))),
      chosen,
      whom.length ? element("p", {}, element("small", {}, "more than for others for members "), ...whom)
        : art.chosen ? element("p", { class: "quiet" }, "For no group of members more than for others.") : null,
      art.members ? element("p", { class: "quiet" }, "Chosen for ", text(art.members.join(", ")), art.chosen > art.members.length ? ", …" : "") : null,
      art.shown ? element("p", { class: "quiet" }, `The log shows it ${art.shown.toLocaleString("en")} times; watched then ${(art.played || 0).toLocaleString("en")} times.`) : null,
      list));
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const here = found.findIndex((each) => location.hash === "#title=" + encodeURIComponent(each.title.id));
    if (step && found[here + step]) open(found[here + step].title.id);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-title]");
    if (button) open(button.dataset.title);
    const all = event.target.closest("button[data-all]");
    if (all) { $$(all.dataset.all).forEach((each) => each.classList.remove("more")); all.remove(); }
    const anchor = event.target.closest("a[href^='#run-']");
    const target = anchor && document.getElementById(anchor.getAttribute("href").slice(1));
    if (target) $$("#nights .more").forEach((each) => each.classList.remove("more"));
  });

  // --- Tips ------------------------------------------------------------------------------------------------------------
  const tip = $("#tip");
  function place(event) {
    const box = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const top = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
    tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
  document.addEventListener("pointerover", (event) => {
    if (event.target.id === "canvas") return;
    const on = event.target.closest && event.target.closest("[data-tip]");
    tip.classList.toggle("on", Boolean(on && on.dataset.tip));
    if (on && on.dataset.tip) { tip.replaceChildren(on.dataset.tip); place(event); }
  });
  document.addEventListener("pointermove", (event) => { if (tip.classList.contains("on")) place(event); });
  document.addEventListener("scroll", () => tip.classList.remove("on"), { passive: true });

  // --- The map ---------------------------------------------------------------------------------------------------------
  const canvas = $("#canvas");
  const points = artworks.filter((art) => data.map[art.id]).map((art) => ({ art, at: data.map[art.id] }));
  const images = new Map();
  let spots = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function draw() {
    if (!canvas) return;
    const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    if (!box.width) return;
    [canvas.width, canvas.height] = [box.width * ratio, box.height * ratio];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const by = $("#by").value, small = $("#pictures").checked;
    const counts = new Map();
    for (const { art } of points) counts.set(art.labels[by], (counts.get(art.labels[by]) || 0) + 1);
    counts.delete(undefined);
    const order = [...counts].sort((one, other) => other[1] - one[1]).map(([label]) => label);
    const paint = (label) => order.indexOf(label) < 0 || order.indexOf(label) > 9 ? colour("--else") : colour("--c" + order.indexOf(label));
    const paints = new Map([...order, undefined].map((label) => [label, paint(label)]));
    const here = new Set(found.flatMap((each) => each.art));
    const size = small ? Math.max(16, Math.min(44, 900 / Math.sqrt(points.length))) : points.length > 1500 ? 3 : 5;
    const pad = small ? size / 2 + 6 : 16;
    spots = [];
    for (const { art, at } of points) {
      const spot = { art, x: pad + at[0] * (box.width - 2 * pad), y: pad + (1 - at[1]) * (box.height - 2 * pad) };
      spots.push(spot);
      pen.globalAlpha = here.has(art) ? 0.85 : 0.1;
      const image = small && art.thumb !== undefined && pictureOf(art);
      if (image && image.complete && image.naturalWidth) {
        const scale = size / Math.max(image.naturalWidth, image.naturalHeight);
        const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
        pen.drawImage(image, spot.x - width / 2, spot.y - height / 2, width, height);
        pen.strokeStyle = paints.get(art.labels[by]);
        pen.lineWidth = 1.5;
        pen.strokeRect(spot.x - width / 2, spot.y - height / 2, width, height);
      } else {
        pen.fillStyle = paints.get(art.labels[by]);
        pen.beginPath();
        pen.arc(spot.x, spot.y, small ? 4 : size, 0, 7);
        pen.fill();
      }
    }
    $("#map-legend").replaceChildren(...order.slice(0, 10).map((label, number) => {
      const swatch = element("i", { class: "swatch c" + number });
      return element("span", {}, swatch, label);
    }), order.length > 10 ? element("span", {}, element("i", { class: "swatch celse" }), "others") : "");
  }
  let waits = 0;
  function pictureOf(art) {
    if (!images.has(art.thumb)) {
      const image = new Image();
      image.onload = () => { cancelAnimationFrame(waits); waits = requestAnimationFrame(draw); };
      image.src = source(art.thumb);
      images.set(art.thumb, image);
    }
    return images.get(art.thumb);
  }
  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null, least = 22 * 22;
    for (const spot of spots) {
      const far = (spot.x - x) ** 2 + (spot.y - y) ** 2;
      if (far < least) [best, least] = [spot, far];
    }
    return best && best.art;
  }
  if (canvas) {
    $("#by").append(...attributes.map((name) => element("option", {}, name)));
    $("#by").addEventListener("input", draw);
    $("#pictures").addEventListener("input", draw);
    canvas.addEventListener("pointermove", (event) => {
      const art = nearest(event);
      tip.classList.toggle("on", Boolean(art));
      canvas.style.cursor = art ? "pointer" : "crosshair";
      if (!art) return;
      tip.replaceChildren(...(art.thumb !== undefined ? [element("img", { src: source(art.thumb), alt: "" })] : []),
        element("strong", {}, text(art.title.name)), "\n", text(art.caption || art.id));
      place(event);
    });
    canvas.addEventListener("pointerleave", () => tip.classList.remove("on"));
    canvas.addEventListener("click", (event) => { const art = nearest(event); if (art) open(art.title.id); });
    new ResizeObserver(draw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }

  // --- The rest --------------------------------------------------------------------------------------------------------
  const themes = ["auto", "light", "dark"];
  $("#theme").addEventListener("click", () => {
    const root = document.documentElement;
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
    $("#theme span").textContent = next;
    draw();
  });
  for (const each of $$(".scroll.end")) each.scrollLeft = each.scrollWidth;
  const links = new Map($$("nav a").map((link) => [link.getAttribute("href").slice(1), link]));
  const spy = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) for (const [id, link] of links) link.classList.toggle("here", id === each.target.id);
  }, { rootMargin: "-30% 0px -65% 0px" });
  $$("main section").forEach((each) => spy.observe(each));
  if (sheet) {
    filter("kind", [...new Set(artworks.map((art) => art.kind).filter(Boolean))]);
    for (const name of attributes.slice(0, 3)) filter(name, [...new Set(artworks.map((art) => art.labels[name]).filter(Boolean))]);
    let typed = 0; // letters that come faster than the page can be drawn are answered together
    search.addEventListener("input", () => { cancelAnimationFrame(typed); typed = requestAnimationFrame(show); });
    sort.addEventListener("input", show);
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); search.focus(); }
    });
    new IntersectionObserver((seen) => { if (seen[0].isIntersecting && shown < found.length) more(); }, { rootMargin: "900px" }).observe(end);
    show();
  }
  if (location.hash.startsWith("#title=")) open(decodeURIComponent(location.hash.slice(7)));
})();
