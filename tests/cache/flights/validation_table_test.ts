import assert from "node:assert/strict";
import { newLeaseMemory, VALIDATIONS_AT } from "../../../lib/cache/flights/lease_table.ts";
import { ValidationTable } from "../../../lib/cache/flights/validation_table.ts";

const NOW_MS = Date.UTC(2026, 5, 15, 12);

Deno.test("ValidationTable gives all workers together one validation of a key in ten seconds", () => {
  const memory = newLeaseMemory();
  const [one, other] = [new ValidationTable(memory, VALIDATIONS_AT), new ValidationTable(memory, VALIDATIONS_AT)];
  assert.ok(one.take("a", NOW_MS));
  for (const table of [one, other]) {
    for (const passedMs of [0, 1, 5_000, 9_999]) assert.equal(table.take("a", NOW_MS + passedMs), false);
  }
  assert.ok(other.take("b", NOW_MS), "another key has its own");
  assert.ok(other.take("a", NOW_MS + 10_000));
  assert.equal(one.take("a", NOW_MS + 10_001), false);
});

Deno.test("ValidationTable does not wait for a clock that was set back", () => {
  const table = new ValidationTable(newLeaseMemory(), VALIDATIONS_AT);
  assert.ok(table.take("a", NOW_MS));
  assert.ok(table.take("a", NOW_MS - 3_600_000));
});
