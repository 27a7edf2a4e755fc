import { readFileSync } from "node:fs";
import chart from "asciichart";

const months = JSON.parse(readFileSync("/tmp/months.json", "utf8"));
const revenue = months.flatMap(([, amount]) => Array(6).fill(amount));
console.log(chart.plot(revenue, { height: 8, format: (amount) => amount.toFixed(0).padStart(6) }));
