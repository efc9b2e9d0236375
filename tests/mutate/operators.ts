/** Text that takes the place of another in a source: one operator, constant or statement is another. */
export interface Change {
  /** What kind of change it is: `operator`, `constant`, `condition`, `statement`, `method` or `call`. */
  readonly kind: string;
  /** Where the text begins that is changed, in UTF-16 units from the start of the file. */
  readonly start: number;
  readonly end: number;
  readonly to: string;
}

/** Operators between two sides, and what stands there instead. */
const BINARY: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "&": "|",
  "|": "&",
  "^": "&",
  "<<": ">>",
  ">>": "<<",
  ">>>": "<<",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
  "*=": "/=",
  "/=": "*=",
  "&=": "|=",
  "|=": "&=",
  "??=": "=",
};

/** Methods that are easily taken for one another. */
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  startsWith: "endsWith",
  endsWith: "startsWith",
  push: "unshift",
  unshift: "push",
  floor: "ceil",
  ceil: "floor",
};

/** Methods whose call is left out: what they are called on stays. */
const LEFT_OUT: ReadonlySet<string> = new Set(["filter", "trim", "slice", "sort", "toLowerCase", "toUpperCase"]);

/** A text of more words is for people, and no test needs to repeat it. */
const MAX_WORDS = 2;

type Report = (change: Change) => void;

/** Visits a source and reports each change that could be made in it, those that do not type-check included. */
export function visitChanges(source: Deno.lint.SourceCode, report: Report): Deno.lint.LintVisitor {
  const text = (node: Deno.lint.Node): string => source.getText(node);
  const replace = (kind: string, node: Deno.lint.Node, to: string): void => {
    report({ kind, start: node.range[0], end: node.range[1], to });
  };
  const swap = (node: Sided): void => {
    const change = swapOperator(node, source.text);
    if (change !== undefined) report(change);
  };
  const leaveOut = (node: Deno.lint.Node): void => replace("statement", node, "{}");
  const decide = (test: Deno.lint.Node): void => {
    for (const to of ["true", "false"]) replace("condition", test, to);
  };
  return {
    BinaryExpression: swap,
    AssignmentExpression: swap,
    LogicalExpression(node) {
      if (node.operator !== "??") return swap(node);
      for (const side of [node.left, node.right]) replace("operator", node, `(${text(side)})`);
    },
    UnaryExpression(node) {
      if (node.operator === "!" || node.operator === "-") replace("operator", node, text(node.argument));
    },
    UpdateExpression: (node) =>
      replace("operator", node, text(node).replace(/\+\+|--/, (it) => it === "++" ? "--" : "++")),
    IfStatement: ({ test }) => decide(test),
    ConditionalExpression: ({ test }) => decide(test),
    WhileStatement: ({ test }) => replace("condition", test, "false"),
    Literal(node) {
      const to = otherConstant(node);
      if (to !== undefined) replace("constant", node, to);
    },
    ExpressionStatement(node) {
      if (!isBare(node.expression)) leaveOut(node);
    },
    ThrowStatement: leaveOut,
    BreakStatement: leaveOut,
    ContinueStatement: leaveOut,
    ReturnStatement(node) {
      if (node.argument === null) leaveOut(node);
      else keepArgument(node.argument, text, report);
    },
    ArrowFunctionExpression: (node) => keepArgument(node.body, text, report),
    CallExpression: (node) => changeMethod(node, text, report),
  };
}

type Sided = Deno.lint.BinaryExpression | Deno.lint.LogicalExpression | Deno.lint.AssignmentExpression;

function swapOperator(node: Sided, source: string): Change | undefined {
  const to = BINARY[node.operator];
  if (to === undefined || (node.operator === "+" && [node.left, node.right].some(isText))) return undefined;
  const start = source.indexOf(node.operator, node.left.range[1]);
  return start < 0 || start >= node.right.range[0]
    ? undefined
    : { kind: "operator", start, end: start + node.operator.length, to };
}

function isText(node: Deno.lint.Node): boolean {
  return node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node.value === "string");
}

/** `super(…)` cannot be left out, and a text alone is a directive. */
function isBare(node: Deno.lint.Node): boolean {
  return node.type === "Literal" || (node.type === "CallExpression" && node.callee.type === "Super");
}

function otherConstant(node: Deno.lint.Literal): string | undefined {
  if (isName(node)) return undefined;
  if (typeof node.value === "boolean") return String(!node.value);
  if (typeof node.value === "bigint") return `${node.value + 1n}n`;
  if (typeof node.value === "number") return String(node.value + 1);
  if (typeof node.value !== "string" || node.value.trim().split(/\s+/).length > MAX_WORDS) return undefined;
  return node.value === "" ? '"changed"' : '""';
}

/** Types, names of modules and names of properties are no constants. */
function isName(node: Deno.lint.Literal): boolean {
  const parent: Deno.lint.Node = node.parent;
  if (
    /^(TS|Import|Export)/.test(parent.type) && parent.type !== "TSAsExpression" &&
    parent.type !== "TSSatisfiesExpression"
  ) {
    return true;
  }
  return "key" in parent && parent.key === node;
}

/** `return f(x)` becomes `return x`: what should be done to a value is not done. */
function keepArgument(
  node: Deno.lint.Node,
  text: (node: Deno.lint.Node) => string,
  report: Report,
): void {
  const call = node.type === "AwaitExpression" ? node.argument : node;
  const first = call.type === "CallExpression" ? call.arguments[0] : undefined;
  if (first === undefined || /Function|Spread|ObjectExpression/.test(first.type)) return;
  report({ kind: "call", start: node.range[0], end: node.range[1], to: text(first) });
}

function changeMethod(
  node: Deno.lint.CallExpression,
  text: (node: Deno.lint.Node) => string,
  report: Report,
): void {
  const { callee } = node;
  if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
  const { name, range: [start, end] } = callee.property;
  const other = METHODS[name];
  if (other !== undefined) report({ kind: "method", start, end, to: other });
  if (LEFT_OUT.has(name)) report({ kind: "method", start: node.range[0], end: node.range[1], to: text(callee.object) });
}
