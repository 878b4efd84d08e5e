"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const minute = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  const DAY = 86400000;

  // Figures: exact text stays text, numbers are for drawing only

  /** "12345.6" as "12,345.60". */
  function grouped(text) {
    if (/e/i.test(text)) return text;
    const [whole, decimals = ""] = text.split(".");
    return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${decimals.padEnd(2, "0")}`;
  }
  const percent = (value) => `${(value * 100).toFixed(2)} %`;
  /** Labels of an axis: as many decimals as its step needs. */
  const labels = (step) => {
    const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    return (value) => value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  };

  // Drawing: SVG, coloured by the style sheet

  const pen = document.createElement("canvas").getContext("2d");
  function widthOf(text) {
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(text).width;
  }

  const SVG = document.querySelector("svg").namespaceURI;
  function node(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function steps(low, high, most) {
    const rough = (high - low) / Math.max(1, most) || 1;
    const ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= rough);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) found.push(i * step);
    return { step, found };
  }

  const TIMES = [
    [60000, 5, 10, 15, 30], [3600000, 1, 2, 3, 6, 12], [DAY, 1, 2, 7, 14],
  ].flatMap(([unit, ...many]) => many.map((n) => n * unit));

  /** Moments to label, with their labels: round ones in UTC. */
  function moments(from, until, most) {
    const step = TIMES.find((one) => (until - from) / one <= most);
    const found = [];
    if (step) {
      for (let t = Math.ceil(from / step) * step; t <= until; t += step) {
        const text = minute(t);
        found.push([t, step < DAY && t % DAY ? text.slice(11) : text.slice(5, 10)]);
      }
      return found;
    }
    const months = (until - from) / (30.4 * DAY);
    const every = [1, 2, 3, 6, 12, 24, 60, 120].find((n) => months / n <= most) ?? 240;
    const first = new Date(from);
    for (let i = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth() + (first.getUTCDate() > 1)) / every) * every; ; i += every) {
      const t = Date.UTC(Math.floor(i / 12), i % 12);
      if (t > until) return found;
      if (t >= from) found.push([t, every % 12 ? minute(t).slice(0, 7) : minute(t).slice(0, 4)]);
    }
  }

  /** An empty chart with axes; `x` and `y` give the place of a time and of a value. */
  function chart(element, { from, until, low, high, name, below = 0, ticks }) {
    const width = element.clientWidth;
    const height = element.clientHeight;
    const bottom = height - 18;
    const base = bottom - below;
    const { step, found } = steps(low, high, Math.min(6, base / 40));
    const written = found.map(name ?? labels(step));
    const right = Math.max(width - Math.max(...written.map(widthOf), 0) - 10, 10);
    const x = (t) => ((t - from) / (until - from || 1)) * right;
    const y = (value) => base - ((value - low) / (high - low || 1)) * (base - 8);
    const svg = node("svg", { viewBox: `0 0 ${width} ${height}` });
    found.forEach((value, i) => {
      svg.append(node("line", { class: value === 0 ? "zero" : "grid", x1: 0, x2: right, y1: y(value), y2: y(value) }));
      svg.append(node("text", { x: right + 6, y: Math.min(Math.max(y(value) + 4, 10), height - 4) }, written[i]));
    });
    let end = -Infinity;
    for (const [t, text] of ticks ?? moments(from, until, Math.max(2, right / 80))) {
      const room = widthOf(text);
      const left = Math.min(Math.max(x(t) - room / 2, 0), Math.max(width - room - 2, 0));
      if (left < end + 8) continue;
      svg.append(node("text", { x: left, y: height - 4 }, text));
      end = left + room;
    }
    element.replaceChildren(svg);
    return { svg, x, y, right, bottom, base, width, from, until };
  }

  const place = (event, element) => event.clientX - element.getBoundingClientRect().left;

  /** A line under the pointer; `then` gets the time there, or null when it leaves. */
  function follow(element, drawn, then) {
    const cross = node("line", { class: "cross", y1: 0, y2: drawn.bottom, visibility: "hidden" });
    drawn.svg.append(cross);
    element.onpointermove = (event) => {
      const px = Math.min(Math.max(place(event, element), 0), drawn.right);
      const shown = then(drawn.from + (px / drawn.right) * (drawn.until - drawn.from));
      cross.setAttribute("visibility", "visible");
      cross.setAttribute("x1", drawn.x(shown));
      cross.setAttribute("x2", drawn.x(shown));
    };
    element.onpointerleave = () => { cross.setAttribute("visibility", "hidden"); then(null); };
  }

  /** Buttons of which one is pressed. */
  function choice(id, names, chosen, then) {
    at(id).replaceChildren(...names.map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", String(name === chosen));
      button.onclick = () => then(name);
      return button;
    }));
  }

  /** Pairs of a name and a value, the value in bold; a third part is the class of a coloured mark. */
  function read(id, pairs) {
    at(id).replaceChildren(...pairs.flatMap(([name, value, mark]) => [
      ...(mark ? [Object.assign(document.createElement("i"), { className: mark })] : []),
      document.createTextNode(`${name} `),
      Object.assign(document.createElement("b"), { textContent: value }),
    ]));
  }

  // Prices

  const SPANS = { "1d": DAY, "1w": 7 * DAY, "1m": 30 * DAY, "3m": 91 * DAY, "1y": 365 * DAY };
  const price = { market: 0, length: "auto", span: null, from: 0, until: 0 };

  /** The columns of one length as lists: exact text in small letters, numbers in capitals. */
  function unpack(frame) {
    if (frame.times) return frame;
    frame.times = frame.t.map((t) => frame.first + t * frame.step);
    for (const name of "ohlcv") {
      frame[name] = frame[name].split(" ");
      frame[name.toUpperCase()] = frame[name].map(Number);
    }
    frame.from = frame.times[0];
    frame.until = frame.times[frame.times.length - 1] + frame.step;
    return frame;
  }

  function drawPrices(data) {
    const element = at("candles");
    const market = data.markets[price.market];
    const frames = Object.fromEntries(Object.entries(market.frames).map(([name, frame]) => [name, unpack(frame)]));
    const names = Object.keys(frames);
    const newest = Math.max(...names.map((n) => frames[n].until - frames[n].step)) + frames[names[0]].step;
    const whole = [Math.min(...names.map((n) => frames[n].from)), newest];
    const most = Math.min(data.intervals, Math.max(40, element.clientWidth / 3));

    const inside = (frame) => frame.times.map((_, i) => i).filter((i) => frame.times[i] < price.until && frame.times[i] + frame.step > price.from);
    // A long candle may open before the first trade in it, where no shorter one begins.
    const begins = Math.min(...names.map((n) => frames[n].from + frames[n].step));
    /** The shortest candles that reach back far enough and fit side by side. */
    const usual = () => names.find((name) => {
      const frame = frames[name];
      return (frame.from < begins || frame.from <= price.from + frame.step) && (price.until - price.from) / frame.step <= most;
    }) ?? names[names.length - 1];

    const spans = [...Object.keys(SPANS).filter((name) => SPANS[name] < whole[1] - whole[0]), "all"];
    if (price.span === null) price.span = spans.includes("1w") ? "1w" : "all";
    if (price.span !== "zoom") {
      const span = spans.includes(price.span) ? SPANS[price.span] ?? Infinity : Infinity;
      [price.from, price.until] = [Math.max(whole[0], whole[1] - span), whole[1]];
    }
    if (!names.includes(price.length)) price.length = "auto";
    const length = price.length === "auto" ? usual() : price.length;
    const frame = frames[length];
    price.from = Math.max(price.from, frame.from);
    if (price.until - price.from < frame.step * 8) price.from = Math.max(whole[0], price.until - frame.step * 8);
    const shown = inside(frame);

    const again = (change) => { Object.assign(price, change); drawPrices(data); };
    at("market").replaceChildren(...data.markets.map((one, index) => {
      const option = new Option(`${one.symbol}  ${one.exchange}`, String(index));
      option.selected = index === price.market;
      return option;
    }));
    at("market").onchange = (event) => again({ market: Number(event.target.value), length: "auto", span: null });
    choice("span", spans, price.span, (span) => again({ span, length: "auto" }));
    choice("timeframe", ["auto", ...names], price.length, (name) => {
      if (name === "auto") return again({ length: name });
      const until = price.until < whole[1] ? price.until : frames[name].until; // with the open candle
      again({ length: name, span: "zoom", from: Math.max(frames[name].from, until - frames[name].step * most), until });
    });

    const lows = shown.map((i) => frame.L[i]);
    const highs = shown.map((i) => frame.H[i]);
    const [low, high] = shown.length ? [Math.min(...lows), Math.max(...highs)] : [0, 1];
    const room = (high - low || Math.abs(high) * 0.01 || 1) * 0.06;
    const end = price.span === "zoom" ? price.until : Math.max(price.until, frame.until); // the open candle
    const drawn = chart(element, { from: price.from, until: end, low: low - room, high: high + room, below: 64 });
    const group = node("svg", { width: drawn.right, height: drawn.bottom }); // cuts what reaches out
    const peak = Math.max(...shown.map((i) => frame.V[i]), 0) || 1;
    for (const i of shown) {
      const [left, end] = [drawn.x(frame.times[i]), drawn.x(frame.times[i] + frame.step)];
      const width = Math.max((end - left) * 0.72, 0.8);
      const kind = frame.C[i] >= frame.O[i] ? "rise" : "fall";
      const middle = (left + end) / 2;
      const [top, foot] = [frame.O[i], frame.C[i]].map(drawn.y).sort((a, b) => a - b);
      const tall = (frame.V[i] / peak) * 52;
      group.append(
        node("rect", { class: `volume ${kind}`, x: middle - width / 2, width, y: drawn.bottom - tall, height: tall }),
        node("line", { class: kind, x1: middle, x2: middle, y1: drawn.y(frame.H[i]), y2: drawn.y(frame.L[i]) }),
        node("rect", { class: `candle ${kind}`, x: middle - width / 2, width, y: top, height: Math.max(foot - top, 0.8), "stroke-width": 0 }),
      );
    }
    drawn.svg.append(group);

    const last = frame.times.length - 1;
    const values = (i) => read("readout", [
      ["", `${minute(frame.times[i])} UTC`],
      ...[..."ohlcv"].map((name) => [name.toUpperCase(), grouped(frame[name][i])]),
    ]);
    values(shown[shown.length - 1] ?? last);
    let start = null;
    const zoom = node("rect", { class: "zoom", y: 0, height: drawn.bottom, width: 0 });
    drawn.svg.append(zoom);
    follow(element, drawn, (time) => {
      const near = shown.find((i) => time !== null && frame.times[i] + frame.step > time) ?? shown[shown.length - 1] ?? last;
      values(near);
      return frame.times[near] + frame.step / 2;
    });
    const move = element.onpointermove;
    element.onpointermove = (event) => {
      move(event);
      if (start === null) return;
      const px = place(event, element);
      zoom.setAttribute("x", Math.min(px, start));
      zoom.setAttribute("width", Math.abs(px - start));
    };
    element.onpointerdown = (event) => { if (event.button === 0) start = place(event, element); };
    element.onpointercancel = () => { start = null; zoom.setAttribute("width", 0); };
    element.onpointerup = (event) => {
      const ends = start === null ? [0, 0] : [start, place(event, element)].map((px) => Math.min(Math.max(px, 0), drawn.right)).sort((a, b) => a - b);
      start = null;
      if (ends[1] - ends[0] < 6) return zoom.setAttribute("width", 0);
      const [from, until] = ends.map((px) => drawn.from + (px / drawn.right) * (drawn.until - drawn.from));
      again({ from, until, span: "zoom", length: "auto" });
    };
    element.ondblclick = () => again({ span: "all", length: "auto" });
    at("shown").textContent = shown.length === 0 ? "No candles in this time." :
      `${market.exchange} ${market.symbol}: ${shown.length} ${shown.length === 1 ? "candle" : "candles"} of ${length}` +
      `${market.built ? ", built from trades" : market.longer.includes(length) ? ", built from shorter ones" : ""}, ` +
      `${minute(frame.times[shown[0]])} to ${minute(frame.times[shown[shown.length - 1]])} UTC.`;
  }

  // Lines and bars

  /** Lines over time: `drawn` as [{name, points: [[ms, text or null]]}]. */
  function drawLines(id, drawn, { write, name, area, stepped, mark = (i) => `key${i % 5}` }) {
    const element = at(id);
    const times = drawn.flatMap(({ points }) => points.map(([t]) => t));
    const values = drawn.flatMap(({ points }) => points.map(([, v]) => v)).filter((v) => v !== null).map(Number);
    const [from, until] = [Math.min(...times), Math.max(...times)];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.1;
    [low, high] = [low - room, high + room];
    const on = chart(element, { from, until: Math.max(until, from + 60000), low, high, name });
    drawn.forEach(({ points }, k) => {
      let path = "";
      let before = null;
      for (const [t, v] of points) {
        if (v === null) { before = null; continue; }
        const [x, y] = [on.x(t).toFixed(1), on.y(Number(v)).toFixed(1)];
        path += before === null ? `M${x} ${y}` : stepped ? `H${x}V${y}` : `L${x} ${y}`;
        before = x;
      }
      if (area && points.length > 1 && !points.some(([, v]) => v === null)) {
        const foot = on.y(Math.min(Math.max(0, low), high)).toFixed(1);
        on.svg.append(node("path", { class: `area ${mark(k)}`, d: `${path}V${foot}H${on.x(points[0][0]).toFixed(1)}Z` }));
      }
      on.svg.append(node("path", { class: `curve ${mark(k)}`, d: path }));
      if (points.length === 1) on.svg.append(node("circle", { class: `dot ${mark(k)}`, cx: on.x(points[0][0]), cy: on.y(Number(points[0][1])), r: 3 }));
    });
    const show = (time) => {
      const near = times.reduce((best, t) => (Math.abs(t - time) < Math.abs(best - time) ? t : best), until);
      read(`${id}-readout`, [["", `${minute(near)} UTC`], ...drawn.map(({ name: who, points }, k) => {
        const known = points.filter(([t]) => t <= near).pop();
        return [who, known && known[1] !== null ? write(known[1]) : "–", mark(k)];
      })]);
      return near;
    };
    show(until);
    follow(element, on, (time) => show(time ?? until));
  }

  function drawFees({ quote, months, accounts }) {
    const element = at("fees");
    const of = accounts.map(({ points }) => new Map(points));
    const sums = months.map((month) => of.reduce((sum, one) => sum + Math.max(0, Number(one.get(month) ?? 0)), 0));
    const on = chart(element, {
      from: 0, until: months.length, low: 0, high: Math.max(...sums) * 1.06 || 1,
      ticks: months.map((month, i) => [i + 0.5, month]),
    });
    const wide = Math.min((on.right / months.length) * 0.7, 70);
    months.forEach((month, i) => {
      let under = 0;
      of.forEach((one, k) => {
        const value = Math.max(0, Number(one.get(month) ?? 0));
        on.svg.append(node("rect", {
          class: `bar key${k % 5}`, x: on.x(i + 0.5) - wide / 2, width: wide, y: on.y(under + value), height: on.y(under) - on.y(under + value),
        }));
        under += value;
      });
    });
    const show = (i) => read("fees-readout", [
      ["", months[i]], ...accounts.map(({ name }, k) => [name, of[k].has(months[i]) ? `${grouped(of[k].get(months[i]))} ${quote}` : "–", `key${k % 5}`]),
    ]);
    show(months.length - 1);
    follow(element, on, (place) => {
      const i = place === null ? months.length - 1 : Math.min(Math.floor(place), months.length - 1);
      show(i);
      return i + 0.5;
    });
  }

  // One market at several exchanges

  let compared = 0;

  function drawCompared({ markets }) {
    const { symbol, timeframe, lines } = markets[compared];
    at("compared-market").replaceChildren(...markets.map((one, i) => new Option(one.symbol, String(i), false, i === compared)));
    at("compared-market").onchange = (event) => { compared = Number(event.target.value); drawCompared({ markets }); };
    drawLines("apart", lines, { write: (text) => `${grouped(text)} bps` });
    at("apart-shown").textContent = `${symbol}, intervals of ${timeframe}.`;
  }

  // Account

  const chosen = { account: null, view: "value" };

  function drawValue(data) {
    const { quote } = data;
    const accounts = data.accounts.filter(({ points }) => points.length);
    const names = accounts.map(({ name }) => name);
    const several = names.length > 1;
    chosen.account ??= names[0];
    const again = (change) => { Object.assign(chosen, change); drawValue(data); };
    choice("account", several ? [...names, "side by side"] : [], chosen.account, (account) => again({ account }));
    choice("view", ["value", "performance", "drawdown"], chosen.view, (view) => again({ view }));
    const column = { value: "points", performance: "index", drawdown: "drawdown" }[chosen.view];
    const beside = several && chosen.account === "side by side";
    const drawn = accounts.filter(({ name }) => (beside ? name !== "all accounts" : name === chosen.account))
      .map((account) => ({ name: account.name, points: account[column] }));
    const money = chosen.view === "value";
    drawLines("worth", drawn, {
      write: money ? (text) => `${grouped(text)} ${quote}` : (text) => percent(Number(text)),
      name: money ? undefined : (value) => `${Number((value * 100).toFixed(4))} %`,
      area: !beside, mark: chosen.view === "drawdown" && !beside ? () => "loss" : undefined,
    });
  }

  // Ages count up while the page is open

  function age(seconds) {
    const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
    if (minutes < 1) return `${seconds} s`;
    if (hours < 1) return `${minutes} min`;
    return days < 1 ? `${hours} h ${minutes % 60} min` : `${days} d ${hours % 24} h`;
  }

  function tick() {
    for (const element of document.querySelectorAll("time[data-age]")) {
      const text = age(Math.max(0, Math.floor((Date.now() - Date.parse(element.dateTime)) / 1000)));
      if (element.textContent !== text) element.textContent = text;
    }
    const written = document.querySelector("header time[data-age]");
    at("aged").hidden = Date.now() - Date.parse(written.dateTime) < DAY;
  }
  tick();
  setInterval(tick, 1000);

  // A tap shows all digits, where there is no pointer to hover with
  document.addEventListener("click", (event) => {
    const figure = event.target.closest("data[title]");
    if (!figure) return;
    figure.dataset.short ??= figure.textContent;
    figure.textContent = figure.classList.toggle("whole") ? figure.title : figure.dataset.short;
  });

  // On a phone, where every row is a card, long tables begin short

  const FIRST = 6;
  for (const table of document.querySelectorAll("table")) {
    const rows = [...table.querySelectorAll("tbody tr:not(.sum)")];
    if (rows.length <= FIRST + 2) continue;
    const later = rows.slice(FIRST);
    for (const row of later) row.classList.add("later");
    const button = Object.assign(document.createElement("button"), { className: "more", textContent: `Show all ${rows.length}` });
    button.onclick = () => { for (const row of later) row.classList.remove("later"); button.remove(); };
    table.after(button);
  }

  // All of it

  async function unpacked(id) {
    const letters = atob(at(id).textContent.trim());
    const packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    return JSON.parse(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
  }

  async function begin() {
    const data = await unpacked("data");
    const drawings = [];
    if (data.candles) drawings.push(() => drawPrices(data.candles));
    if (data.compared) drawings.push(() => drawCompared(data.compared));
    if (at("worth")) drawings.push(() => drawValue(data.value));
    if (at("profit")) {
      drawings.push(() => drawLines("profit", data.value.profit, { write: (text) => `${grouped(text)} ${data.value.quote}`, stepped: true }));
    }
    if (at("fees")) drawings.push(() => drawFees(data.fees));
    const draw = () => { for (const one of drawings) one(); };
    draw();
    const root = document.documentElement;
    root.dataset.drawn = "all";
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
    addEventListener("beforeprint", () => { root.dataset.paper = "yes"; draw(); });
    addEventListener("afterprint", () => { delete root.dataset.paper; draw(); });
  }

  begin().catch((error) => {
    for (const plot of document.querySelectorAll(".plot")) {
      plot.textContent = `This chart could not be drawn (${error.message}). Fix: open the page in a browser of 2023 or later.`;
    }
  });
})();
