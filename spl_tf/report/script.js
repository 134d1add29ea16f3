// Reads out the cell of the matrix under the pointer or with the focus, and moves through it by keyboard.
"use strict";

(() => {
  const source = document.getElementById("matrix-data");
  const readout = document.getElementById("cell-readout");
  if (!source || !readout) return;

  const data = JSON.parse(source.textContent);
  const size = data.classes.length;
  // One number a cell, of 1, 2 or 4 bytes.
  const unpacked = (text) => {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
    const kind = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[bytes.length / size ** 2];
    return new kind(bytes.buffer);
  };
  const counts = unpacked(data.counts);
  const rows = data.classes.map((_, row) => counts.subarray(row * size, (row + 1) * size).reduce((a, b) => a + b, 0));
  const strategies = data.strategies.map((of) => ({
    name: of.name,
    fates: of.fates,
    codes: unpacked(of.codes),
    kept: of.kept && unpacked(of.kept),
  }));

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const clips = (count) => `${count.toLocaleString("en")} clip${count === 1 ? "" : "s"}`;

  // What a strategy made of a cell's clips.
  const fate = (of, row, column) => {
    const cell = row * size + column;
    const [kind, known] = of.fates[of.codes[cell]];
    const name = known ?? `${data.classes[row]}|${data.classes[column]}`;
    if (kind === "discarded") return "discarded";
    const text = kind === "merged" ? `merged into ${name}` : `kept as class ${name}`;
    const left = of.kept ? counts[cell] - of.kept[cell] : 0;
    return left ? `${text}; ${clips(left)} of low confidence discarded` : text;
  };

  const show = (row, column) => {
    const count = counts[row * size + column];
    const share = rows[row] ? (100 * count) / rows[row] : 0;
    const heading = element("p", `${data.classes[row]} queried, ${data.classes[column]} seen`, "cell-name");
    const numbers = element("p", `${clips(count)}, ${share.toFixed(1)} % of the query`, "cell-count");
    const parts = [heading, numbers];
    if (count) {
      const list = document.createElement("ul");
      list.className = "fates";
      for (const of of strategies) {
        const item = document.createElement("li");
        item.dataset.strategy = of.name;
        item.append(element("b", of.name), `: ${fate(of, row, column)}`);
        list.append(item);
      }
      parts.push(list);
    }
    readout.dataset.cell = `${row},${column}`;
    readout.replaceChildren(...parts);
  };

  // Where a key leads to; nothing for other keys.
  const moved = (event, row, column) => {
    const whole = event.ctrlKey || event.metaKey;
    const last = size - 1;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - 10, column],
      PageDown: [row + 10, column],
      Home: [whole ? 0 : row, 0],
      End: [whole ? last : row, last],
    }[event.key];
    return to?.map((position) => Math.min(last, Math.max(0, position)));
  };

  const grid = document.getElementById("matrix-grid");
  if (grid) {
    const placeOf = (cell) => cell.dataset.cell.split(",").map(Number);
    const cellAt = (row, column) => grid.tBodies[0].rows[row].cells[column + 1];
    let current = cellAt(0, 0);
    let focused = false;
    grid.addEventListener("focusin", (event) => {
      const cell = event.target.closest("[data-cell]");
      if (!cell) return;
      focused = true;
      current.tabIndex = -1;
      current = cell;
      current.tabIndex = 0;
      show(...placeOf(cell));
    });
    grid.addEventListener("focusout", () => { focused = false; });
    grid.addEventListener("keydown", (event) => {
      const to = moved(event, ...placeOf(current));
      if (!to) return;
      event.preventDefault();
      cellAt(...to).focus();
    });
    grid.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("[data-cell]");
      if (cell) show(...placeOf(cell));
    });
    grid.addEventListener("click", (event) => event.target.closest("[data-cell]")?.focus({ preventScroll: true }));
    grid.addEventListener("pointerleave", () => { if (focused) show(...placeOf(current)); });
  }

  const overview = document.getElementById("matrix-overview");
  if (overview) {
    const picture = overview.querySelector("img");
    const cross = overview.querySelector(".cross");
    let place = [0, 0];
    const go = (row, column) => {
      place = [row, column];
      cross.hidden = false;
      cross.style.left = `${(100 * column) / size}%`;
      cross.style.top = `${(100 * row) / size}%`;
      cross.style.width = cross.style.height = `${100 / size}%`;
      show(row, column);
    };
    const point = (event) => {
      const box = picture.getBoundingClientRect();
      const index = (offset, length) => Math.min(size - 1, Math.max(0, Math.floor((size * offset) / length)));
      go(index(event.clientY - box.top, box.height), index(event.clientX - box.left, box.width));
    };
    overview.addEventListener("pointermove", point);
    overview.addEventListener("pointerdown", point);
    // By keyboard the cell has to come into sight; a smooth way there would lag behind a key held down.
    const goInSight = (row, column) => {
      go(row, column);
      cross.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    };
    overview.addEventListener("focus", () => {
      if (overview.matches(":focus-visible")) goInSight(...place);
      else go(...place);
    });
    overview.addEventListener("keydown", (event) => {
      const to = moved(event, ...place);
      if (!to) return;
      event.preventDefault();
      goInSight(...to);
    });
  }
})();
