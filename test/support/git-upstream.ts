/** A bare repository, served by git's own CGI program to whoever has the password. */
import { execFileSync, spawn } from "node:child_process";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import type { Arrived } from "./upstream.ts";

export interface GitUpstream {
  /** The repository, on disk. */
  path: string;
  answer(request: Arrived, response: ServerResponse): void;
  /** Runs git in the repository and gives what it says. */
  git(...words: string[]): string;
}

/** Makes `<directory>/team/<name>.git` with one commit, which has `README` with the text. */
export function openGitUpstream(directory: string, text: string, name = "tool"): GitUpstream {
  const path = join(directory, "team", `${name}.git`);
  const env = {
    ...{ PATH: "/usr/local/bin:/usr/bin:/bin", HOME: directory, GIT_CONFIG_NOSYSTEM: "1" },
    ...{ GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b.test" },
    ...{ GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b.test" },
  };
  const run = (input: string | undefined, ...words: string[]) =>
    execFileSync("git", words, { env, encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
  run(undefined, "init", "--bare", "--quiet", "--initial-branch=main", path);
  const git = (...words: string[]) => run(undefined, "-C", path, ...words).trim();
  const blob = run(text, "-C", path, "hash-object", "-w", "--stdin").trim();
  const tree = run(`100644 blob ${blob}\tREADME\n`, "-C", path, "mktree").trim();
  git("update-ref", "refs/heads/main", git("commit-tree", tree, "-m", "first"));
  git("config", "http.receivepack", "true");
  return {
    path,
    git,
    answer(request, response) {
      const [pathInfo = "", query = ""] = request.url.split("?");
      const { headers } = request;
      const child = spawn("git", ["http-backend"], {
        env: {
          ...env,
          ...{ GIT_PROJECT_ROOT: directory, GIT_HTTP_EXPORT_ALL: "1" },
          ...{ PATH_INFO: pathInfo, QUERY_STRING: query, REMOTE_USER: "robot" },
          ...{ REQUEST_METHOD: request.method, CONTENT_TYPE: headers["content-type"] ?? "" },
          ...{ HTTP_CONTENT_ENCODING: headers["content-encoding"] ?? "" },
          ...{ GIT_PROTOCOL: String(headers["git-protocol"] ?? "") },
        },
        stdio: ["pipe", "pipe", "ignore"],
      });
      // It may have read enough before the end.
      child.stdin.on("error", () => undefined).end(request.body);
      const chunks: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      child.on("error", () => response.writeHead(500).end());
      child.on("close", () => answerCgi(response, Buffer.concat(chunks)));
    },
  };
}

/** What a CGI program said: header lines, of which `Status` is not one of the answer's, and a body. */
function answerCgi(response: ServerResponse, said: Buffer): void {
  const end = said.indexOf("\r\n\r\n");
  const lines = said.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => line.split(/:\s*/, 2) as [string, string]);
  const status = Number(headers.find(([name]) => name === "Status")?.[1]?.split(" ")[0] ?? 200);
  const kept = headers.filter(([name]) => name !== "Status");
  response.writeHead(status, Object.fromEntries(kept)).end(said.subarray(end + 4));
}
