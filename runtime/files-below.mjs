import { lstatSync, opendirSync } from "node:fs";

/** Why a directory has nothing to say, beside what the system says of it. */
export const missing = (why, message) => Object.assign(new Error(message), { why });

/**
 * Regular files below a directory, each directory in the order of its names, without following a link: what a link leads to
 * is not below it. A directory that went away meanwhile had nothing to say.
 */
export function* filesBelow(dir) {
  // A pile of what is still to be seen, the next on top: no depth of directories can overflow it.
  const left = [namesIn(dir, true)];
  while (left.length > 0) {
    const path = left.at(-1).pop();
    if (path === undefined) {
      left.pop();
      continue;
    }
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) left.push(namesIn(path, false));
    else if (found?.isFile()) yield { path, sizeBytes: found.size };
  }
}

/** Whole paths, in reverse order. */
function namesIn(dir, isFirst) {
  let opened;
  try {
    opened = opendirSync(dir);
  } catch (error) {
    if (isFirst) throw missing("missing_or_unreadable", error.message);
    if (error.code === "ENOENT") return [];
    throw error;
  }
  const paths = [];
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) {
      paths.push(`${dir.replace(/\/+$/, "")}/${entry.name}`);
    }
  } finally {
    opened.closeSync();
  }
  return paths.sort().reverse();
}
