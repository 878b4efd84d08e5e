"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (part) => `rgba(${color("wash")}, ${part})`;
  // Plotly reads a little HTML in every text: names come from servers.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const exact = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 12 });
  const money = (value) =>
    value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) < 1 ? 8 : 2 });
  const minute = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset+autosize", showTips: false };
  const PALETTE = ["accent", "gap", "seen", "held", "lost"];

  function axis(more) {
    return {
      gridcolor: color("line"), linecolor: color("line"), zeroline: false, automargin: true,
      tickfont: { color: color("muted"), size: 11 }, ...more,
    };
  }

  function layout(more) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      margin: { l: 4, r: 4, t: 8, b: 4 }, bargap: 0.25, dragmode: "zoom",
      font: { family: color("sans"), color: color("muted"), size: 12 },
      hoverlabel: {
        bgcolor: color("card"), bordercolor: color("line"), align: "left",
        font: { family: color("mono"), color: color("ink"), size: 12 },
      },
      ...more,
    };
  }

  const spike = () => ({
    showspikes: true, spikemode: "across", spikesnap: "cursor", spikethickness: 1, spikedash: "dot",
    spikecolor: color("muted"),
  });

  /** Buttons of which one is pressed. */
  function choice(id, names, chosen, then) {
    at(id).replaceChildren(...names.map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", String(name === chosen));
      button.onclick = () => { choice(id, names, name, then); then(name); };
      return button;
    }));
  }

  // Prices

  const SPANS = { 60: 60, 120: 120, all: Infinity };
  const price = { market: 0, length: null, span: "120" };

  function usualLength(frames) {
    const names = Object.keys(frames).reverse();
    return names.find((name) => frames[name].t.length >= 60)
      ?? names.sort((a, b) => frames[b].t.length - frames[a].t.length)[0];
  }

  function priceControls() {
    const { markets } = data.candles;
    at("market").replaceChildren(...markets.map((market, index) => {
      const option = new Option(`${market.symbol}  ${market.exchange}`, String(index));
      option.selected = index === price.market;
      return option;
    }));
    at("market").onchange = (event) => {
      price.market = Number(event.target.value);
      priceLength();
      drawCandles();
    };
    priceLength();
    choice("span", Object.keys(SPANS), price.span, (name) => { price.span = name; drawCandles(); });
  }

  function priceLength() {
    const { frames } = data.candles.markets[price.market];
    if (!(price.length in frames)) price.length = usualLength(frames);
    choice("timeframe", Object.keys(frames), price.length, (name) => { price.length = name; drawCandles(); });
  }

  function readout(c, i) {
    const part = (name, value) => [document.createTextNode(`${name} `), Object.assign(document.createElement("b"), { textContent: value })];
    const values = ["o", "h", "l", "c", "v"].flatMap((name) => part(name.toUpperCase(), exact(c[name][i])));
    at("readout").replaceChildren(...part("", `${minute(c.t[i])} UTC`), ...values);
  }

  /** The candles between two times, and the range of their prices. */
  function visible(c, from, until) {
    const inside = c.t.map((t, i) => i).filter((i) => c.t[i] >= from && c.t[i] <= until);
    const low = Math.min(...inside.map((i) => c.l[i]));
    const high = Math.max(...inside.map((i) => c.h[i]));
    const room = (high - low || high * 0.01) * 0.06;
    return { inside, range: [low - room, high + room] };
  }

  function drawCandles() {
    const market = data.candles.markets[price.market];
    const c = market.frames[price.length];
    const last = c.t.length - 1;
    const step = c.t.reduce((least, t, i) => (i ? Math.min(least, t - c.t[i - 1]) : least), Infinity);
    const half = Number.isFinite(step) ? step / 2 : 1800000;
    const first = Math.max(0, c.t.length - SPANS[price.span]);
    const range = [c.t[first] - half, c.t[last] + half];
    const rising = (i) => c.c[i] >= c.o[i];
    const traces = [
      {
        type: "bar", x: c.t, y: c.v, yaxis: "y2", hoverinfo: "none",
        marker: { color: c.t.map((_, i) => color(rising(i) ? "up" : "down")), opacity: 0.4, line: { width: 0 } },
      },
      {
        type: "candlestick", x: c.t, open: c.o, high: c.h, low: c.l, close: c.c, hoverinfo: "none",
        increasing: { line: { color: color("up"), width: 1 }, fillcolor: color("up") },
        decreasing: { line: { color: color("down"), width: 1 }, fillcolor: color("down") },
      },
    ];
    const element = at("candles");
    Plotly.react(element, traces, layout({
      hovermode: "x",
      xaxis: axis({ type: "date", anchor: "y2", range, rangeslider: { visible: false }, showgrid: false, ...spike() }),
      yaxis: axis({ side: "right", domain: [0.24, 1], range: visible(c, ...range).range, tickformat: ",", fixedrange: true, ...spike() }),
      yaxis2: axis({ side: "right", domain: [0, 0.18], fixedrange: true, nticks: 3, showgrid: false }),
    }), CONFIG);
    element.removeAllListeners("plotly_hover").removeAllListeners("plotly_unhover").removeAllListeners("plotly_relayout");
    element.on("plotly_hover", (event) => readout(c, event.points[0].pointNumber));
    element.on("plotly_unhover", () => readout(c, last));
    element.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((name) => name.startsWith("xaxis"))) return;
      const seen = visible(c, ...element.layout.xaxis.range.map(moment));
      if (seen.inside.length) Plotly.relayout(element, { "yaxis.range": seen.range });
      say(seen.inside);
    });
    readout(c, last);
    say(visible(c, ...range).inside);

    function say(inside) {
      if (!inside.length) return;
      at("shown").textContent =
        `${market.exchange} ${market.symbol}, ${inside.length} of ${c.t.length} candles of ${price.length}, ` +
        `${minute(c.t[inside[0]])} to ${minute(c.t[inside[inside.length - 1]])} UTC` +
        `${market.built ? ", built from trades" : ""} (the page holds the newest ${data.candles.intervals} intervals).`;
    }
  }

  /** Plotly gives the bounds of a range as numbers, or as text without a zone. */
  const moment = (value) => (typeof value === "number" ? value : Date.parse(`${value.replace(" ", "T")}Z`));

  // Coverage

  const STATES = ["empty", "held", "seen", "gap", "lost"];
  const WORDS = {
    held: "held, proved complete", empty: "proved: no rows", seen: "observed", gap: "missing, not fetched yet",
    lost: "lost, not shown by the exchange",
  };

  function drawTimeline(element) {
    const line = data.timelines[Number(element.dataset.timeline)];
    const height = 40 + 18 * line.streams.length;
    element.style.height = `${height}px`;
    const traces = STATES.map((state) => {
      const bars = line.streams.flatMap((stream, y) =>
        stream.spans.filter((span) => span[0] === state).map((span) => ({ stream, y, span })));
      const own = color(state);
      return {
        type: "bar", orientation: "h",
        base: bars.map(({ span }) => span[1]),
        x: bars.map(({ span }) => Math.max(span[2] - span[1], 1)),
        y: bars.map(({ y }) => y),
        width: 0.46,
        hovertext: bars.map(({ stream, span }) =>
          `<b>${plain(stream.dataset)} ${plain(stream.stream)}</b>, ${stream.rows.toLocaleString("en-US")} rows<br>` +
          `${WORDS[state]}<br>${minute(span[1])} to ${minute(span[2])} UTC${span[3] ? `<br>${plain(span[3])}` : ""}`),
        hovertemplate: "%{hovertext}<extra></extra>",
        marker: state === "lost"
          ? { color: "rgba(0,0,0,0)", line: { color: own, width: 1 }, pattern: { shape: "/", fgcolor: own, bgcolor: "rgba(0,0,0,0)", size: 5, solidity: 0.35 } }
          : { color: own, line: { color: own, width: state === "seen" ? 3 : 1 } },
      };
    });
    const several = new Set(line.streams.map((stream) => stream.dataset)).size > 1;
    Plotly.react(element, traces, layout({
      height, barmode: "overlay", hovermode: "closest", margin: { l: 4, r: 58, t: 4, b: 4 },
      xaxis: axis({ type: "date", range: [line.from, line.until], nticks: 6 }),
      yaxis: axis({
        autorange: false, range: [line.streams.length - 0.4, -0.6], fixedrange: true, showgrid: false,
        tickvals: line.streams.map((_, y) => y),
        ticktext: line.streams.map((stream) => `${several ? `${plain(stream.dataset)} ` : ""}<b>${plain(stream.stream)}</b>`),
      }),
      annotations: line.streams.map((stream, y) => ({
        xref: "paper", x: 1, xanchor: "left", xshift: 6, y, yanchor: "middle", showarrow: false,
        text: stream.rows.toLocaleString("en-US"), font: { size: 11, color: color("muted"), family: color("mono") },
      })),
    }), CONFIG);
  }

  // Account

  let account = 0;

  function accountControls() {
    const names = data.value.accounts.map(({ name }) => name);
    if (names.length > 1) choice("account", names, names[account], (name) => { account = names.indexOf(name); drawValue(); });
  }

  function drawValue() {
    const { accounts, quote, timeframe } = data.value;
    const { points } = accounts[account];
    const values = points.map(([, value]) => value).filter((value) => value !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.12;
    const trace = {
      type: "scatter", mode: points.length > 1 ? "lines" : "markers",
      x: points.map(([t]) => t), y: points.map(([, value]) => value),
      text: points.map(([, value]) => (value === null ? "" : `${money(value)} ${plain(quote)}`)), hovertemplate: "%{text}<extra></extra>",
      line: { color: color("accent"), width: 2 }, fill: "tozeroy",
      fillgradient: { type: "vertical", start: low - room, stop: high + room, colorscale: [[0, faint(0)], [1, faint(0.32)]] },
    };
    Plotly.react(at("worth"), [trace], layout({
      hovermode: "x unified",
      xaxis: axis({
        type: "date", range: [points[0][0], points[points.length - 1][0]], showgrid: false,
        hoverformat: "%Y-%m-%d %H:%M UTC", ...spike(),
      }),
      yaxis: axis({ side: "right", range: [low - room, high + room], fixedrange: true, tickformat: ",", nticks: 6 }),
    }), CONFIG);
    at("valued").textContent =
      `Shown: ${minute(points[0][0])} to ${minute(points[points.length - 1][0])} UTC, a point every ${timeframe}.`;
  }

  function lines(id, drawn, quote, more) {
    const traces = drawn.map(({ name, points }, index) => ({
      name: plain(name), x: points.map(([x]) => x), y: points.map(([, y]) => y),
      text: points.map(([, y]) => `${plain(name)} ${money(y)} ${plain(quote)}`), hovertemplate: "%{text}<extra></extra>",
      ...more(color(PALETTE[index % PALETTE.length])),
    }));
    Plotly.react(at(id), traces, layout({
      hovermode: "x unified", barmode: "stack", showlegend: drawn.length > 1, legend: { orientation: "h", y: 1.16, x: 0 },
      xaxis: axis({ type: id === "fees" ? "category" : "date", showgrid: false, hoverformat: "%Y-%m-%d %H:%M UTC" }),
      yaxis: axis({ side: "right", fixedrange: true, tickformat: ",", nticks: 5, zeroline: true, zerolinecolor: color("muted") }),
    }), CONFIG);
  }

  const drawProfit = () =>
    lines("profit", data.value.profit, data.value.quote, (own) => ({ type: "scatter", mode: "lines", line: { color: own, width: 2, shape: "hv" } }));
  const drawFees = () => lines("fees", data.fees.accounts, data.fees.quote, (own) => ({
    type: "bar", textposition: "none", marker: { color: own }, width: Math.min(0.75, 0.08 * new Set(data.fees.accounts.flatMap(({ points }) => points.map(([x]) => x))).size),
  }));

  // All of it

  const drawings = [];
  if (data.candles) drawings.push(priceControls, drawCandles);
  for (const element of document.querySelectorAll("[data-timeline]")) drawings.push(() => drawTimeline(element));
  if (data.value?.accounts.length) drawings.push(accountControls, drawValue);
  if (at("profit")) drawings.push(drawProfit);
  if (at("fees")) drawings.push(drawFees);

  async function library() {
    const letters = atob(at("library").textContent);
    const packed = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i += 1) packed[i] = letters.charCodeAt(i);
    const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    document.head.append(Object.assign(document.createElement("script"), { textContent: text }));
  }

  async function begin() {
    if (!drawings.length) return;
    await library();
    for (const draw of drawings) {
      draw();
      await new Promise((next) => setTimeout(next)); // so that what is seen first is there first
    }
    document.documentElement.dataset.drawn = "all";
    const again = () => {
      for (const draw of drawings) draw();
      for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, { autosize: true });
    };
    const root = document.documentElement;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    addEventListener("beforeprint", () => { root.dataset.paper = "yes"; again(); });
    addEventListener("afterprint", () => { delete root.dataset.paper; again(); });
  }

  begin();
})();
