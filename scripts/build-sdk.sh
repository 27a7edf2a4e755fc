#!/bin/sh
# Makes the package @airlock/sdk: the client and the contract as plain JavaScript with declarations, its documents and examples,
# and a package.json of its own. Ready for `npm pack` or `npm publish` in the folder that is given; dist-sdk/ when none is.
set -eu
from=$PWD
cd "$(dirname "$0")/.."
case "${1-}" in
  '') into=$PWD/dist-sdk ;;
  /*) into=$1 ;;
  *) into=$from/$1 ;;
esac
PATH="$PWD/node_modules/.bin:$PATH"
rm -rf "$into/dist"
mkdir -p "$into"
tsc -p tsconfig.sdk.json --outDir "$into/dist" >&2
node scripts/sdk-package.ts "$into"
