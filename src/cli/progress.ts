import type { Printer } from "./print.ts";
import { showBytes } from "./words.ts";

/** Shows on stderr how much of a transfer is done; a terminal is written to only when the words change. */
export function transferProgress({ spinner }: Printer, label: string): (bytes: number) => void {
  let shown = "";
  spinner.show(label);
  return (bytes) => {
    const size = showBytes(bytes);
    if (size === shown) return;
    shown = size;
    spinner.show(`${label}: ${size}`);
  };
}
