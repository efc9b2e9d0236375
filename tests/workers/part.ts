/** What a scripted worker can be told to do; it does everything else well. */
export type Part =
  | "slow"
  | "never-ready"
  | "fails"
  | "rejects"
  | "refuses"
  | "dies-preparing"
  | "slow-preparing"
  | "hangs"
  | "hangs-purging"
  | "never-stops";
