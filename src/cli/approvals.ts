import type { Command } from "commander";
import {
  type Approval,
  type ApprovalDetail,
  type ApprovalScope,
  type ApprovalStatus,
  approvalScopes,
  approvalStatuses,
} from "../contract/approval.ts";
import { type ApprovalPage, describeApproval } from "./approval-view.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit, usage } from "./exit.ts";
import { moment, oneOf, whole } from "./option-values.ts";
import { layOut } from "./page.ts";
import { isAttended, openQuestions, pageThrough } from "./questions.ts";
import { spellLine } from "./spell.ts";
import { count, shorten, table } from "./words.ts";

const sample = "apr_3m8q0zv5w2k7c1x9t4r6h0j2n5";

/** `approvals list|show|approve|deny|revoke`: what agents ask, and the answers of people. */
export function addApprovals(program: Command, cli: Cli): void {
  const approvals = program
    .command("approvals")
    .description("List, show and answer requests of agents to be allowed to do something");
  examples(
    approvals,
    "airlock approvals list --status pending",
    `airlock approvals show ${sample}`,
  );
  addList(approvals, cli);
  const show = approvals
    .command("show <id>")
    .description("Show exactly what will run, all of it")
    .action(
      cli.run(async ({ client, print, io }, _options, id) => {
        const approval = await (await client()).approvals.get(id);
        if (print.json) await print.value(approval);
        else {
          const { lines } = describeApproval(approval, print.color);
          const columns = print.interactive ? io.stdout.columns || 80 : undefined;
          for (const row of layOut(lines, columns)) await print.line(row);
          if (approval.status === "pending") {
            print.hint(`Answer with \`airlock approvals approve ${approval.id}\`, or deny it`);
          }
        }
        return exit.ok;
      }),
    );
  examples(show, `airlock approvals show ${sample}`);
  addApprove(approvals, cli);
  addRefusals(approvals, cli);
}

function addList(approvals: Command, cli: Cli): void {
  const list = approvals
    .command("list")
    .description("List approvals, newest first; with --status pending oldest first")
    .option("--status <status>", `only ${approvalStatuses.join(", ")}`, oneOf(approvalStatuses))
    .option("--limit <n>", "at most so many", whole, 100)
    .action(
      cli.run<{ status?: ApprovalStatus; limit: number }>(
        async ({ client, print }, { status, limit }) => {
          const rows: string[][] = [];
          let shown = 0;
          for await (const one of (await client()).approvals.all(status ? { status } : {})) {
            if (shown === limit || print.closed.aborted) break;
            if (print.json) await print.value(one);
            else rows.push(rowOf(one));
            shown += 1;
          }
          for (const line of table(rows)) await print.line(line);
          if (shown === 0) print.hint("No approvals");
          return exit.ok;
        },
      ),
    );
  examples(list, "airlock approvals list --status pending", "airlock approvals list --json");
}

function rowOf({ id, status, request, requestedAt, identical, revokedAt }: Approval): string[] {
  const when = requestedAt.slice(0, 19).replace("T", " ");
  const state = revokedAt === null ? status : "revoked";
  const times = identical > 1 ? ` (${count(identical, "call")})` : "";
  const what = `${shorten(spellLine(request.summary), 80)}${times}`;
  return [
    id,
    state,
    when,
    spellLine(request.agent.id ?? "(inline)"),
    spellLine(request.tool),
    what,
  ];
}

interface ApproveFlags {
  scope?: ApprovalScope;
  expires?: Date;
  note?: string;
  yes?: boolean;
  digest?: string;
}

function addApprove(approvals: Command, cli: Cli): void {
  const approve = approvals
    .command("approve <id>")
    .description("Let it run: shows what that is, and asks")
    .option("--scope <scope>", `how far: ${approvalScopes.join(", ")}`, oneOf(approvalScopes))
    .option("--expires <when>", "until when the scope reaches: 2h, or a date", moment)
    .option("--note <text>", "kept with the answer")
    .option("--yes", "do not ask")
    .option("--digest <digest>", "only when it is what has this digest; 12 hex digits are enough")
    .action(
      cli.run<ApproveFlags>(async (context, flags, id) => {
        const { print } = context;
        const { approvals: calls } = await context.client();
        const approval = await calls.get(id);
        if (flags.digest !== undefined) checkDigest(flags.digest, approval);
        const isSettled = approval.status !== "pending";
        if (!isSettled && !(await isMeant(context, approval, flags))) {
          print.note("Not approved");
          return exit.failed;
        }
        const { scope, expires, note } = flags;
        const answered = await calls.approve(approval.id, {
          ...(scope === undefined ? {} : { scope }),
          ...(expires === undefined ? {} : { expiresAt: expires }),
          ...(note === undefined ? {} : { note }),
        });
        return await tellAnswer(context, answered);
      }),
    );
  examples(
    approve,
    `airlock approvals approve ${sample}`,
    `airlock approvals approve ${sample} --scope run --expires 2h --yes`,
  );
}

