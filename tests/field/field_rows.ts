import { rawByteRows } from "./a1_raw_bytes.ts";
import { oddMessageRows } from "./a2_odd_messages.ts";
import { contentRows } from "./a3_get_with_content.ts";
import { answerRows } from "./a4_answers.ts";
import { upgradeRows } from "./a5_upgrade.ts";
import { proxyFieldRows } from "./a6_proxy_fields.ts";
import type { FieldRow } from "./field_row.ts";

/** What users ran into, line by line; at most ten rows a line. */
export const fieldRows: readonly FieldRow[] = [
  ...rawByteRows,
  ...oddMessageRows,
  ...contentRows,
  ...answerRows,
  ...upgradeRows,
  ...proxyFieldRows,
];
