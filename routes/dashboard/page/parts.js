import { html, useEffect, useRef, useState } from "htm/preact/standalone";
import { t } from "./words.js";

/** A part of the page under a heading. `aside` stands beside the heading. */
export function Section({ id, title, aside, children }) {
  return html`<section id=${id} class="section" aria-labelledby=${`${id}-title`}>
    <div class="section-head"><h2 id=${`${id}-title`}>${title}</h2>${aside}</div>
    ${children}
  </section>`;
}

/**
 * A table that becomes a list of cards where there is no room. `columns` are `{ title, isNumber, isWide }`; a row is
 * `{ key, cells, isMuted }`. Roles are said, since a table laid out otherwise loses them.
 */
export function Table({ label, columns, rows }) {
  const kind = (column) => [column.isNumber && "number", column.isWide && "wide"].filter(Boolean).join(" ");
  return html`
    <div class="card table-card">
      <table role="table" aria-label=${label}>
        <thead role="rowgroup">
          <tr role="row">
          ${columns.map((column) =>
            html`<th role="columnheader" scope="col" class=${kind(column)}>${column.title}</th>`
          )}
        </tr>
        </thead>
        <tbody role="rowgroup">${rows.map(({ key, cells, isMuted }) =>
          html`<tr role="row" key=${key} class=${isMuted ? "muted" : ""}>
      ${
            cells.map((cell, index) => {
              const column = columns[index];
              return html`<td role="cell" class=${kind(column)} data-title=${column.title}>${cell}</td>`;
            })
          }
    </tr>`
        )}</tbody>
      </table>
    </div>
  `;
}

/** A state in a word, with a colour: `good`, `warn`, `bad` or `calm`. */
export function Pill({ tone, children }) {
  return html`<span class=${`pill ${tone}`}><i aria-hidden="true"></i>${children}</span>`;
}

/** A bar for a part from 0 to 1. */
export function Meter({ value, label, tone = "" }) {
  const part = Math.min(1, Math.max(0, value ?? 0));
  return html`
    <span class=${`meter ${tone}`} role="img" aria-label=${label}>
      <span style=${{ width: `${part * 100}%` }}></span>
    </span>
  `;
}

/** A button that cannot be pressed again until what it does is done. It keeps the focus, which one that is disabled would lose. */
export function Action({ run, children, kind = "", label }) {
  const [isBusy, setBusy] = useState(false);
  const press = async () => {
    if (isBusy) return;
    setBusy(true);
    try {
      await run();
    } finally {
      setBusy(false);
    }
  };
  return html`
    <button type="button" class=${kind} aria-disabled=${isBusy} aria-label=${label}
      onClick=${press}>${children}</button>
  `;
}

/** A dialog over the page. It takes the focus, ends with Escape, and gives the focus back. */
export function Dialog({ title, onClose, children }) {
  const element = useRef(null);
  useEffect(() => {
    element.current.showModal();
  }, []);
  const leave = (event) => event.target === element.current && element.current.close();
  return html`
    <dialog ref=${element} aria-labelledby="dialog-title" onClose=${onClose} onMouseDown=${leave}>
      <div class="dialog-body">
          <div class="dialog-head">
            <h2 id="dialog-title">${title}</h2>
            <button type="button" class="plain" aria-label=${t("Close")} onClick=${() =>
              element.current.close()}>✕</button>
          </div>
          ${children}
        </div>
    </dialog>
  `;
}

/** A form whose button waits for what was sent: `send` gets the values by their names. */
export function Form({ send, submit, children, kind = "primary" }) {
  const [isBusy, setBusy] = useState(false);
  const go = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const values = Object.fromEntries(new FormData(event.currentTarget));
    setBusy(true);
    try {
      await send(values);
    } finally {
      setBusy(false);
    }
  };
  return html`<form onSubmit=${go}>
    ${children}
    <div class="form-end"><button class=${kind} aria-disabled=${isBusy}>${submit}</button></div>
  </form>`;
}

/** An entry of a form with its name above. */
export function Field({ title, hint, children }) {
  return html`<label class="field"><span>${title}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

/** What came of something: `tone` is `good`, `bad` or empty. */
export function Note({ tone = "", children }) {
  return html`<p class=${`note ${tone}`} role="status">${children}</p>`;
}

/** A text that is copied with one press; where that fails it is selected. */
export function Copy({ text }) {
  const [isCopied, setCopied] = useState(false);
  const place = useRef(null);
  const copy = async () => {
    if (!await copied(text, place.current)) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<span class="copy"><code ref=${place}>${text}</code>
    <button type="button" class="plain small" aria-label=${t("Copy {text}", { text })} onClick=${copy}>${
    isCopied ? t("Copied") : t("Copy")
  }</button></span>`;
}

/** Browsers have no clipboard for pages over plain HTTP from another machine: there the element's text is selected and copied as by hand. */
async function copied(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

/** Where there is nothing yet. */
export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}
