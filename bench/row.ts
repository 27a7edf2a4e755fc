/** What a measurement is held against. */
export interface Target {
  is: "at most" | "at least";
  value: number;
}

/** One line of the benchmark. */
export interface Row {
  /** `<group>.<what>`; stable, since the baseline is compared by it. */
  name: string;
  /** A sentence for the page. */
  what: string;
  /** Null when it could not be measured; `detail` then says why. */
  value: number | null;
  unit: string;
  /** Null for what is only reported: a peer, or a figure beside a figure. */
  target: Target | null;
  /** The value in the slices of its rounds: how much the noise of the machine moved it. */
  spread?: [low: number, high: number];
  /** False when what the row presupposes was not reached: then it is not met, whatever the value. */
  isFair?: boolean;
  detail?: string;
}

/** A row as it is written to JSON. */
export interface JsonRow {
  name: string;
  what: string;
  value: number | null;
  unit: string;
  target: string | null;
  met: boolean | null;
  spread: [low: number, high: number] | null;
  detail: string | null;
}

export function atMost(value: number): Target {
  return { is: "at most", value };
}

export function atLeast(value: number): Target {
  return { is: "at least", value };
}

/** Null when there is nothing to meet. What could not be measured is not met. */
export function isMet({ value, target, isFair }: Row): boolean | null {
  if (target === null) return null;
  if (value === null || isFair === false) return false;
  return target.is === "at most" ? value <= target.value : value >= target.value;
}

export function shownTarget({ target, unit }: Row): string {
  if (target === null) return "";
  return `${target.is === "at most" ? "<=" : ">="} ${shownValue(target.value, unit)}`;
}

/** Three significant digits, and no more than the noise deserves. */
export function shownValue(value: number, unit: string): string {
  const digits = value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return unit === "x" || unit === "%" ? `${digits} ${unit}` : `${digits} ${unit}`.trim();
}

export function jsonOf(row: Row): JsonRow {
  const { name, what, value, unit, spread, detail } = row;
  const target = row.target === null ? null : shownTarget(row);
  const round = (number: number) => Number(number.toPrecision(4));
  return {
    ...{ name, what, value: value === null ? null : round(value), unit, target },
    ...{ met: isMet(row), spread: spread ? [round(spread[0]), round(spread[1])] : null },
    detail: detail ?? null,
  };
}

/** A row as it was before it was written: the opposite of `jsonOf`. */
export function rowOf(json: JsonRow): Row {
  const { name, what, value, unit, spread, detail } = json;
  const [, sign, number] = /^(<=|>=) ([\d.]+)/.exec(json.target ?? "") ?? [];
  const limit = Number(number);
  const target = sign === undefined ? null : sign === "<=" ? atMost(limit) : atLeast(limit);
  return {
    ...{ name, what, value, unit, target },
    ...(spread === null ? {} : { spread }),
    // What was not met although its value is within the target was not fair.
    ...(json.met === false ? { isFair: false } : {}),
    ...(detail === null ? {} : { detail }),
  };
}

/** A row of something that could not be measured here, and the reason in a sentence. */
export function unmeasured(row: Omit<Row, "value">, reason: unknown): Row {
  const why = reason instanceof Error ? reason.message : String(reason);
  return { ...row, value: null, detail: `not measured: ${why.split("\n")[0]}` };
}
