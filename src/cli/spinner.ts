import type { Writable } from "node:stream";
import { plainLine } from "./plain.ts";

export interface Spinner {
  /** Shows that something is under way, until the next word is printed. */
  show(label: string): void;
  clear(): void;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 80;

/** One line on stderr that erases itself. Without a terminal it does nothing. */
export function openSpinner(stream: Writable & { columns?: number }, enabled: boolean): Spinner {
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  return {
    show(label) {
      if (!enabled) return;
      clearInterval(timer);
      const draw = () => {
        const text = `${frames[frame++ % frames.length]} ${plainLine(label)}`;
        // A line that wraps could not be erased again.
        stream.write(`\r\x1b[2K\x1b[2m${text.slice(0, (stream.columns || 80) - 1)}\x1b[22m`);
      };
      draw();
      timer = setInterval(draw, frameMs);
      timer.unref();
    },
    clear() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      stream.write("\r\x1b[2K");
    },
  };
}