/** Whether a person has seen what will run and wants it, or says by flags that this is so. */
async function isMeant(
  context: Context,
  approval: ApprovalDetail,
  flags: ApproveFlags,
): Promise<boolean> {
  const { io, print } = context;
  const page = describeApproval(approval, print.color);
  if (flags.yes) {
    refuseOverlooked(approval, page, flags);
    return true;
  }
  if (!isAttended(io, print)) {
    throw usage(
      "Nobody can be asked here: stdin and stdout are not a terminal",
      `Look at it with \`airlock approvals show ${approval.id}\`, then repeat this with --yes`,
    );
  }
  const questions = openQuestions(io);
  try {
    if (!(await pageThrough(io, print, page.lines, questions))) return false;
    for (const sentence of page.overlooked) print.note(print.color.yellow(`! ${sentence}`));
    const scope = flags.scope ?? approval.request.default_scope;
    const answer = await questions.ask(`Let it run (scope: ${scope})? [y/N]`);
    return answer !== undefined && /^y(es)?$/i.test(answer);
  } finally {
    questions.close();
  }
}

/** `--yes` in a script is typed before anybody looked; what hides something takes a proof that somebody did. */
function refuseOverlooked({ id }: ApprovalDetail, page: ApprovalPage, flags: ApproveFlags) {
  if (page.overlooked.length === 0 || flags.digest !== undefined) return;
  throw usage(
    `Not everything in it is as it looks: ${page.overlooked.join("; ")}`,
    `Look at it with \`airlock approvals show ${id}\`, and add --digest with the digest that it prints`,
  );
}

function checkDigest(given: string, { request }: ApprovalDetail): void {
  if (!/^sha256:[0-9a-f]{12,64}$/.test(given)) {
    throw usage("--digest: expected sha256: and 12 to 64 lower-case hex digits");
  }
  const { digest } = request.binding;
  if (digest.startsWith(given)) return;
  throw new CliError("approval_mismatch", `What is asked for has another digest: ${digest}`);
}

async function tellAnswer({ print }: Context, approval: Approval): Promise<number> {
  if (print.json) {
    await print.value(approval);
    return exit.ok;
  }
  const { id, status, answer, revokedAt } = approval;
  const good = status === "approved" && revokedAt === null;
  const mark = good ? print.color.green("✓") : print.color.red("✗");
  const scope = answer?.scope ? ` (${answer.scope})` : "";
  await print.line(`${mark} ${id}  ${revokedAt === null ? status : "revoked"}${scope}`);
  if (answer?.scope_expires_at) print.note(`It reaches until ${answer.scope_expires_at}`);
  if (answer?.remembered_until) print.note(`The same is refused until ${answer.remembered_until}`);
  return exit.ok;
}

function addRefusals(approvals: Command, cli: Cli): void {
  const deny = approvals
    .command("deny <id>")
    .description("Refuse it; the agent reads the reason and goes on without")
    .option("--reason <text>", "why")
    .action(
      cli.run<{ reason?: string }>(async (context, flags, id) => {
        const { approvals: calls } = await context.client();
        return await tellAnswer(context, await calls.deny(id, reasonOf(flags)));
      }),
    );
  examples(deny, `airlock approvals deny ${sample} --reason "Use the mirror"`);
  const revoke = approvals
    .command("revoke <id>")
    .description("Take an approval back: nothing more runs by it, and what runs loses its network")
    .option("--reason <text>", "why")
    .action(
      cli.run<{ reason?: string }>(async (context, flags, id) => {
        const { approvals: calls } = await context.client();
        return await tellAnswer(context, await calls.revoke(id, reasonOf(flags)));
      }),
    );
  examples(revoke, `airlock approvals revoke ${sample}`);
}

function reasonOf({ reason }: { reason?: string }): { reason?: string } {
  return reason === undefined ? {} : { reason };
}
