import { clientRows } from "./a_sheet.ts";
import { poolRows } from "./c_sheet.ts";
import type { FieldSheet } from "./field_row.ts";

/** What users ran into, sheet by sheet; at most ten rows a line. */
export const fieldSheets: readonly FieldSheet[] = [clientRows, poolRows];
