/* The demo's bar above the page: it breaks one upstream, and has clients ask, so that there is something to see. */

const WORDS = {
  en: {
    demo: "Demo: two upstreams, and clients that ask for films when you want them to.",
    break: "Break one upstream",
    mend: "Mend it",
    traffic: "Send requests",
    quiet: "Stop sending",
    broken: "One upstream answers 503 to everything. Look at the errors: clients get none.",
  },
  zh: {
    demo: "演示:两个上游,以及按需请求影片的客户端。",
    break: "弄坏一个上游",
    mend: "修好它",
    traffic: "发送请求",
    quiet: "停止发送",
    broken: "一个上游对所有请求回答 503。看看错误数:客户端一个也没有收到。",
  },
};

const bar = document.createElement("aside");
bar.className = "demo-bar";
bar.setAttribute("aria-label", "Demo");
const text = document.createElement("p");
text.setAttribute("role", "status");
const [sender, breaker] = [document.createElement("button"), document.createElement("button")];
bar.append(text, sender, breaker);
document.body.prepend(bar);

let state = { broken: false, traffic: false };

function show() {
  const words = WORDS[document.documentElement.lang.slice(0, 2)] ?? WORDS.en;
  text.textContent = state.broken ? words.broken : words.demo;
  sender.textContent = state.traffic ? words.quiet : words.traffic;
  breaker.textContent = state.broken ? words.mend : words.break;
  bar.classList.toggle("broken", state.broken);
}

async function told(method, path) {
  const response = await fetch(path, { method });
  if (response.ok) state = await response.json();
  show();
}

sender.addEventListener("click", () => told("POST", state.traffic ? "/demo/quiet" : "/demo/traffic"));
breaker.addEventListener("click", () => told("POST", state.broken ? "/demo/mend" : "/demo/break"));
new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["lang"] });
show();
told("GET", "/demo");
