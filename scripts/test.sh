#!/bin/sh
# All checks and all tests. A failed check does not hide the tests' result: both are run, both must pass.
# Arguments go to vitest: `npm test -- src/store`.
cd "$(dirname "$0")/.." || exit 1
sh scripts/setup.sh --test || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

checked=0
biome check --error-on-warnings . && tsc --noEmit || checked=1
vitest run "$@" || exit 1
exit "$checked"
