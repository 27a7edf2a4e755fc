#!/bin/sh
# Brings what a fresh machine lacks: the programs that sandboxes need, and the npm packages of this checkout (Node among
# them). Asks nothing, changes nothing that is already there, and takes a few milliseconds when all of it is.
#
#   sh scripts/setup.sh           what a gateway needs
#   sh scripts/setup.sh --test    and what the tests need on top
#   sh scripts/setup.sh --bench   and what the peers need that the benchmark measures us against
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] ||
  die "Cannot set up on $(uname -s): the sandbox is made of Linux namespaces, so a Linux host (or virtual machine) is needed"

# The search path without npm's additions: `npm ci` deletes node_modules, so no program from there may carry it out.
host_path=$(printf '%s' "$PATH" | tr : '\n' | grep -v 'node_modules/' | tr '\n' :)
PATH=${host_path%:}
export PATH

# The sandbox mounts the host's /usr and nothing of a home directory, so only programs of the system count.
in_system() { PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v "$1" >/dev/null 2>&1; }
has_pip() {
  [ -d /usr/lib/python3/dist-packages/pip ] ||
    PATH=/usr/local/bin:/usr/bin:/bin python3 -c \
      'import importlib.util, sys; sys.exit(importlib.util.find_spec("pip") is None)' >/dev/null 2>&1
}

# Node's own build is linked against it, and a small Debian does not have it.
has_libatomic() {
  for lib in /usr/lib/libatomic.so.1 /usr/lib64/libatomic.so.1 /usr/lib/*/libatomic.so.1; do
    [ ! -e "$lib" ] || return 0
  done
  return 1
}

missing_packages() {
  has_libatomic || printf ' libatomic1'
  in_system bwrap || printf ' bubblewrap'
  in_system python3 || printf ' python3'
  has_pip || printf ' python3-pip'
  in_system git || printf ' git'
  in_system curl || printf ' curl'
  case "${1-}" in
    --test)
      in_system skopeo || printf ' skopeo'
      in_system strace || printf ' strace'
      in_system faketime || printf ' faketime'
      in_system umoci || printf ' umoci'
      in_system go || printf ' golang-go'
      in_system cargo || printf ' cargo'
      in_system openssl || printf ' openssl'
      ;;
    --bench)
      in_system socat || printf ' socat'
      in_system rg || printf ' ripgrep'
      ;;
  esac
}

# Without Debian's tools there is nothing to do but say what to install; the names differ a little per distribution.
install_line() {
  if in_system apt-get; then
    printf 'sudo apt-get update && sudo apt-get install -y%s' "$1"
  elif in_system dnf; then
    printf 'sudo dnf install -y%s' "$(printf '%s' "$1" | sed 's/libatomic1/libatomic/; s/golang-go/golang/')"
  elif in_system apk; then
    printf 'apk add%s' "$(printf '%s' "$1" | sed 's/python3-pip/py3-pip/; s/libatomic1/libatomic/; s/golang-go/go/')"
  elif in_system pacman; then
    printf 'sudo pacman -S --needed%s' "$(printf '%s' "$1" | sed 's/python3-pip/python-pip/; s/python3/python/; s/libatomic1/gcc-libs/; s/golang-go/go/; s/cargo/rust/')"
  else
    printf 'with your package manager:%s' "$1"
  fi
}

apt() {
  # shellcheck disable=SC2086 # $as_root is empty or several words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -q -y "$@" </dev/null
}

install_packages() {
  if [ "$(id -u)" = 0 ]; then
    as_root=
  elif in_system sudo && sudo -n true >/dev/null 2>&1; then
    as_root='sudo -n'
  else
    as_root=none
  fi
  if [ "$as_root" = none ] || ! in_system apt-get; then
    die "Install them first: $(install_line "$1")"
  fi
  say "installing$1 with apt-get"
  log=$(mktemp)
  apt update >"$log" 2>&1 || say "apt-get update failed; trying with the package lists that are here"
  # shellcheck disable=SC2086 # one word per package
  if ! apt install --no-install-recommends $1 >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "Cannot install$1: see apt-get's words above, then run: $(install_line "$1")"
  fi
  rm -f "$log"
}

missing=$(missing_packages "${1-}")
if [ -n "$missing" ]; then
  install_packages "$missing"
  missing=$(missing_packages "${1-}")
  [ -z "$missing" ] || die "Cannot find$missing although apt-get installed it: look for a broken package"
fi

# The stamp is written last, so an install that was cut short is done again.
stamp=node_modules/.airlock-setup
wanted="$(cksum <package-lock.json) $(uname -m)"
node=node_modules/.bin/node

is_installed() {
  [ -x "$node" ] || return 1
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  # Somebody ran npm by hand after the lock file last changed: that is as good.
  [ -n "$(find node_modules/.package-lock.json -newer package-lock.json 2>/dev/null)" ] &&
    printf '%s' "$wanted" >"$stamp"
}

no_node() {
  die "Cannot use $node: $1. The npm package \`node\` brings Node 26 with an install script, so scripts must be allowed:
  npm config get ignore-scripts     # must say false; else: npm config set ignore-scripts false
  rm -rf node_modules && npm ci     # npm 11.16 and later: the entry allowScripts in package.json permits it
  node --version                    # or: any Node >= 24 on PATH will do for bin/airlock itself"
}

if ! is_installed; then
  command -v npm >/dev/null 2>&1 ||
    die "Install them first: $(install_line ' nodejs npm') (any Node that has npm will do; it brings the right one)"
  say "installing npm packages, Node 26 among them (about a minute the first time)"
  npm ci --include=dev --no-audit --no-fund --prefer-offline --engine-strict=false --loglevel=error </dev/null ||
    die "Cannot install the npm packages: see npm's words above (is the registry reachable?), then run the command again"
  [ -x "$node" ] || no_node "it was not installed"
  version=$("$node" --version 2>&1) || no_node "it does not start: $version"
  major=${version#v}
  [ "${major%%.*}" -ge 24 ] || no_node "it is $version, and 24 or later is needed"
  # An older Node left out the optional packages that need a newer one, such as vitest's native parts. The new one and
  # its own npm add them, trusting what the system trusts, as a distribution's Node does.
  host_node=$(node --version)
  host_node=${host_node#v}
  if [ "${host_node%%.*}" -lt 24 ]; then
    PATH="$PWD/node_modules/.bin:$PATH" "$node" --use-system-ca node_modules/npm/bin/npm-cli.js install --no-save --include=dev --no-audit \
      --no-fund --prefer-offline --loglevel=error </dev/null ||
      die "Cannot complete the npm packages with Node $version: see npm's words above, then run the command again"
  fi
  # npm passes over an optional package that it could not fetch, and remembers the install as a good one.
  if ! "$node" --input-type=module -e 'await import("vitest/node")' >/dev/null 2>&1; then
    rm -f node_modules/.package-lock.json
    die "Cannot load vitest: npm could not fetch its native part for this machine. Is the registry reachable with Node's
  certificates (NODE_EXTRA_CA_CERTS, npm config get cafile)? Then run the command again"
  fi
  printf '%s' "$wanted" >"$stamp"
  say "ready: Node $version"
fi
