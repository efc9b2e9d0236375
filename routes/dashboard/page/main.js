import { html, render, useEffect, useReducer, useRef, useState } from "htm/preact/standalone";
import { Charts } from "./charts.js";
import { Clients } from "./clients.js";
import { follow, keepToken, token } from "./gateway.js";
import { Jobs } from "./jobs.js";
import { Listeners } from "./listeners.js";
import { Lookup } from "./lookup.js";
import { EMPTY, sum, withEvent } from "./model.js";
import { Alerts, Preferences, Strip, Tiles, Workers } from "./overview.js";
import { Field, Form, Note } from "./parts.js";
import { Recently, Usage } from "./recent.js";
import { Upstreams } from "./upstreams.js";
import { language, setLanguage, t } from "./words.js";

const THEME = "usher-theme";
const NOTICE_MS = 8_000;
const needsToken = document.documentElement.dataset.access === "token";

/** Language and colours as they were chosen, else as the browser says. */
function usePreferences() {
  const [look, setLook] = useState(() => {
    applyTheme(localStorage.getItem(THEME));
    return `${language()} ${shownTheme()}`;
  });
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setLook(`${language()} ${shownTheme()}`);
    scheme.addEventListener("change", follow);
    return () => scheme.removeEventListener("change", follow);
  }, []);
  const prefer = {
    language(code) {
      setLanguage(code);
      setLook(`${language()} ${shownTheme()}`);
    },
    theme() {
      const next = shownTheme() === "dark" ? "light" : "dark";
      localStorage.setItem(THEME, next);
      applyTheme(next);
      setLook(`${language()} ${next}`);
    },
  };
  return { look, prefer };
}

function applyTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

function shownTheme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function Page() {
  const { look, prefer } = usePreferences();
  const [model, take] = useReducer(withEvent, EMPTY);
  const [link, setLink] = useState({ state: needsToken && token() === null ? "locked" : "opening", detail: "" });
  const [session, setSession] = useState(0);
  const [notice, tell] = useNotice();
  useEffect(() => {
    if (link.state === "locked") return;
    return follow(take, (state, detail) => setLink({ state, detail }));
  }, [session]);
  const leave = () => {
    keepToken(null);
    location.reload();
  };
  const enter = (given) => {
    keepToken(given);
    setLink({ state: "opening", detail: "" });
    setSession(session + 1);
  };
  if (link.state === "locked" || link.state === "refused") {
    return html`<${Door} link=${link} enter=${enter} prefer=${prefer} wasTried=${token() !== null} />`;
  }
  if (model.status === null) {
    return html`
      <main class="wait" aria-busy="true">
        <p role="status">${link.state === "lost" ? link.detail || t("No connection; trying again…") : ""}</p>
      </main>
    `;
  }
  const isLive = link.state === "live";
  // Others may look, and the gateway would refuse what they order.
  const may = model.role === "operate";
  return html`
    <a class="skip" href="#content">${t("To the content")}</a>
    <${Strip} status=${model.status} isLive=${isLive} prefer=${prefer} canLeave=${needsToken} leave=${leave}
      tell=${tell} may=${may} />
    <main id="content" class=${isLive ? "" : "stale"} tabindex="-1">
      <${Content} model=${model} look=${look} tell=${tell} may=${may} />
    </main>
    <div class="notices" role="status" aria-live="polite">${notice &&
      html`<p class=${`notice ${notice.tone}`}>${notice.text}</p>`}</div>
  `;
}

function Content({ model, look, tell, may }) {
  const { status, samples, problems, jobs } = model;
  const isFirst = sum(status.listeners.map(({ requests }) => requests)) === 0;
  const clients = html`<${Clients} isFirst=${isFirst} />`;
  return html`<${Alerts} status=${status} />
    ${isFirst && clients}
    <${Tiles} model=${model} />
    <${Charts} samples=${samples} look=${look} />
    <${Listeners} listeners=${status.listeners} may=${may} />
    <${Upstreams} pools=${status.pools} tell=${tell} may=${may} />
    <${Lookup} listeners=${status.listeners} />
    <${Recently} problems=${problems} />
    <${Jobs} jobs=${jobs} feeds=${status.change_feeds ?? []} tell=${tell} may=${may} />
    <${Usage} />
    <${Workers} status=${status} />
    ${!isFirst && clients}`;
}

/** One notice at a time, for a while. */
function useNotice() {
  const [notice, setNotice] = useState(null);
  const timer = useRef();
  const tell = (tone, text) => {
    clearTimeout(timer.current);
    setNotice({ tone, text });
    timer.current = setTimeout(() => setNotice(null), NOTICE_MS);
  };
  return [notice, tell];
}

/** Asks for the token, and says where it stays. */
function Door({ link, enter, prefer, wasTried }) {
  const isRefused = link.state === "refused";
  return html`
    <main class="door">
      <div class="card">
        <div class="brand"><img src="/page/icon.svg" alt="" width="36" height="36" /><h1>Usher</h1></div>
        ${isRefused && html`<${Note} tone="bad">${link.detail}<//>`}
        ${(needsToken || !isRefused) && html`
          <${Form} submit=${t("Open")} send=${({ token }) => enter(token.trim())}>
            <${Field} title=${t("Admin token")} hint=${t("It stays in this tab until that is closed.")}>
                  <input name="token" type="password" required autocomplete="current-password" autofocus /><//>
                ${wasTried && !isRefused && html`<${Note} tone="bad">${t("This token is not valid.")}<//>`}
              <//>
        `}
        <div class="door-end"><${Preferences} prefer=${prefer} /></div>
      </div>
    </main>
  `;
}

render(html`<${Page} />`, document.getElementById("page"));
