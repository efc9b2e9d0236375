import { films } from "../origins/catalog.ts";

/** A title as a media server knows it before it asks anyone: its name, and here what it should turn out to be. */
export interface ScannedTitle {
  readonly id: number;
  readonly title: string;
}

/** What is scanned: twenty films of the demo's catalog. */
export const scannedTitles: readonly ScannedTitle[] = films.slice(0, 20).map(({ id, title }) => ({ id, title }));

/** Where a client asks, and with which key. */
export interface ScanOptions {
  /** The gateway, `http://host:port`. */
  readonly base: string;
  readonly key: string;
  readonly titles: readonly ScannedTitle[];
}

/** What a scan brought. */
export interface ScanResult {
  readonly titles: number;
  readonly pictureBytes: number;
}

/** Scans a library; throws where an answer is not what it should be. */
export type Scan = (options: ScanOptions) => Promise<ScanResult>;
