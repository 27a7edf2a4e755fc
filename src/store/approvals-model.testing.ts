/** What approvals have to do, in as few words as can be: the store is held against this. */
import type { ApprovalScope, ApprovalStatus } from "../contract/approval.ts";

export interface Ticket {
  run: number;
  call: string;
  status: ApprovalStatus;
  scope: ApprovalScope | null;
  expiresAt: number;
  scopeExpiresAt: number | null;
  rememberedUntil: number | null;
  answeredAt: number;
  lapsed: boolean;
  spent: boolean;
  revoked: boolean;
}

export type Given =
  | { type: "approve"; scope: "once" | "run" | "agent_revision"; scopeMs: number | null }
  | { type: "deny"; rememberMs: number };

export interface Model {
  clock: number;
  /** The latest time that the store has seen since it was opened. */
  latest: number;
  runs: { ended: boolean }[];
  tickets: Ticket[];
}

/** Every function says what the store has to say. Runs are told by their place. */
export function openModel(start: number): Model {
  return { clock: start, latest: start, runs: [], tickets: [] };
}

function see(model: Model): number {
  model.latest = Math.max(model.latest, model.clock);
  return model.latest;
}

function resolve(ticket: Ticket, now: number, to: Partial<Ticket>): void {
  if (ticket.expiresAt <= now) Object.assign(ticket, { status: "expired", answeredAt: now });
  else Object.assign(ticket, to, { answeredAt: now });
}

function inForce(ticket: Ticket, now: number): boolean {
  const isOver = ticket.scopeExpiresAt !== null && ticket.scopeExpiresAt <= now;
  return ticket.status === "approved" && !ticket.revoked && !ticket.lapsed && !isOver;
}

function standing({ tickets, runs }: Model, run: number, call: string, now: number): Ticket[] {
  return tickets.filter((one) => {
    if (one.call !== call || !inForce(one, now)) return false;
    const ofRun = one.scope === "run" && one.run === run && runs[run]?.ended === false;
    return ofRun || one.scope === "agent_revision";
  });
}

function refusals({ tickets }: Model, call: string, now: number): Ticket[] {
  return tickets.filter(
    (one) => one.call === call && one.status === "denied" && (one.rememberedUntil ?? 0) > now,
  );
}

/** Gives a pending ticket the newest answer that covers it; says which run goes on. */
function cover(model: Model, ticket: Ticket, now: number): number[] {
  const newest = (found: Ticket[]) => Math.max(...found.map(({ answeredAt }) => answeredAt));
  const yes = standing(model, ticket.run, ticket.call, now);
  const no = refusals(model, ticket.call, now);
  if (yes.length + no.length === 0) return [];
  const status = newest(no) > newest(yes) ? "denied" : "approved";
  resolve(ticket, now, { status, scope: status === "approved" ? "once" : null });
  return [ticket.run];
}

export function pendingOf({ tickets }: Model): Ticket[] {
  return tickets.filter(({ status }) => status === "pending");
}

export function request(model: Model, run: number, call: string, pendingMs: number): void {
  model.tickets.push({
    ...{ run, call, status: "pending", scope: null, expiresAt: see(model) + pendingMs },
    ...{ scopeExpiresAt: null, rememberedUntil: null, answeredAt: 0 },
    ...{ lapsed: false, spent: false, revoked: false },
  });
}

export function answer(
  model: Model,
  ticket: Ticket,
  given: Given,
): { type: "answered" | "already"; resumed: number[] } {
  const now = see(model);
  if (ticket.status !== "pending") return { type: "already", resumed: [] };
  const isOver = ticket.expiresAt <= now;
  const yes = given.type === "approve";
  resolve(ticket, now, {
    ...{ status: yes ? "approved" : "denied", scope: yes ? given.scope : null },
    scopeExpiresAt: yes && given.scopeMs !== null ? now + given.scopeMs : null,
    rememberedUntil: yes ? null : now + given.rememberMs,
  });
  if (isOver) return { type: "already", resumed: [ticket.run] };
  const isOfRun = yes && given.scope === "run";
  const others = (yes && given.scope === "once" ? [] : pendingOf(model)).filter(
    ({ call, run }) => call === ticket.call && (!isOfRun || run === ticket.run),
  );
  return {
    type: "answered",
    resumed: [ticket.run, ...others.flatMap((one) => cover(model, one, now))],
  };
}

export function expire(model: Model): number[] {
  const now = see(model);
  for (const one of model.tickets) {
    const isOver = one.scopeExpiresAt !== null && one.scopeExpiresAt <= now;
    if (one.status === "approved" && isOver) one.lapsed = true;
  }
  const due = pendingOf(model).filter(({ expiresAt }) => expiresAt <= now);
  for (const one of due) resolve(one, now, {});
  return due.map(({ run }) => run);
}

export function settle(model: Model): number[] {
  const now = see(model);
  return pendingOf(model).flatMap((one) => cover(model, one, now));
}

export function revoke(model: Model, ticket: Ticket): boolean {
  see(model);
  const isOver = ticket.scope === "once" && model.runs[ticket.run]?.ended === true;
  if (ticket.status !== "approved" || ticket.revoked || isOver) return false;
  ticket.revoked = true;
  return true;
}

/** Starts the call that asked; or says why it must not. */
export function spend(model: Model, ticket: Ticket): string {
  const refused = use(model, ticket, ticket.run) ?? (ticket.spent ? "spent" : undefined);
  ticket.spent ||= refused === undefined;
  return refused ?? "appended";
}

/** Lets another call of a run start by it; or says why it must not. */
export function decide(model: Model, ticket: Ticket, run: number): string {
  const { scope } = ticket;
  const isFor = scope === "agent_revision" || (scope === "run" && ticket.run === run);
  return use(model, ticket, run) ?? (isFor ? "appended" : "other_call");
}

function use(model: Model, ticket: Ticket, run: number): string | undefined {
  const now = see(model);
  if (model.runs[run]?.ended) return "fenced";
  if (ticket.status !== "approved") return "not_approved";
  if (ticket.revoked) return "revoked";
  return inForce(ticket, now) ? undefined : "out_of_time";
}

export function end(model: Model, run: number): void {
  see(model);
  for (const one of pendingOf(model)) if (one.run === run) one.status = "cancelled";
  const state = model.runs[run];
  if (state) state.ended = true;
}

/** What was seen of time is forgotten; what was written down of it is not. */
export function reopen(model: Model): void {
  model.latest = model.clock;
}

export function isStanding(model: Model, run: number, call: string): boolean {
  return standing(model, run, call, see(model)).length > 0;
}

export function isRefused(model: Model, call: string): boolean {
  return refusals(model, call, see(model)).length > 0;
}
