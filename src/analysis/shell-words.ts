import type { PackageEcosystem } from "./analysis.ts";

/** Where a network program has its places among its words. */
export type Places = "urls" | "hosts" | "copies" | "git" | "none";

/** Programs that do nothing without a network, and how they name it. */
export const networkPrograms: ReadonlyMap<string, Places> = new Map([
  ...spread(
    "curl wget wget2 aria2c axel http https httpie xh hurl lynx links links2 elinks w3m youtube-dl yt-dlp",
    "urls",
  ),
  ...spread(
    "wscat websocat grpcurl ab wrk hey siege httping mc rclone lftp ncftp ftp tftp",
    "urls",
  ),
  ...spread(
    "nc ncat netcat socat telnet ssh mosh autossh ssh-keyscan ssh-copy-id sshpass",
    "hosts",
  ),
  ...spread(
    "ping ping6 fping hping3 arping traceroute traceroute6 tracepath mtr nmap masscan zmap",
    "hosts",
  ),
  ...spread("dig nslookup host drill kdig resolvectl whois getent iperf iperf3 tcpdump", "hosts"),
  ...spread(
    "redis-cli psql mysql mysqldump pg_dump mongo mongosh mongodump cqlsh smbclient snmpwalk",
    "hosts",
  ),
  ...spread(
    "ldapsearch swaks msmtp sendmail mail mutt rsh rlogin rexec openvpn wg-quick tor proxychains",
    "none",
  ),
  ...spread("scp sftp rsync unison sshfs", "copies"),
  ...spread(
    "aws gcloud gsutil az doctl heroku flyctl vercel netlify wrangler gh hub glab kubectl",
    "none",
  ),
  ...spread(
    "helm terraform tofu pulumi ansible ansible-playbook vault consul docker podman skopeo",
    "none",
  ),
  ...spread(
    "crane buildah ngrok cloudflared tailscale chisel croc transfer magic-wormhole ipfs huggingface-cli hf ollama",
    "none",
  ),
  ["git", "git"],
  ["openssl", "hosts"],
  ["svn", "urls"],
  ["hg", "urls"],
]);

/** What else of a program reaches out, by its first words; the rest of it does not. */
export const networkWords: Readonly<Record<string, readonly string[]>> = {
  git: words(
    "clone fetch pull push ls-remote submodule fetch-pack send-pack http-fetch http-push remote-http remote-https imap-send send-email daemon lfs svn p4 request-pull",
  ),
  svn: words("checkout co update up commit ci export import info ls cat log switch"),
  hg: words("clone pull push incoming outgoing identify"),
  docker: words("pull push login run build search buildx compose"),
  podman: words("pull push login run build search"),
  getent: words("hosts ahosts ahostsv4 ahostsv6"),
  openssl: words("s_client s_server s_time ocsp"),
  kubectl: words(""),
};

/** A program that installs, its ecosystem, and the words after which it fetches; none: always. */
export const packagePrograms: Readonly<
  Record<string, readonly [PackageEcosystem, readonly string[]]>
> = {
  pip: ["python", words("install download wheel search index")],
  pipx: ["python", words("install run upgrade inject reinstall upgrade-all")],
  uv: ["python", words("add sync lock run tool pip python venv self publish")],
  uvx: ["python", []],
  poetry: ["python", words("install add update lock publish self search")],
  pdm: ["python", words("install add update lock sync")],
  pipenv: ["python", words("install update lock sync")],
  easy_install: ["python", []],
  conda: ["python", words("install create update env search")],
  mamba: ["python", words("install create update env search")],
  micromamba: ["python", words("install create update env search")],
  npm: [
    "javascript",
    words(
      "install i in ins add ci clean-install update up upgrade exec x audit outdated publish view info show search login adduser create init install-test it link dedupe ping whoami pack fund",
    ),
  ],
  npx: ["javascript", []],
  yarn: [
    "javascript",
    words("install add upgrade up dlx create global import outdated audit publish info"),
  ],
  pnpm: [
    "javascript",
    words("install i add update up upgrade dlx create import fetch outdated audit publish"),
  ],
  pnpx: ["javascript", []],
  bun: ["javascript", words("install i add update x create upgrade publish outdated")],
  bunx: ["javascript", []],
  corepack: ["javascript", words("enable prepare install use up")],
  nvm: ["javascript", words("install ls-remote")],
  go: ["go", words("get install mod")],
  cargo: [
    "rust",
    words(
      "fetch install add update search publish login vendor generate-lockfile owner yank binstall",
    ),
  ],
  rustup: ["rust", words("update install toolchain component target self default")],
  gem: ["other", words("install update fetch search push outdated")],
  bundle: ["other", words("install update add outdated")],
  bundler: ["other", words("install update add outdated")],
  composer: ["other", words("install require update create-project global search show")],
  apt: [
    "other",
    words("install update upgrade full-upgrade dist-upgrade source download build-dep reinstall"),
  ],
  "apt-get": [
    "other",
    words("install update upgrade dist-upgrade source download build-dep reinstall"),
  ],
  aptitude: ["other", words("install update upgrade full-upgrade safe-upgrade download")],
  apk: ["other", words("add update upgrade fetch search")],
  yum: [
    "other",
    words(
      "install update upgrade makecache groupinstall localinstall search info reinstall check-update",
    ),
  ],
  dnf: [
    "other",
    words("install update upgrade makecache group search info download reinstall check-update"),
  ],
  microdnf: ["other", words("install update upgrade")],
  zypper: ["other", words("install in update up refresh ref dup")],
  brew: ["other", words("install update upgrade tap fetch reinstall")],
  snap: ["other", words("install refresh download find")],
  flatpak: ["other", words("install update")],
  "nix-env": ["other", []],
  nix: ["other", words("run shell build develop profile flake")],
  guix: ["other", words("install pull package")],
  mvn: ["other", []],
  mvnw: ["other", []],
  gradle: ["other", []],
  gradlew: ["other", []],
  sbt: ["other", []],
  dotnet: ["other", words("restore add tool new nuget build run publish")],
  nuget: ["other", words("install restore push")],
  cpan: ["other", []],
  cpanm: ["other", []],
  luarocks: ["other", words("install download search")],
  opam: ["other", words("install update upgrade init")],
  cabal: ["other", words("update install build")],
  stack: ["other", words("build install update setup")],
  mix: ["other", words("deps.get deps.update archive.install hex.info")],
  pod: ["other", words("install update")],
  asdf: ["other", words("install plugin latest")],
  pyenv: ["python", words("install update")],
  pacman: ["other", words("-S -Sy -Syu -Syy -Syyu -Su -Sw")],
};

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function spread(names: string, places: Places): [string, Places][] {
  return words(names).map((name) => [name, places]);
}
