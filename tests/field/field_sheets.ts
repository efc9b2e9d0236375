import { clientRows } from "./a_sheet.ts";
import { bodyRows } from "./b1_sheet.ts";
import { copyRows, staleRows } from "./b2_sheet.ts";
import { poolRows } from "./c_sheet.ts";
import type { FieldSheet } from "./field_row.ts";

/** What users ran into, sheet by sheet; at most ten rows a line. */
export const fieldSheets: readonly FieldSheet[] = [clientRows, bodyRows, copyRows, staleRows, poolRows];
